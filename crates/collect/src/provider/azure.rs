//! Azure DevOps Services and Server.

use model::provider::{PullRequestAzureDevOps, ScmAzureDevOps, SecretRef};
use reqwest::Url;

use super::{Branches, Context, Forge, Probe, PullRequests, base_or, default_branch};
use crate::auth::Auth;
use crate::call::{Call, Paging, below};
use crate::failure::Failure;
use crate::http::Trust;
use crate::site::Identity;
use crate::wire::{FoundBranch, FoundRepository, Kind};

/// What Server 2019 knows too.
const VERSION: (&str, &str) = ("api-version", "5.1");

pub(super) struct Azure {
    base: Url,
    organization: String,
    project: String,
    all_branches: bool,
}

impl Azure {
    pub(super) fn new(
        from: &ScmAzureDevOps,
        context: Context<'_>,
    ) -> Result<(Identity, Self), Failure> {
        let base = base(&from.api, &from.organization, context)?;
        let identity = identity(&base, &from.organization, Some(&from.access_token_ref));
        let forge = Self {
            base,
            organization: from.organization.clone(),
            project: from.team_project.clone(),
            all_branches: from.all_branches,
        };
        Ok((identity, forge))
    }

    fn git<'a>(
        &'a self,
        kind: Kind,
        tail: impl IntoIterator<Item = &'a str>,
    ) -> Result<Call, Failure> {
        let head = [self.project.as_str(), "_apis", "git", "repositories"];
        let url = below(&self.base, head.into_iter().chain(tail))?;
        Ok(Call::get(kind, url).with(VERSION.0, VERSION.1))
    }
}

fn base(api: &str, organization: &str, context: Context<'_>) -> Result<Url, Failure> {
    below(&base_or(api, &context.config.endpoints.azure)?, [organization])
}

/// A personal access token is a password without a user.
fn identity(base: &Url, organization: &str, token: Option<&SecretRef>) -> Identity {
    let auth = token
        .map_or(Auth::None, |token| Auth::Basic { user: String::new(), password: token.clone() });
    Identity {
        service: "azureDevOps",
        base: base.clone(),
        organization: organization.to_owned(),
        auth,
        trust: Trust::default(),
    }
}

impl Forge for Azure {
    fn organization(&self) -> &str {
        &self.organization
    }

    fn repositories(&self) -> Result<Call, Failure> {
        Ok(self.git(Kind::AzureRepositories, [])?.paged(Paging::Continuation))
    }

    fn keeps(&self, _: &FoundRepository) -> bool {
        true
    }

    fn branches(&self, repository: &FoundRepository) -> Result<Branches, Failure> {
        let Some(branch) = default_branch(repository) else {
            return Ok(Branches::Known(Vec::new()));
        };
        let tail = [repository.slug.as_str(), "stats", "branches"];
        if self.all_branches {
            let call = self.git(Kind::AzureBranches, tail)?;
            return Ok(Branches::Ask(call.paged(Paging::Continuation)));
        }
        Ok(Branches::Ask(self.git(Kind::AzureBranch, tail)?.with("name", branch)))
    }

    fn probe(
        &self,
        repository: &FoundRepository,
        branch: &FoundBranch,
        path: &str,
    ) -> Result<Probe, Failure> {
        let call = self.git(Kind::AzureItem, [repository.slug.as_str(), "items"])?;
        let call = call
            .with("path", path)
            .with("versionDescriptor.versionType", "commit")
            .with("versionDescriptor.version", &branch.sha)
            .with("$format", "json");
        Ok(Probe::Ask(call.lasting(!branch.sha.is_empty())))
    }
}

/// There is a list per repository, too. That of the project is one for all sets, and it says "no
/// such project" apart from "no such repository".
pub(super) fn pull_requests(
    from: &PullRequestAzureDevOps,
    context: Context<'_>,
) -> Result<(Identity, PullRequests), Failure> {
    const PER_PAGE: usize = 100;
    let base = base(&from.api, &from.organization, context)?;
    let url = below(&base, [from.project.as_str(), "_apis", "git", "pullrequests"])?;
    let call = Call::get(Kind::AzurePullRequests, url)
        .with(VERSION.0, VERSION.1)
        .with("$top", "100")
        .paged(Paging::Skip { per_page: PER_PAGE });
    let identity = identity(&base, &from.organization, from.token_ref.as_ref());
    let (labels, repository) = (from.labels.clone(), Some(from.repo.clone()));
    Ok((identity, PullRequests { call, labels, repository }))
}
