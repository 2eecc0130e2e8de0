//! What services send: bytes to values. Pure and bounded, and the only place that reads JSON.
//!
//! [`parse`] is strict in what makes an answer complete: a list is a list (never `null`, never an
//! object), and every item has the fields that its parameters are made of. What else a service
//! sends is ignored. [`absent`] tells a service's own "there is no such thing" from any other 404.
//! [`Headers`] are the headers that paging, caching and rate limits go by.

mod aws;
mod azure;
mod bitbucket;
mod bitbucket_server;
mod gitea;
mod github;
mod gitlab;
mod headers;
mod plugin;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use model::provider::PullRequest;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use thiserror::Error;

pub use aws::{AwsError, aws_error};
pub use headers::{Headers, MAX_LINKS};

use crate::secret::Secret;

/// The largest body that is read at all. A page of 100 repositories of a forge is about 600 KiB.
pub const MAX_BODY: usize = 16 << 20;

/// What was asked, and so what the answer must look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    GithubRepositories,
    GithubBranch,
    GithubBranches,
    GithubContents,
    GithubPullRequests,
    GithubInstallation,
    GithubToken,
    GitlabProjects,
    GitlabBranch,
    GitlabBranches,
    GitlabTree,
    GitlabMergeRequests,
    GiteaRepositories,
    GiteaLabels,
    GiteaBranch,
    GiteaBranches,
    GiteaContents,
    GiteaPullRequests,
    BitbucketServerRepositories,
    BitbucketServerDefaultBranch,
    BitbucketServerBranches,
    BitbucketServerBrowse,
    BitbucketServerPullRequests,
    BitbucketRepositories,
    BitbucketBranch,
    BitbucketBranches,
    BitbucketSource,
    BitbucketPullRequests,
    AzureRepositories,
    AzureBranch,
    AzureBranches,
    AzureItem,
    AzurePullRequests,
    AwsRepositories,
    AwsTaggedResources,
    AwsRepository,
    AwsBranches,
    AwsFolder,
    AwsRole,
    Plugin,
}

impl Kind {
    pub const ALL: [Self; 40] = [
        Self::GithubRepositories,
        Self::GithubBranch,
        Self::GithubBranches,
        Self::GithubContents,
        Self::GithubPullRequests,
        Self::GithubInstallation,
        Self::GithubToken,
        Self::GitlabProjects,
        Self::GitlabBranch,
        Self::GitlabBranches,
        Self::GitlabTree,
        Self::GitlabMergeRequests,
        Self::GiteaRepositories,
        Self::GiteaLabels,
        Self::GiteaBranch,
        Self::GiteaBranches,
        Self::GiteaContents,
        Self::GiteaPullRequests,
        Self::BitbucketServerRepositories,
        Self::BitbucketServerDefaultBranch,
        Self::BitbucketServerBranches,
        Self::BitbucketServerBrowse,
        Self::BitbucketServerPullRequests,
        Self::BitbucketRepositories,
        Self::BitbucketBranch,
        Self::BitbucketBranches,
        Self::BitbucketSource,
        Self::BitbucketPullRequests,
        Self::AzureRepositories,
        Self::AzureBranch,
        Self::AzureBranches,
        Self::AzureItem,
        Self::AzurePullRequests,
        Self::AwsRepositories,
        Self::AwsTaggedResources,
        Self::AwsRepository,
        Self::AwsBranches,
        Self::AwsFolder,
        Self::AwsRole,
        Self::Plugin,
    ];

    /// Whether a content type is the one of this answer.
    #[must_use]
    pub fn takes(self, content_type: &str) -> bool {
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        let essence = essence.to_ascii_lowercase();
        match self {
            Self::AwsRole => matches!(essence.as_str(), "text/xml" | "application/xml"),
            _ if essence == "application/x-amz-json-1.1" => true,
            _ => {
                essence == "application/json"
                    || (essence.starts_with("application/") && essence.ends_with("+json"))
            }
        }
    }
}

/// One page of an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    pub content: Content,
    /// Where the body says that the next page is.
    pub next: Option<Next>,
    /// How many items there are on all pages, where the body says so.
    pub total: Option<u64>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    Url(String),
    Start(u64),
    Token(String),
}

