//! What ConfigMaps, Secrets, claims, roles and definitions must be, and what of them cannot change.

use serde_json::{Value, json};

use super::{each, is_empty};
use crate::admission::errors::Errors;
use crate::admission::value::text;

/// The data of a ConfigMap or a Secret, all values together.
const MAX_BYTES: usize = 1 << 20;
const IMMUTABLE: &str = "field is immutable when `immutable` is set";
const CONFIG_KEY: &str = "a valid config key must consist of alphanumeric characters, '-', '_' or \
'.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";

fn keys(errors: &mut Errors, field: &str, data: &Value) {
    for key in data.as_object().into_iter().flatten().map(|(key, _)| key) {
        let at = format!("{field}[{key}]");
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if key.is_empty() || !key.chars().all(plain) {
            errors.invalid(&at, &json!(key), CONFIG_KEY);
        } else if key.len() > 253 {
            errors.invalid(&at, &json!(key), "must be no more than 253 characters");
        } else if key == "." || key.starts_with("..") {
            let why = match key.as_str() {
                "." => "must not be '.'",
                ".." => "must not be '..'",
                _ => "must not start with '..'",
            };
            errors.invalid(&at, &json!(key), why);
        }
    }
}

fn bytes(data: &Value, encoded: bool) -> usize {
    let size = |value: &Value| {
        let text = text(value);
        let padding = text.len() - text.trim_end_matches('=').len();
        if encoded { text.len() / 4 * 3 - padding.min(text.len() / 4 * 3) } else { text.len() }
    };
    data.as_object().into_iter().flatten().map(|(_, value)| size(value)).sum()
}

/// What a set `immutable` keeps.
fn sealed(errors: &mut Errors, live: Option<&Value>, new: &Value, fields: &[&str]) {
    let Some(live) = live.filter(|live| live["immutable"] == true) else { return };
    if new["immutable"] != true {
        errors.forbidden("immutable", IMMUTABLE);
    }
    for field in fields {
        let differs = live[*field] != new[*field];
        if differs && !(is_empty(&live[*field]) && is_empty(&new[*field])) {
            errors.forbidden(field, IMMUTABLE);
        }
    }
}

pub(super) fn config_map(errors: &mut Errors, live: Option<&Value>, new: &Value) {
    keys(errors, "data", &new["data"]);
    keys(errors, "binaryData", &new["binaryData"]);
    for key in new["binaryData"].as_object().into_iter().flatten().map(|(key, _)| key) {
        if !new["data"][key].is_null() {
            let why = "duplicate of key present in binaryData";
            errors.invalid(&format!("data[{key}]"), &json!(key), why);
        }
    }
    if bytes(&new["data"], false) + bytes(&new["binaryData"], true) > MAX_BYTES {
        // The real server names no field here.
        errors.too_long("[]", MAX_BYTES);
    }
    sealed(errors, live, new, &["data", "binaryData"]);
}

pub(super) fn secret(errors: &mut Errors, live: Option<&Value>, new: &Value) {
    keys(errors, "data", &new["data"]);
    if bytes(&new["data"], true) > MAX_BYTES {
        errors.too_long("data", MAX_BYTES);
    }
    let wanted: &[&str] = match text(&new["type"]) {
        "kubernetes.io/tls" => &["tls.crt", "tls.key"],
        "kubernetes.io/dockerconfigjson" => &[".dockerconfigjson"],
        "kubernetes.io/dockercfg" => &[".dockercfg"],
        "kubernetes.io/ssh-auth" => &["ssh-privatekey"],
        _ => &[],
    };
    for key in wanted.iter().filter(|key| new["data"][**key].is_null()) {
        errors.required(&format!("data[{key}]"));
    }
    let data = &new["data"];
    if new["type"] == "kubernetes.io/basic-auth"
        && data["username"].is_null()
        && data["password"].is_null()
    {
        errors.required("data[username]");
        errors.required("data[password]");
    }
    const ACCOUNT: &str = "kubernetes.io/service-account.name";
    if new["type"] == "kubernetes.io/service-account-token"
        && text(&new["metadata"]["annotations"][ACCOUNT]).is_empty()
    {
        errors.required(&format!("metadata.annotations[{ACCOUNT}]"));
    }
    if let Some(live) = live {
        errors.immutable("type", &live["type"], &new["type"]);
    }
    sealed(errors, live, new, &["data"]);
}

