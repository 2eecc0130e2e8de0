//! GitLab's REST API, version 4.

use model::provider::PullRequest;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    Content, FoundBranch, FoundPullRequest, FoundRepository, Kind, Page, WireError, json, list,
    page, text, urls,
};

#[derive(Deserialize)]
struct Project {
    id: u64,
    path: String,
    namespace: Namespace,
    ssh_url_to_repo: String,
    http_url_to_repo: String,
    /// Null without a repository, absent without the right to see it.
    default_branch: Option<String>,
    /// Since GitLab 14.5; before, topics are tags.
    #[serde(default)]
    topics: Vec<String>,
    #[serde(default)]
    tag_list: Vec<String>,
    #[serde(default)]
    archived: bool,
    #[serde(default)]
    empty_repo: bool,
}

#[derive(Deserialize)]
struct Namespace {
    full_path: String,
}

#[derive(Deserialize)]
struct Branch {
    name: String,
    commit: Commit,
}

#[derive(Deserialize)]
struct Commit {
    id: String,
}

#[derive(Deserialize)]
struct Entry {
    path: String,
}

#[derive(Deserialize)]
struct MergeRequest {
    iid: i64,
    title: String,
    source_branch: String,
    target_branch: String,
    /// Null while the source branch has no commit.
    sha: Option<String>,
    author: Option<Author>,
    #[serde(default)]
    labels: Vec<String>,
}

#[derive(Deserialize)]
struct Author {
    username: String,
}

pub(super) fn parse(kind: Kind, bytes: &[u8]) -> Result<Page, WireError> {
    Ok(page(match kind {
        Kind::GitlabProjects => Content::Repositories(list(bytes, project)?),
        Kind::GitlabBranch => Content::Branches(vec![branch(json(bytes)?)]),
        Kind::GitlabBranches => Content::Branches(list(bytes, branch)?),
        Kind::GitlabTree => Content::Names(list(bytes, |entry: Entry| entry.path)?),
        _ => Content::PullRequests(list(bytes, merge_request)?),
    }))
}

fn project(found: Project) -> FoundRepository {
    FoundRepository {
        id: found.id.into(),
        organization: found.namespace.full_path,
        // Addresses go by the number: a path can be taken over by another project.
        slug: found.id.to_string(),
        name: found.path,
        urls: urls([("ssh", found.ssh_url_to_repo), ("https", found.http_url_to_repo)]),
        labels: if found.topics.is_empty() { found.tag_list } else { found.topics },
        default_branch: found.default_branch.filter(|branch| !branch.is_empty()),
        archived: found.archived,
        empty: found.empty_repo,
    }
}

fn branch(found: Branch) -> FoundBranch {
    FoundBranch { name: found.name, sha: found.commit.id }
}

fn merge_request(found: MergeRequest) -> FoundPullRequest {
    let pull_request = PullRequest {
        number: found.iid,
        title: found.title,
        branch: found.source_branch,
        target_branch: found.target_branch,
        head_sha: found.sha.unwrap_or_default(),
        author: found.author.map(|author| author.username).unwrap_or_default(),
        labels: found.labels,
    };
    FoundPullRequest { pull_request, repository: None, unready: false }
}

pub(super) fn absent(kind: Kind, body: &Map<String, Value>) -> bool {
    let message = text(body, "message").to_ascii_lowercase();
    match kind {
        Kind::GitlabBranch => {
            matches!(message.as_str(), "404 branch not found" | "404 repository not found")
        }
        Kind::GitlabBranches => message == "404 repository not found",
        Kind::GitlabTree => matches!(
            message.as_str(),
            "404 tree not found" | "404 invalid revision or path not found"
        ),
        _ => message == "404 project not found",
    }
}
