//! GitHub and GitHub Enterprise Server.

use model::provider::{PullRequestGithub, ScmGithub, SecretRef};
use reqwest::Url;

use super::{Branches, Context, Forge, Probe, PullRequests, base_or, default_branch, parts, token};
use crate::auth::Auth;
use crate::call::{Call, Paging, below};
use crate::failure::Failure;
use crate::http::Trust;
use crate::site::Identity;
use crate::wire::{FoundBranch, FoundRepository, Kind};

const PER_PAGE: usize = 100;
const PAGES: Paging = Paging::Numbered { per_page: PER_PAGE, short_ends: true };

pub(super) struct Github {
    base: Url,
    organization: String,
    all_branches: bool,
    exclude_archived: bool,
}

impl Github {
    pub(super) fn new(from: &ScmGithub, context: Context<'_>) -> Result<(Identity, Self), Failure> {
        let base = base(&from.api, context)?;
        let auth = auth(from.token_ref.as_ref(), &from.app_secret_name, &from.organization);
        let identity = identity(base.clone(), &from.organization, auth);
        let forge = Self {
            base,
            organization: from.organization.clone(),
            all_branches: from.all_branches,
            exclude_archived: from.exclude_archived_repos,
        };
        Ok((identity, forge))
    }

    fn repository<'a>(
        &'a self,
        found: &'a FoundRepository,
        tail: impl IntoIterator<Item = &'a str>,
    ) -> Result<Url, Failure> {
        below(&self.base, ["repos", &found.organization, &found.slug].into_iter().chain(tail))
    }
}

/// An enterprise server has its API below `/api/v3`, unless a host of its own has it.
fn base(api: &str, context: Context<'_>) -> Result<Url, Failure> {
    let mut url = base_or(api, &context.config.endpoints.github)?;
    let host = url.host_str().unwrap_or_default();
    let own_host = host.starts_with("api.") || host.contains(".api.");
    let path = url.path().trim_end_matches('/').to_owned();
    if !api.is_empty() && !own_host && !path.ends_with("/api/v3") {
        url.set_path(&format!("{path}/api/v3/"));
    } else {
        url.set_path(&format!("{path}/"));
    }
    Ok(url)
}

fn auth(token_ref: Option<&SecretRef>, app: &str, organization: &str) -> Auth {
    if app.is_empty() {
        return token(token_ref, "authorization", "Bearer ");
    }
    Auth::GithubApp { secret_name: app.to_owned(), organization: organization.to_owned() }
}

fn identity(base: Url, organization: &str, auth: Auth) -> Identity {
    let organization = organization.to_owned();
    Identity { service: "github", base, organization, auth, trust: Trust::default() }
}

impl Forge for Github {
    fn organization(&self) -> &str {
        &self.organization
    }

    fn repositories(&self) -> Result<Call, Failure> {
        let url = below(&self.base, ["orgs", &self.organization, "repos"])?;
        let call = Call::get(Kind::GithubRepositories, url);
        Ok(call.with("per_page", "100").paged(PAGES))
    }

    fn keeps(&self, repository: &FoundRepository) -> bool {
        !(self.exclude_archived && repository.archived)
    }

    fn branches(&self, repository: &FoundRepository) -> Result<Branches, Failure> {
        if self.all_branches {
            let url = self.repository(repository, ["branches"])?;
            let call = Call::get(Kind::GithubBranches, url);
            return Ok(Branches::Ask(call.with("per_page", "100").paged(PAGES)));
        }
        // One that is named and does not exist: a repository without a commit.
        let Some(branch) = default_branch(repository) else {
            return Ok(Branches::Known(Vec::new()));
        };
        let url = self.repository(repository, ["branches", branch])?;
        Ok(Branches::Ask(Call::get(Kind::GithubBranch, url)))
    }

    fn probe(
        &self,
        repository: &FoundRepository,
        branch: &FoundBranch,
        path: &str,
    ) -> Result<Probe, Failure> {
        let url = self.repository(repository, ["contents"].into_iter().chain(parts(path)))?;
        let call = Call::get(Kind::GithubContents, url).with("ref", &branch.sha);
        Ok(Probe::Ask(call.lasting(!branch.sha.is_empty())))
    }
}

pub(super) fn pull_requests(
    from: &PullRequestGithub,
    context: Context<'_>,
) -> Result<(Identity, PullRequests), Failure> {
    let base = base(&from.api, context)?;
    let auth = auth(from.token_ref.as_ref(), &from.app_secret_name, &from.owner);
    let url = below(&base, ["repos", &from.owner, &from.repo, "pulls"])?;
    let call = Call::get(Kind::GithubPullRequests, url).with("per_page", "100").paged(PAGES);
    let identity = identity(base, &from.owner, auth);
    Ok((identity, PullRequests { call, labels: from.labels.clone(), repository: None }))
}
