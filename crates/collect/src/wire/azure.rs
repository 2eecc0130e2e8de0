//! Azure DevOps Services' and Server's REST API, version 5.1.

use model::provider::PullRequest;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    Content, FoundBranch, FoundPullRequest, FoundRepository, Kind, Page, WireError, json, page,
    text, urls,
};

/// Every list comes in this envelope.
#[derive(Deserialize)]
struct Envelope<T> {
    value: Vec<T>,
    count: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Repository {
    id: String,
    name: String,
    remote_url: String,
    /// Absent in a repository without a commit.
    default_branch: Option<String>,
}

#[derive(Deserialize)]
struct Branch {
    name: String,
    commit: Commit,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Commit {
    commit_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Pull {
    pull_request_id: i64,
    title: String,
    repository: Named,
    source_ref_name: String,
    target_ref_name: String,
    /// Absent until Azure has looked at the branches.
    last_merge_source_commit: Option<Commit>,
    created_by: Option<Identity>,
    #[serde(default)]
    labels: Vec<Named>,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Identity {
    #[serde(default)]
    unique_name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    #[serde(rename = "objectId")]
    _object_id: String,
    #[serde(rename = "path")]
    _path: String,
}

pub(super) fn parse(kind: Kind, bytes: &[u8]) -> Result<Page, WireError> {
    match kind {
        Kind::AzureRepositories => envelope(bytes, |items| {
            Content::Repositories(items.into_iter().map(repository).collect())
        }),
        Kind::AzureBranches => {
            envelope(bytes, |items| Content::Branches(items.into_iter().map(branch).collect()))
        }
        Kind::AzurePullRequests => {
            envelope(bytes, |items| Content::PullRequests(items.into_iter().map(pull).collect()))
        }
        Kind::AzureBranch => Ok(page(Content::Branches(vec![branch(json(bytes)?)]))),
        _ => {
            let Item { _object_id, _path } = json(bytes)?;
            Ok(page(Content::Found))
        }
    }
}

fn envelope<T: serde::de::DeserializeOwned>(
    bytes: &[u8],
    content: impl FnOnce(Vec<T>) -> Content,
) -> Result<Page, WireError> {
    let found: Envelope<T> = json(bytes)?;
    if found.count != u64::try_from(found.value.len()).unwrap_or(u64::MAX) {
        return Err(WireError::Content {
            what: "a page whose `count` is not the number of its values",
        });
    }
    Ok(page(content(found.value)))
}

fn repository(found: Repository) -> FoundRepository {
    FoundRepository {
        id: found.id.into(),
        organization: String::new(),
        slug: found.name.clone(),
        name: found.name,
        // It has one address for every protocol that a set can ask for.
        urls: urls([("ssh", found.remote_url.clone()), ("https", found.remote_url)]),
        labels: Vec::new(),
        empty: found.default_branch.is_none(),
        default_branch: found.default_branch.as_deref().map(short),
        archived: false,
    }
}

fn branch(found: Branch) -> FoundBranch {
    FoundBranch { name: found.name, sha: found.commit.commit_id }
}

fn pull(found: Pull) -> FoundPullRequest {
    let unready = found.last_merge_source_commit.is_none();
    let author = found.created_by.map(|identity| identity.unique_name).unwrap_or_default();
    let pull_request = PullRequest {
        number: found.pull_request_id,
        title: found.title,
        branch: short(&found.source_ref_name),
        target_branch: short(&found.target_ref_name),
        head_sha: found.last_merge_source_commit.map(|commit| commit.commit_id).unwrap_or_default(),
        // A mail address; what is before the `@` is the name.
        author: author.split('@').next().unwrap_or_default().to_owned(),
        labels: found.labels.into_iter().map(|label| label.name).collect(),
    };
    FoundPullRequest { pull_request, repository: Some(found.repository.name), unready }
}

fn short(reference: &str) -> String {
    reference.replacen("refs/heads/", "", 1)
}

/// Its errors name their type.
pub(super) fn absent(kind: Kind, body: &Map<String, Value>) -> bool {
    let name = text(body, "typeKey");
    match kind {
        Kind::AzureItem => name == "GitItemNotFoundException",
        Kind::AzurePullRequests => {
            name.starts_with("ProjectDoesNotExist")
                || text(body, "message").contains("The following project does not exist")
        }
        _ => name == "GitRepositoryNotFoundException",
    }
}
