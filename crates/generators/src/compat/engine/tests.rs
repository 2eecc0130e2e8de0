//! Both languages at their corners.

use gotemplate::MissingKey;
use serde_json::{Value, json};

use super::{Engine, Params, Scope, Texts, is_missing_key};
use crate::compat::params::{Kind, Types};

fn params(value: Value) -> Params {
    match value {
        Value::Object(entries) => entries.into(),
        other => panic!("not a map: {other}"),
    }
}

#[track_caller]
fn fast(source: &str, want: &str) {
    let params = params(json!({"id": "oak", "n": 5, "blank": "", "a b": "x", "{k": "brace"}));
    assert_eq!(Engine::Fast.text(source, &params).unwrap(), want, "of {source:?}");
}

#[track_caller]
fn go(source: &str, want: &str) {
    let params = params(json!({"id": "oak", "n": 1_000_000, "deep": {"k": 1}, "nil": null}));
    let rendered = Engine::Go(MissingKey::Default).text(source, &params);
    let rendered = rendered.unwrap_or_else(|fault| format!("error: {}", fault.message));
    assert_eq!(rendered, want, "of {source:?}");
}

#[test]
fn a_tag_names_a_text() {
    fast("{{id}}-{{ id }}-{{\u{a0}id\t}}", "oak-oak-oak");
    fast("{{a b}}", "x");
    fast("[{{blank}}]", "[]");
}

#[test]
fn what_names_no_text_stays() {
    fast("{{ nope }} {{n}} {{}} {{ }}", "{{ nope }} {{n}} {{}} {{ }}");
    fast("{{{id}}}", "{{{id}}}");
    fast("{{{k}}}", "brace}");
    fast("{{ {{id}} }}", "{{ {{id}} }}");
    fast("{{id}}}", "oak}");
}

#[test]
fn only_a_tag_on_one_line_makes_a_template() {
    fast("{{\nid\n}}", "{{\nid\n}}");
    fast("{{\nid\n}} {{id}}", "oak oak");
    fast("{{id", "{{id");
    fast("}}{{", "}}{{");
}

#[test]
fn an_open_tag_is_an_error_with_its_place() {
    let fault = Engine::Fast.text("{{id}}\n {{x", &params(json!({}))).unwrap_err();
    assert!(fault.message.starts_with("line 2, column 2, at <{{x>"), "{}", fault.message);
}

#[test]
fn numbers_are_floats_in_go() {
    go("{{.n}} {{.deep}}", "1e+06 map[k:1]");
    go("{{ .nope }} {{ .nil }}", "<no value> <no value>");
    go(
        "{{ .nil.x }}",
        "error: line 1, column 4, at <.nil.x>: nil pointer evaluating interface {}.x",
    );
}

#[test]
fn parse_errors_show_the_template() {
    let fault = Engine::Go(MissingKey::Default).compile("a\n{{ if }}").unwrap_err();
    assert!(fault.message.contains("{{ if }}"), "{}", fault.message);
    assert!(fault.message.contains("line 2"), "{}", fault.message);
}

#[test]
fn types_are_those_of_the_generator() {
    let mut params = params(json!({"values": {"a": "x"}, "big": 9_007_199_254_740_993_i64}));
    params.types = Types::new(&[(&["values"], Kind::Strings), (&["big"], Kind::Int64)]);
    let text = |missing, source| Engine::Go(missing).text(source, &params).unwrap();
    assert_eq!(text(MissingKey::Zero, "[{{.values.nope}}]"), "[]");
    assert_eq!(text(MissingKey::Default, "{{typeOf .values}}"), "map[string]string");
    assert_eq!(text(MissingKey::Default, "{{.big}}"), "9007199254740993");
}

#[test]
fn what_one_text_sets_the_next_one_sees() {
    let params = params(json!({"id": "oak", "deep": {}}));
    let scope = Scope::new(&params);
    let engine = Engine::Go(MissingKey::Default);
    let render = |source| engine.compile(source).unwrap().render(&scope).unwrap();
    assert_eq!(render("{{ $_ := set .deep \"k\" \"v\" }}{{.id}}"), "oak");
    assert_eq!(render("{{.deep.k}}"), "v");
    assert_eq!(engine.text("{{.deep.k}}", &params).unwrap(), "<no value>");
}

#[test]
fn trees_are_rendered_with_their_keys() {
    let params = params(json!({"id": "oak"}));
    let tree = json!({"{{.id}}": ["{{.id}}", null, 1], "gone": null});
    let texts = Texts::new(Engine::Go(MissingKey::Default));
    let rendered = texts.tree(&tree, &Scope::new(&params)).unwrap();
    assert_eq!(rendered, json!({"oak": ["oak", null, 1]}));
}

#[test]
fn a_missing_key_can_be_told_from_other_failures() {
    let params = params(json!({"id": "oak"}));
    let strict = Engine::Go(MissingKey::Default).strict();
    assert!(is_missing_key(&strict.text("{{.nope}}", &params).unwrap_err()));
    assert!(is_missing_key(&strict.text("{{.id.x}}", &params).unwrap_err()));
    assert!(!is_missing_key(&strict.text("{{fail \"x\"}}", &params).unwrap_err()));
}

#[test]
fn options_are_known_or_refused() {
    let of = |options: Value| {
        Engine::of_spec(&json!({"goTemplate": true, "goTemplateOptions": options}))
    };
    assert_eq!(
        of(json!(["missingkey=error", "missingkey=default"])),
        Ok(Engine::Go(MissingKey::Default))
    );
    assert!(of(json!([""])).is_err());
    assert!(of(json!(["missingkey=nope"])).is_err());
    let off = json!({"goTemplate": false, "goTemplateOptions": ["nope"]});
    assert_eq!(Engine::of_spec(&off), Ok(Engine::Fast));
}
