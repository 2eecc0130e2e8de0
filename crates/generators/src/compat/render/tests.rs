//! From a template to a document.

use gotemplate::MissingKey;
use serde_json::{Value, json};

use super::{ApplicationTemplate, Common, merge_templates};
use crate::compat::engine::{Engine, Params, Scope};

const GO: Engine = Engine::Go(MissingKey::Default);

fn render(engine: Engine, spec: &Value, params: &Value) -> Result<Value, (Option<String>, String)> {
    let common = Common::of_set(engine, "argocd", spec);
    let template = ApplicationTemplate::compile(&common, &spec["template"]);
    let params: Params = params.as_object().cloned().unwrap_or_default().into();
    let bare = params.is_empty();
    let rendered = template.render(&common, &Scope::new(&params), bare);
    if let (false, Some((name, filled))) = (bare, template.filled(&Scope::new(&params))) {
        let rendered = rendered.as_ref().expect("the fast way never gives more than the slow one");
        assert_eq!(filled.to_value(), *rendered);
        assert_eq!(rendered["metadata"]["name"], name.as_str());
    }
    rendered.map_err(|unrendered| (unrendered.name, unrendered.fault.message))
}

#[test]
fn every_text_and_key_is_rendered() {
    let spec = json!({"template": {
        "metadata": {"name": "{{id}}", "labels": {"{{id}}": "{{id}}", "b": ""}},
        "spec": {"project": "", "source": {"helm": {"valuesObject": {"{{id}}": ["{{id}}", 1], "n": null}}}},
    }});
    let document = render(Engine::Fast, &spec, &json!({"id": "x"})).unwrap();
    assert_eq!(
        document,
        json!({
            "metadata": {
                "name": "x",
                "namespace": "argocd",
                "labels": {"x": "x", "b": ""},
                "finalizers": ["resources-finalizer.argocd.argoproj.io"],
            },
            "spec": {"project": "", "source": {"helm": {"valuesObject": {"x": ["x", 1]}}}},
        })
    );
}

#[test]
fn the_fast_way_gives_the_same_document() {
    let template = json!({
        "metadata": {
            "name": "a-{{.id}}",
            "namespace": "{{.n}}",
            "labels": {"a": "{{.empty}}", "b": "x"},
            "finalizers": ["{{.id}}"],
        },
        "spec": {
            "project": "{{.empty}}",
            "source": {
                "repoURL": "{{.empty}}",
                "path": "{{.empty}}",
                "targetRevision": "{{.n}}",
                "helm": {"releaseName": "{{.empty}}", "valuesObject": {"k": "", "l": ["{{.id}}"]}},
                "directory": {"recurse": false, "jsonnet": {}},
            },
            "destination": {"server": "{{if .id}}{{set . \"id\" \"y\"}}{{end}}", "namespace": "{{.id}}"},
            "syncPolicy": {"automated": {"prune": false}, "syncOptions": ["{{.id}}", ""]},
            "info": [{"name": "{{.missing}}", "value": "{{.map.key}}"}],
        },
    });
    let params = json!({"id": "x", "empty": "", "n": 1_000_000, "map": {"key": "v"}});
    for preserve in [false, true] {
        let spec = json!({
            "template": template,
            "syncPolicy": {"preserveResourcesOnDeletion": preserve},
        });
        let common = Common::of_set(GO, "argocd", &spec);
        let compiled = ApplicationTemplate::compile(&common, &spec["template"]);
        let params: Params = params.as_object().cloned().unwrap().into();
        assert!(compiled.filled(&Scope::new(&params)).is_some());
        let document = render(GO, &spec, &Value::Object(params.into_map())).unwrap();
        assert_eq!(document["spec"]["destination"]["namespace"], "y", "what set changed is seen");
        assert_eq!(document["spec"]["source"]["targetRevision"], "1e+06");
    }
}

#[test]
fn an_element_without_parameters_gets_the_template_as_it_is_but_patched() {
    let spec = json!({
        "template": {"metadata": {"name": "{{id}}"}, "spec": {}},
        "templatePatch": "metadata: {labels: {a: b}}",
    });
    let document = render(Engine::Fast, &spec, &json!({})).unwrap();
    assert_eq!(
        document["metadata"],
        json!({"name": "{{id}}", "namespace": "argocd", "labels": {"a": "b"}})
    );
}

