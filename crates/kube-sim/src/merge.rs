//! How a write and the live object become one: server-side apply with field ownership, and the
//! three kinds of patch. Pure functions on values and types; nothing of requests or storage.

mod apply;
mod check;
mod fieldset;
mod json;
mod last_applied;
mod managed;
mod path;
mod shape;
mod strategic;
mod update;
mod walk;

#[cfg(test)]
mod tests;

use std::fmt;

use serde_json::Value;
use thiserror::Error;

pub use self::fieldset::FieldSet;
pub use self::path::PathElement;
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
    /// Shown as the real server's message, `Apply failed with 1 conflict: ...`.
    #[error("{}", ConflictMessage(.0))]
    Conflicts(Vec<Conflict>),
}

struct ConflictMessage<'a>(&'a [Conflict]);

impl fmt::Display for ConflictMessage<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [Conflict { message, field }] = self.0 {
            return write!(out, "Apply failed with 1 conflict: {message}: {field}");
        }
        write!(out, "Apply failed with {} conflicts: ", self.0.len())?;
        for (at, same) in self.0.chunk_by(|a, b| a.message == b.message).enumerate() {
            let line = if at > 0 { "\n" } else { "" };
            let with = same[0].message.replacen("conflict", "conflicts", 1);
            write!(out, "{line}{with}:")?;
            for conflict in same {
                write!(out, "\n- {}", conflict.field)?;
            }
        }
        Ok(())
    }
}

/// Server-side apply: the live object (or none) with the patch merged into it and
/// `metadata.managedFields` brought up to date. It is normalised, but defaulting comes after it. Fields in `reset` are
/// those that a write of this resource or subresource does not change, such as `status`: they are
/// merged all the same (the caller puts the live ones back), but not owned.
///
/// # Errors
/// When the patch does not fit the type, or conflicts and is not forced.
pub fn apply(
    live: Option<&Value>,
    patch: &Value,
    manager: &Manager,
    force: bool,
    ty: &TypeHandle,
    reset: &FieldSet,
) -> Result<Value, ApplyError> {
    apply::apply(live, patch, manager, force, ty, reset)
}

/// Brings `metadata.managedFields` of `new` up to date after a create, update or patch by
/// `manager` changed `live` (or nothing) into `new`. What did not change stays with its owners.
/// `reset` is as in [`apply`].
#[must_use]
pub fn track_update(
    live: Option<&Value>,
    new: Value,
    manager: &Manager,
    ty: &TypeHandle,
    reset: &FieldSet,
) -> Value {
    update::track_update(live, new, manager, ty, reset)
}

/// Whether a write changes nothing but times in `metadata.managedFields`; then those of the live
/// object are put back, so that both are equal. To be asked after defaulting: a field set to null
/// differs after the merge, and no longer when it has its default again.
#[must_use]
pub fn is_no_op(live: &Value, new: &mut Value) -> bool {
    if !unchanged(live, new) {
        return false;
    }
    let none = Vec::new();
    let entries = |object: &Value| object["metadata"]["managedFields"].as_array().cloned();
    let (before, mut after) = (entries(live).unwrap_or(none), entries(new).unwrap_or_default());
    if before.len() != after.len() {
        return false;
    }
    for (before, after) in before.iter().zip(&mut after) {
        let Some(after) = after.as_object_mut() else { return false };
        match before.get("time") {
            Some(time) => after.insert("time".to_owned(), time.clone()),
            None => after.remove("time"),
        };
    }
    if before != after {
        return false;
    }
    if !after.is_empty() {
        new["metadata"]["managedFields"] = Value::Array(after);
    }
    true
}

/// Whether two objects are equal, apart from who owns what.
fn unchanged(a: &Value, b: &Value) -> bool {
    let (Some(a), Some(b)) = (a.as_object(), b.as_object()) else { return false };
    a.len() == b.len()
        && a.iter().all(|(name, value)| {
            b.get(name).is_some_and(|other| match (name.as_str(), value, other) {
                ("metadata", Value::Object(a), Value::Object(b)) => {
                    let count = |fields: &serde_json::Map<String, Value>| {
                        fields.len() - usize::from(fields.contains_key("managedFields"))
                    };
                    count(a) == count(b)
                        && a.iter()
                            .filter(|(name, _)| *name != "managedFields")
                            .all(|(name, a)| b.get(name).is_some_and(|b| path::same(a, b)))
                }
                _ => path::same(value, other),
            })
        })
}

/// Why a patch does not apply, with the real server's words. They are all that the real server
/// answers, except for [`PatchError::Refused`].
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PatchError {
    /// The patch is not one: a 400.
    #[error("{0}")]
    Malformed(String),
    /// The patch does not fit the object: a 422, reason `Invalid`, in which the real server says
    /// no more than `the server rejected our request due to an error in our request`.
    #[error("{0}")]
    Refused(String),
    /// Too many operations: a 413.
    #[error("{0}")]
    TooLarge(String),
    /// Anything else: a 500 in the real server.
    #[error("{0}")]
    Failed(String),
}

/// RFC 7386.
///
/// # Errors
/// When the patch is not an object.
pub fn json_merge_patch(live: &Value, patch: &Value) -> Result<Value, PatchError> {
    if !patch.is_object() {
        let problem = json::not_an_object(patch);
        return Err(PatchError::Malformed(format!("error decoding patch: {problem}")));
    }
    let mut merged = live.clone();
    json::merge_into(&mut merged, patch);
    Ok(merged)
}

/// RFC 6902.
///
/// # Errors
/// When an operation is malformed, its path does not exist or a test fails.
pub fn json_patch(live: &Value, patch: &Value) -> Result<Value, PatchError> {
    json::json_patch(live, patch)
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
    strategic::strategic_merge_patch(&ty.table, ty.node(), live, patch)
}
