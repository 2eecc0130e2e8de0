//! How a write and the live object become one: server-side apply with field ownership, and the
//! three kinds of patch. Pure functions on values and types; nothing of requests or storage.

use serde_json::Value;
use thiserror::Error;

use crate::schema::TypeHandle;

/// Who writes, as it is recorded in `metadata.managedFields`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manager {
    pub name: String,
    /// `status` or `scale`; empty for the main resource.
    pub subresource: String,
    /// The version of the object's type in which the fields are named.
    pub api_version: String,
    /// RFC 3339, in seconds.
    pub time: String,
}

/// Another manager owns a field with another value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// As a real server says it, such as `conflict with "kubectl" using apps/v1`.
    pub message: String,
    /// Such as `.spec.replicas` or `.spec.template.spec.containers[name="c"].image`.
    pub field: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ApplyError {
    /// `failed to create typed patch object (...)`: a 500 in the real server.
    #[error("{0}")]
    Typed(String),
    /// `metadata.managedFields must be nil`: a 400.
    #[error("{0}")]
    BadRequest(String),
    #[error("the apply conflicts with {} fields", .0.len())]
    Conflicts(Vec<Conflict>),
}

/// Server-side apply: the live object (or none) with the patch merged into it and
/// `metadata.managedFields` brought up to date. Defaulting comes after it.
///
/// # Errors
/// When the patch does not fit the type, or conflicts and is not forced.
pub fn apply(
    live: Option<&Value>,
    patch: &Value,
    manager: &Manager,
    force: bool,
    ty: &TypeHandle,
) -> Result<Value, ApplyError> {
    let _ = (live, patch, manager, force, ty);
    todo!()
}

/// Brings `metadata.managedFields` of `new` up to date after a create, update or patch by
/// `manager` changed `live` (or nothing) into `new`. What did not change stays with its owners.
#[must_use]
pub fn track_update(live: Option<&Value>, new: Value, manager: &Manager, ty: &TypeHandle) -> Value {
    let _ = (live, manager, ty);
    new
}

#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct PatchError(pub String);

/// RFC 7386.
#[must_use]
pub fn json_merge_patch(live: &Value, patch: &Value) -> Value {
    let _ = (live, patch);
    todo!()
}

/// RFC 6902.
///
/// # Errors
/// When an operation is malformed, its path does not exist or a test fails.
pub fn json_patch(live: &Value, patch: &Value) -> Result<Value, PatchError> {
    let _ = (live, patch);
    todo!()
}

/// A strategic merge patch, with its directives (`$patch`, `$retainKeys`, `$setElementOrder`,
/// `$deleteFromPrimitiveList`).
///
/// # Errors
/// When a directive is malformed or a list item lacks its merge key.
pub fn strategic_merge_patch(
    live: &Value,
    patch: &Value,
    ty: &TypeHandle,
) -> Result<Value, PatchError> {
    let _ = (live, patch, ty);
    todo!()
}
