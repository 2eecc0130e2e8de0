//! `pullRequest`: the pull requests of a repository.

use model::provider::{Items, PullRequestProvider, PullRequestsRequest, Request};
use serde_json::Value;

use super::scm::provider;
use super::{Engine, Evaluator, Fault, Kind, Params, Row, Types, types_of};
use crate::provider::filter::{PullRequestFilter, PullRequestFilters};
use crate::provider::parameters;

/// In the order in which one of several is chosen.
const PROVIDERS: [&str; 6] =
    ["github", "gitlab", "gitea", "bitbucketServer", "bitbucket", "azuredevops"];

impl Evaluator<'_> {
    pub(super) fn pull_request_rows(&mut self, body: &Value) -> Result<Vec<Row>, Fault> {
        let provider: PullRequestProvider = provider(body, &PROVIDERS)?;
        let filters = PullRequestFilters::compile(&filters(body)).map_err(Fault::failed)?;
        let continue_on_repo_not_found_error =
            body["continueOnRepoNotFoundError"] == Value::Bool(true);
        let request = PullRequestsRequest { provider, continue_on_repo_not_found_error };
        let answer = self.ask(Request::PullRequests(request))?;
        let Items::PullRequests(pulls) = &answer.items else {
            return Err(Fault::failed("the service answered something else than pull requests"));
        };
        let types = match self.engine {
            Engine::Fast => (Types::default(), Types::default()),
            Engine::Go(_) => types_of(&[(&["labels"], Kind::Strings)]),
        };
        let pulls = pulls.iter().filter(|pull| filters.matches(pull));
        let rows = pulls.take(self.most.saturating_add(1)).map(|pull| {
            let mut map = parameters::of_pull_request(pull);
            if self.engine == Engine::Fast {
                map.remove("labels");
            }
            let parameters = Params::new(map, types.0.clone());
            let outcome = self.with_values(parameters, body, &types.1);
            Row { id: format!("pullRequest {}", pull.number), outcome }
        });
        Ok(rows.collect())
    }
}

fn filters(body: &Value) -> Vec<PullRequestFilter> {
    let filters = body["filters"].as_array().map(Vec::as_slice).unwrap_or_default();
    let filter = |filter: &Value| {
        let field = |name: &str| filter[name].as_str().map(str::to_owned);
        PullRequestFilter {
            branch_match: field("branchMatch"),
            target_branch_match: field("targetBranchMatch"),
            title_match: field("titleMatch"),
        }
    };
    filters.iter().map(filter).collect()
}
