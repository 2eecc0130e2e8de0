//! The annotation of client-side `kubectl apply`, which a server-side apply by the manager
//! `kubectl` respects and keeps up to date, as the real server does. No other manager does.

use serde_json::Value;

use super::fieldset::FieldSet;
use super::walk::{difference, fields_of};
use super::{Manager, check};
use crate::schema::{Node, Table};

/// The manager that the annotation is about.
pub(super) const KUBECTL: &str = "kubectl";

const ANNOTATION: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// The fields that client-side apply set and nobody changed since: `kubectl` may take them over
/// without a conflict.
pub(super) fn unchanged_since(
    table: &Table,
    node: &Node,
    live: &Value,
    manager: &Manager,
) -> Option<FieldSet> {
    let text = live["metadata"]["annotations"][ANNOTATION].as_str()?;
    let last: Value = serde_json::from_str(text).ok()?;
    if last["apiVersion"] != *manager.api_version || !check::check(table, node, &last).is_empty() {
        return None;
    }
    let changes = difference(table, node, Some(&last), live);
    let fields = fields_of(table, node, &last);
    Some(
        fields
            .difference(&changes.modified)
            .difference(&changes.added)
            .difference(&changes.removed),
    )
}

/// Writes what was applied into the annotation, if the object has one.
pub(super) fn renew(object: &mut Value, patch: &Value) {
    let annotation = object
        .pointer_mut("/metadata/annotations")
        .and_then(|annotations| annotations.get_mut(ANNOTATION));
    let Some(annotation) =
        annotation.filter(|text| text.as_str().is_some_and(|text| !text.is_empty()))
    else {
        return;
    };
    let mut applied = patch.clone();
    if let Some(annotations) = applied.pointer_mut("/metadata/annotations")
        && let Some(annotations) = annotations.as_object_mut()
    {
        annotations.remove(ANNOTATION);
    }
    *annotation = Value::String(format!("{applied}\n"));
}
