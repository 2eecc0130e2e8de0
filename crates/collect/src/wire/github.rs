//! GitHub's REST API, version 2022-11-28, which GitHub Enterprise Server speaks too.

use model::provider::PullRequest;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    Content, FoundBranch, FoundPullRequest, FoundRepository, Kind, Page, WireError,
    entry_or_directory, json, list, page, text, urls,
};
use crate::secret::Secret;

#[derive(Deserialize)]
struct Repository {
    id: u64,
    name: String,
    owner: Account,
    ssh_url: String,
    clone_url: String,
    default_branch: String,
    #[serde(default)]
    topics: Vec<String>,
    #[serde(default)]
    archived: bool,
}

#[derive(Deserialize)]
struct Account {
    login: String,
}

#[derive(Deserialize)]
struct Branch {
    name: String,
    commit: Commit,
}

#[derive(Deserialize)]
struct Commit {
    sha: String,
}

#[derive(Deserialize)]
struct Pull {
    number: i64,
    title: String,
    head: Reference,
    base: Reference,
    /// Null when the account is gone.
    user: Option<Account>,
    #[serde(default)]
    labels: Vec<Label>,
}

#[derive(Deserialize)]
struct Reference {
    #[serde(rename = "ref")]
    name: String,
    sha: String,
}

#[derive(Deserialize)]
struct Label {
    name: String,
}

#[derive(Deserialize)]
struct Installation {
    id: u64,
}

#[derive(Deserialize)]
struct Token {
    token: String,
    expires_at: String,
}

pub(super) fn parse(kind: Kind, bytes: &[u8]) -> Result<Page, WireError> {
    Ok(page(match kind {
        Kind::GithubRepositories => Content::Repositories(list(bytes, repository)?),
        Kind::GithubBranch => Content::Branches(vec![branch(json(bytes)?)]),
        Kind::GithubBranches => Content::Branches(list(bytes, branch)?),
        Kind::GithubPullRequests => Content::PullRequests(list(bytes, pull_request)?),
        Kind::GithubInstallation => Content::Installation(json::<Installation>(bytes)?.id),
        Kind::GithubToken => {
            let Token { token, expires_at } = json(bytes)?;
            Content::Token { token: Secret::new(token), expires_at }
        }
        _ => entry_or_directory(bytes)?,
    }))
}

fn repository(found: Repository) -> FoundRepository {
    FoundRepository {
        id: found.id.into(),
        organization: found.owner.login,
        slug: found.name.clone(),
        name: found.name,
        urls: urls([("ssh", found.ssh_url), ("https", found.clone_url)]),
        labels: found.topics,
        default_branch: Some(found.default_branch),
        archived: found.archived,
        empty: false,
    }
}

fn branch(found: Branch) -> FoundBranch {
    FoundBranch { name: found.name, sha: found.commit.sha }
}

fn pull_request(found: Pull) -> FoundPullRequest {
    let pull_request = PullRequest {
        number: found.number,
        title: found.title,
        branch: found.head.name,
        target_branch: found.base.name,
        head_sha: found.head.sha,
        author: found.user.map(|user| user.login).unwrap_or_default(),
        labels: found.labels.into_iter().map(|label| label.name).collect(),
    };
    FoundPullRequest { pull_request, repository: None, unready: false }
}

/// `Not Found` alone would be said of a repository that the token no longer sees as well. That is
/// what it means for pull requests; a branch has words of its own.
pub(super) fn absent(kind: Kind, body: &Map<String, Value>) -> bool {
    let message = text(body, "message");
    match kind {
        Kind::GithubBranch => message == "Branch not found",
        Kind::GithubContents => matches!(message, "Not Found" | "This repository is empty."),
        _ => message == "Not Found",
    }
}
