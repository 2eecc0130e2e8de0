//! What a pod's spec must be, alone or in a template.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{PROTOCOLS, each, is_dns_label, is_empty, one_of, port_name, port_number};
use crate::admission::errors::Errors;
use crate::admission::value::text;

pub(super) const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric \
characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or \
'123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";

const MAY_CHANGE: &str = "pod updates may not change fields other than `spec.containers[*].image`,\
`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to \
existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was \
previously negative)";

pub(super) fn pod(errors: &mut Errors, live: Option<&Value>, new: &Value) {
    spec(errors, "spec", &new["spec"]);
    if let Some(live) = live
        && fixed(live, live) != fixed(live, new)
    {
        errors.forbidden("spec", MAY_CHANGE);
    }
}

/// The spec without what may change. Binding a pod to its first node is a change of its own.
fn fixed(live: &Value, pod: &Value) -> Value {
    let mut spec = pod["spec"].clone();
    let bound = !text(&live["spec"]["nodeName"]).is_empty();
    if let Some(fields) = spec.as_object_mut() {
        for field in ["activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds"] {
            fields.remove(field);
        }
        if !bound {
            fields.remove("nodeName");
        }
    }
    for list in ["initContainers", "containers"] {
        for container in spec[list].as_array_mut().into_iter().flatten() {
            if let Some(fields) = container.as_object_mut() {
                fields.remove("image");
            }
        }
    }
    spec
}

pub(super) fn spec(errors: &mut Errors, at: &str, spec: &Value) {
    let volumes = volumes(errors, at, &spec["volumes"]);
    let mut names = BTreeSet::new();
    if is_empty(&spec["containers"]) {
        errors.required(&format!("{at}.containers"));
    }
    for list in ["containers", "initContainers"] {
        for (field, item) in each(&spec[list], &format!("{at}.{list}")) {
            container(errors, &field, item, &volumes);
            let name = text(&item["name"]);
            if !name.is_empty() && !names.insert(name) {
                errors.duplicate(&format!("{field}.name"), &item["name"]);
            }
        }
    }
    let policies = ["Always", "OnFailure", "Never"];
    one_of(errors, &format!("{at}.restartPolicy"), &spec["restartPolicy"], &policies);
    let policies = ["ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"];
    one_of(errors, &format!("{at}.dnsPolicy"), &spec["dnsPolicy"], &policies);
}

fn volumes<'a>(errors: &mut Errors, at: &str, volumes: &'a Value) -> BTreeSet<&'a str> {
    let mut names = BTreeSet::new();
    for (field, volume) in each(volumes, &format!("{at}.volumes")) {
        let name = text(&volume["name"]);
        let field_name = format!("{field}.name");
        if name.is_empty() {
            errors.required(&field_name);
        } else if !is_dns_label(name) {
            errors.invalid(&field_name, &volume["name"], LABEL);
        } else if !names.insert(name) {
            errors.duplicate(&field_name, &volume["name"]);
        }
        let sources = volume.as_object().into_iter().flatten().map(|(key, _)| key);
        // Go looks at the sources in the order of its struct, of which these come first.
        let mut sources: Vec<&String> = sources.filter(|key| *key != "name").collect();
        sources.sort_by_key(|key| match key.as_str() {
            "emptyDir" => 0,
            "hostPath" => 1,
            _ => 2,
        });
        for extra in sources.iter().skip(1) {
            errors
                .forbidden(&format!("{field}.{extra}"), "may not specify more than 1 volume type");
        }
    }
    names
}

fn container(errors: &mut Errors, at: &str, container: &Value, volumes: &BTreeSet<&str>) {
    let name = text(&container["name"]);
    if name.is_empty() {
        errors.required(&format!("{at}.name"));
    } else if !is_dns_label(name) {
        errors.invalid(&format!("{at}.name"), &container["name"], LABEL);
    }
    if text(&container["image"]).is_empty() {
        errors.required(&format!("{at}.image"));
    }
    ports(errors, at, &container["ports"]);
    environment(errors, at, &container["env"]);
    mounts(errors, at, &container["volumeMounts"], volumes);
    for kind in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if !container[kind].is_null() {
            probe(errors, &format!("{at}.{kind}"), &container[kind]);
        }
    }
    let policies = ["Always", "IfNotPresent", "Never"];
    let policy = &container["imagePullPolicy"];
    one_of(errors, &format!("{at}.imagePullPolicy"), policy, &policies);
    resources(errors, at, &container["resources"]);
}

