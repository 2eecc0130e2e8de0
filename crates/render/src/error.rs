//! Why an application could not be rendered, and whether trying again can help.
//!
//! Messages name the file, the rule and the fix. They never quote the content of a file: what a
//! tool printed is redacted before it comes here.

use std::io;

use model::manifest::{ManifestError, ObjectKey};
use model::tree::{RepoPathError, TreeError};
use model::yaml::YamlError;
use thiserror::Error;

/// What to do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorClass {
    /// The repository or the application must change; the same input fails again.
    User,
    /// The machine was in the way: the same input may succeed later.
    Retry,
}

#[derive(Debug, Error)]
pub enum RenderError {
    #[error("source.{field} is not a path in the repository")]
    Path { field: String, source: RepoPathError },
    #[error(transparent)]
    Tree(#[from] TreeError),
    #[error("{file} cannot be read as YAML")]
    Yaml { file: String, source: YamlError },
    #[error("{file}, document {document}")]
    Manifest { file: String, document: usize, source: ManifestError },
    #[error("{object} stands both in {first} and in {second}; an application has each object once")]
    Duplicate { object: Box<ObjectKey>, first: String, second: String },
    #[error("{what} {amount}; the limit is {limit}")]
    Limit { what: String, amount: String, limit: String },
    #[error("{place}: {rule}")]
    Refused { place: String, rule: String },
    #[error("{tool} is not installed on this spoke; {how_to_get_it}")]
    ToolMissing { tool: &'static str, how_to_get_it: &'static str },
    #[error("{tool} {status}: {stderr}")]
    ToolFailed { tool: &'static str, status: String, stderr: String },
    #[error(
        "{tool} was ended by the system ({status}): it may need more memory than it is allowed"
    )]
    ToolKilled { tool: &'static str, status: String },
    #[error("{tool} was stopped after {seconds} s; make the source smaller or raise the limit")]
    TimedOut { tool: &'static str, seconds: u64 },
    #[error("cannot {what}")]
    Machine { what: String, source: io::Error },
}

impl RenderError {
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Tree(TreeError::Broken { .. })
            | Self::ToolKilled { .. }
            | Self::TimedOut { .. }
            | Self::Machine { .. } => ErrorClass::Retry,
            Self::Path { .. }
            | Self::Tree(_)
            | Self::Yaml { .. }
            | Self::Manifest { .. }
            | Self::Duplicate { .. }
            | Self::Limit { .. }
            | Self::Refused { .. }
            | Self::ToolMissing { .. }
            | Self::ToolFailed { .. } => ErrorClass::User,
        }
    }

    pub(crate) fn refused(place: impl Into<String>, rule: impl Into<String>) -> Self {
        Self::Refused { place: place.into(), rule: rule.into() }
    }

    pub(crate) fn machine(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        |source| Self::Machine { what, source }
    }
}
