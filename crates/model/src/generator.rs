//! Generators as they stand in an application set, before anything is evaluated.
//!
//! String fields may hold templates when the generator stands inside a matrix, a join or a merge.

mod combine;
mod parse;
mod provider;
mod refs;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::selector::LabelSelector;

pub use combine::{
    JoinGenerator, JoinKey, JoinKind, MatrixGenerator, MergeGenerator, MissingMergeKey,
};
pub use provider::{
    CloneProtocol, ConfigMapName, DecisionsGenerator, PluginGenerator, PluginInput,
    PullRequestFilter, PullRequestGenerator, ScmProviderGenerator,
};
pub use refs::RefsGenerator;

/// One entry of `generators`: exactly one kind, and an optional selector over its parameters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Map<String, Value>", into = "Map<String, Value>")]
pub struct Generator {
    pub kind: GeneratorKind,
    /// Keeps the elements whose parameters, flattened to text, match.
    pub selector: Option<LabelSelector>,
    /// The key that its own parameters stand below, `values` too, so that two generators that give the
    /// same names can meet. Empty: they stand at the top. Written `as`; for those without children.
    pub alias: String,
    /// Laid over the set's template for the elements of this generator; it stands inside the kind.
    /// Maps are joined key by key, anything else here wins, `false`, `0`, `""` and null as well.
    /// Only an entry of the set's own list has one.
    pub template: Option<Value>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GeneratorKind {
    List(ListGenerator),
    Clusters(ClustersGenerator),
    Git(GitGenerator),
    Branches(RefsGenerator),
    Tags(RefsGenerator),
    ScmProvider(Box<ScmProviderGenerator>),
    PullRequest(Box<PullRequestGenerator>),
    Plugin(PluginGenerator),
    Decisions(DecisionsGenerator),
    Matrix(MatrixGenerator),
    Join(Box<JoinGenerator>),
    Merge(MergeGenerator),
}

/// The kinds this version knows, for error messages and `muster expand`.
pub const KINDS: [&str; 12] = [
    "list",
    "clusters",
    "git",
    "branches",
    "tags",
    "scmProvider",
    "pullRequest",
    "plugin",
    "clusterDecisionResource",
    "matrix",
    "join",
    "merge",
];

/// Literal elements; each is one set of parameters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ListGenerator {
    #[serde(default)]
    pub elements: Vec<Map<String, Value>>,
    /// YAML text of a list of further elements, usually a template inside a matrix.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub elements_yaml: String,
}

/// One element for each cluster that the selector picks; an empty selector picks all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClustersGenerator {
    #[serde(default)]
    pub selector: LabelSelector,
    /// Further parameters, each a template over the cluster's own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub values: BTreeMap<String, String>,
    /// One element with the list `clusters` instead, also when no cluster is picked.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub flat_list: bool,
}

/// Directories or files of a Git repository at a revision; exactly one of the two lists is given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GitGenerator {
    #[serde(rename = "repoURL")]
    pub repo_url: String,
    /// Empty means the default branch.
    #[serde(default)]
    pub revision: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub directories: Vec<GitPattern>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<GitPattern>,
    /// Puts the `path` parameters below this key, so that two git generators can meet in a matrix.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub path_param_prefix: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub values: BTreeMap<String, String>,
}

/// A glob over paths of the repository; a match of any excluding one wins over all others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GitPattern {
    pub path: String,
    #[serde(default)]
    pub exclude: bool,
}

impl GeneratorKind {
    /// The kind, as it is written.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::List(_) => "list",
            Self::Clusters(_) => "clusters",
            Self::Git(_) => "git",
            Self::Branches(_) => "branches",
            Self::Tags(_) => "tags",
            Self::ScmProvider(_) => "scmProvider",
            Self::PullRequest(_) => "pullRequest",
            Self::Plugin(_) => "plugin",
            Self::Decisions(_) => "clusterDecisionResource",
            Self::Matrix(_) => "matrix",
            Self::Join(_) => "join",
            Self::Merge(_) => "merge",
        }
    }
}

impl Generator {
    fn has_children(&self) -> bool {
        matches!(
            self.kind,
            GeneratorKind::Matrix(_) | GeneratorKind::Merge(_) | GeneratorKind::Join(_)
        )
    }

    /// The generators inside of this one.
    pub fn children(&self) -> impl Iterator<Item = &Generator> {
        let (many, pair) = match &self.kind {
            GeneratorKind::Matrix(matrix) => (matrix.generators.as_slice(), None),
            GeneratorKind::Merge(merge) => (merge.generators.as_slice(), None),
            GeneratorKind::Join(join) => (&[][..], Some([&join.left, &join.right])),
            _ => (&[][..], None),
        };
        many.iter().chain(pair.into_iter().flatten())
    }
}
