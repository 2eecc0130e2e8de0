//! What Services, Ingresses and NetworkPolicies must be.

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde_json::{Value, json};

use super::{PROTOCOLS, each, is_dns_label, is_empty, one_of, port_name, port_number};
use crate::admission::errors::Errors;
use crate::admission::value::text;

pub(super) fn service(errors: &mut Errors, live: Option<&Value>, new: &Value) {
    let spec = &new["spec"];
    let kind = text(&spec["type"]);
    let headless = spec["clusterIP"] == "None";
    if is_empty(&spec["ports"]) && !headless && kind != "ExternalName" {
        errors.required("spec.ports");
    }
    match kind {
        "LoadBalancer" | "NodePort" if headless => {
            let why = format!("may not be set to 'None' for {kind} services");
            errors.invalid("spec.clusterIPs[0]", &json!("None"), &why);
        }
        "ExternalName" if text(&spec["externalName"]).is_empty() => {
            errors.required("spec.externalName");
        }
        _ => {}
    }
    service_ports(errors, spec, kind);
    let affinity = &spec["sessionAffinity"];
    one_of(errors, "spec.sessionAffinity", affinity, &["ClientIP", "None"]);
    let kinds = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];
    one_of(errors, "spec.type", &spec["type"], &kinds);
    addresses(errors, live, spec);
}

fn service_ports(errors: &mut Errors, spec: &Value, kind: &str) {
    let several = spec["ports"].as_array().is_some_and(|ports| ports.len() > 1);
    let (mut names, mut numbers) = (BTreeSet::new(), BTreeSet::new());
    for (field, port) in each(&spec["ports"], "spec.ports") {
        let name = text(&port["name"]);
        let at = format!("{field}.name");
        if name.is_empty() {
            if several {
                errors.required(&at);
            }
        } else if !is_dns_label(name) {
            errors.invalid(&at, &port["name"], super::pods::LABEL);
        } else if !names.insert(name) {
            errors.duplicate(&at, &port["name"]);
        }
        port_number(errors, &format!("{field}.port"), &port["port"]);
        one_of(errors, &format!("{field}.protocol"), &port["protocol"], &PROTOCOLS);
        let target = &port["targetPort"];
        match target {
            Value::String(_) => port_name(errors, &format!("{field}.targetPort"), target),
            _ => port_number(errors, &format!("{field}.targetPort"), target),
        }
        if kind == "ClusterIP" && port["nodePort"].as_i64().unwrap_or(0) != 0 {
            let why = "may not be used when `type` is 'ClusterIP'";
            errors.forbidden(&format!("{field}.nodePort"), why);
        }
        if !numbers.insert((port["port"].as_i64(), text(&port["protocol"]))) {
            // Go shows its struct here, with only what makes the two equal.
            let shown = json!({
                "Name": "", "Protocol": port["protocol"], "AppProtocol": null,
                "Port": port["port"], "TargetPort": 0, "NodePort": 0,
            });
            errors.duplicate(&field, &shown);
        }
    }
}

fn addresses(errors: &mut Errors, live: Option<&Value>, spec: &Value) {
    for (field, address) in each(&spec["clusterIPs"], "spec.clusterIPs") {
        let given = text(address);
        if !given.is_empty() && given != "None" && given.parse::<IpAddr>().is_err() {
            let why = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
            errors.invalid(&field, address, why);
        }
    }
    if spec["clusterIP"] != "None" && spec["ipFamilyPolicy"] == "RequireDualStack" {
        let why = "this cluster is not configured for dual-stack services";
        errors.invalid("spec.ipFamilyPolicy", &spec["ipFamilyPolicy"], why);
        for (field, family) in each(&spec["ipFamilies"], "spec.ipFamilies") {
            if family == "IPv6" {
                errors.invalid(&field, family, "not configured on this cluster");
            }
        }
        return;
    }
    let Some(before) = live.map(|live| &live["spec"]) else { return };
    let outside = |spec: &Value| spec["type"] == "ExternalName";
    let first = |spec: &Value| spec["clusterIPs"][0].clone();
    if !outside(before)
        && !outside(spec)
        && !first(before).is_null()
        && first(before) != first(spec)
    {
        errors.invalid("spec.clusterIPs[0]", &spec["clusterIPs"], "may not change once set");
    }
}

const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric \
characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', \
regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";

pub(super) fn ingress(errors: &mut Errors, new: &Value) {
    let spec = &new["spec"];
    if is_empty(&spec["rules"]) && is_empty(&spec["defaultBackend"]) {
        let why = "either `defaultBackend` or `rules` must be specified";
        errors.invalid("spec", &Value::Null, why);
    }
    if !spec["defaultBackend"].is_null() {
        backend(errors, "spec.defaultBackend", &spec["defaultBackend"]);
    }
    for (field, rule) in each(&spec["rules"], "spec.rules") {
        let host = text(&rule["host"]);
        let plain = host.strip_prefix("*.").unwrap_or(host);
        if !host.is_empty() && !plain.split('.').all(is_dns_label) {
            errors.invalid(&format!("{field}.host"), &rule["host"], SUBDOMAIN);
        }
        for (at, path) in each(&rule["http"]["paths"], &format!("{field}.http.paths")) {
            ingress_path(errors, &at, path);
        }
    }
}

fn ingress_path(errors: &mut Errors, at: &str, path: &Value) {
    match text(&path["pathType"]) {
        "" => errors.required_because(&format!("{at}.pathType"), "pathType must be specified"),
        "Exact" | "Prefix" => {
            if !text(&path["path"]).starts_with('/') {
                let why = "must be an absolute path";
                errors.invalid(&format!("{at}.path"), &path["path"], why);
            }
        }
        "ImplementationSpecific" => {}
        _ => {
            let known = ["Exact", "ImplementationSpecific", "Prefix"];
            errors.unsupported(&format!("{at}.pathType"), &path["pathType"], &known);
        }
    }
    backend(errors, &format!("{at}.backend"), &path["backend"]);
}

fn backend(errors: &mut Errors, at: &str, backend: &Value) {
    let service = &backend["service"];
    if service.is_null() && backend["resource"].is_null() {
        errors.invalid(at, &json!(""), "resource or service backend is required");
    } else if !service.is_null() && text(&service["name"]).is_empty() {
        errors.required(&format!("{at}.service.name"));
    }
}

pub(super) fn policy(errors: &mut Errors, new: &Value) {
    let spec = &new["spec"];
    for (direction, peers) in [("ingress", "from"), ("egress", "to")] {
        for (field, rule) in each(&spec[direction], &format!("spec.{direction}")) {
            for (at, port) in each(&rule["ports"], &format!("{field}.ports")) {
                one_of(errors, &format!("{at}.protocol"), &port["protocol"], &PROTOCOLS);
                port_number(errors, &format!("{at}.port"), &port["port"]);
            }
            for (at, peer) in each(&rule[peers], &format!("{field}.{peers}")) {
                if is_empty(peer) {
                    errors.required_because(&at, "must specify a peer");
                }
            }
        }
    }
    for (at, kind) in each(&spec["policyTypes"], "spec.policyTypes") {
        one_of(errors, &at, kind, &["Ingress", "Egress"]);
    }
}
