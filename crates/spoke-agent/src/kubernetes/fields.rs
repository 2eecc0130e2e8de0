//! Who owns which field of an object: reading `metadata.managedFields`. Pure.
//!
//! A field of ours that somebody else changes or removes leaves our entry, so the hash of our own
//! entry says whether anything of ours was touched; it needs no request and no schema. The paths
//! are only computed when the hash differs.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

/// All field managers of Muster's applications begin so; see [`manager_name`].
pub const MANAGER_PREFIX: &str = "muster:";
/// The manager of namespaces that exist only because `CreateNamespace=true` asked for them.
pub const NAMESPACE_MANAGER_PREFIX: &str = "muster-namespace:";
/// The API server takes 128 bytes; some are left for the digest of a name that is cut.
const MAX_MANAGER_BYTES: usize = 128;

/// The field manager of an application: its name, cut and made unique when it is too long.
#[must_use]
pub fn manager_name(prefix: &str, application: &str) -> String {
    if prefix.len() + application.len() <= MAX_MANAGER_BYTES {
        return format!("{prefix}{application}");
    }
    let digest = model::canonical::Digest::of(application.as_bytes()).short();
    let room = MAX_MANAGER_BYTES - prefix.len() - digest.len() - 1;
    // Application names are ASCII, so any byte is a boundary.
    format!("{prefix}{}~{digest}", &application[..room])
}

/// The application behind one of Muster's managers, as far as the name tells.
#[must_use]
pub fn application_of(manager: &str) -> Option<&str> {
    manager.strip_prefix(MANAGER_PREFIX).or_else(|| manager.strip_prefix(NAMESPACE_MANAGER_PREFIX))
}

/// One entry of `managedFields`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ManagedFields<'a> {
    #[serde(default)]
    pub manager: String,
    #[serde(default)]
    pub operation: String,
    #[serde(default)]
    pub subresource: String,
    #[serde(borrow, rename = "fieldsV1", default)]
    pub fields: Option<&'a RawValue>,
}

impl ManagedFields<'_> {
    fn is_apply_of(&self, manager: &str) -> bool {
        self.manager == manager && self.operation == "Apply" && self.subresource.is_empty()
    }

    /// `kubectl-edit`, or `kubectl (scale)`: `kubectl` alone does not say whether it scaled.
    fn display(&self) -> String {
        match self.subresource.as_str() {
            "" => self.manager.clone(),
            subresource => format!("{} ({subresource})", self.manager),
        }
    }
}

/// Reads the raw `managedFields` of an object; what cannot be read counts as no entries.
#[must_use]
pub fn parse(managed_fields: &str) -> Vec<ManagedFields<'_>> {
    serde_json::from_str(managed_fields).unwrap_or_default()
}

/// The hash of everything that `manager` applied. `None` when it owns nothing.
#[must_use]
pub fn own_hash(entries: &[ManagedFields<'_>], manager: &str) -> Option<u64> {
    let mut hasher = Sha256::new();
    let mut any = false;
    for entry in entries.iter().filter(|entry| entry.is_apply_of(manager)) {
        let Some(fields) = entry.fields else { continue };
        any = true;
        hasher.update(fields.get().as_bytes());
        hasher.update([0]);
    }
    any.then(|| first_eight(hasher.finalize().as_slice()))
}

/// The first eight bytes of a digest: enough to notice a change, small enough for 10,000 objects.
#[must_use]
pub fn first_eight(digest: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&digest[..8]);
    u64::from_be_bytes(bytes)
}

