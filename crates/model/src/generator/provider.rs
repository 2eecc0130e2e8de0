//! Generators that look outside of Git: SCM services, pull requests, plugins, decision resources.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::parse::{parse, take_provider, to_value};
use crate::provider::{PullRequestProvider, ScmFilter, ScmProvider};
use crate::selector::LabelSelector;

const SCM_FIELDS: [&str; 3] = ["filters", "cloneProtocol", "values"];
const SCM_PROVIDERS: [&str; 7] =
    ["github", "gitlab", "gitea", "bitbucketServer", "bitbucket", "azureDevOps", "awsCodeCommit"];
const PULL_REQUEST_FIELDS: [&str; 2] = ["filters", "values"];
const PULL_REQUEST_PROVIDERS: [&str; 6] =
    ["github", "gitlab", "gitea", "bitbucketServer", "bitbucket", "azuredevops"];

/// The repositories of an organisation, one element for each branch that is looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Map<String, Value>", into = "Map<String, Value>")]
pub struct ScmProviderGenerator {
    pub provider: ScmProvider,
    pub filters: Vec<ScmFilter>,
    pub clone_protocol: CloneProtocol,
    pub values: BTreeMap<String, String>,
}

/// Which of a repository's addresses becomes the parameter `url`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum CloneProtocol {
    #[default]
    #[serde(rename = "ssh")]
    Ssh,
    #[serde(rename = "https")]
    Https,
    /// AWS only.
    #[serde(rename = "https-fips")]
    HttpsFips,
}

impl CloneProtocol {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ssh => "ssh",
            Self::Https => "https",
            Self::HttpsFips => "https-fips",
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ScmFields {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    filters: Vec<ScmFilter>,
    #[serde(default)]
    clone_protocol: CloneProtocol,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    values: BTreeMap<String, String>,
}

impl TryFrom<Map<String, Value>> for ScmProviderGenerator {
    type Error = String;

    fn try_from(mut map: Map<String, Value>) -> Result<Self, String> {
        let provider = take_provider(&mut map, &SCM_FIELDS, &SCM_PROVIDERS)?;
        let ScmFields { filters, clone_protocol, values } = parse("", Value::Object(map))?;
        Ok(Self { provider, filters, clone_protocol, values })
    }
}

impl From<ScmProviderGenerator> for Map<String, Value> {
    fn from(scm: ScmProviderGenerator) -> Self {
        let ScmProviderGenerator { provider, filters, clone_protocol, values } = scm;
        joined(to_value(provider), to_value(ScmFields { filters, clone_protocol, values }))
    }
}

/// The open pull requests of a repository, one element each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Map<String, Value>", into = "Map<String, Value>")]
pub struct PullRequestGenerator {
    pub provider: PullRequestProvider,
    /// One of them must hold; none: all pull requests.
    pub filters: Vec<PullRequestFilter>,
    pub values: BTreeMap<String, String>,
}

/// Regular expressions; all conditions of one filter must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PullRequestFilter {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch_match: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_branch_match: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title_match: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PullRequestFields {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    filters: Vec<PullRequestFilter>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    values: BTreeMap<String, String>,
}

impl TryFrom<Map<String, Value>> for PullRequestGenerator {
    type Error = String;

    fn try_from(mut map: Map<String, Value>) -> Result<Self, String> {
        let provider = take_provider(&mut map, &PULL_REQUEST_FIELDS, &PULL_REQUEST_PROVIDERS)?;
        let PullRequestFields { filters, values } = parse("", Value::Object(map))?;
        Ok(Self { provider, filters, values })
    }
}

impl From<PullRequestGenerator> for Map<String, Value> {
    fn from(requests: PullRequestGenerator) -> Self {
        let PullRequestGenerator { provider, filters, values } = requests;
        joined(to_value(provider), to_value(PullRequestFields { filters, values }))
    }
}

fn joined(provider: Value, fields: Value) -> Map<String, Value> {
    let maps = [provider, fields].into_iter().filter_map(|part| match part {
        Value::Object(map) => Some(map),
        _ => None,
    });
    maps.flatten().collect()
}

/// A ConfigMap by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfigMapName {
    pub name: String,
}

/// What a plugin answers, one element for each set of parameters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PluginGenerator {
    pub config_map_ref: ConfigMapName,
    #[serde(default, skip_serializing_if = "PluginInput::is_empty")]
    pub input: PluginInput,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub values: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PluginInput {
    #[serde(default)]
    pub parameters: Map<String, Value>,
}

impl PluginInput {
    fn is_empty(&self) -> bool {
        self.parameters.is_empty()
    }
}

/// The clusters that a decision object names, one element each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DecisionsGenerator {
    /// The ConfigMap that says which objects hold decisions, and where in them.
    pub config_map_ref: String,
    /// Exactly one of `name` and `labelSelector` is given.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label_selector: Option<LabelSelector>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub values: BTreeMap<String, String>,
}