pub(super) fn claim(errors: &mut Errors, live: Option<&Value>, new: &Value) {
    let spec = &new["spec"];
    if is_empty(&spec["accessModes"]) {
        let why = "at least 1 access mode is required";
        errors.required_because("spec.accessModes", why);
    }
    let modes = ["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"];
    for mode in spec["accessModes"].as_array().into_iter().flatten() {
        super::one_of(errors, "spec.accessModes", mode, &modes);
    }
    if spec["resources"]["requests"]["storage"].is_null() {
        errors.required("spec.resources[storage]");
    }
    let Some(live) = live else { return };
    let bound = live["status"]["phase"] == "Bound";
    if claim_stays(&live["spec"], bound, live) != claim_stays(spec, bound, live) {
        let why = "spec is immutable after creation except resources.requests and \
            volumeAttributesClassName for bound claims";
        errors.forbidden("spec", why);
    }
}

fn claim_stays(spec: &Value, bound: bool, live: &Value) -> Value {
    let mut spec = spec.clone();
    if let Some(fields) = spec.as_object_mut() {
        // Binding a claim is the one time that its volume is written.
        if text(&live["spec"]["volumeName"]).is_empty() {
            fields.remove("volumeName");
        }
        if bound {
            fields.remove("volumeAttributesClassName");
            fields.remove("resources");
        }
    }
    spec
}

pub(super) fn storage_class(errors: &mut Errors, live: Option<&Value>, new: &Value) {
    if let Some(live) = live {
        for field in ["parameters", "provisioner", "reclaimPolicy", "volumeBindingMode"] {
            errors.immutable(field, &live[field], &new[field]);
        }
    }
}

pub(super) fn priority(errors: &mut Errors, live: Option<&Value>, new: &Value) {
    if live.is_some_and(|live| live["value"] != new["value"]) {
        errors.forbidden("value", "may not be changed in an update.");
    }
}

pub(super) fn binding(errors: &mut Errors, live: Option<&Value>, new: &Value, namespaced: bool) {
    const GROUP: &str = "rbac.authorization.k8s.io";
    let role = &new["roleRef"];
    super::one_of(errors, "roleRef.apiGroup", &role["apiGroup"], &[GROUP]);
    let kinds: &[&str] = if namespaced { &["Role", "ClusterRole"] } else { &["ClusterRole"] };
    super::one_of(errors, "roleRef.kind", &role["kind"], kinds);
    if text(&role["name"]).is_empty() {
        errors.required("roleRef.name");
    }
    for (at, subject) in each(&new["subjects"], "subjects") {
        if text(&subject["name"]).is_empty() {
            errors.required(&format!("{at}.name"));
        }
        match text(&subject["kind"]) {
            "User" | "Group" => {}
            "ServiceAccount" if namespaced || !text(&subject["namespace"]).is_empty() => {}
            "ServiceAccount" => errors.required(&format!("{at}.namespace")),
            _ => {
                let known = ["ServiceAccount", "User", "Group"];
                errors.unsupported(&format!("{at}.kind"), &subject["kind"], &known);
            }
        }
    }
    if live.is_some_and(|live| live["roleRef"] != *role) {
        let shown =
            json!({"APIGroup": role["apiGroup"], "Kind": role["kind"], "Name": role["name"]});
        errors.invalid("roleRef", &shown, "cannot change roleRef");
    }
}

pub(super) fn role(errors: &mut Errors, new: &Value, namespaced: bool) {
    for (at, rule) in each(&new["rules"], "rules") {
        if is_empty(&rule["verbs"]) {
            let why = "verbs must contain at least one value";
            errors.required_because(&format!("{at}.verbs"), why);
        }
        let paths = &rule["nonResourceURLs"];
        if !is_empty(paths) {
            if namespaced {
                let why = "namespaced rules cannot apply to non-resource URLs";
                errors.invalid(&format!("{at}.nonResourceURLs"), paths, why);
            }
            continue;
        }
        for (field, what) in [("apiGroups", "api group"), ("resources", "resource")] {
            if is_empty(&rule[field]) {
                let why = format!("resource rules must supply at least one {what}");
                errors.required_because(&format!("{at}.{field}"), &why);
            }
        }
    }
}

pub(super) fn definition(errors: &mut Errors, live: Option<&Value>, new: &Value) {
    let spec = &new["spec"];
    errors.extend(crate::schema::check_definition(new));
    let Some(before) = live.map(|live| &live["spec"]) else { return };
    for field in ["group", "scope"] {
        errors.immutable(&format!("spec.{field}"), &before[field], &spec[field]);
    }
    for field in ["kind", "plural"] {
        let (old, new) = (&before["names"][field], &spec["names"][field]);
        errors.immutable(&format!("spec.names.{field}"), old, new);
    }
}
