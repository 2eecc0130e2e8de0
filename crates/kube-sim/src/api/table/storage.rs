//! Volumes, claims and storage classes.

use serde_json::{Value, json};

use super::Printer;
use super::text::{UNSET, age, is_deleting, list, name, str, str_or};

const DEFAULT_CLASS: &str = "storageclass.kubernetes.io/is-default-class";

pub(super) fn printer(plural: &str) -> Option<Printer> {
    Some(match plural {
        "persistentvolumes" => Printer::new(
            &[
                "Capacity",
                "Access Modes",
                "Reclaim Policy",
                "Status",
                "Claim",
                "StorageClass",
                "VolumeAttributesClass",
                "Reason",
                "Age",
                "VolumeMode*",
            ],
            volume,
        ),
        "persistentvolumeclaims" => Printer::new(
            &[
                "Status",
                "Volume",
                "Capacity",
                "Access Modes",
                "StorageClass",
                "VolumeAttributesClass",
                "Age",
                "VolumeMode*",
            ],
            claim,
        ),
        "storageclasses" => Printer::new(
            &["Provisioner", "ReclaimPolicy", "VolumeBindingMode", "AllowVolumeExpansion", "Age"],
            class,
        ),
        _ => return None,
    })
}

fn access_modes(modes: &Value) -> String {
    let short = |mode: &Value| match str(mode) {
        "ReadWriteOnce" => "RWO".to_owned(),
        "ReadOnlyMany" => "ROX".to_owned(),
        "ReadWriteMany" => "RWX".to_owned(),
        "ReadWriteOncePod" => "RWOP".to_owned(),
        other => other.to_owned(),
    };
    list(modes).iter().map(short).collect::<Vec<_>>().join(",")
}

fn phase(object: &Value) -> &str {
    if is_deleting(object) { "Terminating" } else { str(&object["status"]["phase"]) }
}

fn volume(object: &Value, now_ms: i64) -> Vec<Value> {
    let spec = &object["spec"];
    let claim = &spec["claimRef"];
    let claim = match str(&claim["name"]) {
        "" => String::new(),
        name => format!("{}/{name}", str(&claim["namespace"])),
    };
    vec![
        json!(str(&spec["capacity"]["storage"])),
        json!(access_modes(&spec["accessModes"])),
        json!(str(&spec["persistentVolumeReclaimPolicy"])),
        json!(phase(object)),
        json!(claim),
        json!(str(&spec["storageClassName"])),
        json!(str_or(&spec["volumeAttributesClassName"], UNSET)),
        json!(str(&object["status"]["reason"])),
        age(object, now_ms),
        json!(str_or(&spec["volumeMode"], UNSET)),
    ]
}

fn claim(object: &Value, now_ms: i64) -> Vec<Value> {
    let (spec, status) = (&object["spec"], &object["status"]);
    let volume = str(&spec["volumeName"]);
    // Before it is bound, capacity and modes are wishes and not shown.
    let (capacity, modes) = match volume {
        "" => ("", String::new()),
        _ => (str(&status["capacity"]["storage"]), access_modes(&status["accessModes"])),
    };
    vec![
        json!(phase(object)),
        json!(volume),
        json!(capacity),
        json!(modes),
        json!(str(&spec["storageClassName"])),
        json!(str_or(&spec["volumeAttributesClassName"], UNSET)),
        age(object, now_ms),
        json!(str_or(&spec["volumeMode"], UNSET)),
    ]
}

/// The name of a storage class, marked when it is the default.
pub(super) fn class_name(object: &Value) -> Value {
    let default = object["metadata"]["annotations"][DEFAULT_CLASS] == "true";
    json!(format!("{}{}", name(object), if default { " (default)" } else { "" }))
}

fn class(object: &Value, now_ms: i64) -> Vec<Value> {
    vec![
        json!(str(&object["provisioner"])),
        json!(str_or(&object["reclaimPolicy"], "Delete")),
        json!(str_or(&object["volumeBindingMode"], "Immediate")),
        json!(object["allowVolumeExpansion"] == true),
        age(object, now_ms),
    ]
}
