//! What the real server does in Go between decoding and storing, and its OpenAPI does not tell:
//! defaults, values that the server itself gives, and the rules of validation. It decides; it writes
//! nothing.
//!
//! A request calls [`default`] when the new object is merged and its schema's defaults are set, then
//! [`complete`] when it has its uid, then [`validate`], in this order, as the real server does.

mod complete;
mod defaults;
mod errors;
pub(crate) mod names;
mod pod_defaults;
mod rules;
pub(crate) mod value;
mod warnings;

use serde_json::Value;

use crate::api::status::Status;
use crate::cluster::State;
use crate::objects::Part;
use crate::schema::Resource;

/// Sets the defaults that do not depend on other objects. Setting them twice changes nothing.
pub(crate) fn default(resource: &Resource, value: &mut Value) {
    defaults::default(resource, value);
}

/// Gives what depends on the cluster or on the object's uid, such as a Service's address or a Job's
/// selector. `live` is the object before, or nothing at its creation.
pub(crate) fn complete(
    state: &State,
    resource: &Resource,
    live: Option<&Value>,
    value: &mut Value,
) {
    complete::complete(state, resource, live, value);
}

/// Refuses what a real server refuses: a 422 that names every field at fault.
pub(crate) fn validate(
    resource: &Resource,
    live: Option<&Value>,
    new: &Value,
    part: Part,
) -> Result<(), Status> {
    rules::validate(resource, live, new, part)
}

/// What to warn the author of an object of.
pub(crate) fn warnings(resource: &Resource, value: &Value) -> Vec<String> {
    warnings::warnings(resource, value)
}

#[cfg(test)]
mod tests;
