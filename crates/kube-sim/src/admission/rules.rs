//! Which rules an object must keep, by kind. Pure.
//!
//! The rules of `metadata` are kept elsewhere, with the object's identity.

mod configuration;
mod network;
mod pods;
mod workloads;

use serde_json::Value;

use super::errors::Errors;
use super::value::text;
use crate::api::status::Status;
use crate::objects::Part;
use crate::schema::Resource;

pub(super) fn validate(
    resource: &Resource,
    live: Option<&Value>,
    new: &Value,
    part: Part,
) -> Result<(), Status> {
    if part == Part::Status || resource.custom {
        return Ok(());
    }
    let mut errors = Errors::default();
    let e = &mut errors;
    match (resource.id.group(), resource.id.plural()) {
        ("apps", "deployments") => workloads::deployment(e, live, new),
        ("apps", "replicasets") => workloads::replica_set(e, live, new),
        ("apps", "statefulsets") => workloads::stateful_set(e, live, new),
        ("apps", "daemonsets") => workloads::daemon_set(e, live, new),
        ("batch", "jobs") => workloads::job(e, live, new),
        ("batch", "cronjobs") => workloads::cron_job(e, live.is_none(), new),
        ("", "pods") => pods::pod(e, live, new),
        ("", "services") => network::service(e, live, new),
        ("networking.k8s.io", "ingresses") => network::ingress(e, new),
        ("networking.k8s.io", "networkpolicies") => network::policy(e, new),
        ("", "configmaps") => configuration::config_map(e, live, new),
        ("", "secrets") => configuration::secret(e, live, new),
        ("", "persistentvolumeclaims") => configuration::claim(e, live, new),
        ("storage.k8s.io", "storageclasses") => configuration::storage_class(e, live, new),
        ("scheduling.k8s.io", "priorityclasses") => configuration::priority(e, live, new),
        ("rbac.authorization.k8s.io", "rolebindings" | "clusterrolebindings") => {
            configuration::binding(e, live, new, resource.namespaced);
        }
        ("rbac.authorization.k8s.io", "roles" | "clusterroles") => {
            configuration::role(e, new, resource.namespaced);
        }
        ("autoscaling", "horizontalpodautoscalers") => workloads::autoscaler(e, new),
        ("policy", "poddisruptionbudgets") => workloads::budget(e, new),
        ("apiextensions.k8s.io", "customresourcedefinitions") => {
            configuration::definition(e, live, new);
        }
        _ => {}
    }
    errors.finish(resource, text(&new["metadata"]["name"]))
}

/// A lower-case label of a DNS name.
fn is_dns_label(name: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=63).contains(&name.len())
        && name.chars().all(inner)
        && !name.starts_with('-')
        && !name.ends_with('-')
}

/// A number of a port that may be used.
fn port_number(errors: &mut Errors, field: &str, value: &Value) {
    if value.as_i64().is_some_and(|port| !(1..=65_535).contains(&port)) {
        errors.invalid(field, value, "must be between 1 and 65535, inclusive");
    }
}

/// A port's name, as it is written in `ports` or in a `targetPort`.
fn port_name(errors: &mut Errors, field: &str, value: &Value) {
    let name = text(value);
    if !name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-') {
        let why = "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)";
        errors.invalid(field, value, why);
    } else if name.len() > 15 {
        errors.invalid(field, value, "must be no more than 15 characters");
    } else if !name.chars().any(|c| c.is_ascii_lowercase()) {
        errors.invalid(field, value, "must contain at least one letter (a-z)");
    } else if name.contains("--") {
        errors.invalid(field, value, "must not contain consecutive hyphens");
    } else if name.starts_with('-') || name.ends_with('-') {
        errors.invalid(field, value, "must not begin or end with a hyphen");
    }
}

const PROTOCOLS: [&str; 3] = ["SCTP", "TCP", "UDP"];

/// A text that must be one of these.
fn one_of(errors: &mut Errors, field: &str, value: &Value, known: &[&str]) {
    if !known.contains(&text(value)) {
        errors.unsupported(field, value, known);
    }
}

/// The items of a list, with their fields' names.
fn each<'a>(value: &'a Value, field: &str) -> impl Iterator<Item = (String, &'a Value)> {
    let list = value.as_array().into_iter().flatten();
    let field = field.to_owned();
    list.enumerate().map(move |(n, item)| (format!("{field}[{n}]"), item))
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(list) => list.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}
