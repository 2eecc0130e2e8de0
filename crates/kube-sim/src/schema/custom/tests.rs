//! The expected texts are a real server's answers to the same definitions and objects.

use serde_json::json;

use super::*;
use crate::api::status::Cause;
use crate::schema::{check_types, default, normalise, prune, validate};

fn definition(schema: Value) -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "foos.ex.example.com"},
        "spec": {
            "group": "ex.example.com", "scope": "Namespaced",
            "names": {"plural": "foos", "singular": "foo", "kind": "Foo", "listKind": "FooList", "shortNames": ["fo"]},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}}],
        },
    })
}

fn object(properties: Value) -> Value {
    json!({"type": "object", "properties": properties})
}

/// The type of objects whose spec has these properties.
fn ty(spec: Value) -> TypeHandle {
    custom_resources(&definition(object(json!({"spec": object(spec)}))))[0].ty.clone()
}

fn shown(causes: &[Cause]) -> Vec<String> {
    let reason = |cause: &Cause| cause.reason.trim_start_matches("FieldValue").to_owned();
    causes
        .iter()
        .map(|cause| format!("{}: {} [{}]", cause.field, cause.message, reason(cause)))
        .collect()
}

fn problems(spec_properties: Value, spec: Value) -> Vec<String> {
    shown(&validate(&json!({"metadata": {"name": "f"}, "spec": spec}), &ty(spec_properties)))
}