#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    Repositories(Vec<FoundRepository>),
    Branches(Vec<FoundBranch>),
    PullRequests(Vec<FoundPullRequest>),
    /// Labels, entries of a directory, or names of repositories to ask for.
    Names(Vec<String>),
    /// What was asked for is there.
    Found,
    Installation(u64),
    Token {
        token: Secret,
        /// RFC 3339.
        expires_at: String,
    },
    Role(RoleKeys),
    Parameters(Vec<Map<String, Value>>),
}

impl Content {
    /// How many items of a list this is.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Repositories(items) => items.len(),
            Self::Branches(items) => items.len(),
            Self::PullRequests(items) => items.len(),
            Self::Names(items) => items.len(),
            Self::Parameters(items) => items.len(),
            Self::Found | Self::Installation(_) | Self::Token { .. } | Self::Role(_) => 1,
        }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What tells an item from the others of its list, in order.
    pub(crate) fn keys(&self) -> Vec<String> {
        match self {
            Self::Repositories(items) => items.iter().map(|item| item.id.to_string()).collect(),
            Self::Branches(items) => items.iter().map(|item| item.name.clone()).collect(),
            Self::PullRequests(items) => {
                items.iter().map(|item| item.pull_request.number.to_string()).collect()
            }
            Self::Names(items) => items.clone(),
            _ => Vec::new(),
        }
    }

    /// About how many bytes it takes in memory.
    pub(crate) fn weight(&self) -> usize {
        let text = match self {
            Self::Repositories(items) => items.iter().map(FoundRepository::weight).sum(),
            Self::Branches(items) => items.iter().map(|item| item.name.len() + 40).sum(),
            Self::PullRequests(items) => {
                items.iter().map(|item| item.pull_request.title.len() + 200).sum()
            }
            Self::Names(items) => items.iter().map(String::len).sum(),
            // A plugin's answer is kept as an answer, not as a page.
            _ => 0,
        };
        text + 64 * self.len() + 256
    }
}

/// A repository as a list of them tells it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FoundRepository {
    pub id: Value,
    /// Empty where the service does not say; then it is the request's.
    pub organization: String,
    pub name: String,
    /// What the repository is called in addresses.
    pub slug: String,
    pub urls: BTreeMap<String, String>,
    pub labels: Vec<String>,
    pub default_branch: Option<String>,
    pub archived: bool,
    /// The service says that there is no commit.
    pub empty: bool,
}

