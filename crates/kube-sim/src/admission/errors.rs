//! Faults of one object, collected as a real server lists them: each with its field, in the words
//! that clients match.

use serde_json::Value;

use crate::api::status::{Cause, Status};
use crate::schema::Resource;

#[derive(Default)]
pub(super) struct Errors(Vec<Cause>);

/// A value as Go prints it in these messages: text in quotes, all else as JSON.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => format!("{text:?}"),
        other => other.to_string(),
    }
}

impl Errors {
    fn push(&mut self, reason: &str, field: &str, message: String) {
        let (reason, field) = (reason.to_owned(), field.to_owned());
        self.0.push(Cause { reason, message, field });
    }

    pub(super) fn extend(&mut self, causes: Vec<Cause>) {
        self.0.extend(causes);
    }

    pub(super) fn invalid(&mut self, field: &str, value: &Value, why: &str) {
        let message = format!("Invalid value: {}: {why}", shown(value));
        self.push("FieldValueInvalid", field, message);
    }

    pub(super) fn required(&mut self, field: &str) {
        self.push("FieldValueRequired", field, "Required value".to_owned());
    }

    pub(super) fn required_because(&mut self, field: &str, why: &str) {
        self.push("FieldValueRequired", field, format!("Required value: {why}"));
    }

    pub(super) fn unsupported(&mut self, field: &str, value: &Value, known: &[&str]) {
        let known: Vec<String> = known.iter().map(|name| format!("{name:?}")).collect();
        let message =
            format!("Unsupported value: {}: supported values: {}", shown(value), known.join(", "));
        self.push("FieldValueNotSupported", field, message);
    }

    pub(super) fn duplicate(&mut self, field: &str, value: &Value) {
        self.push("FieldValueDuplicate", field, format!("Duplicate value: {}", shown(value)));
    }

    pub(super) fn missing(&mut self, field: &str, value: &Value) {
        self.push("FieldValueNotFound", field, format!("Not found: {}", shown(value)));
    }

    pub(super) fn forbidden(&mut self, field: &str, why: &str) {
        self.push("FieldValueForbidden", field, format!("Forbidden: {why}"));
    }

    pub(super) fn too_long(&mut self, field: &str, bytes: usize) {
        let message = format!("Too long: may not be more than {bytes} bytes");
        self.push("FieldValueTooLong", field, message);
    }

    /// A number that may not be negative, when it is there.
    pub(super) fn not_negative(&mut self, field: &str, value: &Value) {
        if value.as_i64().is_some_and(|number| number < 0) {
            self.invalid(field, value, "must be greater than or equal to 0");
        }
    }

    /// A field of an object that keeps its first value.
    pub(super) fn immutable(&mut self, field: &str, before: &Value, after: &Value) {
        if before != after {
            self.invalid(field, after, "field is immutable");
        }
    }

    pub(super) fn finish(self, resource: &Resource, name: &str) -> Result<(), Status> {
        if self.0.is_empty() {
            return Ok(());
        }
        Err(Status::invalid(resource.id.group(), &resource.kind, name, self.0))
    }
}
