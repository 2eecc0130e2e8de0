//! The rules of `metadata`: what may be in it, and what a write cannot change. Pure.

use serde_json::{Map, Value, json};

use crate::api::status::{Cause, Status};
use crate::schema::Resource;
use crate::store::ResourceId;

/// All annotations of an object together, keys and values.
const MAX_ANNOTATIONS_BYTES: usize = 256 << 10;
const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric \
    characters, '-' or '.', and must start and end with an alphanumeric character (e.g. \
    'example.com', regex used for validation is \
    '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters \
    or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or \
    '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const SERVICE_LABEL: &str = "a DNS-1035 label must consist of lower case alphanumeric characters \
    or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. \
    'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
const QUALIFIED: &str = "name part must consist of alphanumeric characters, '-', '_' or '.', and \
    must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or \
    '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const LABEL_VALUE: &str = "a valid label must be an empty string or consist of alphanumeric \
    characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. \
    'MyValue',  or 'my_value',  or '12345', regex used for validation is \
    '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

/// The metadata of an object, made if it has none.
pub(super) fn of(value: &mut Value) -> &mut Map<String, Value> {
    if !value["metadata"].is_object() {
        value["metadata"] = json!({});
    }
    value["metadata"].as_object_mut().expect("it was just made")
}

/// Drops what is set to nothing: the server neither stores nor shows it.
pub(super) fn tidy(value: &mut Value) {
    let metadata = of(value);
    metadata.retain(|_, value| match value {
        Value::Null => false,
        Value::Object(entries) => !entries.is_empty(),
        Value::Array(entries) => !entries.is_empty(),
        Value::String(text) => !text.is_empty(),
        _ => true,
    });
}

pub(super) fn tidied(mut value: Value) -> Value {
    tidy(&mut value);
    value
}

/// Gives the object back what no write can change.
pub(super) fn keep_identity(live: &Value, value: &mut Value) {
    let metadata = of(value);
    for field in [
        "name",
        "namespace",
        "uid",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "generation",
        "resourceVersion",
        "generateName",
        "selfLink",
    ] {
        match live["metadata"].get(field) {
            Some(kept) => metadata.insert(field.to_owned(), kept.clone()),
            None => metadata.remove(field),
        };
    }
}

pub(super) fn finalizers(value: &Value) -> impl Iterator<Item = &str> {
    value["metadata"]["finalizers"].as_array().into_iter().flatten().filter_map(Value::as_str)
}

/// A namespace has finalizers in its spec too.
pub(super) fn is_held_by_spec(resource: &ResourceId, value: &Value) -> bool {
    super::is_namespaces(resource)
        && value["spec"]["finalizers"].as_array().is_some_and(|list| !list.is_empty())
}

/// Its deletion was waiting for finalizers, and none is left.
pub(super) fn is_finished(resource: &ResourceId, value: &Value) -> bool {
    value["metadata"].get("deletionTimestamp").is_some()
        && value["metadata"]["deletionGracePeriodSeconds"].as_i64().unwrap_or_default() == 0
        && finalizers(value).next().is_none()
        && !is_held_by_spec(resource, value)
}

/// Refuses metadata that a real server refuses.
pub(super) fn validate(
    resource: &Resource,
    live: Option<&Value>,
    value: &Value,
) -> Result<(), Status> {
    let metadata = &value["metadata"];
    let name = metadata["name"].as_str().unwrap_or_default();
    let mut causes = Vec::new();
    if live.is_none() {
        check_name(&resource.id, name, &mut causes);
    }
    check_labels(&metadata["labels"], &mut causes);
    check_annotations(&metadata["annotations"], &mut causes);
    check_finalizers(resource, live, value, &mut causes);
    match causes.is_empty() {
        true => Ok(()),
        false => Err(Status::invalid(resource.id.group(), &resource.kind, name, causes)),
    }
}

fn check_name(resource: &ResourceId, name: &str, causes: &mut Vec<Cause>) {
    let mut refuse = |why: &str| {
        let message = format!("Invalid value: {name:?}: {why}");
        causes.push(Cause::new("FieldValueInvalid", "metadata.name", message));
    };
    match (resource.group(), resource.plural()) {
        ("rbac.authorization.k8s.io", _) => {
            if name == "." || name == ".." {
                refuse(&format!("may not be '{name}'"));
            } else if let Some(bad) = ["/", "%"].into_iter().find(|bad| name.contains(bad)) {
                refuse(&format!("may not contain '{bad}'"));
            }
        }
        ("", "namespaces") => check_dns(name, 63, is_label(name), LABEL, &mut refuse),
        ("", "services") => {
            let fits = is_label(name) && !name.starts_with(|c: char| c.is_ascii_digit());
            check_dns(name, 63, fits, SERVICE_LABEL, &mut refuse);
        }
        _ => check_dns(name, 253, name.split('.').all(is_label), SUBDOMAIN, &mut refuse),
    }
}

fn check_dns(name: &str, most: usize, fits: bool, rule: &str, refuse: &mut impl FnMut(&str)) {
    if name.len() > most {
        refuse(&format!("must be no more than {most} characters"));
    }
    if !fits {
        refuse(rule);
    }
}

fn is_label(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    !text.is_empty() && text.chars().all(inner) && !text.starts_with('-') && !text.ends_with('-')
}

/// Alphanumeric at both ends, with `-`, `_` and `.` within, at most 63 characters.
fn is_word(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let end = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    text.len() <= 63
        && text.chars().all(inner)
        && end(text.chars().next())
        && end(text.chars().next_back())
}

fn is_qualified(key: &str) -> bool {
    match key.split_once('/') {
        Some((prefix, name)) => prefix.split('.').all(is_label) && is_word(name),
        None => is_word(key),
    }
}

fn check_labels(labels: &Value, causes: &mut Vec<Cause>) {
    for (key, value) in labels.as_object().into_iter().flatten() {
        let value = value.as_str().unwrap_or_default();
        let mut refuse = |text: &str, why: &str| {
            let message = format!("Invalid value: {text:?}: {why}");
            causes.push(Cause::new("FieldValueInvalid", "metadata.labels", message));
        };
        if !is_qualified(key) {
            refuse(key, QUALIFIED);
        }
        if value.len() > 63 {
            refuse(value, "must be no more than 63 bytes");
        } else if !value.is_empty() && !is_word(value) {
            refuse(value, LABEL_VALUE);
        }
    }
}

fn check_annotations(annotations: &Value, causes: &mut Vec<Cause>) {
    let mut bytes = 0;
    for (key, value) in annotations.as_object().into_iter().flatten() {
        bytes += key.len() + value.as_str().map_or(0, str::len);
        // Keys of annotations may have capitals in their prefix.
        if !is_qualified(&key.to_lowercase()) {
            let message = format!("Invalid value: {key:?}: {QUALIFIED}");
            causes.push(Cause::new("FieldValueInvalid", "metadata.annotations", message));
        }
    }
    if bytes > MAX_ANNOTATIONS_BYTES {
        let message = format!("Too long: may not be more than {MAX_ANNOTATIONS_BYTES} bytes");
        causes.push(Cause::new("FieldValueTooLong", "metadata.annotations", message));
    }
}

fn check_finalizers(
    resource: &Resource,
    live: Option<&Value>,
    value: &Value,
    causes: &mut Vec<Cause>,
) {
    // The finalizer of definitions themselves has no slash: only the other built-in kinds ask for it.
    let free = resource.custom || resource.id.group() == "apiextensions.k8s.io";
    for (index, finalizer) in finalizers(value).enumerate() {
        let known = free || matches!(finalizer, "foregroundDeletion" | "orphan" | "kubernetes");
        if !known && !finalizer.contains('/') {
            let why = "name is neither a standard finalizer name nor is it fully qualified";
            let field = format!("metadata.finalizers[{index}]");
            let message = format!("Invalid value: {finalizer:?}: {why}");
            causes.push(Cause::new("FieldValueInvalid", &field, message));
        }
    }
    let Some(live) = live.filter(|live| live["metadata"].get("deletionTimestamp").is_some()) else {
        return;
    };
    let new: Vec<_> =
        finalizers(value).filter(|new| finalizers(live).all(|old| old != *new)).collect();
    if !new.is_empty() {
        let message = format!(
            "Forbidden: no new finalizers can be added if the object is being deleted, found new \
             finalizers []string{{{}}}",
            new.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ")
        );
        // The real server checks this twice, once for all kinds and once for each.
        let cause = Cause::new("FieldValueForbidden", "metadata.finalizers", message);
        causes.extend([cause.clone(), cause]);
    }
}
