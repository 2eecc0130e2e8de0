//! What services outside of Git are asked for generators, and what they answer: the repositories of
//! an organisation, the pull requests of a repository, the parameters of a plugin.
//!
//! A [`Request`] is a value: generators make it from their fields, a collector answers it, and equal
//! requests of different sets are one. No secret is in it, only the names of secrets.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// One question to a service, with everything that its answer depends on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Request {
    Repositories(RepositoriesRequest),
    PullRequests(PullRequestsRequest),
    Plugin(PluginRequest),
}

/// The repositories of an organisation with their branches.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RepositoriesRequest {
    pub provider: ScmProvider,
    /// What the set keeps. The collector uses it to ask less, so it is part of the question; the
    /// generator applies it again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub filters: Vec<ScmFilter>,
}

/// A field of the answer that a filter looks at; all conditions of one filter must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScmFilter {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository_match: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label_match: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch_match: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths_exist: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths_do_not_exist: Vec<String>,
}

/// A secret by name: the key of a Secret, in the way that the field's documents name it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretRef {
    pub secret_name: String,
    pub key: String,
}

/// A key of a ConfigMap that holds certificates of trusted authorities.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConfigMapKeyRef {
    pub config_map_name: String,
    pub key: String,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BasicAuth {
    pub username: String,
    pub password_ref: SecretRef,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BearerToken {
    pub token_ref: SecretRef,
}

/// Where the repositories are, in the field names of the `scmProvider` generator.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ScmProvider {
    Github(ScmGithub),
    Gitlab(ScmGitlab),
    Gitea(ScmGitea),
    BitbucketServer(ScmBitbucketServer),
    Bitbucket(ScmBitbucket),
    AzureDevOps(ScmAzureDevOps),
    AwsCodeCommit(ScmAwsCodeCommit),
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScmGithub {
    pub organization: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub api: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_ref: Option<SecretRef>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub app_secret_name: String,
    #[serde(default)]
    pub all_branches: bool,
    #[serde(default)]
    pub exclude_archived_repos: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScmGitlab {
    pub group: String,
    #[serde(default)]
    pub include_subgroups: bool,
    /// True when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub include_shared_projects: Option<bool>,
    #[serde(default)]
    pub include_archived_repos: bool,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub topic: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub api: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_ref: Option<SecretRef>,
    #[serde(default)]
    pub all_branches: bool,
    #[serde(default)]
    pub insecure: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_ref: Option<ConfigMapKeyRef>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScmGitea {
    pub owner: String,
    pub api: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_ref: Option<SecretRef>,
    #[serde(default)]
    pub all_branches: bool,
    #[serde(default)]
    pub insecure: bool,
    #[serde(default)]
    pub exclude_archived_repos: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScmBitbucketServer {
    pub project: String,
    pub api: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basic_auth: Option<BasicAuth>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bearer_token: Option<BearerToken>,
    #[serde(default)]
    pub all_branches: bool,
    #[serde(default)]
    pub insecure: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_ref: Option<ConfigMapKeyRef>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScmBitbucket {
    pub owner: String,
    pub user: String,
    pub app_password_ref: SecretRef,
    #[serde(default)]
    pub all_branches: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScmAzureDevOps {
    pub organization: String,
    pub team_project: String,
    pub access_token_ref: SecretRef,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub api: String,
    #[serde(default)]
    pub all_branches: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScmAwsCodeCommit {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tag_filters: Vec<TagFilter>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub role: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub region: String,
    #[serde(default)]
    pub all_branches: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TagFilter {
    pub key: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub value: String,
}

/// The pull requests of a repository.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PullRequestsRequest {
    pub provider: PullRequestProvider,
    /// A repository that the service does not know counts as one without pull requests. False when
    /// absent: then it is a failure, and removes nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub continue_on_repo_not_found_error: bool,
}

/// Where the pull requests are, in the field names of the `pullRequest` generator.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PullRequestProvider {
    Github(PullRequestGithub),
    Gitlab(PullRequestGitlab),
    Gitea(PullRequestGitea),
    BitbucketServer(PullRequestBitbucketServer),
    Bitbucket(PullRequestBitbucket),
    /// Lower-case in documents, unlike its `scmProvider` sibling.
    #[serde(rename = "azuredevops")]
    AzureDevOps(PullRequestAzureDevOps),
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PullRequestGithub {
    pub owner: String,
    pub repo: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub api: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_ref: Option<SecretRef>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub app_secret_name: String,
    /// All of them must be on the pull request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PullRequestGitlab {
    pub project: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub api: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_ref: Option<SecretRef>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// Empty means every state, closed and merged ones too.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub pull_request_state: String,
    #[serde(default)]
    pub insecure: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_ref: Option<ConfigMapKeyRef>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PullRequestGitea {
    pub owner: String,
    pub repo: String,
    pub api: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_ref: Option<SecretRef>,
    #[serde(default)]
    pub insecure: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PullRequestBitbucketServer {
    pub project: String,
    pub repo: String,
    pub api: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basic_auth: Option<BasicAuth>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bearer_token: Option<BearerToken>,
    #[serde(default)]
    pub insecure: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_ref: Option<ConfigMapKeyRef>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PullRequestBitbucket {
    pub owner: String,
    pub repo: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub api: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basic_auth: Option<BasicAuth>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bearer_token: Option<BearerToken>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PullRequestAzureDevOps {
    pub organization: String,
    pub project: String,
    pub repo: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub api: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_ref: Option<SecretRef>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
}

/// A call of a plugin.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PluginRequest {
    /// The ConfigMap with the plugin's address and the name of its token.
    pub config_map: String,
    pub set: String,
    /// The input parameters as canonical JSON text, so that a request has an order and a hash.
    pub parameters: String,
}

/// What a service answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    pub items: Items,
    /// Why there may be more, or newer ones, than `items`: then they may be used, but nothing that
    /// is absent from them counts as gone (law L2). `None` only when every page arrived with the
    /// right content type and shape.
    pub partial: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Items {
    Repositories(Vec<Repository>),
    PullRequests(Vec<PullRequest>),
    Plugin(Vec<Map<String, Value>>),
}

/// A repository as an SCM service tells of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Repository {
    pub organization: String,
    pub repository: String,
    /// A number or a text, as the service has it.
    pub repository_id: Value,
    /// Clone addresses by protocol: `ssh`, `https`, `https-fips`.
    pub urls: BTreeMap<String, String>,
    #[serde(default)]
    pub labels: Vec<String>,
    /// The default branch only, or all of them when the request says so.
    pub branches: Vec<Branch>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Branch {
    pub name: String,
    /// The commit at its head.
    pub sha: String,
    /// Those of the paths in the request's filters that exist at it.
    #[serde(default)]
    pub paths: BTreeSet<String>,
}

/// A pull or merge request as a service tells of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PullRequest {
    pub number: i64,
    pub title: String,
    pub branch: String,
    pub target_branch: String,
    pub head_sha: String,
    pub author: String,
    #[serde(default)]
    pub labels: Vec<String>,
}
