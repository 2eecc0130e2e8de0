//! GitLab, hosted and self-managed.

use model::provider::{ConfigMapKeyRef, PullRequestGitlab, ScmGitlab, SecretRef};
use reqwest::Url;

use super::{
    Branches, Context, Forge, Probe, PullRequests, base_or, default_branch, parts, token, with_path,
};
use crate::call::{Call, Paging, below};
use crate::failure::Failure;
use crate::site::Identity;
use crate::wire::{FoundBranch, FoundRepository, Kind};

const PAGES: Paging = Paging::Numbered { per_page: 100, short_ends: true };

pub(super) struct Gitlab {
    base: Url,
    group: String,
    include_subgroups: bool,
    include_shared: bool,
    include_archived: bool,
    topic: String,
    all_branches: bool,
}

impl Gitlab {
    pub(super) fn new(from: &ScmGitlab, context: Context<'_>) -> Result<(Identity, Self), Failure> {
        let base = base(&from.api, context)?;
        let access =
            Access { token: &from.token_ref, insecure: from.insecure, authority: &from.ca_ref };
        let identity = access.identity(base.clone(), &from.group, context)?;
        let forge = Self {
            base,
            group: from.group.clone(),
            include_subgroups: from.include_subgroups,
            include_shared: from.include_shared_projects.unwrap_or(true),
            include_archived: from.include_archived_repos,
            topic: from.topic.clone(),
            all_branches: from.all_branches,
        };
        Ok((identity, forge))
    }

    fn project<'a>(&'a self, found: &'a FoundRepository, tail: &[&'a str]) -> Result<Url, Failure> {
        let head = ["projects", found.slug.as_str(), "repository"];
        below(&self.base, head.into_iter().chain(tail.iter().copied()))
    }
}

fn base(api: &str, context: Context<'_>) -> Result<Url, Failure> {
    Ok(with_path(base_or(api, &context.config.endpoints.gitlab)?, "/api/v4"))
}

struct Access<'a> {
    token: &'a Option<SecretRef>,
    insecure: bool,
    authority: &'a Option<ConfigMapKeyRef>,
}

impl Access<'_> {
    fn identity(&self, base: Url, name: &str, context: Context<'_>) -> Result<Identity, Failure> {
        Ok(Identity {
            service: "gitlab",
            base,
            organization: name.to_owned(),
            auth: token(self.token.as_ref(), "private-token", ""),
            trust: context.trust(self.insecure, self.authority.as_ref())?,
        })
    }
}

impl Forge for Gitlab {
    fn organization(&self) -> &str {
        &self.group
    }

    fn repositories(&self) -> Result<Call, Failure> {
        let flag = |value: bool| if value { "true" } else { "false" };
        let mut call = Call::get(
            Kind::GitlabProjects,
            below(&self.base, ["groups", &self.group, "projects"])?,
        )
        .with("per_page", "100")
        .with("include_subgroups", flag(self.include_subgroups))
        .with("with_shared", flag(self.include_shared));
        if !self.include_archived {
            call = call.with("archived", "false");
        }
        if !self.topic.is_empty() {
            call = call.with("topic", &self.topic);
        }
        Ok(call.paged(PAGES))
    }

    fn keeps(&self, repository: &FoundRepository) -> bool {
        self.include_archived || !repository.archived
    }

    fn branches(&self, repository: &FoundRepository) -> Result<Branches, Failure> {
        if self.all_branches {
            let url = self.project(repository, &["branches"])?;
            let call = Call::get(Kind::GitlabBranches, url).with("per_page", "100");
            return Ok(Branches::Ask(call.paged(PAGES)));
        }
        let Some(branch) = default_branch(repository) else {
            return Ok(Branches::Known(Vec::new()));
        };
        let url = self.project(repository, &["branches", branch])?;
        Ok(Branches::Ask(Call::get(Kind::GitlabBranch, url)))
    }

    /// It has no question for "a file or a directory": the directory above is listed, which answers
    /// for all paths in it.
    fn probe(
        &self,
        repository: &FoundRepository,
        branch: &FoundBranch,
        path: &str,
    ) -> Result<Probe, Failure> {
        let names: Vec<_> = parts(path).collect();
        let Some((_, above)) = names.split_last() else { return Ok(Probe::Known(true)) };
        let mut call = Call::get(Kind::GitlabTree, self.project(repository, &["tree"])?)
            .with("ref", &branch.sha)
            .with("per_page", "100");
        if !above.is_empty() {
            call = call.with("path", &above.join("/"));
        }
        let call = call.paged(PAGES).lasting(!branch.sha.is_empty());
        Ok(Probe::Listed(call, names.join("/")))
    }
}

pub(super) fn pull_requests(
    from: &PullRequestGitlab,
    context: Context<'_>,
) -> Result<(Identity, PullRequests), Failure> {
    let base = base(&from.api, context)?;
    let url = below(&base, ["projects", from.project.as_str(), "merge_requests"])?;
    let mut call = Call::get(Kind::GitlabMergeRequests, url).with("per_page", "100");
    if !from.labels.is_empty() {
        call = call.with("labels", &from.labels.join(","));
    }
    if !from.pull_request_state.is_empty() {
        call = call.with("state", &from.pull_request_state);
    }
    let access =
        Access { token: &from.token_ref, insecure: from.insecure, authority: &from.ca_ref };
    let identity = access.identity(base, &from.project, context)?;
    // The service has looked at the labels, and knows some (`None`, `Any`) that stand for others.
    let list = PullRequests { call: call.paged(PAGES), labels: Vec::new(), repository: None };
    Ok((identity, list))
}
