//! The roles and bindings that people rely on in every new cluster: `cluster-admin`, `admin`,
//! `edit`, `view`, and what everyone may read. A real cluster has some sixty more for its own
//! components, which do not exist here.

use serde_json::{Map, Value, json};

use crate::store::ResourceId;

const GROUP: &str = "rbac.authorization.k8s.io";
/// The rules of a real server's roles, aggregated.
const TEXT: &str = include_str!("bootstrap.json");

/// The objects, complete but for what the store gives them.
pub(crate) fn bootstrap() -> Vec<(ResourceId, Value)> {
    let text: Value = serde_json::from_str(TEXT).expect("it is part of the program");
    let roles = entries(&text["clusterroles"]).map(|(name, rules)| {
        let mut role = object("ClusterRole", name);
        role["rules"] = rules.clone();
        (ResourceId::new(GROUP, "clusterroles"), role)
    });
    let bindings = entries(&text["clusterrolebindings"]).map(|(name, groups)| {
        let mut binding = object("ClusterRoleBinding", name);
        binding["roleRef"] = json!({"apiGroup": GROUP, "kind": "ClusterRole", "name": name});
        let groups = groups.as_array().into_iter().flatten();
        binding["subjects"] = groups
            .map(|group| json!({"kind": "Group", "apiGroup": GROUP, "name": group}))
            .collect();
        (ResourceId::new(GROUP, "clusterrolebindings"), binding)
    });
    roles.chain(bindings).collect()
}

fn entries(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter)
}

fn object(kind: &str, name: &str) -> Value {
    json!({
        "apiVersion": format!("{GROUP}/v1"),
        "kind": kind,
        "metadata": {
            "name": name,
            "labels": {"kubernetes.io/bootstrapping": "rbac-defaults"},
            "annotations": {"rbac.authorization.kubernetes.io/autoupdate": "true"},
        },
    })
}
