//! Bitbucket Server's (Data Center's) REST API, version 1.0.

use model::provider::PullRequest;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    Content, FoundBranch, FoundPullRequest, FoundRepository, Kind, Next, Page, WireError, json,
    page, text, urls,
};

/// Every list comes in this envelope.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<T> {
    values: Vec<T>,
    is_last_page: bool,
    size: Option<u64>,
    next_page_start: Option<u64>,
}

#[derive(Deserialize)]
struct Repository {
    id: u64,
    slug: String,
    name: String,
    project: Project,
    links: Links,
    #[serde(default)]
    archived: bool,
}

#[derive(Deserialize)]
struct Project {
    key: String,
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
#[serde(rename_all = "camelCase")]
struct Branch {
    display_id: String,
    latest_commit: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Pull {
    id: i64,
    title: String,
    from_ref: Branch,
    to_ref: Target,
    author: Option<Participant>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Target {
    display_id: String,
}

#[derive(Deserialize)]
struct Participant {
    user: User,
}

#[derive(Deserialize)]
struct User {
    name: String,
}

#[derive(Deserialize)]
struct Browsed {
    #[serde(rename = "type")]
    _kind: String,
}

pub(super) fn parse(kind: Kind, bytes: &[u8]) -> Result<Page, WireError> {
    match kind {
        Kind::BitbucketServerRepositories => envelope(bytes, |items| {
            Content::Repositories(items.into_iter().map(repository).collect())
        }),
        Kind::BitbucketServerBranches => {
            envelope(bytes, |items| Content::Branches(items.into_iter().map(branch).collect()))
        }
        Kind::BitbucketServerPullRequests => {
            envelope(bytes, |items| Content::PullRequests(items.into_iter().map(pull).collect()))
        }
        Kind::BitbucketServerDefaultBranch => {
            Ok(page(Content::Branches(vec![branch(json(bytes)?)])))
        }
        _ => {
            let Browsed { _kind } = json(bytes)?;
            Ok(page(Content::Found))
        }
    }
}

fn envelope<T: serde::de::DeserializeOwned>(
    bytes: &[u8],
    content: impl FnOnce(Vec<T>) -> Content,
) -> Result<Page, WireError> {
    let found: Envelope<T> = json(bytes)?;
    let here = u64::try_from(found.values.len()).unwrap_or(u64::MAX);
    if found.size.is_some_and(|size| size != here) {
        return Err(WireError::Content {
            what: "a page whose `size` is not the number of its values",
        });
    }
    let next = match (found.is_last_page, found.next_page_start) {
        (true, _) => None,
        (false, Some(start)) => Some(Next::Start(start)),
        (false, None) => {
            return Err(WireError::Content {
                what: "a page that is not the last and does not say where the next one starts",
            });
        }
    };
    Ok(Page { content: content(found.values), next, total: None })
}

fn repository(found: Repository) -> FoundRepository {
    let href = |name: &str| {
        let link = found.links.clone.iter().find(|link| link.name == name);
        link.map(|link| link.href.clone()).unwrap_or_default()
    };
    FoundRepository {
        id: found.id.into(),
        organization: found.project.key.clone(),
        urls: urls([("ssh", href("ssh")), ("https", href("http"))]),
        name: found.name,
        slug: found.slug,
        labels: Vec::new(),
        default_branch: None,
        archived: found.archived,
        empty: false,
    }
}

fn branch(found: Branch) -> FoundBranch {
    FoundBranch { name: found.display_id, sha: found.latest_commit }
}

fn pull(found: Pull) -> FoundPullRequest {
    let pull_request = PullRequest {
        number: found.id,
        title: found.title,
        branch: found.from_ref.display_id,
        target_branch: found.to_ref.display_id,
        head_sha: found.from_ref.latest_commit,
        author: found.author.map(|author| author.user.name).unwrap_or_default(),
        labels: Vec::new(),
    };
    FoundPullRequest { pull_request, repository: None, unready: false }
}

/// Its errors name the exception, which says what of the address is missing.
pub(super) fn absent(kind: Kind, body: &Map<String, Value>) -> bool {
    let errors = body.get("errors").and_then(Value::as_array);
    let names = errors.into_iter().flatten().filter_map(Value::as_object);
    names.map(|error| text(error, "exceptionName")).any(|name| {
        let name = name.rsplit('.').next().unwrap_or_default();
        match kind {
            Kind::BitbucketServerDefaultBranch => {
                matches!(name, "NoDefaultBranchException" | "NoSuchBranchException")
            }
            Kind::BitbucketServerBrowse => name == "NoSuchPathException",
            _ => matches!(name, "NoSuchRepositoryException" | "NoSuchProjectException"),
        }
    })
}