/// The hashes of all of Muster's entries, each with its manager.
#[must_use]
pub fn muster_hashes(entries: &[ManagedFields<'_>]) -> Vec<(String, u64)> {
    let mut hashes: Vec<(String, u64)> = Vec::new();
    for entry in entries.iter().filter(|entry| application_of(&entry.manager).is_some()) {
        if !hashes.iter().any(|(manager, _)| *manager == entry.manager)
            && let Some(hash) = own_hash(entries, &entry.manager)
        {
            hashes.push((entry.manager.clone(), hash));
        }
    }
    hashes
}

/// The paths that `manager` applied.
#[must_use]
pub fn own_paths(entries: &[ManagedFields<'_>], manager: &str) -> BTreeSet<String> {
    let mut paths = BTreeSet::new();
    for entry in entries.iter().filter(|entry| entry.is_apply_of(manager)) {
        collect(entry, &mut paths);
    }
    paths
}

/// What a drift was: the fields of ours that others took, and who they are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Taken {
    pub fields: Vec<String>,
    /// Empty when fields were removed and nobody owns them now: then the API server does not
    /// know who did it, and neither does Muster.
    pub managers: Vec<String>,
    /// Other applications of Muster among the managers.
    pub applications: Vec<String>,
}

/// Compares the fields that we own when all is well with the entries of a drifted object.
#[must_use]
pub fn taken(expected: &BTreeSet<String>, drifted: &[ManagedFields<'_>], manager: &str) -> Taken {
    let now = own_paths(drifted, manager);
    let lost: BTreeSet<&str> =
        expected.iter().filter(|path| !now.contains(*path)).map(String::as_str).collect();
    let mut taken = Taken { fields: outermost(&lost), ..Taken::default() };
    for entry in drifted.iter().filter(|entry| entry.manager != manager) {
        let mut theirs = BTreeSet::new();
        collect(entry, &mut theirs);
        if theirs.iter().any(|path| lost.contains(path.as_str())) {
            let name = entry.display();
            if let Some(application) = application_of(&entry.manager) {
                taken.applications.push(application.to_owned());
            }
            if !taken.managers.contains(&name) {
                taken.managers.push(name);
            }
        }
    }
    taken
}

/// Leaves out paths below another path of the set: a removed container is one finding.
fn outermost(paths: &BTreeSet<&str>) -> Vec<String> {
    let mut kept: Vec<&str> = Vec::new();
    for path in paths {
        let below = |outer: &&str| {
            path.strip_prefix(*outer).is_some_and(|rest| rest.starts_with(['.', '[']))
        };
        if !kept.iter().any(below) {
            kept.push(path);
        }
    }
    kept.into_iter().map(str::to_owned).collect()
}

fn collect(entry: &ManagedFields<'_>, paths: &mut BTreeSet<String>) {
    let Some(fields) = entry.fields else { return };
    if let Ok(fields) = serde_json::from_str::<Value>(fields.get()) {
        walk(&fields, &mut String::new(), paths);
    }
}

fn walk(node: &Value, path: &mut String, paths: &mut BTreeSet<String>) {
    let Value::Object(children) = node else { return };
    if (children.is_empty() || children.contains_key(".")) && !path.is_empty() {
        paths.insert(path.clone());
    }
    for (key, child) in children {
        let length = path.len();
        if push_element(key, path) {
            walk(child, path, paths);
            path.truncate(length);
        }
    }
}

/// Appends one element as the API server prints it in conflicts.
fn push_element(key: &str, path: &mut String) -> bool {
    let Some((kind, text)) = key.split_once(':') else { return false };
    match kind {
        "f" => {
            path.push('.');
            path.push_str(text);
        }
        "k" => {
            let keys: serde_json::Map<String, Value> =
                serde_json::from_str(text).unwrap_or_default();
            let list: Vec<_> = keys.iter().map(|(name, value)| format!("{name}={value}")).collect();
            path.push('[');
            path.push_str(&list.join(","));
            path.push(']');
        }
        "v" => {
            path.push_str("[=");
            path.push_str(text);
            path.push(']');
        }
        "i" => {
            path.push('[');
            path.push_str(text);
            path.push(']');
        }
        _ => return false,
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn deployment(ours: &Value, others: &[Value]) -> String {
        let mut entries = vec![json!({"manager": "muster:web", "operation": "Apply",
            "apiVersion": "apps/v1", "fieldsType": "FieldsV1", "fieldsV1": ours})];
        entries.extend_from_slice(others);
        Value::from(entries).to_string()
    }

    fn full() -> Value {
        json!({"f:metadata": {"f:labels": {"f:app": {}}}, "f:spec": {"f:replicas": {},
            "f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"c\"}":
                {".": {}, "f:image": {}, "f:name": {}}}}}}})
    }

    #[test]
    fn an_edit_is_found_with_its_fields_and_managers() {
        let healthy = deployment(&full(), &[]);
        let expected = own_paths(&parse(&healthy), "muster:web");
        let ours = json!({"f:metadata": {"f:labels": {"f:app": {}}}, "f:spec": {"f:template":
            {"f:spec": {"f:containers": {"k:{\"name\":\"c\"}": {".": {}, "f:name": {}}}}}}});
        let drifted = deployment(
            &ours,
            &[
                json!({"manager": "kubectl", "operation": "Update", "subresource": "scale",
                    "fieldsV1": {"f:spec": {"f:replicas": {}}}}),
                json!({"manager": "kubectl-edit", "operation": "Update", "fieldsV1": {"f:spec":
                    {"f:template": {"f:spec": {"f:containers":
                        {"k:{\"name\":\"c\"}": {"f:image": {}}}}}}}}),
                json!({"manager": "kube-controller-manager", "operation": "Update",
                    "subresource": "status", "fieldsV1": {"f:status": {"f:replicas": {}}}}),
            ],
        );
        let (healthy, drifted) = (parse(&healthy), parse(&drifted));
        assert_ne!(own_hash(&healthy, "muster:web"), own_hash(&drifted, "muster:web"));
        let taken = taken(&expected, &drifted, "muster:web");
        assert_eq!(
            taken.fields,
            [".spec.replicas", ".spec.template.spec.containers[name=\"c\"].image"]
        );
        assert_eq!(taken.managers, ["kubectl (scale)", "kubectl-edit"]);
    }

    #[test]
    fn a_removed_container_is_one_finding_without_an_author() {
        let expected = own_paths(&parse(&deployment(&full(), &[])), "muster:web");
        let ours = json!({"f:metadata": {"f:labels": {"f:app": {}}}, "f:spec": {"f:replicas": {}}});
        let drifted = deployment(&ours, &[]);
        let taken = taken(&expected, &parse(&drifted), "muster:web");
        assert_eq!(taken.fields, [".spec.template.spec.containers[name=\"c\"]"]);
        assert!(taken.managers.is_empty());
    }

    #[test]
    fn wiped_ownership_is_no_entry_and_status_noise_is_no_change() {
        assert_eq!(own_hash(&parse("[]"), "muster:web"), None);
        assert_eq!(own_hash(&parse("not json"), "muster:web"), None);
        let quiet = deployment(&full(), &[]);
        let noisy = deployment(
            &full(),
            &[json!({"manager": "kubelet", "operation": "Update", "subresource": "status",
                "fieldsV1": {"f:status": {}}})],
        );
        let hash = |text: &str| own_hash(&parse(text), "muster:web");
        assert!(hash(&quiet).is_some());
        assert_eq!(hash(&quiet), hash(&noisy));
        assert_eq!(
            muster_hashes(&parse(&noisy)),
            [("muster:web".to_owned(), hash(&quiet).unwrap())]
        );
    }

    #[test]
    fn a_long_name_gives_a_short_and_unique_manager() {
        let (a, b) = ("a".repeat(200), format!("{}b", "a".repeat(199)));
        let (a, b) = (manager_name(MANAGER_PREFIX, &a), manager_name(MANAGER_PREFIX, &b));
        assert_eq!(a.len(), 128);
        assert_ne!(a, b);
        assert_eq!(manager_name(MANAGER_PREFIX, "web"), "muster:web");
        assert_eq!(application_of("muster:web"), Some("web"));
        assert_eq!(application_of("kubectl"), None);
    }

    proptest! {
        /// Whatever set of our fields is lost, each lost field is at or below a reported one, and
        /// nothing that we still own is reported.
        #[test]
        fn every_lost_field_is_reported(keep in proptest::collection::vec(any::<bool>(), 6)) {
            let names = ["a", "b", "c", "d", "e", "f"];
            let fields = |which: &dyn Fn(usize) -> bool| {
                let map: serde_json::Map<_, _> = names.iter().enumerate()
                    .filter(|(index, _)| which(*index))
                    .map(|(_, name)| (format!("f:{name}"), json!({}))).collect();
                json!({"f:data": map, "f:immutable": {}})
            };
            let healthy = deployment(&fields(&|_| true), &[]);
            let drifted = deployment(&fields(&|index| keep[index]), &[]);
            let expected = own_paths(&parse(&healthy), "muster:web");
            let taken = taken(&expected, &parse(&drifted), "muster:web");
            for (index, name) in names.iter().enumerate() {
                prop_assert_eq!(taken.fields.contains(&format!(".data.{name}")), !keep[index]);
            }
        }
    }
}