#[test]
fn a_definition_becomes_a_resource_in_each_served_version() {
    let mut definition = definition(object(json!({})));
    let first = definition["spec"]["versions"][0].clone();
    let mut beta = first.clone();
    beta["name"] = json!("v1beta1");
    beta["storage"] = json!(false);
    let mut old = beta.clone();
    old["name"] = json!("v1alpha1");
    old["served"] = json!(false);
    let mut first = first;
    first["subresources"] = json!({"status": {}, "scale": {
        "specReplicasPath": ".spec.n", "statusReplicasPath": ".status.n", "labelSelectorPath": ".status.s",
    }});
    first["additionalPrinterColumns"] =
        json!([{"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}]);
    definition["spec"]["versions"] = json!([old, beta, first]);
    let resources = custom_resources(&definition);
    let versions: Vec<&str> = resources.iter().map(|resource| &*resource.version).collect();
    assert_eq!(versions, ["v1", "v1beta1"]);
    let resource = &resources[0];
    assert!(resource.custom && resource.namespaced && resource.has_status);
    assert_eq!(resource.api_version(), "ex.example.com/v1");
    assert_eq!((&*resource.list_kind, &*resource.singular), ("FooList", "foo"));
    assert_eq!(*resource.short_names, ["fo".into()]);
    let scale = resource.scale.as_ref().unwrap();
    assert_eq!((&*scale.spec_replicas, scale.selector.as_deref()), ("spec.n", Some("status.s")));
    let subresources: Vec<&str> = resource.subresources.iter().map(|sub| &*sub.name).collect();
    assert_eq!(subresources, ["status", "scale"]);
    assert_eq!(&*resource.printer_columns[0].json_path, ".metadata.creationTimestamp");
    assert!(!resources[1].has_status && resources[1].subresources.is_empty());
}

#[test]
fn lists_and_maps_merge_as_the_schema_says() {
    let ty = ty(json!({
        "set": {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"},
        "map": {
            "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k", "p"],
            "items": object(json!({"k": {"type": "string"}, "p": {"type": "string", "default": "TCP"}})),
        },
        "atomic": {"type": "object", "additionalProperties": {"type": "integer"}, "x-kubernetes-map-type": "atomic"},
        "free": {"x-kubernetes-preserve-unknown-fields": true},
        "port": {"x-kubernetes-int-or-string": true, "anyOf": [{"type": "integer"}, {"type": "string"}]},
    }));
    let Node::Struct(root) = ty.node() else { panic!("the root is no struct") };
    assert_eq!(&*root.name, "com.example.ex.v1.Foo");
    let Node::Struct(spec) = ty.table.node(root.fields["spec"].ty) else { panic!("no struct") };
    let node = |name: &str| ty.table.node(spec.fields[name].ty);
    assert!(matches!(node("set"), Node::List { merge: ListMerge::Set, .. }));
    let Node::List { item, merge: ListMerge::Map(keys) } = node("map") else { panic!("no map") };
    assert_eq!(**keys, ["k".into(), "p".into()]);
    let Node::Struct(item) = ty.table.node(*item) else { panic!("no struct") };
    assert_eq!(item.fields["p"].default, Some(json!("TCP")));
    assert!(matches!(node("atomic"), Node::Map { atomic: true, .. }));
    assert_eq!(*node("free"), Node::Any);
    assert_eq!(*node("port"), Node::Scalar(Scalar::IntOrString));
}

#[test]
fn an_object_is_pruned_its_nulls_go_and_defaults_come() {
    let ty = ty(json!({
        "m": {"type": "array", "items": object(json!({"k": {"type": "string"}}))},
        "pu": {"type": "object", "x-kubernetes-preserve-unknown-fields": true, "properties": {"known": object(json!({}))}},
        "mp": {"type": "object", "additionalProperties": {"type": "integer"}},
        "s": {"type": "string"},
        "nul": {"type": "string", "nullable": true},
        "df": {"type": "object", "properties": {"x": {"type": "integer", "default": 7}}, "default": {}},
        "df2": object(json!({"x": {"type": "integer", "default": 7}})),
    }));
    let mut value = json!({
        "apiVersion": "ex.example.com/v1", "kind": "Foo", "other": 2,
        "metadata": {"name": "f", "bogus": 1, "labels": {}, "creationTimestamp": null},
        "spec": {
            "bogus": 1, "m": [{"k": "", "zz": 1}], "pu": {"free": {"a": 1}, "known": {"x": 1}},
            "mp": {"a": null}, "s": null, "nul": null, "df": null,
        },
    });
    assert_eq!(check_types(&value, &ty), Ok(()));
    let dropped = prune(&mut value, &ty);
    assert_eq!(
        dropped,
        ["metadata.bogus", "other", "spec.bogus", "spec.m[0].zz", "spec.pu.known.x"]
    );
    normalise(&mut value, &ty);
    default(&mut value, &ty);
    let expected = json!({
        "apiVersion": "ex.example.com/v1", "kind": "Foo", "metadata": {"name": "f"},
        "spec": {"m": [{"k": ""}], "pu": {"free": {"a": 1}, "known": {}}, "mp": {}, "nul": null, "df": {"x": 7}},
    });
    assert_eq!(value, expected);
}

#[test]
fn metadata_is_of_the_built_in_type() {
    let ty = ty(json!({}));
    let error = |metadata: Value| check_types(&json!({"metadata": metadata, "spec": 5}), &ty);
    let field =
        "json: cannot unmarshal number into Go struct field ObjectMeta.labels of type string";
    assert_eq!(error(json!({"labels": {"a": 1}})), Err(field.to_owned()));
    let whole = "json: cannot unmarshal array into Go value of type v1.ObjectMeta";
    assert_eq!(error(json!([])), Err(whole.to_owned()));
}

#[test]
fn values_are_judged_in_the_words_of_the_real_server() {
    let text =
        json!({"s": {"type": "string", "minLength": 2, "maxLength": 4, "pattern": "^[a-z]+$"}});
    for (value, expected) in [
        (
            json!(5),
            r#"spec.s: Invalid value: "integer": spec.s in body must be of type string: "integer" [TypeInvalid]"#,
        ),
        (
            json!("a"),
            r#"spec.s: Invalid value: "a": spec.s in body should be at least 2 chars long [Invalid]"#,
        ),
        (json!("A1BCDE"), "spec.s: Too long: may not be more than 4 bytes [TooLong]"),
        (
            json!("A1"),
            r#"spec.s: Invalid value: "A1": spec.s in body should match '^[a-z]+$' [Invalid]"#,
        ),
    ] {
        assert_eq!(problems(text.clone(), json!({"s": value})), [expected]);
    }
    let integer = json!({"i": {"type": "integer", "minimum": 1, "maximum": 5}});
    for (value, expected) in [
        (
            json!(0),
            "spec.i: Invalid value: 0: spec.i in body should be greater than or equal to 1 [Invalid]",
        ),
        (
            json!(6),
            "spec.i: Invalid value: 6: spec.i in body should be less than or equal to 5 [Invalid]",
        ),
        (
            json!("1"),
            r#"spec.i: Invalid value: "string": spec.i in body must be of type integer: "string" [TypeInvalid]"#,
        ),
    ] {
        assert_eq!(problems(integer.clone(), json!({"i": value})), [expected]);
    }
    assert!(problems(integer, json!({"i": 2.0})).is_empty());
    let choice = json!({"e": {"type": "string", "enum": ["A", "B"]}});
    let expected = r#"spec.e: Unsupported value: "C": supported values: "A", "B" [NotSupported]"#;
    assert_eq!(problems(choice, json!({"e": "C"})), [expected]);
    let port = json!({"p": {"x-kubernetes-int-or-string": true, "anyOf": [{"type": "integer"}, {"type": "string"}]}});
    assert!(problems(port.clone(), json!({"p": "80%"})).is_empty());
    assert!(!problems(port, json!({"p": true})).is_empty());
    let ip = json!({"ip": {"type": "string", "format": "ipv4"}});
    let expected =
        r#"spec.ip: Invalid value: "x": spec.ip in body must be of type ipv4: "x" [TypeInvalid]"#;
    assert_eq!(problems(ip, json!({"ip": "x"})), [expected]);
}

#[test]
fn lists_and_objects_are_judged_whole_and_in_parts() {
    let list =
        json!({"l": {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 2}});
    for (value, expected) in [
        (
            json!([]),
            "spec.l: Invalid value: 0: spec.l in body should have at least 1 items [Invalid]",
        ),
        (json!(["a", "b", "c"]), "spec.l: Too many: 3: must have at most 2 items [TooMany]"),
        (
            json!([1]),
            r#"spec.l[0]: Invalid value: "integer": spec.l[0] in body must be of type string: "integer" [TypeInvalid]"#,
        ),
    ] {
        assert_eq!(problems(list.clone(), json!({"l": value})), [expected]);
    }
    let keyed = json!({"m": {
        "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"],
        "items": {"type": "object", "required": ["k"], "properties": {"k": {"type": "string"}}},
    }});
    let twice = json!({"m": [{"k": "a"}, {"k": "a"}]});
    assert_eq!(
        problems(keyed.clone(), twice),
        [r#"spec.m[1]: Duplicate value: {"k":"a"} [Duplicate]"#]
    );
    assert_eq!(problems(keyed, json!({"m": [{}]})), ["spec.m[0].k: Required value [Required]"]);
    let map = json!({"mp": {"type": "object", "additionalProperties": {"type": "integer"}, "maxProperties": 1}});
    let expected = ["spec.mp: Too many: 2: must have at most 1 item [TooMany]"];
    assert_eq!(problems(map, json!({"mp": {"a": 1, "b": 2}})), expected);
    let one = json!({"oo": {
        "type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}},
        "oneOf": [{"required": ["a"]}, {"required": ["b"]}],
    }});
    let none = [
        r#"<nil>: Invalid value: "": "spec.oo" must validate one and only one schema (oneOf). Found none valid [Invalid]"#,
        "spec.oo.a: Required value [Required]",
    ];
    assert_eq!(problems(one.clone(), json!({"oo": {}})), none);
    assert!(problems(one, json!({"oo": {"b": "x"}})).is_empty());
}

#[test]
fn a_schema_with_expressions_says_that_they_were_not_checked() {
    let schema =
        json!({"i": {"type": "integer", "x-kubernetes-validations": [{"rule": "self < 10"}]}});
    let problems = problems(schema, json!({"i": "x"}));
    assert_eq!(problems.len(), 2);
    assert!(
        problems[1]
            .starts_with("<nil>: Invalid value: null: some validation rules were not checked")
    );
}

#[test]
fn a_schema_that_is_not_structural_is_refused() {
    let at = "spec.validation.openAPIV3Schema";
    let field = |schema: Value| object(json!({"a": schema}));
    for (schema, expected) in [
        (
            json!({"type": "string"}),
            r#".type: Invalid value: "string": must be object at the root [Invalid]"#,
        ),
        (json!({}), ".type: Required value: must not be empty at the root [Required]"),
        (
            field(json!({})),
            ".properties[a].type: Required value: must not be empty for specified object fields [Required]",
        ),
        (
            field(json!({"type": "array"})),
            ".properties[a].items: Required value: must be specified [Required]",
        ),
        (
            field(json!({"type": "array", "items": {}})),
            ".properties[a].items.type: Required value: must not be empty for specified array items [Required]",
        ),
        (
            field(
                json!({"type": "object", "properties": {}, "additionalProperties": {"type": "string"}}),
            ),
            ".properties[a].additionalProperties: Forbidden: additionalProperties and properties are mutual exclusive [Forbidden]",
        ),
        (
            field(json!({"type": "foo"})),
            r#".properties[a].type: Unsupported value: "foo": supported values: "array", "boolean", "integer", "number", "object", "string" [NotSupported]"#,
        ),
        (
            field(json!({"type": "string", "oneOf": [{"type": "string"}]})),
            ".properties[a].oneOf[0].type: Forbidden: must be empty to be structural [Forbidden]",
        ),
        (
            field(json!({
                "type": "array", "items": object(json!({"k": {"type": "string"}})),
                "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"],
            })),
            ".properties[a].items.properties[k].default: Required value: this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property [Required]",
        ),
        (
            field(json!({"type": "string", "default": 5})),
            r#".properties[a].default: Invalid value: "integer":  in body must be of type string: "integer" [TypeInvalid]"#,
        ),
        (
            field(
                json!({"type": "object", "properties": {"z": {"type": "string"}}, "default": {"bogus": 1}}),
            ),
            r#".properties[a].default: Invalid value: {"bogus":1}: must not have unknown fields [Invalid]"#,
        ),
        (
            object(json!({"metadata": object(json!({"foo": {"type": "string"}}))})),
            ".properties[metadata]: Forbidden: must not specify anything other than name and generateName, but metadata is implicitly specified [Forbidden]",
        ),
    ] {
        assert_eq!(shown(&check_definition(&definition(schema))), [format!("{at}{expected}")]);
    }
    for schema in [
        field(
            json!({"anyOf": [{"type": "integer"}, {"type": "string"}], "x-kubernetes-int-or-string": true}),
        ),
        json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true}),
        field(json!({"type": "string", "nullable": true, "default": null})),
        field(json!({"type": "object", "additionalProperties": true})),
    ] {
        assert_eq!(shown(&check_definition(&definition(schema))), [""; 0]);
    }
}

