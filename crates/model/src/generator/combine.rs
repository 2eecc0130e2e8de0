//! Generators made of generators: matrix, join, merge.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Generator;

/// Every combination of its children's elements; a child sees the parameters of those before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MatrixGenerator {
    pub generators: Vec<Generator>,
}

/// Pairs of elements of two generators whose keys are equal; neither sees the other's parameters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JoinGenerator {
    #[serde(default)]
    pub kind: JoinKind,
    pub left: Generator,
    pub right: Generator,
    /// To YAML 1.1, which Kubernetes reads, the word `on` is the boolean true, as a key as well.
    #[serde(alias = "true")]
    pub on: Vec<JoinKey>,
}

/// What becomes of an element that has no partner.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum JoinKind {
    /// It is left out.
    #[default]
    Inner,
    /// One of the left is kept, with null for the parameters that only the right has.
    Left,
    /// It is kept, with null for the parameters that only the other side has.
    Outer,
}

/// What must be equal: an expression over the elements of each side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Value", into = "Value")]
pub struct JoinKey {
    pub left: String,
    pub right: String,
}

impl TryFrom<Value> for JoinKey {
    type Error = String;

    fn try_from(raw: Value) -> Result<Self, String> {
        let rule = "a key of a join is a parameter of both sides, or a map of left and right";
        match raw {
            // Braces would make a template of a template.
            Value::String(name) if !name.is_empty() && !name.contains(['{', '}']) => {
                let expression = format!("{{{{{name}}}}}");
                Ok(Self { left: expression.clone(), right: expression })
            }
            Value::Object(mut map) => match (map.remove("left"), map.remove("right"), map.len()) {
                (Some(Value::String(left)), Some(Value::String(right)), 0) => {
                    Ok(Self { left, right })
                }
                _ => Err(format!("{rule}, each an expression")),
            },
            other => Err(format!("{other:.40}: {rule}")),
        }
    }
}

impl From<JoinKey> for Value {
    fn from(key: JoinKey) -> Self {
        let JoinKey { left, right } = key;
        let entry = |name: &str, text: String| (name.to_owned(), Self::from(text));
        Self::Object(Map::from_iter([entry("left", left), entry("right", right)]))
    }
}

/// The elements of its first child, with the parameters of those elements of the later children
/// laid over them that have the same keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MergeGenerator {
    pub generators: Vec<Generator>,
    /// Names of parameters, with dots for those inside of maps.
    pub merge_keys: Vec<String>,
    #[serde(default)]
    pub missing_key: MissingMergeKey,
}

/// What becomes of an element that lacks one of the keys, or has null there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum MissingMergeKey {
    /// It is an error of that element.
    #[default]
    Error,
    /// One of the first child stays as it is, one of a later child is left out.
    Ignore,
}
