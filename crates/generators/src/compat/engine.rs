//! The two template languages of the compat dialect behind one face.

use serde_json::{Map, Value};

use crate::generator::Fault;

/// One element's parameters as the compat dialect has them. Numbers are as they were read; where Go
/// would have a 64-bit float, printing and comparing treat them as one.
pub(crate) type Params = Map<String, Value>;

/// The template language of one set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    /// `{{key}}`, for sets without `goTemplate`.
    Fast,
    /// Go's text/template.
    Go(gotemplate::MissingKey),
}

impl Engine {
    /// One string, rendered.
    pub(crate) fn text(self, source: &str, parameters: &Params) -> Result<String, Fault> {
        let _ = (source, parameters);
        Err(Fault::failed("the compat dialect is not built yet"))
    }

    /// Every string and every key of a tree, rendered: what a matrix does to its second child.
    pub(crate) fn tree(self, value: &Value, parameters: &Params) -> Result<Value, Fault> {
        let _ = (value, parameters);
        Err(Fault::failed("the compat dialect is not built yet"))
    }
}
