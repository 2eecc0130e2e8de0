//! What a patch does, case by case, as Argo CD does it.

use serde_json::{Value, json};

use super::apply;

fn document() -> Value {
    json!({
        "metadata": {"name": "a", "labels": {"l": "1"}, "finalizers": ["f1", "f2"]},
        "spec": {
            "project": "p",
            "source": {
                "repoURL": "r",
                "helm": {"values": "x: 1\n", "valueFiles": ["v"], "valuesObject": {"a": 1, "b": {"c": 2}}},
            },
            "destination": {"server": "s", "namespace": "n"},
            "syncPolicy": {"automated": {"prune": true}, "syncOptions": ["A=1"]},
        },
    })
}

#[track_caller]
fn patched(patch: &str, change: impl FnOnce(&mut Value)) {
    let mut want = document();
    change(&mut want);
    assert_eq!(apply(document(), patch).unwrap(), want, "of {patch}");
}

#[track_caller]
fn refused(patch: &str, message: &str) {
    let fault = apply(document(), patch).unwrap_err();
    assert!(fault.message.contains(message), "{patch}: {}", fault.message);
}

#[test]
fn nothing_changes_nothing() {
    for patch in ["", "# only this\n", "null", "{}", "spec: {}", "nope: 1", "spec: {nope: {a: 1}}"]
    {
        patched(patch, |_| {});
    }
}

#[test]
fn maps_merge_and_lists_are_replaced() {
    patched("metadata: {labels: {m: '2'}}", |want| want["metadata"]["labels"]["m"] = "2".into());
    patched("spec: {syncPolicy: {syncOptions: [B=2]}}", |want| {
        want["spec"]["syncPolicy"]["syncOptions"] = json!(["B=2"]);
    });
    patched("spec: {source: {helm: {values: z}}}", |want| {
        want["spec"]["source"]["helm"]["values"] = "z".into();
    });
}

#[test]
fn finalizers_merge_those_of_the_patch_first() {
    let finalizers = |list: Value| move |want: &mut Value| want["metadata"]["finalizers"] = list;
    patched("metadata: {finalizers: [g]}", finalizers(json!(["g", "f1", "f2"])));
    patched("metadata: {finalizers: [f2, g]}", finalizers(json!(["f1", "f2", "g"])));
    patched("metadata: {finalizers: []}", finalizers(json!(["f1", "f2"])));
    patched("metadata: {$deleteFromPrimitiveList/finalizers: [f1]}", finalizers(json!(["f2"])));
    patched("metadata: {$setElementOrder/finalizers: [f2, f1]}", finalizers(json!(["f2", "f1"])));
    patched("metadata: {finalizers: null}", |want| {
        want["metadata"].as_object_mut().unwrap().remove("finalizers");
    });
}

#[test]
fn the_project_stays() {
    patched("spec: {project: other}", |_| {});
    patched("spec: null", |want| want["spec"] = json!({"project": "p"}));
    patched("spec: {$patch: replace, source: {repoURL: q}}", |want| {
        want["spec"] = json!({"project": "p", "source": {"repoURL": "q"}});
    });
}

#[test]
fn directives_on_maps() {
    patched("spec: {destination: {$patch: replace, name: x}}", |want| {
        want["spec"]["destination"] = json!({"name": "x"});
    });
    patched("spec: {destination: {$patch: delete}}", |want| {
        want["spec"]["destination"] = json!({});
    });
    patched("spec: {destination: {$retainKeys: [name], name: x}}", |want| {
        want["spec"]["destination"] = json!({"name": "x"});
    });
    refused("spec: {destination: {$retainKeys: [server], name: x}}", "$retainKeys");
    refused("spec: {destination: {$patch: merge}}", "$patch");
}

#[test]
fn values_objects_merge_at_their_top_only() {
    patched("spec: {source: {helm: {valuesObject: {a: 2, d: {e: 1}}}}}", |want| {
        want["spec"]["source"]["helm"]["valuesObject"] =
            json!({"a": 2, "b": {"c": 2}, "d": {"e": 1}});
    });
    refused("spec: {source: {helm: {valuesObject: {b: {c: 3}}}}}", "within an untyped map");
}

#[test]
fn types_count_and_letters_do_not() {
    refused("metadata: {labels: {l: 5}}", "metadata.labels.l");
    refused("spec: {revisionHistoryLimit: '3'}", "spec.revisionHistoryLimit");
    refused("[a]", "a patch is a map");
    refused("{spec: {}}", "is not JSON");
    patched("spec: {revisionHistoryLimit: 3}", |want| {
        want["spec"]["revisionHistoryLimit"] = 3.into();
    });
    patched("metadata: {Labels: {m: '2'}}", |want| want["metadata"]["labels"]["m"] = "2".into());
}

#[test]
fn operations_are_typed_too() {
    patched("operation: {sync: {prune: false, revision: x}, nope: 1}", |want| {
        want["operation"] = json!({"sync": {"revision": "x"}});
    });
    patched("operation: {}", |want| want["operation"] = json!({}));
    refused("operation: {sync: 1}", "operation.sync: a map belongs here, not a number");
}

#[test]
fn zeros_that_go_writes_stay() {
    let replicas =
        "spec: {source: {kustomize: {replicas: [{name: a, count: 0}, {name: b}, null]}}}";
    patched(replicas, |want| {
        want["spec"]["source"]["kustomize"] = json!({
            "replicas": [{"name": "a", "count": 0}, {"name": "b", "count": 0}, {"count": 0}],
        });
    });
}

/// Takes away what an absent field says too.
fn bare(value: &mut Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => {
            items.iter_mut().for_each(|item| {
                bare(item);
            });
            items.is_empty()
        }
        Value::Object(entries) => {
            entries.retain(|_, value| !bare(value));
            entries.is_empty()
        }
        _ => false,
    }
}

/// `b` is an Application, `p` a patch, `o` what Kubernetes' library makes of both with Argo CD's types,
/// absent when it refuses.
#[test]
fn patches_are_those_of_kubernetes() {
    let mut wrong = Vec::new();
    for line in include_str!("answers.jsonl").lines() {
        let answer: Value = serde_json::from_str(line).unwrap();
        let mut document = answer["b"].clone();
        super::super::render::tidy(&mut document);
        let mut patched = apply(document, answer["p"].as_str().unwrap());
        if let Ok(patched) = &mut patched {
            bare(patched);
        }
        let is_right = match (answer.get("o"), &patched) {
            (Some(expected), Ok(patched)) => expected == patched,
            (expected, patched) => expected.is_some() == patched.is_ok(),
        };
        if !is_right {
            wrong.push(format!("{line}\n  ours: {:?}", patched.map_err(|fault| fault.message)));
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}
