//! Bitbucket Server and Data Center.

use model::provider::{
    BasicAuth, BearerToken, ConfigMapKeyRef, PullRequestBitbucketServer, ScmBitbucketServer,
};
use reqwest::Url;

use super::{Branches, Context, Forge, Probe, PullRequests, either, parts, with_path};
use crate::call::{Call, Paging, base, below};
use crate::failure::Failure;
use crate::site::Identity;
use crate::wire::{FoundBranch, FoundRepository, Kind};

pub(super) struct BitbucketServer {
    base: Url,
    project: String,
    all_branches: bool,
}

impl BitbucketServer {
    pub(super) fn new(
        from: &ScmBitbucketServer,
        context: Context<'_>,
    ) -> Result<(Identity, Self), Failure> {
        let base = api(&from.api)?;
        let access = Access {
            basic: from.basic_auth.as_ref(),
            bearer: from.bearer_token.as_ref(),
            insecure: from.insecure,
            authority: from.ca_ref.as_ref(),
        };
        let identity = access.identity(&base, &from.project, context)?;
        let forge = Self { base, project: from.project.clone(), all_branches: from.all_branches };
        Ok((identity, forge))
    }

    fn repository<'a>(
        &'a self,
        found: &'a FoundRepository,
        tail: impl IntoIterator<Item = &'a str>,
    ) -> Result<Url, Failure> {
        let head = ["projects", &found.organization, "repos", &found.slug];
        below(&self.base, head.into_iter().chain(tail))
    }
}

/// People write the address with and without `/rest`.
fn api(text: &str) -> Result<Url, Failure> {
    Ok(with_path(with_path(base(text)?, "/rest"), "/api/1.0"))
}

struct Access<'a> {
    basic: Option<&'a BasicAuth>,
    bearer: Option<&'a BearerToken>,
    insecure: bool,
    authority: Option<&'a ConfigMapKeyRef>,
}

impl Access<'_> {
    fn identity(&self, base: &Url, name: &str, context: Context<'_>) -> Result<Identity, Failure> {
        Ok(Identity {
            service: "bitbucketServer",
            base: base.clone(),
            organization: name.to_owned(),
            auth: either(self.basic, self.bearer),
            trust: context.trust(self.insecure, self.authority)?,
        })
    }
}

impl Forge for BitbucketServer {
    fn organization(&self) -> &str {
        &self.project
    }

    fn repositories(&self) -> Result<Call, Failure> {
        let url = below(&self.base, ["projects", &self.project, "repos"])?;
        let call = Call::get(Kind::BitbucketServerRepositories, url);
        Ok(call.with("limit", "100").paged(Paging::Start))
    }

    fn keeps(&self, _: &FoundRepository) -> bool {
        true
    }

    fn branches(&self, repository: &FoundRepository) -> Result<Branches, Failure> {
        if self.all_branches {
            let url = self.repository(repository, ["branches"])?;
            let call = Call::get(Kind::BitbucketServerBranches, url);
            return Ok(Branches::Ask(call.with("limit", "100").paged(Paging::Start)));
        }
        let url = self.repository(repository, ["branches", "default"])?;
        Ok(Branches::Ask(Call::get(Kind::BitbucketServerDefaultBranch, url)))
    }

    fn probe(
        &self,
        repository: &FoundRepository,
        branch: &FoundBranch,
        path: &str,
    ) -> Result<Probe, Failure> {
        let url = self.repository(repository, ["browse"].into_iter().chain(parts(path)))?;
        let call = Call::get(Kind::BitbucketServerBrowse, url);
        // `type` asks what it is, not what is in it.
        let call = call.with("at", &branch.sha).with("type", "true");
        Ok(Probe::Ask(call.lasting(!branch.sha.is_empty())))
    }
}

pub(super) fn pull_requests(
    from: &PullRequestBitbucketServer,
    context: Context<'_>,
) -> Result<(Identity, PullRequests), Failure> {
    let base = api(&from.api)?;
    let path = ["projects", &from.project, "repos", &from.repo, "pull-requests"];
    let call = Call::get(Kind::BitbucketServerPullRequests, below(&base, path)?);
    let access = Access {
        basic: from.basic_auth.as_ref(),
        bearer: from.bearer_token.as_ref(),
        insecure: from.insecure,
        authority: from.ca_ref.as_ref(),
    };
    let identity = access.identity(&base, &from.project, context)?;
    let call = call.with("limit", "100").paged(Paging::Start);
    Ok((identity, PullRequests { call, labels: Vec::new(), repository: None }))
}
