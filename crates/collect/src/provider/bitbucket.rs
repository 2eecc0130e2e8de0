//! Bitbucket Cloud.

use model::provider::{PullRequestBitbucket, ScmBitbucket};
use reqwest::Url;

use super::{
    Branches, Context, Forge, Probe, PullRequests, base_or, default_branch, either, parts,
};
use crate::auth::Auth;
use crate::call::{Call, Paging, below};
use crate::failure::Failure;
use crate::http::Trust;
use crate::site::Identity;
use crate::wire::{FoundBranch, FoundRepository, Kind};

pub(super) struct Bitbucket {
    base: Url,
    owner: String,
    all_branches: bool,
}

impl Bitbucket {
    pub(super) fn new(
        from: &ScmBitbucket,
        context: Context<'_>,
    ) -> Result<(Identity, Self), Failure> {
        let base = base_or("", &context.config.endpoints.bitbucket)?;
        let auth = Auth::Basic { user: from.user.clone(), password: from.app_password_ref.clone() };
        let identity = identity(&base, &from.owner, auth);
        let forge = Self { base, owner: from.owner.clone(), all_branches: from.all_branches };
        Ok((identity, forge))
    }

    fn repository<'a>(
        &'a self,
        found: &'a FoundRepository,
        tail: impl IntoIterator<Item = &'a str>,
    ) -> Result<Url, Failure> {
        below(&self.base, ["repositories", &self.owner, &found.slug].into_iter().chain(tail))
    }
}

fn identity(base: &Url, owner: &str, auth: Auth) -> Identity {
    let (base, organization) = (base.clone(), owner.to_owned());
    Identity { service: "bitbucket", base, organization, auth, trust: Trust::default() }
}

impl Forge for Bitbucket {
    fn organization(&self) -> &str {
        &self.owner
    }

    fn repositories(&self) -> Result<Call, Failure> {
        let url = below(&self.base, ["repositories", &self.owner])?;
        let call = Call::get(Kind::BitbucketRepositories, url);
        Ok(call.with("role", "member").with("pagelen", "100").paged(Paging::Link))
    }

    fn keeps(&self, _: &FoundRepository) -> bool {
        true
    }

    fn branches(&self, repository: &FoundRepository) -> Result<Branches, Failure> {
        let Some(branch) = default_branch(repository) else {
            return Ok(Branches::Known(Vec::new()));
        };
        if self.all_branches {
            let url = self.repository(repository, ["refs", "branches"])?;
            let call = Call::get(Kind::BitbucketBranches, url);
            return Ok(Branches::Ask(call.with("pagelen", "100").paged(Paging::Link)));
        }
        let path = ["refs", "branches"].into_iter().chain(parts(branch));
        let url = self.repository(repository, path)?;
        Ok(Branches::Ask(Call::get(Kind::BitbucketBranch, url)))
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
        let head = ["src", branch.sha.as_str()];
        let url = self.repository(repository, head.into_iter().chain(parts(path)))?;
        let call = Call::get(Kind::BitbucketSource, url).with("format", "meta");
        Ok(Probe::Ask(call.lasting(true)))
    }
}

pub(super) fn pull_requests(
    from: &PullRequestBitbucket,
    context: Context<'_>,
) -> Result<(Identity, PullRequests), Failure> {
    let base = base_or(&from.api, &context.config.endpoints.bitbucket)?;
    let url = below(&base, ["repositories", &from.owner, &from.repo, "pullrequests"])?;
    // 50 is the most that this list gives on a page.
    let call = Call::get(Kind::BitbucketPullRequests, url).with("pagelen", "50");
    let auth = either(from.basic_auth.as_ref(), from.bearer_token.as_ref());
    let identity = identity(&base, &from.owner, auth);
    let call = call.paged(Paging::Link);
    Ok((identity, PullRequests { call, labels: Vec::new(), repository: None }))
}
