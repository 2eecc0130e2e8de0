//! What `kubectl get` prints: the columns of a resource and the cells of an object. Pure.
//!
//! Columns and cells are those of a real server of the same version, kept to it by the rows that it
//! gave for the objects in `table/recorded.json`. Descriptions of columns are left out: nobody
//! prints them.

mod config;
mod custom;
mod network;
mod nodes;
mod pods;
mod policy;
mod storage;
mod text;
mod workloads;

#[cfg(test)]
mod tests;

use serde_json::{Value, json};

use crate::schema::Resource;

/// How one kind is printed. Its columns are `Name:type*`: without a type a string, and with a star
/// only in wide output. The name comes first and is not listed, unless `name_last`.
struct Printer {
    columns: &'static [&'static str],
    /// The cells after the name.
    cells: fn(&Value, i64) -> Vec<Value>,
    name_last: bool,
}

impl Printer {
    const fn new(columns: &'static [&'static str], cells: fn(&Value, i64) -> Vec<Value>) -> Self {
        Self { columns, cells, name_last: false }
    }
}

/// The `columnDefinitions` of a Table of this resource, as a JSON array.
pub(crate) fn columns(resource: &Resource) -> Value {
    if resource.custom {
        return custom::columns(&resource.printer_columns);
    }
    let Some(printer) = printer(resource) else {
        return json!([column("Name", "string", "name", 0), column("Created At", "date", "", 0)]);
    };
    let listed = printer.columns.iter().map(|spec| {
        let (spec, priority) = match spec.strip_suffix('*') {
            Some(spec) => (spec, 1),
            None => (*spec, 0),
        };
        let (name, ty) = spec.split_once(':').unwrap_or((spec, "string"));
        column(name, ty, "", priority)
    });
    if printer.name_last {
        return listed.chain([column("Name", "string", "name", 1)]).collect();
    }
    [column("Name", "string", "name", 0)].into_iter().chain(listed).collect()
}

/// The cells of one row, one per column. `now_ms` is the time of day for ages.
pub(crate) fn cells(resource: &Resource, object: &Value, now_ms: i64) -> Vec<Value> {
    let name = json!(text::name(object));
    if resource.custom {
        return [name]
            .into_iter()
            .chain(custom::cells(&resource.printer_columns, object, now_ms))
            .collect();
    }
    let Some(printer) = printer(resource) else {
        return vec![name, object["metadata"]["creationTimestamp"].clone()];
    };
    let cells = (printer.cells)(object, now_ms);
    if printer.name_last {
        return cells.into_iter().chain([name]).collect();
    }
    let name =
        if *resource.id.plural() == *"storageclasses" { storage::class_name(object) } else { name };
    [name].into_iter().chain(cells).collect()
}

fn column(name: &str, ty: &str, format: &str, priority: i64) -> Value {
    json!({"name": name, "type": ty, "format": format, "description": "", "priority": priority})
}

fn printer(resource: &Resource) -> Option<Printer> {
    match (resource.id.group(), resource.id.plural()) {
        ("", "pods") => Some(pods::PODS),
        ("apps" | "batch" | "autoscaling", plural) => workloads::printer(plural),
        ("", "replicationcontrollers") => workloads::printer("replicationcontrollers"),
        ("", "services" | "endpoints") | ("networking.k8s.io" | "discovery.k8s.io", _) => {
            network::printer(resource.id.plural())
        }
        ("", "persistentvolumes" | "persistentvolumeclaims") | ("storage.k8s.io", _) => {
            storage::printer(resource.id.plural())
        }
        ("" | "events.k8s.io", "events") => Some(config::EVENTS),
        ("", "nodes") => Some(nodes::NODES),
        ("", plural) => config::printer(plural),
        (group, plural) => policy::printer(group, plural),
    }
}
