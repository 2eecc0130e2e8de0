//! What went wrong with one of many inputs, in words that a person can act on.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One bad element, application or document; its neighbours go on (law L2).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Problem {
    /// The application set, or the file for a document that could not be read; empty for neither.
    pub set: String,
    /// The element within the set, as the generator names it; empty for the whole set.
    pub element: String,
    pub reason: Reason,
    /// The thing, the rule and the fix.
    pub message: String,
}

/// The machine-readable side of a problem. Stable: scripts match on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Reason {
    /// The document is not valid: an unknown field, a wrong type, not YAML.
    InvalidDocument,
    /// A template names a parameter that the element does not have, or cannot be parsed.
    TemplateFailed,
    /// The template gave something that is not a valid application.
    InvalidApplication,
    /// The document is right, and asks for what Muster does not do.
    Unsupported,
    /// Two applications have one name.
    DuplicateName,
    /// The cluster is not known to the hub.
    UnknownCluster,
    /// The repository or revision could not be read; the last good result stays in force.
    SourceUnavailable,
    /// A generator could not be evaluated.
    GeneratorFailed,
    /// More elements than the cap allows.
    TooManyElements,
    /// A template calls a function whose answer is another one each time.
    Volatile,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.set.as_str(), self.element.as_str()) {
            ("", "") => write!(f, "{}: {}", self.reason, self.message),
            ("", element) => write!(f, "{element}: {}: {}", self.reason, self.message),
            (set, "") => write!(f, "{set}: {}: {}", self.reason, self.message),
            (set, element) => write!(f, "{set}, {element}: {}: {}", self.reason, self.message),
        }
    }
}
