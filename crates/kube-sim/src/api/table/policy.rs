//! Roles, budgets, leases, classes and webhooks.

use serde_json::{Value, json};

use super::Printer;
use super::text::{age, int, int_or_string, list, str, str_or};

pub(super) fn printer(group: &str, plural: &str) -> Option<Printer> {
    Some(match (group, plural) {
        ("rbac.authorization.k8s.io", "rolebindings" | "clusterrolebindings") => {
            Printer::new(&["Role", "Age", "Users*", "Groups*", "ServiceAccounts*"], binding)
        }
        ("policy", "poddisruptionbudgets") => Printer::new(
            &["Min Available", "Max Unavailable", "Allowed Disruptions:integer", "Age"],
            budget,
        ),
        ("scheduling.k8s.io", "priorityclasses") => Printer::new(
            &["Value:integer", "Global-Default:boolean", "Age", "PreemptionPolicy"],
            priority_class,
        ),
        ("coordination.k8s.io", "leases") => Printer::new(&["Holder", "Age"], |object, now_ms| {
            vec![json!(str(&object["spec"]["holderIdentity"])), age(object, now_ms)]
        }),
        ("node.k8s.io", "runtimeclasses") => Printer::new(&["Handler", "Age"], |object, now_ms| {
            vec![json!(str(&object["handler"])), age(object, now_ms)]
        }),
        (
            "admissionregistration.k8s.io",
            "validatingwebhookconfigurations" | "mutatingwebhookconfigurations",
        ) => Printer::new(&["Webhooks:integer", "Age"], |object, now_ms| {
            vec![json!(list(&object["webhooks"]).len()), age(object, now_ms)]
        }),
        _ => return None,
    })
}

fn binding(object: &Value, now_ms: i64) -> Vec<Value> {
    let role = &object["roleRef"];
    let of = |kind: &str| {
        let subjects = list(&object["subjects"]).iter().filter(|subject| subject["kind"] == kind);
        let name = |subject: &Value| match kind {
            "ServiceAccount" => format!("{}/{}", str(&subject["namespace"]), str(&subject["name"])),
            _ => str(&subject["name"]).to_owned(),
        };
        json!(subjects.map(name).collect::<Vec<_>>().join(", "))
    };
    vec![
        json!(format!("{}/{}", str(&role["kind"]), str(&role["name"]))),
        age(object, now_ms),
        of("User"),
        of("Group"),
        of("ServiceAccount"),
    ]
}

fn budget(object: &Value, now_ms: i64) -> Vec<Value> {
    let spec = &object["spec"];
    vec![
        json!(int_or_string(&spec["minAvailable"], "N/A")),
        json!(int_or_string(&spec["maxUnavailable"], "N/A")),
        json!(int(&object["status"]["disruptionsAllowed"])),
        age(object, now_ms),
    ]
}

fn priority_class(object: &Value, now_ms: i64) -> Vec<Value> {
    vec![
        json!(int(&object["value"])),
        json!(object["globalDefault"] == true),
        age(object, now_ms),
        json!(str_or(&object["preemptionPolicy"], "PreemptLowerPriority")),
    ]
}