#[test]
fn names_and_versions_are_checked() {
    let changed = |pointer: &str, name: &str, value: Value| {
        let mut definition = definition(object(json!({})));
        definition.pointer_mut(pointer).expect("the place is there")[name] = value;
        shown(&check_definition(&definition))
    };
    let expected =
        r#"metadata.name: Invalid value: "x": must be spec.names.plural+"."+spec.group [Invalid]"#;
    assert_eq!(changed("/metadata", "name", json!("x")), [expected]);
    let expected = r#"spec.scope: Unsupported value: "foo": supported values: "Cluster", "Namespaced" [NotSupported]"#;
    assert_eq!(changed("/spec", "scope", json!("foo")), [expected]);
    let no_storage = changed("/spec/versions/0", "storage", json!(false));
    assert!(
        no_storage[0]
            .ends_with("must have exactly one version marked as storage version [Invalid]")
    );
    let no_schema = ["spec.versions[0].schema.openAPIV3Schema: Required value [Required]"];
    assert_eq!(changed("/spec/versions/0", "schema", Value::Null), no_schema);
    let columns = changed(
        "/spec/versions/0",
        "additionalPrinterColumns",
        json!([{"name": "a", "type": "foo", "jsonPath": "x"}]),
    );
    let expected = [
        r#"spec.additionalPrinterColumns[0].type: Invalid value: "foo": must be one of boolean,date,integer,number,string [Invalid]"#,
        r#"spec.additionalPrinterColumns[0].JSONPath: Invalid value: "x": must be a simple json path starting with . [Invalid]"#,
    ];
    assert_eq!(columns, expected);
}
