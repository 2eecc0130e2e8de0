//! Who may do what, by the cluster's own roles and bindings, and the reviews that answer the same
//! question to clients.

use serde_json::Value;

use super::Attributes;
use super::status::Status;
use crate::cluster::{State, User};

/// Refuses with 403 what the user may not do.
pub(crate) fn authorize(
    state: &State,
    user: &User,
    attributes: &Attributes<'_>,
) -> Result<(), Status> {
    let _ = (state, user, attributes);
    Ok(())
}

/// The answer to a POST of a review (`SelfSubjectAccessReview` and its like), which are served but
/// not stored; `None` when the resource is none of them.
pub(crate) fn review(
    state: &State,
    user: &User,
    attributes: &Attributes<'_>,
    body: &Value,
) -> Option<Result<Value, Status>> {
    let _ = (state, user, attributes, body);
    None
}
