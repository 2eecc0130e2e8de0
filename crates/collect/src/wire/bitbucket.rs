//! Bitbucket Cloud's REST API, version 2.0.

use model::provider::PullRequest;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    Content, FoundBranch, FoundPullRequest, FoundRepository, Kind, Next, Page, WireError, json,
    page, text,
};

/// Every list comes in this envelope.
#[derive(Deserialize)]
struct Envelope<T> {
    values: Vec<T>,
    next: Option<String>,
    /// The number of items on all pages; not on every list.
    size: Option<u64>,
}

#[derive(Deserialize)]
struct Repository {
    uuid: String,
    slug: String,
    /// Null in a repository without a commit.
    mainbranch: Option<Named>,
    links: Links,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

#[derive(Deserialize)]
struct Links {
    clone: Vec<Link>,
}

#[derive(Deserialize)]
struct Link {
    href: String,
    name: String,
}

#[derive(Deserialize)]
struct Branch {
    name: String,
    target: Commit,
}

#[derive(Deserialize)]
struct Commit {
    hash: String,
}

#[derive(Deserialize)]
struct Pull {
    id: i64,
    title: String,
    source: Source,
    destination: Destination,
    author: Option<Author>,
}

#[derive(Deserialize)]
struct Source {
    branch: Named,
    /// Null when the fork is gone.
    commit: Option<Commit>,
}

#[derive(Deserialize)]
struct Destination {
    branch: Named,
}

#[derive(Deserialize)]
struct Author {
    #[serde(default)]
    nickname: String,
}

#[derive(Deserialize)]
struct Meta {
    #[serde(rename = "type")]
    _kind: String,
    #[serde(rename = "path")]
    _path: String,
}

pub(super) fn parse(kind: Kind, bytes: &[u8]) -> Result<Page, WireError> {
    match kind {
        Kind::BitbucketRepositories => envelope(bytes, |items| {
            Content::Repositories(items.into_iter().map(repository).collect())
        }),
        Kind::BitbucketBranches => {
            envelope(bytes, |items| Content::Branches(items.into_iter().map(branch).collect()))
        }
        Kind::BitbucketPullRequests => {
            envelope(bytes, |items| Content::PullRequests(items.into_iter().map(pull).collect()))
        }
        Kind::BitbucketBranch => Ok(page(Content::Branches(vec![branch(json(bytes)?)]))),
        _ => {
            let Meta { _kind, _path } = json(bytes)?;
            Ok(page(Content::Found))
        }
    }
}

fn envelope<T: serde::de::DeserializeOwned>(
    bytes: &[u8],
    content: impl FnOnce(Vec<T>) -> Content,
) -> Result<Page, WireError> {
    let found: Envelope<T> = json(bytes)?;
    let next = found.next.filter(|next| !next.is_empty()).map(Next::Url);
    Ok(Page { content: content(found.values), next, total: found.size })
}

fn repository(found: Repository) -> FoundRepository {
    let links = found.links.clone.into_iter();
    FoundRepository {
        id: found.uuid.into(),
        organization: String::new(),
        name: found.slug.clone(),
        slug: found.slug,
        urls: links.map(|link| (link.name, link.href)).collect(),
        labels: Vec::new(),
        empty: found.mainbranch.is_none(),
        default_branch: found.mainbranch.map(|branch| branch.name),
        archived: false,
    }
}

fn branch(found: Branch) -> FoundBranch {
    FoundBranch { name: found.name, sha: found.target.hash }
}

fn pull(found: Pull) -> FoundPullRequest {
    let pull_request = PullRequest {
        number: found.id,
        title: found.title,
        branch: found.source.branch.name,
        target_branch: found.destination.branch.name,
        head_sha: found.source.commit.map(|commit| commit.hash).unwrap_or_default(),
        author: found.author.map(|author| author.nickname).unwrap_or_default(),
        labels: Vec::new(),
    };
    FoundPullRequest { pull_request, repository: None, unready: false }
}

pub(super) fn absent(kind: Kind, body: &Map<String, Value>) -> bool {
    let error = body.get("error").and_then(Value::as_object);
    let message = error.map(|error| text(error, "message")).unwrap_or_default();
    let repository =
        message.starts_with("Repository ") || message.starts_with("Resource not found");
    text(body, "type") == "error"
        && match kind {
            Kind::BitbucketSource => message.starts_with("No such file or directory"),
            _ => repository,
        }
}
