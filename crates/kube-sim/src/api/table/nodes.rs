//! Nodes.

use serde_json::{Value, json};

use super::Printer;
use super::text::{NONE, UNKNOWN, age, entries, is_true, list, str, str_or};

pub(super) const NODES: Printer = Printer::new(
    &[
        "Status",
        "Roles",
        "Age",
        "Version",
        "Internal-IP*",
        "External-IP*",
        "OS-Image*",
        "Kernel-Version*",
        "Container-Runtime*",
    ],
    cells,
);

const ROLE: &str = "node-role.kubernetes.io/";

fn cells(node: &Value, now_ms: i64) -> Vec<Value> {
    let info = &node["status"]["nodeInfo"];
    let kernel = match (str_or(&info["kernelVersion"], UNKNOWN), str(&info["architecture"])) {
        (kernel, "") => kernel.to_owned(),
        (kernel, architecture) => format!("{kernel} ({architecture})"),
    };
    vec![
        json!(status(node)),
        json!(roles(node)),
        age(node, now_ms),
        json!(str(&info["kubeletVersion"])),
        json!(address(node, "InternalIP")),
        json!(address(node, "ExternalIP")),
        json!(str_or(&info["osImage"], UNKNOWN)),
        json!(kernel),
        json!(str_or(&info["containerRuntimeVersion"], UNKNOWN)),
    ]
}

fn status(node: &Value) -> String {
    let conditions = list(&node["status"]["conditions"]);
    let known = conditions.iter().any(|condition| condition["type"] == "Ready");
    let ready = match (known, is_true(node, "Ready")) {
        (false, _) => "Unknown",
        (true, true) => "Ready",
        (true, false) => "NotReady",
    };
    let closed = node["spec"]["unschedulable"] == true;
    format!("{ready}{}", if closed { ",SchedulingDisabled" } else { "" })
}

fn roles(node: &Value) -> String {
    let labels = entries(&node["metadata"]["labels"]);
    let mut roles: Vec<&str> = labels
        .filter_map(|(key, value)| match key.strip_prefix(ROLE) {
            Some(role) => Some(role),
            None => (key == "kubernetes.io/role").then(|| str(value)),
        })
        .filter(|role| !role.is_empty())
        .collect();
    roles.sort_unstable();
    roles.dedup();
    if roles.is_empty() { NONE.to_owned() } else { roles.join(",") }
}

fn address<'a>(node: &'a Value, kind: &str) -> &'a str {
    let addresses = list(&node["status"]["addresses"]);
    let found = addresses.iter().find(|address| address["type"] == kind);
    found.map_or(NONE, |address| str(&address["address"]))
}