#[test]
fn resources_may_be_preserved() {
    let spec = json!({
        "template": {"metadata": {"name": "a"}},
        "syncPolicy": {"preserveResourcesOnDeletion": true},
    });
    let document = render(Engine::Fast, &spec, &json!({"id": "x"})).unwrap();
    assert_eq!(document["metadata"], json!({"name": "a", "namespace": "argocd"}));
}

#[test]
fn a_failure_names_its_place_and_the_application() {
    let spec = json!({"template": {
        "metadata": {"name": "{{.id}}"},
        "spec": {"info": [{"name": "a", "value": "{{ fail \"no\" }}"}]},
    }});
    let (name, message) = render(GO, &spec, &json!({"id": "x"})).unwrap_err();
    assert_eq!(name.as_deref(), Some("x"));
    assert!(message.starts_with("spec.template.spec.info[0].value: line 1, column 4"), "{message}");
    let spec = json!({"template": {"metadata": {"name": "{{ if }}"}}});
    let (_, message) = render(GO, &spec, &json!({"id": "x"})).unwrap_err();
    assert!(message.starts_with("spec.template.metadata.name: the template"), "{message}");
}

#[test]
fn texts_are_rendered_in_the_order_of_the_fields() {
    let spec = json!({
        "template": {
            "metadata": {"name": "{{.id}}{{ $_ := set . \"k\" \"v\" }}", "annotations": {"a": "{{.k}}"}},
            "spec": {"project": "{{.k}}"},
        },
        "templatePatch": "metadata: {labels: {p: {{.k}}}}",
    });
    let document = render(GO, &spec, &json!({"id": "x"})).unwrap();
    assert_eq!(document["metadata"]["annotations"]["a"], "v");
    assert_eq!(document["metadata"]["labels"]["p"], "v");
    assert_eq!(document["spec"]["project"], "v");
}

#[test]
fn the_template_of_a_generator_wins_where_it_says_something() {
    let own = json!({
        "metadata": {"labels": {"a": "own", "c": ""}},
        "spec": {
            "project": "",
            "source": {"helm": {"valuesObject": {"x": 1}, "valueFiles": [], "skipCrds": false}},
            "syncPolicy": {"automated": {"prune": false}, "syncOptions": ["own"]},
            "revisionHistoryLimit": 0,
        },
    });
    let base = json!({
        "metadata": {"name": "n", "labels": {"a": "base", "b": "base", "c": "base"}},
        "spec": {
            "project": "p",
            "source": {"helm": {"valuesObject": {"y": 1}, "valueFiles": ["v"], "skipCrds": true}},
            "syncPolicy": {"automated": {"prune": true}, "syncOptions": ["base", "two"]},
            "revisionHistoryLimit": 4,
        },
    });
    assert_eq!(
        merge_templates(&own, &base),
        json!({
            "metadata": {"name": "n", "labels": {"a": "own", "b": "base", "c": "base"}},
            "spec": {
                "project": "p",
                "source": {"helm": {"valuesObject": {"x": 1}, "valueFiles": ["v"], "skipCrds": true}},
                "syncPolicy": {"automated": {"prune": true}, "syncOptions": ["own"]},
                "revisionHistoryLimit": 4,
            },
        })
    );
}

#[test]
fn zeros_that_go_writes_are_written() {
    let replicas =
        json!([{"name": "{{id}}", "count": 0}, {"name": "b"}, {"name": "c", "count": "{{id}}"}]);
    let spec = json!({"template": {
        "metadata": {"name": "{{id}}"},
        "spec": {"source": {"kustomize": {"replicas": replicas}, "helm": {"valuesObject": false, "skipCrds": false}}},
    }});
    let document = render(Engine::Fast, &spec, &json!({"id": "x"})).unwrap();
    let replicas =
        json!([{"name": "x", "count": 0}, {"name": "b", "count": 0}, {"name": "c", "count": "x"}]);
    let source = json!({"kustomize": {"replicas": replicas}, "helm": {"valuesObject": false}});
    assert_eq!(document["spec"]["source"], source);
}