impl FoundRepository {
    fn weight(&self) -> usize {
        let urls: usize = self.urls.values().map(|url| url.len() + 64).sum();
        let labels: usize = self.labels.iter().map(|label| label.len() + 24).sum();
        urls + labels + self.name.len() * 2 + self.organization.len() + 200
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FoundBranch {
    pub name: String,
    /// Empty where the service does not say.
    pub sha: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FoundPullRequest {
    pub pull_request: PullRequest,
    /// Which repository it is of, where a list is of several.
    pub repository: Option<String>,
    /// The service does not know all of it yet.
    pub unready: bool,
}

/// Keys of an assumed role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleKeys {
    pub access_key_id: String,
    pub secret_access_key: Secret,
    pub session_token: Secret,
    /// RFC 3339.
    pub expires_at: String,
}

/// Why bytes are not the answer that was asked for. It never quotes them.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum WireError {
    #[error("an empty body")]
    Empty,
    #[error("a body of more than {MAX_BODY} bytes")]
    TooLarge,
    #[error("a web page")]
    Html,
    #[error("JSON that ends too early")]
    Cut,
    #[error("text that is not JSON (line {line}, column {column})")]
    NotJson { line: usize, column: usize },
    #[error("JSON of another shape (line {line}, column {column})")]
    Shape { line: usize, column: usize },
    #[error("{what}")]
    Content { what: &'static str },
}

/// The page that a body is.
///
/// # Errors
/// When it is not one. An empty list is one, an empty body is none.
pub fn parse(kind: Kind, bytes: &[u8]) -> Result<Page, WireError> {
    if bytes.len() > MAX_BODY {
        return Err(WireError::TooLarge);
    }
    let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
    match first {
        None => return Err(WireError::Empty),
        Some(b'<') if kind != Kind::AwsRole => return Err(WireError::Html),
        Some(_) => {}
    }
    use Kind as K;
    match kind {
        K::GithubRepositories
        | K::GithubBranch
        | K::GithubBranches
        | K::GithubContents
        | K::GithubPullRequests
        | K::GithubInstallation
        | K::GithubToken => github::parse(kind, bytes),
        K::GitlabProjects
        | K::GitlabBranch
        | K::GitlabBranches
        | K::GitlabTree
        | K::GitlabMergeRequests => gitlab::parse(kind, bytes),
        K::GiteaRepositories
        | K::GiteaLabels
        | K::GiteaBranch
        | K::GiteaBranches
        | K::GiteaContents
        | K::GiteaPullRequests => gitea::parse(kind, bytes),
        K::BitbucketServerRepositories
        | K::BitbucketServerDefaultBranch
        | K::BitbucketServerBranches
        | K::BitbucketServerBrowse
        | K::BitbucketServerPullRequests => bitbucket_server::parse(kind, bytes),
        K::BitbucketRepositories
        | K::BitbucketBranch
        | K::BitbucketBranches
        | K::BitbucketSource
        | K::BitbucketPullRequests => bitbucket::parse(kind, bytes),
        K::AzureRepositories
        | K::AzureBranch
        | K::AzureBranches
        | K::AzureItem
        | K::AzurePullRequests => azure::parse(kind, bytes),
        K::AwsRepositories
        | K::AwsTaggedResources
        | K::AwsRepository
        | K::AwsBranches
        | K::AwsFolder
        | K::AwsRole => aws::parse(kind, bytes),
        K::Plugin => plugin::parse(bytes),
    }
}

/// Whether a body that came with a status that is no success says, in the service's own words, that
/// what was asked for does not exist. A 404 of a proxy or of a service in trouble does not.
#[must_use]
pub fn absent(kind: Kind, status: u16, bytes: &[u8]) -> bool {
    if bytes.len() > MAX_BODY || !matches!(status, 400 | 404) {
        return false;
    }
    let Ok(Value::Object(body)) = serde_json::from_slice(bytes) else { return false };
    use Kind as K;
    match kind {
        K::GithubBranch | K::GithubContents | K::GithubPullRequests => {
            status == 404 && github::absent(kind, &body)
        }
        K::GitlabBranch | K::GitlabBranches | K::GitlabTree | K::GitlabMergeRequests => {
            status == 404 && gitlab::absent(kind, &body)
        }
        K::GiteaContents | K::GiteaPullRequests => status == 404 && gitea::absent(&body),
        K::BitbucketServerDefaultBranch
        | K::BitbucketServerBrowse
        | K::BitbucketServerPullRequests => status == 404 && bitbucket_server::absent(kind, &body),
        K::BitbucketSource | K::BitbucketPullRequests => {
            status == 404 && bitbucket::absent(kind, &body)
        }
        K::AzureBranch | K::AzureBranches | K::AzureItem | K::AzurePullRequests => {
            status == 404 && azure::absent(kind, &body)
        }
        K::AwsFolder => aws::absent(&body),
        _ => false,
    }
}

fn json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, WireError> {
    serde_json::from_slice(bytes).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        match error.classify() {
            serde_json::error::Category::Eof => WireError::Cut,
            serde_json::error::Category::Data => WireError::Shape { line, column },
            _ => WireError::NotJson { line, column },
        }
    })
}

/// A list of items, each of which becomes another.
fn list<T: DeserializeOwned, U>(bytes: &[u8], f: impl Fn(T) -> U) -> Result<Vec<U>, WireError> {
    Ok(json::<Vec<T>>(bytes)?.into_iter().map(f).collect())
}

/// A file as an object, or a directory as a list of them.
fn entry_or_directory(bytes: &[u8]) -> Result<Content, WireError> {
    let is_entry = |value: &Value| value.get("path").is_some_and(Value::is_string);
    let fits = match json(bytes)? {
        Value::Array(entries) => entries.iter().all(is_entry),
        entry => is_entry(&entry),
    };
    let what = "JSON that is neither a file nor a directory";
    fits.then_some(Content::Found).ok_or(WireError::Content { what })
}

fn page(content: Content) -> Page {
    Page { content, next: None, total: None }
}

fn text<'a>(body: &'a Map<String, Value>, key: &str) -> &'a str {
    body.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn urls<const N: usize>(entries: [(&str, String); N]) -> BTreeMap<String, String> {
    entries.into_iter().map(|(protocol, url)| (protocol.to_owned(), url)).collect()
}
