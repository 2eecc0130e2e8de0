//! Gitea's REST API, version 1, which Forgejo speaks too.

use model::provider::PullRequest;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    Content, FoundBranch, FoundPullRequest, FoundRepository, Kind, Page, WireError,
    entry_or_directory, json, list, page, urls,
};

#[derive(Deserialize)]
struct Repository {
    id: i64,
    name: String,
    ssh_url: String,
    html_url: String,
    #[serde(default)]
    default_branch: String,
    #[serde(default)]
    archived: bool,
    #[serde(default)]
    empty: bool,
}

#[derive(Deserialize)]
struct Label {
    name: String,
}

#[derive(Deserialize)]
struct Branch {
    name: String,
    /// Null in a repository without a commit.
    commit: Commit,
}

#[derive(Deserialize)]
struct Commit {
    id: String,
}

#[derive(Deserialize)]
struct Pull {
    number: i64,
    title: String,
    head: Reference,
    base: Reference,
    user: Option<User>,
    /// Null in old versions when there is none.
    #[serde(default)]
    labels: Option<Vec<Label>>,
}

#[derive(Deserialize)]
struct Reference {
    #[serde(rename = "ref")]
    name: String,
    sha: String,
}

#[derive(Deserialize)]
struct User {
    login: String,
}

pub(super) fn parse(kind: Kind, bytes: &[u8]) -> Result<Page, WireError> {
    Ok(page(match kind {
        Kind::GiteaRepositories => Content::Repositories(list(bytes, repository)?),
        Kind::GiteaLabels => Content::Names(list(bytes, |label: Label| label.name)?),
        Kind::GiteaBranch => Content::Branches(vec![branch(json(bytes)?)]),
        Kind::GiteaBranches => Content::Branches(list(bytes, branch)?),
        Kind::GiteaPullRequests => Content::PullRequests(list(bytes, pull_request)?),
        _ => entry_or_directory(bytes)?,
    }))
}

fn repository(found: Repository) -> FoundRepository {
    FoundRepository {
        id: found.id.into(),
        organization: String::new(),
        slug: found.name.clone(),
        name: found.name,
        // The page's address, without `.git`: it can be cloned, and it is what sets have had.
        urls: urls([("ssh", found.ssh_url), ("https", found.html_url)]),
        labels: Vec::new(),
        default_branch: Some(found.default_branch).filter(|branch| !branch.is_empty()),
        archived: found.archived,
        empty: found.empty,
    }
}

fn branch(found: Branch) -> FoundBranch {
    FoundBranch { name: found.name, sha: found.commit.id }
}

fn pull_request(found: Pull) -> FoundPullRequest {
    let pull_request = PullRequest {
        number: found.number,
        title: found.title,
        branch: found.head.name,
        target_branch: found.base.name,
        head_sha: found.head.sha,
        author: found.user.map(|user| user.login).unwrap_or_default(),
        labels: found.labels.into_iter().flatten().map(|label| label.name).collect(),
    };
    FoundPullRequest { pull_request, repository: None, unready: false }
}

/// Its words differ between versions; the shape does not.
pub(super) fn absent(body: &Map<String, Value>) -> bool {
    body.get("message").is_some_and(Value::is_string) && body.contains_key("url")
}