fn ports(errors: &mut Errors, at: &str, ports: &Value) {
    let mut names = BTreeSet::new();
    for (field, port) in each(ports, &format!("{at}.ports")) {
        let name = text(&port["name"]);
        if !name.is_empty() {
            port_name(errors, &format!("{field}.name"), &port["name"]);
            if !names.insert(name) {
                errors.duplicate(&format!("{field}.name"), &port["name"]);
            }
        }
        if port["containerPort"].as_i64().unwrap_or(0) == 0 {
            errors.required(&format!("{field}.containerPort"));
        } else {
            port_number(errors, &format!("{field}.containerPort"), &port["containerPort"]);
        }
        if port["hostPort"].as_i64().unwrap_or(0) != 0 {
            port_number(errors, &format!("{field}.hostPort"), &port["hostPort"]);
        }
        one_of(errors, &format!("{field}.protocol"), &port["protocol"], &PROTOCOLS);
    }
}

fn environment(errors: &mut Errors, at: &str, variables: &Value) {
    for (field, variable) in each(variables, &format!("{at}.env")) {
        let name = text(&variable["name"]);
        if name.is_empty() {
            errors.required(&format!("{field}.name"));
        } else if !name.chars().all(|c| (' '..='~').contains(&c) && c != '=') {
            let why = "a valid environment variable name must consist only of printable ASCII characters other than '='";
            errors.invalid(&format!("{field}.name"), &variable["name"], why);
        }
        if !is_empty(&variable["valueFrom"]) && !text(&variable["value"]).is_empty() {
            let why = "may not be specified when `value` is not empty";
            errors.invalid(&format!("{field}.valueFrom"), &json!(""), why);
        }
    }
}

fn mounts(errors: &mut Errors, at: &str, mounts: &Value, volumes: &BTreeSet<&str>) {
    let mut paths = BTreeSet::new();
    for (field, mount) in each(mounts, &format!("{at}.volumeMounts")) {
        let (name, path) = (text(&mount["name"]), text(&mount["mountPath"]));
        if name.is_empty() {
            errors.required(&format!("{field}.name"));
        } else if !volumes.contains(name) {
            errors.missing(&format!("{field}.name"), &mount["name"]);
        }
        if path.is_empty() {
            errors.required(&format!("{field}.mountPath"));
        } else if !paths.insert(path) {
            let why = "must be unique";
            errors.invalid(&format!("{field}.mountPath"), &mount["mountPath"], why);
        }
    }
}

fn probe(errors: &mut Errors, at: &str, probe: &Value) {
    let handlers = ["exec", "httpGet", "tcpSocket", "grpc"];
    let mut given = handlers.iter().filter(|handler| !probe[**handler].is_null());
    if given.next().is_none() {
        errors.required_because(at, "must specify a handler type");
    }
    for extra in given {
        errors.forbidden(&format!("{at}.{extra}"), "may not specify more than 1 handler type");
    }
    for field in [
        "initialDelaySeconds",
        "timeoutSeconds",
        "periodSeconds",
        "successThreshold",
        "failureThreshold",
    ] {
        errors.not_negative(&format!("{at}.{field}"), &probe[field]);
    }
}

/// A request above its limit, where both are written in the same unit or in plain numbers.
fn resources(errors: &mut Errors, at: &str, resources: &Value) {
    for (name, request) in resources["requests"].as_object().into_iter().flatten() {
        let limit = &resources["limits"][name];
        let (Some(wanted), Some(most)) = (amount(request), amount(limit)) else { continue };
        if wanted > most {
            let why = format!("must be less than or equal to {name} limit of {}", text(limit));
            errors.invalid(&format!("{at}.resources.requests"), request, &why);
        }
    }
}

/// A quantity as a number, exact enough to compare two of them.
fn amount(quantity: &Value) -> Option<f64> {
    let text = match quantity {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    let digits = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let factor = match &text[digits..] {
        "" => 1.0,
        "m" => 1e-3,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "Ki" => 1024.0,
        "Mi" => 1024.0 * 1024.0,
        "Gi" => 1024.0 * 1024.0 * 1024.0,
        "Ti" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
        _ => return None,
    };
    Some(text[..digits].parse::<f64>().ok()? * factor)
}
