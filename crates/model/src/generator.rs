//! Generators as they stand in an application set, before anything is evaluated.
//!
//! String fields may hold templates when the generator stands inside a matrix.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::selector::LabelSelector;
use crate::suggest;

/// One entry of `generators`: exactly one kind, and an optional selector over its parameters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Map<String, Value>", into = "Map<String, Value>")]
pub struct Generator {
    pub kind: GeneratorKind,
    /// Keeps the elements whose parameters, flattened to text, match.
    pub selector: Option<LabelSelector>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GeneratorKind {
    List(ListGenerator),
    Clusters(ClustersGenerator),
    Git(GitGenerator),
    Matrix(MatrixGenerator),
}

/// The kinds this version knows, for error messages and `muster expand`.
pub const KINDS: [&str; 4] = ["list", "clusters", "git", "matrix"];

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

/// Every combination of its children's elements; a child sees the parameters of those before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MatrixGenerator {
    pub generators: Vec<Generator>,
}

impl TryFrom<Map<String, Value>> for Generator {
    type Error = String;

    fn try_from(mut map: Map<String, Value>) -> Result<Self, String> {
        let selector = match map.remove("selector") {
            None => None,
            Some(raw) => Some(parse("selector", raw)?),
        };
        let mut entries = map.into_iter();
        let (Some((name, raw)), extra) = (entries.next(), entries.next()) else {
            return Err(format!("a generator needs one kind: {}", KINDS.join(", ")));
        };
        if let Some((other, _)) = extra {
            return Err(format!(
                "a generator has exactly one kind, but this one has {name:?} and {other:?}; \
                 write them as two entries"
            ));
        }
        let kind = match name.as_str() {
            "list" => GeneratorKind::List(parse(&name, raw)?),
            "clusters" => GeneratorKind::Clusters(parse(&name, raw)?),
            "git" => GeneratorKind::Git(parse(&name, raw)?),
            "matrix" => GeneratorKind::Matrix(parse(&name, raw)?),
            _ => return Err(suggest::unknown("generator kind", &name, &KINDS)),
        };
        Ok(Self { kind, selector })
    }
}

/// Parses the inside of a generator, with the path of the field that is wrong in the message.
fn parse<T: serde::de::DeserializeOwned>(name: &str, raw: Value) -> Result<T, String> {
    serde_path_to_error::deserialize(raw).map_err(|error| {
        let path = error.path().to_string();
        let at = if path == "." { name.to_owned() } else { format!("{name}.{path}") };
        format!("{at}: {}", error.inner())
    })
}

impl From<Generator> for Map<String, Value> {
    fn from(generator: Generator) -> Self {
        let (name, value) = match generator.kind {
            GeneratorKind::List(list) => ("list", serde_json::to_value(list)),
            GeneratorKind::Clusters(clusters) => ("clusters", serde_json::to_value(clusters)),
            GeneratorKind::Git(git) => ("git", serde_json::to_value(git)),
            GeneratorKind::Matrix(matrix) => ("matrix", serde_json::to_value(matrix)),
        };
        let mut map = Self::new();
        map.insert(name.to_owned(), value.expect("generators are expressible in JSON"));
        if let Some(selector) = generator.selector {
            let value = serde_json::to_value(selector).expect("selectors are expressible in JSON");
            map.insert("selector".to_owned(), value);
        }
        map
    }
}
