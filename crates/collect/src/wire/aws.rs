//! AWS: CodeCommit and the resource groups tagging API (JSON 1.1), and STS (XML).

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    Content, FoundBranch, FoundRepository, Kind, Next, Page, RoleKeys, WireError, json, page, text,
    urls,
};
use crate::secret::Secret;

const HTTPS: &str = "https://git-codecommit.";
const FIPS: &str = "https://git-codecommit-fips.";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Repositories {
    repositories: Vec<Named>,
    next_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Named {
    repository_name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Tagged {
    resource_tag_mapping_list: Vec<Resource>,
    pagination_token: Option<String>,
}

#[derive(Deserialize)]
struct Resource {
    #[serde(rename = "ResourceARN")]
    arn: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Described {
    repository_metadata: Metadata,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    account_id: String,
    repository_id: String,
    repository_name: String,
    #[serde(default)]
    default_branch: Option<String>,
    clone_url_http: String,
    clone_url_ssh: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Branches {
    branches: Vec<String>,
    next_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Folder {
    #[serde(default)]
    sub_folders: Vec<Entry>,
    #[serde(default)]
    files: Vec<Entry>,
    #[serde(default)]
    symbolic_links: Vec<Entry>,
    #[serde(default)]
    sub_modules: Vec<Entry>,
    /// Required: tells a folder from any other object.
    #[serde(rename = "folderPath")]
    _folder_path: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    relative_path: String,
}

pub(super) fn parse(kind: Kind, bytes: &[u8]) -> Result<Page, WireError> {
    match kind {
        Kind::AwsRepositories => {
            let found: Repositories = json(bytes)?;
            let names = found.repositories.into_iter().map(|named| named.repository_name).collect();
            Ok(with_token(Content::Names(names), found.next_token))
        }
        Kind::AwsTaggedResources => {
            let found: Tagged = json(bytes)?;
            let names: Result<_, _> = found
                .resource_tag_mapping_list
                .iter()
                .map(|resource| name(&resource.arn))
                .collect();
            Ok(with_token(Content::Names(names?), found.pagination_token))
        }
        Kind::AwsRepository => {
            let found: Described = json(bytes)?;
            Ok(page(Content::Repositories(vec![repository(found.repository_metadata)])))
        }
        Kind::AwsBranches => {
            let found: Branches = json(bytes)?;
            let branches = found.branches.into_iter();
            let branches = branches.map(|name| FoundBranch { name, sha: String::new() }).collect();
            Ok(with_token(Content::Branches(branches), found.next_token))
        }
        Kind::AwsFolder => {
            let found: Folder = json(bytes)?;
            let lists = [found.sub_folders, found.files, found.symbolic_links, found.sub_modules];
            let names = lists.into_iter().flatten().map(|entry| entry.relative_path).collect();
            Ok(page(Content::Names(names)))
        }
        _ => Ok(page(Content::Role(role(bytes)?))),
    }
}

fn with_token(content: Content, token: Option<String>) -> Page {
    let next = token.filter(|token| !token.is_empty()).map(Next::Token);
    Page { content, next, total: None }
}

/// `arn:aws:codecommit:REGION:ACCOUNT:NAME`
fn name(arn: &str) -> Result<String, WireError> {
    arn.splitn(6, ':')
        .nth(5)
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .ok_or(WireError::Content { what: "a resource name without a repository" })
}

fn repository(found: Metadata) -> FoundRepository {
    let https = found.clone_url_http;
    let fips = https.strip_prefix(HTTPS).map(|rest| format!("{FIPS}{rest}"));
    let mut addresses = urls([("ssh", found.clone_url_ssh), ("https", https.clone())]);
    if let Some(fips) = fips.or_else(|| https.starts_with(FIPS).then(|| https.clone())) {
        addresses.insert("https-fips".to_owned(), fips);
    }
    let default_branch = found.default_branch.filter(|branch| !branch.is_empty());
    FoundRepository {
        id: found.repository_id.into(),
        organization: found.account_id,
        slug: found.repository_name.clone(),
        name: found.repository_name,
        urls: addresses,
        labels: Vec::new(),
        empty: default_branch.is_none(),
        default_branch,
        archived: false,
    }
}

/// STS answers in XML of a fixed form without attributes; four elements of it are wanted.
fn role(bytes: &[u8]) -> Result<RoleKeys, WireError> {
    let wrong = WireError::Content { what: "no credentials of a role" };
    let text = std::str::from_utf8(bytes).map_err(|_not_text| wrong.clone())?;
    let element = |name: &str| {
        let (open, close) = (format!("<{name}>"), format!("</{name}>"));
        let (_, rest) = text.split_once(&open).ok_or_else(|| wrong.clone())?;
        let (inside, after) = rest.split_once(&close).ok_or_else(|| wrong.clone())?;
        let plain = !inside.is_empty() && !inside.contains(['<', '&']) && !after.contains(&open);
        if plain { Ok(inside.trim().to_owned()) } else { Err(wrong.clone()) }
    };
    Ok(RoleKeys {
        access_key_id: element("AccessKeyId")?,
        secret_access_key: Secret::new(element("SecretAccessKey")?),
        session_token: Secret::new(element("SessionToken")?),
        expires_at: element("Expiration")?,
    })
}

/// A folder that does not exist; also in a repository or at a branch that went meanwhile.
pub(super) fn absent(body: &Map<String, Value>) -> bool {
    let name = text(body, "__type");
    let name = name.rsplit('#').next().unwrap_or_default();
    name == "FolderDoesNotExistException"
}

/// What an error of AWS means for the crawl.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AwsError {
    Throttled,
    Credential,
}

/// AWS says everything with status 400 and the name of an exception.
#[must_use]
pub fn aws_error(kind: Kind, bytes: &[u8]) -> Option<AwsError> {
    let json = matches!(
        kind,
        Kind::AwsRepositories
            | Kind::AwsTaggedResources
            | Kind::AwsRepository
            | Kind::AwsBranches
            | Kind::AwsFolder
    );
    if !json || bytes.len() > super::MAX_BODY {
        return None;
    }
    let Ok(Value::Object(body)) = serde_json::from_slice(bytes) else { return None };
    let name = text(&body, "__type");
    match name.rsplit('#').next().unwrap_or_default() {
        "ThrottlingException" | "ThrottledException" | "TooManyRequestsException" => {
            Some(AwsError::Throttled)
        }
        "AccessDeniedException"
        | "ExpiredTokenException"
        | "IncompleteSignatureException"
        | "InvalidSignatureException"
        | "MissingAuthenticationTokenException"
        | "UnrecognizedClientException" => Some(AwsError::Credential),
        _ => None,
    }
}
