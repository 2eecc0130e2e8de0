//! Gitea and Forgejo.

use model::provider::{PullRequestGitea, ScmGitea, SecretRef};
use reqwest::Url;

use super::{
    Branches, Context, Forge, Probe, PullRequests, default_branch, parts, token, with_path,
};
use crate::call::{Call, Paging, base, below};
use crate::failure::Failure;
use crate::http::Trust;
use crate::site::Identity;
use crate::wire::{FoundBranch, FoundRepository, Kind};

/// An operator may set a smaller page (`MAX_RESPONSE_ITEMS`), so a short one proves nothing.
const PAGES: Paging = Paging::Numbered { per_page: 50, short_ends: false };

pub(super) struct Gitea {
    base: Url,
    owner: String,
    all_branches: bool,
    exclude_archived: bool,
}

impl Gitea {
    pub(super) fn new(from: &ScmGitea, _: Context<'_>) -> Result<(Identity, Self), Failure> {
        let base = with_path(base(&from.api)?, "/api/v1");
        let identity = identity(&base, &from.owner, from.token_ref.as_ref(), from.insecure);
        let forge = Self {
            base,
            owner: from.owner.clone(),
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
        below(&self.base, ["repos", &self.owner, &found.slug].into_iter().chain(tail))
    }
}

fn identity(base: &Url, owner: &str, reference: Option<&SecretRef>, insecure: bool) -> Identity {
    Identity {
        service: "gitea",
        base: base.clone(),
        organization: owner.to_owned(),
        auth: token(reference, "authorization", "token "),
        trust: Trust { insecure, pem: None },
    }
}

impl Forge for Gitea {
    fn organization(&self) -> &str {
        &self.owner
    }

    fn repositories(&self) -> Result<Call, Failure> {
        let url = below(&self.base, ["orgs", &self.owner, "repos"])?;
        Ok(Call::get(Kind::GiteaRepositories, url).with("limit", "50").paged(PAGES))
    }

    fn keeps(&self, repository: &FoundRepository) -> bool {
        !(self.exclude_archived && repository.archived)
    }

    fn labels(&self, repository: &FoundRepository) -> Result<Option<Call>, Failure> {
        let url = self.repository(repository, ["labels"])?;
        Ok(Some(Call::get(Kind::GiteaLabels, url).with("limit", "50").paged(PAGES)))
    }

    fn branches(&self, repository: &FoundRepository) -> Result<Branches, Failure> {
        let Some(branch) = default_branch(repository) else {
            return Ok(Branches::Known(Vec::new()));
        };
        if self.all_branches {
            let url = self.repository(repository, ["branches"])?;
            let call = Call::get(Kind::GiteaBranches, url).with("limit", "50");
            return Ok(Branches::Ask(call.paged(PAGES)));
        }
        // A branch's own slashes stay slashes in this address.
        let url = self.repository(repository, ["branches"].into_iter().chain(parts(branch)))?;
        Ok(Branches::Ask(Call::get(Kind::GiteaBranch, url)))
    }

    fn probe(
        &self,
        repository: &FoundRepository,
        branch: &FoundBranch,
        path: &str,
    ) -> Result<Probe, Failure> {
        if parts(path).next().is_none() {
            return Ok(Probe::Known(true));
        }
        let url = self.repository(repository, ["contents"].into_iter().chain(parts(path)))?;
        let call = Call::get(Kind::GiteaContents, url).with("ref", &branch.sha);
        Ok(Probe::Ask(call.lasting(!branch.sha.is_empty())))
    }
}

pub(super) fn pull_requests(
    from: &PullRequestGitea,
    _: Context<'_>,
) -> Result<(Identity, PullRequests), Failure> {
    let base = with_path(base(&from.api)?, "/api/v1");
    let url = below(&base, ["repos", &from.owner, &from.repo, "pulls"])?;
    let call = Call::get(Kind::GiteaPullRequests, url).with("state", "open").with("limit", "50");
    let identity = identity(&base, &from.owner, from.token_ref.as_ref(), from.insecure);
    let labels = from.labels.clone();
    Ok((identity, PullRequests { call: call.paged(PAGES), labels, repository: None }))
}
