//! What is stored all the same, but worth a word. Pure.

use std::collections::BTreeSet;

use serde_json::Value;

use super::value::text;
use crate::schema::Resource;

/// The warnings about a pod or the template of one.
pub(super) fn warnings(resource: &Resource, value: &Value) -> Vec<String> {
    let (path, spec) = match (resource.id.group(), resource.id.plural()) {
        ("", "pods") => ("spec", &value["spec"]),
        ("batch", "cronjobs") => (
            "spec.jobTemplate.spec.template.spec",
            &value["spec"]["jobTemplate"]["spec"]["template"]["spec"],
        ),
        ("", "replicationcontrollers") | ("apps" | "batch", _) => {
            ("spec.template.spec", &value["spec"]["template"]["spec"])
        }
        _ => return Vec::new(),
    };
    let mut found = Vec::new();
    for list in ["initContainers", "containers"] {
        for (index, container) in spec[list].as_array().into_iter().flatten().enumerate() {
            repeated(&format!("{path}.{list}[{index}].env"), &container["env"], &mut found);
        }
    }
    found
}

/// A name that comes twice: the later one counts, and an apply knows one of them only.
fn repeated(path: &str, entries: &Value, found: &mut Vec<String>) {
    let mut seen = BTreeSet::new();
    for (index, entry) in entries.as_array().into_iter().flatten().enumerate() {
        let name = text(&entry["name"]);
        if !seen.insert(name) {
            found.push(format!(
                "{path}[{index}]: hides previous definition of {name:?}, which may be dropped when \
                 using apply"
            ));
        }
    }
}
