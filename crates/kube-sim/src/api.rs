//! Requests to answers: paths, verbs, media types, errors.

pub(crate) mod discovery;
pub(crate) mod openapi;
pub(crate) mod rbac;
pub mod status;
pub(crate) mod table;

/// What a request is about, for the question whether it is allowed.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Attributes<'a> {
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`; for a
    /// path that is no resource the method in lower case.
    pub(crate) verb: &'a str,
    pub(crate) group: &'a str,
    pub(crate) version: &'a str,
    /// The plural; empty for a path that is no resource.
    pub(crate) resource: &'a str,
    pub(crate) subresource: &'a str,
    pub(crate) namespace: &'a str,
    pub(crate) name: &'a str,
    pub(crate) path: &'a str,
}
