//! The versions of a template that a StatefulSet or a DaemonSet keeps, as ControllerRevisions.

use serde_json::{Value, json};

use super::access::{Found, hash, number};
use crate::admission::names;
use crate::cluster::State;
use crate::store::ResourceId;

fn id() -> ResourceId {
    ResourceId::new("apps", "controllerrevisions")
}

/// The hash of the template as it is now.
pub(super) fn template_hash(workload: &Found) -> String {
    names::hash(hash(&workload.value["spec"]["template"].to_string()))
}

/// Keeps the template as it is now, and of the old ones as many as wanted. `labels` are those of
/// the revision.
pub(super) fn keep(state: &mut State, workload: &Found, labels: &Value, used: &[&str]) {
    let name = format!("{}-{}", workload.name(), template_hash(workload));
    let mut kept = state.owned(workload, &id());
    kept.sort_by_key(|revision| number(&revision.value["revision"]));
    let newest = kept.last().map_or(0, |revision| number(&revision.value["revision"]));
    match kept.iter().find(|revision| revision.name() == name) {
        Some(found) if number(&found.value["revision"]) < newest => {
            // A template that came back is the newest again.
            let mut value = found.value.clone();
            value["revision"] = json!(newest + 1);
            state.write_main(found, value);
        }
        Some(_) => {}
        None => {
            let mut template = workload.value["spec"]["template"].clone();
            template["$patch"] = json!("replace");
            state.make(
                &id(),
                json!({
                    "metadata": {
                        "name": name, "namespace": workload.namespace(), "labels": labels,
                        "ownerReferences": [workload.as_owner()],
                    },
                    "data": {"spec": {"template": template}},
                    "revision": newest + 1,
                }),
            );
        }
    }
    let limit = workload.value["spec"]["revisionHistoryLimit"].as_u64().unwrap_or(10);
    let old: Vec<&Found> = kept
        .iter()
        .filter(|revision| revision.name() != name && !used.contains(&revision.name()))
        .collect();
    let extra = old.len().saturating_sub(usize::try_from(limit).unwrap_or(usize::MAX));
    for revision in &old[..extra] {
        state.discard(revision);
    }
}
