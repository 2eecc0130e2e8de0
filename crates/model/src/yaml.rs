//! YAML as Kubernetes reads it, into JSON values, within bounds.

use serde_json::Value;
use thiserror::Error;

/// What a text may cost before it is refused.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of the whole text, checked before anything is parsed.
    pub bytes: usize,
    /// Documents in the text.
    pub documents: usize,
}

impl Limits {
    #[must_use]
    pub const fn new(bytes: usize, documents: usize) -> Self {
        Self { bytes, documents }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum YamlError {
    #[error("the text is {bytes} bytes; at most {limit} are read")]
    TooLarge { bytes: usize, limit: usize },
    #[error("line {line}: {message}")]
    Syntax { line: usize, message: String },
}

/// Reads all documents; empty ones are left out.
pub fn read(text: &[u8], limits: Limits) -> Result<Vec<Value>, YamlError> {
    let _ = (text, limits);
    Err(YamlError::Syntax { line: 0, message: "to be written".into() })
}
