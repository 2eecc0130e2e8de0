//! `scmProvider`: branches of the repositories that a service tells of.

use std::sync::Arc;

use model::problem::Reason;
use model::provider::{Answer, Items, RepositoriesRequest, Request, ScmFilter, ScmProvider};
use serde_json::Value;

use super::{Engine, Evaluator, Fault, Kind, Params, Row, Types, text, types_of};
use crate::provider::filter::ScmFilters;
use crate::provider::parameters;

/// In the order in which one of several is chosen.
const PROVIDERS: [&str; 7] =
    ["github", "gitlab", "gitea", "bitbucketServer", "azureDevOps", "bitbucket", "awsCodeCommit"];

impl Evaluator<'_> {
    pub(super) fn scm_rows(&mut self, body: &Value) -> Result<Vec<Row>, Fault> {
        let provider: ScmProvider = provider(body, &PROVIDERS)?;
        let filters: Vec<ScmFilter> = list(body, "filters")?;
        let compiled = ScmFilters::compile(&filters).map_err(Fault::failed)?;
        let request = RepositoriesRequest { provider, filters };
        let provider = request.provider.clone();
        let answer = self.ask(Request::Repositories(request))?;
        let Items::Repositories(repositories) = &answer.items else {
            return Err(Fault::failed("the service answered something else than repositories"));
        };
        let types = types(self.engine, &provider);
        let protocol = text(body, "cloneProtocol");
        let rows = compiled.select(repositories).take(self.most.saturating_add(1));
        let rows = rows.map(|(repository, branch)| {
            let (organization, name) = (&repository.organization, &repository.repository);
            let id = format!("scmProvider {organization}/{name} {}", branch.name);
            let url = parameters::clone_url(&provider, repository, protocol);
            let outcome = url.map_err(Fault::failed).and_then(|url| {
                let map = parameters::of_branch(repository, branch, &url);
                self.with_values(Params::new(map, types.0.clone()), body, &types.1)
            });
            Row { id, outcome }
        });
        Ok(rows.collect())
    }

    /// What a service answered. Every question is remembered, answered or not.
    pub(super) fn ask(&mut self, request: Request) -> Result<Arc<Answer>, Fault> {
        let answer = self.world.providers.answer(&request);
        self.requests.insert(request);
        let answer = answer
            .map_err(|unavailable| Fault::new(Reason::SourceUnavailable, unavailable.message))?;
        if let Some(why) = &answer.partial {
            let fault = Fault::new(
                Reason::SourceUnavailable,
                format!("the answer of the service is not complete: {why}"),
            );
            self.miss(fault);
        }
        Ok(answer)
    }
}

/// The number of a repository is an integer in Go.
fn types(engine: Engine, provider: &ScmProvider) -> (Types, Types) {
    let kind = match provider {
        ScmProvider::Github(_) | ScmProvider::Gitea(_) => Kind::Int64,
        _ => Kind::Int,
    };
    let id: &[(&[&str], Kind)] = &[(&["repository_id"], kind)];
    match engine {
        Engine::Fast => (Types::new(id), Types::new(id)),
        Engine::Go(_) => types_of(id),
    }
}

/// The provider of a generator, read from the field that is named after it.
pub(super) fn provider<T: serde::de::DeserializeOwned>(
    body: &Value,
    known: &[&str],
) -> Result<T, Fault> {
    let name = known.iter().find(|name| !body[**name].is_null()).ok_or_else(|| {
        Fault::failed(format!("no provider is configured; write one of {}", known.join(", ")))
    })?;
    let tagged = serde_json::json!({ *name: body[*name] });
    serde_path_to_error::deserialize(tagged)
        .map_err(|error| Fault::failed(format!("{}: {}", error.path(), error.inner())))
}

fn list<T: serde::de::DeserializeOwned>(body: &Value, field: &str) -> Result<Vec<T>, Fault> {
    let Some(items) = body.get(field).filter(|items| !items.is_null()) else {
        return Ok(Vec::new());
    };
    serde_path_to_error::deserialize(items)
        .map_err(|error| Fault::failed(format!("{field}{}: {}", error.path(), error.inner())))
}
