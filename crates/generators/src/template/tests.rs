//! Templates, from the text to the value, and what they refuse.

use expect_test::{Expect, expect};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn scope() -> Scope {
    let value = json!({
        "name": "eu-1",
        "tier": 3,
        "big": 1_000_000,
        "account": 123_456_789_012_u64,
        "ratio": 0.5,
        "on": true,
        "nothing": null,
        "empty": "",
        "html": "<a & 'b'>",
        "list": ["a", "b", "c"],
        "first": "a parameter",
        "metadata": {"labels": {"env": "prod", "example.com/zone": "z1"}, "annotations": {}},
        "path": {
            "path": "apps/web", "basename": "web", "basenameNormalized": "web",
            "segments": ["apps", "web"],
        },
        "items": [{"name": "x", "port": 80}, {"name": "y", "port": 443}],
        "text": "a: 1\nb: [x]",
    });
    match value {
        Value::Object(map) => Scope::new(map),
        _ => unreachable!(),
    }
}

fn render(source: &str) -> Result<Value, TemplateError> {
    Text::compile(source)?.render(&scope(), &mut Budget::default())
}

/// Each template with what it gives.
fn check(sources: &[&str], expected: &Expect) {
    let line = |source: &&str| match render(source) {
        Ok(value) => format!("{source}  →  {value}\n"),
        Err(error) => format!("{source}  →  error: {error}\n"),
    };
    expected.assert_eq(&sources.iter().map(line).collect::<String>());
}

#[test]
fn names_and_paths() {
    check(
        &[
            "plain {text}",
            "{{name}}-{{ tier }}",
            "{{{html}}}{{html}}",
            "{{big}} {{account}} {{ratio}} {{on}}",
            "{{metadata.labels.env}}",
            "{{metadata.labels.[example.com/zone]}}",
            "{{lookup metadata.labels \"example.com/zone\"}}",
            "{{list.1}} {{@root.name}} {{this.name}}",
            "{{path}} {{path.basename}} {{path.segments.0}}",
            "{{first}}",
            "\\{{name}}",
            "{{{{raw}}}}{{name}}{{{{/raw}}}}",
            "{{!-- a comment --}}x{{! y }}",
        ],
        &expect![[r#"
            plain {text}  →  "plain {text}"
            {{name}}-{{ tier }}  →  "eu-1-3"
            {{{html}}}{{html}}  →  "<a & 'b'><a & 'b'>"
            {{big}} {{account}} {{ratio}} {{on}}  →  "1000000 123456789012 0.5 true"
            {{metadata.labels.env}}  →  "prod"
            {{metadata.labels.[example.com/zone]}}  →  "z1"
            {{lookup metadata.labels "example.com/zone"}}  →  "z1"
            {{list.1}} {{@root.name}} {{this.name}}  →  "b eu-1 eu-1"
            {{path}} {{path.basename}} {{path.segments.0}}  →  "apps/web web apps"
            {{first}}  →  "a parameter"
            \{{name}}  →  "{{name}}"
            {{{{raw}}}}{{name}}{{{{/raw}}}}  →  "{{name}}"
            {{!-- a comment --}}x{{! y }}  →  "x"
        "#]],
    );
}

#[test]
fn what_is_missing_is_an_error_that_names_it() {
    check(
        &[
            "{{nmae}}",
            "{{metadata.labels.envv}}",
            "{{name.first}}",
            "{{lower nmae}}",
            "{{#each nmae}}{{/each}}",
            "{{lookup metadata.labels \"zone\"}}",
            "{{lower (lookup metadata.labels \"zone\")}}",
            "{{{json nmae}}}",
            "{{list.9}}",
            "{{list.x}}",
            "{{nothing}}",
            "{{metadata}}",
            "{{list}}",
            "{{eq nmae 1}}",
            "{{#each items}}{{nmae}}{{/each}}",
        ],
        &expect![[r#"
            {{nmae}}  →  error: "{{nmae}}" (line 1, column 1) needs the parameter nmae, which is not there; did you mean name? there are: account, big, empty, first, html, items.0.name, items.0.port, items.1.name, items.1.port, list.0, list.1, list.2, metadata.labels.env, metadata.labels.example.com/zone, name, on, path.basename, path.basenameNormalized, path.path, path.segments.0, path.segments.1, ratio, text, tier
            {{metadata.labels.envv}}  →  error: "{{metadata.labels.envv}}" (line 1, column 1) needs the parameter metadata.labels.envv, which is not there; did you mean metadata.labels.env? there are: account, big, empty, first, html, items.0.name, items.0.port, items.1.name, items.1.port, list.0, list.1, list.2, metadata.labels.env, metadata.labels.example.com/zone, name, on, path.basename, path.basenameNormalized, path.path, path.segments.0, path.segments.1, ratio, text, tier
            {{name.first}}  →  error: "{{name.first}}" (line 1, column 1) needs the parameter name.first, which is not there; there are: account, big, empty, first, html, items.0.name, items.0.port, items.1.name, items.1.port, list.0, list.1, list.2, metadata.labels.env, metadata.labels.example.com/zone, name, on, path.basename, path.basenameNormalized, path.path, path.segments.0, path.segments.1, ratio, text, tier
            {{lower nmae}}  →  error: "{{lower nmae}}" (line 1, column 1) needs the parameter nmae, which is not there; did you mean name? there are: account, big, empty, first, html, items.0.name, items.0.port, items.1.name, items.1.port, list.0, list.1, list.2, metadata.labels.env, metadata.labels.example.com/zone, name, on, path.basename, path.basenameNormalized, path.path, path.segments.0, path.segments.1, ratio, text, tier
            {{#each nmae}}{{/each}}  →  error: "{{#each nmae}}" (line 1, column 1) needs the parameter nmae, which is not there; did you mean name? there are: account, big, empty, first, html, items.0.name, items.0.port, items.1.name, items.1.port, list.0, list.1, list.2, metadata.labels.env, metadata.labels.example.com/zone, name, on, path.basename, path.basenameNormalized, path.path, path.segments.0, path.segments.1, ratio, text, tier
            {{lookup metadata.labels "zone"}}  →  error: "{{lookup metadata.labels \"zone\"}}" (line 1, column 1) failed: lookup metadata.labels "zone" is not there
            {{lower (lookup metadata.labels "zone")}}  →  error: "{{lower (lookup metadata.labels \"zone\")}}" (line 1, column 1) failed: argument 1 of lower is not there
            {{{json nmae}}}  →  error: "{{{json nmae}}}" (line 1, column 1) needs the parameter nmae, which is not there; did you mean name? there are: account, big, empty, first, html, items.0.name, items.0.port, items.1.name, items.1.port, list.0, list.1, list.2, metadata.labels.env, metadata.labels.example.com/zone, name, on, path.basename, path.basenameNormalized, path.path, path.segments.0, path.segments.1, ratio, text, tier
            {{list.9}}  →  error: "{{list.9}}" (line 1, column 1) needs the parameter list.9, which is not there; did you mean list.0? there are: account, big, empty, first, html, items.0.name, items.0.port, items.1.name, items.1.port, list.0, list.1, list.2, metadata.labels.env, metadata.labels.example.com/zone, name, on, path.basename, path.basenameNormalized, path.path, path.segments.0, path.segments.1, ratio, text, tier
            {{list.x}}  →  error: "{{list.x}}" (line 1, column 1) needs the parameter list.x, which is not there; did you mean list.0? there are: account, big, empty, first, html, items.0.name, items.0.port, items.1.name, items.1.port, list.0, list.1, list.2, metadata.labels.env, metadata.labels.example.com/zone, name, on, path.basename, path.basenameNormalized, path.path, path.segments.0, path.segments.1, ratio, text, tier
            {{nothing}}  →  error: "{{nothing}}" (line 1, column 1) failed: nothing is null, which is not text; give it a value, or use default
            {{metadata}}  →  error: "{{metadata}}" (line 1, column 1) failed: metadata is a map, not text; name a key of it, or use toYaml or json
            {{list}}  →  error: "{{list}}" (line 1, column 1) failed: list is a list, not text; use join, toYaml or json
            {{eq nmae 1}}  →  error: "{{eq nmae 1}}" (line 1, column 1) needs the parameter nmae, which is not there; did you mean name? there are: account, big, empty, first, html, items.0.name, items.0.port, items.1.name, items.1.port, list.0, list.1, list.2, metadata.labels.env, metadata.labels.example.com/zone, name, on, path.basename, path.basenameNormalized, path.path, path.segments.0, path.segments.1, ratio, text, tier
            {{#each items}}{{nmae}}{{/each}}  →  error: "{{nmae}}" (line 1, column 16) needs the parameter nmae, which is not there; did you mean name? there are: account, big, empty, first, html, items.0.name, items.0.port, items.1.name, items.1.port, list.0, list.1, list.2, metadata.labels.env, metadata.labels.example.com/zone, name, on, path.basename, path.basenameNormalized, path.path, path.segments.0, path.segments.1, ratio, text, tier
        "#]],
    );
}

#[test]
fn what_is_no_template_is_an_error_before_rendering() {
    check(
        &[
            "{{name",
            "{{}}",
            "{{#if name}}x",
            "{{#if name}}x{{/each}}",
            "{{> partial}}",
            "{{#> partial}}{{/partial}}",
            "{{* inline}}",
            "{{lowr name}}",
            "{{#lower name}}x{{/lower}}",
            "{{each list}}",
            "{{#name}}x{{/name}}",
            "{{lower (name)}}",
            "{{log name}}",
            "{{lower name size=3}}",
            "{{lower name name}}",
        ],
        &expect![[r#"
            {{name  →  error: "{{name" (line 1, column 7) is not a template: it cannot be read; is a tag or a block not closed?
            {{}}  →  error: "{{}}" (line 1, column 3) is not a template: it cannot be read; is a tag or a block not closed?
            {{#if name}}x  →  error: "{{#if name}}x" (line 1, column 14) is not a template: it cannot be read; is a tag or a block not closed?
            {{#if name}}x{{/each}}  →  error: "{{#if name}}x{{/each}}" (line 1, column 14) is not a template: helper "if" was opened, but "each" is closing
            {{> partial}}  →  error: "{{> partial}}" (line 1, column 1) is not a template: partials (>) and decorators (*) are not part of templates here
            {{#> partial}}{{/partial}}  →  error: "{{#> partial}}" (line 1, column 1) is not a template: partials (>) and decorators (*) are not part of templates here
            {{* inline}}  →  error: "{{* inline}}" (line 1, column 1) is not a template: partials (>) and decorators (*) are not part of templates here
            {{lowr name}}  →  error: "{{lowr name}}" (line 1, column 1) is not a template: unknown helper "lowr"; did you mean "lower"? known: default, required, lower, upper, trim, replace, regexReplace, trunc, indent, slugify, normalize, sha256, join, split, first, last, toYaml, toJson, json, fromYaml, lookup, eq, ne, lt, lte, gt, gte, and, or, not, has, startsWith, endsWith, semverCompare, if, unless, each, with, raw
            {{#lower name}}x{{/lower}}  →  error: "{{#lower name}}" (line 1, column 1) is not a template: lower gives a value; write {{lower …}} without #
            {{each list}}  →  error: "{{each list}}" (line 1, column 1) is not a template: each is a block; write {{#each …}} and {{/each}}
            {{#name}}x{{/name}}  →  error: "{{#name}}" (line 1, column 1) is not a template: unknown helper "name"; known: default, required, lower, upper, trim, replace, regexReplace, trunc, indent, slugify, normalize, sha256, join, split, first, last, toYaml, toJson, json, fromYaml, lookup, eq, ne, lt, lte, gt, gte, and, or, not, has, startsWith, endsWith, semverCompare, if, unless, each, with, raw
            {{lower (name)}}  →  error: "{{lower (name)}}" (line 1, column 1) is not a template: (name) calls nothing; write name without the brackets
            {{log name}}  →  error: "{{log name}}" (line 1, column 1) is not a template: unknown helper "log"; known: default, required, lower, upper, trim, replace, regexReplace, trunc, indent, slugify, normalize, sha256, join, split, first, last, toYaml, toJson, json, fromYaml, lookup, eq, ne, lt, lte, gt, gte, and, or, not, has, startsWith, endsWith, semverCompare, if, unless, each, with, raw
            {{lower name size=3}}  →  error: "{{lower name size=3}}" (line 1, column 1) failed: lower takes no argument size=; write lower text
            {{lower name name}}  →  error: "{{lower name name}}" (line 1, column 1) failed: lower takes other arguments; write lower text
        "#]],
    );
}

#[test]
fn values_keep_their_type_when_they_stand_alone() {
    check(
        &[
            "{{{json tier}}}",
            "{{{json list}}}",
            "{{{json path}}}",
            "{{{json (fromYaml text)}}}",
            "{{{json (split name \"-\")}}}",
            "{{{json 5}}}",
            "{{{json nothing}}}",
            "{{json tier}}",
            " {{{json tier}}}",
        ],
        &expect![[r#"
            {{{json tier}}}  →  3
            {{{json list}}}  →  ["a","b","c"]
            {{{json path}}}  →  {"basename":"web","basenameNormalized":"web","path":"apps/web","segments":["apps","web"]}
            {{{json (fromYaml text)}}}  →  {"a":1,"b":["x"]}
            {{{json (split name "-")}}}  →  ["eu","1"]
            {{{json 5}}}  →  5
            {{{json nothing}}}  →  null
            {{json tier}}  →  "3"
             {{{json tier}}}  →  " 3"
        "#]],
    );
}

#[test]
fn helpers_of_text() {
    check(
        &[
            "{{default nmae \"x\"}} {{default empty nothing \"y\"}} {{default name \"z\"}}",
            "{{default (lookup metadata.labels \"zone\") \"none\"}}",
            "{{required empty \"set a name\"}}",
            "{{required name \"set a name\"}}",
            "{{lower \"AbÇ\"}} {{upper \"abß\"}} [{{trim \" a \"}}]",
            "{{replace path \"/\" \"-\"}} {{replace name \"\" \"x\"}}",
            "{{regexReplace name \"([a-z]+)-([0-9])\" \"$2.$1\"}}",
            "{{regexReplace name \"(\" \"x\"}}",
            "{{trunc name 2}} {{trunc name -1}} {{trunc name 99}} {{trunc \"añb\" 2}}",
            "{{trunc name \"2\"}}",
            "{{indent \"a\n\nb\" 2}}",
            "{{slugify \"Größe & Co._\"}} {{slugify \"abc def\" 4}} {{slugify \"--\"}}",
            "{{normalize \"My_Cluster.eu.\"}}",
            "{{normalize \"İzmir\"}}",
            "{{sha256 \"\"}}",
            "{{join list \",\"}} {{join path.segments \"_\"}} {{first list}} {{last list}}",
            "{{join items \",\"}}",
            "{{split name \"-\"}}",
            "{{toYaml metadata}}",
            "{{toJson items}}",
            "{{json name}}",
            "{{{json (fromYaml \"{\")}}}",
        ],
        &expect![[r#"
            {{default nmae "x"}} {{default empty nothing "y"}} {{default name "z"}}  →  "x y eu-1"
            {{default (lookup metadata.labels "zone") "none"}}  →  "none"
            {{required empty "set a name"}}  →  error: "{{required empty \"set a name\"}}" (line 1, column 1) failed: required: set a name
            {{required name "set a name"}}  →  "eu-1"
            {{lower "AbÇ"}} {{upper "abß"}} [{{trim " a "}}]  →  "abç ABSS [a]"
            {{replace path "/" "-"}} {{replace name "" "x"}}  →  error: "{{replace name \"\" \"x\"}}" (line 1, column 26) failed: replace: the text to replace is empty
            {{regexReplace name "([a-z]+)-([0-9])" "$2.$1"}}  →  "1.eu"
            {{regexReplace name "(" "x"}}  →  error: "{{regexReplace name \"(\" \"x\"}}" (line 1, column 1) failed: regexReplace: "(" is not a regular expression: unclosed group
            {{trunc name 2}} {{trunc name -1}} {{trunc name 99}} {{trunc "añb" 2}}  →  "eu 1 eu-1 añ"
            {{trunc name "2"}}  →  error: "{{trunc name \"2\"}}" (line 1, column 1) failed: trunc: "2" is not a whole number
            {{indent "a

            b" 2}}  →  error: "{{indent \"a\n\nb\" 2}}" is not a template: invalid parameter "\"a\n\nb\""
            {{slugify "Größe & Co._"}} {{slugify "abc def" 4}} {{slugify "--"}}  →  "gr-e-co abc "
            {{normalize "My_Cluster.eu."}}  →  "my-cluster.eu"
            {{normalize "İzmir"}}  →  "izmir"
            {{sha256 ""}}  →  "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
            {{join list ","}} {{join path.segments "_"}} {{first list}} {{last list}}  →  "a,b,c apps_web a c"
            {{join items ","}}  →  error: "{{join items \",\"}}" (line 1, column 1) failed: join: item 0 is a map, not text; name a key of it, or use toYaml or json
            {{split name "-"}}  →  error: "{{split name \"-\"}}" (line 1, column 1) failed: split is a list, not text; use join, toYaml or json
            {{toYaml metadata}}  →  "annotations: {}\nlabels:\n  env: prod\n  example.com/zone: z1"
            {{toJson items}}  →  "[{\"name\":\"x\",\"port\":80},{\"name\":\"y\",\"port\":443}]"
            {{json name}}  →  "\"eu-1\""
            {{{json (fromYaml "{")}}}  →  error: "{{{json (fromYaml \"{\")}}}" (line 1, column 1) failed: fromYaml: line 1: a value is expected here, and there is none
        "#]],
    );
}

#[test]
fn helpers_that_test() {
    check(
        &[
            "{{eq name \"eu-1\"}} {{eq tier 3.0}} {{eq tier \"3\"}} {{eq path \"apps/web\"}}",
            "{{ne name \"x\"}} {{lt tier 4}} {{gte tier \"3\"}} {{gt \"b\" \"a\"}} {{lte 1 0.5}}",
            "{{lt name 3}}",
            "{{and on tier}} {{and on nmae}} {{or nmae on}} {{not nmae}} {{not empty}}",
            "{{has list \"b\"}} {{has metadata.labels \"env\"}} {{has list \"z\"}}",
            "{{startsWith name \"eu\"}} {{endsWith path \"web\"}}",
            "{{semverCompare \">=1.30, <2\" \"v1.31.2-gke.100\"}} {{semverCompare \"^1.30\" \"1.29\"}}",
            "{{semverCompare \">=1.30.0-rc.1\" \"1.30.0-rc.2\"}} {{semverCompare \"1\" \"x\"}}",
            "{{#if (and (eq metadata.labels.env \"prod\") (gt tier 2))}}big{{else}}small{{/if}}",
            "{{#if metadata.labels.canary}}canary{{else if tier}}tier {{tier}}{{else}}none{{/if}}",
            "{{#eq name \"eu-1\"}}yes{{else}}no{{/eq}}{{#unless on}}off{{/unless}}",
            "{{#each items}}{{@index}}={{name}}:{{port}}@{{@root.name}}{{#unless @last}},{{/unless}}{{/each}}",
            "{{#each metadata.labels}}{{@key}}={{this}};{{/each}}",
            "{{#each list as |item|}}{{item}}{{../tier}}{{/each}}",
            "{{#with metadata.labels}}{{env}}{{/with}}{{#with nmae}}{{else}}!{{/with}}",
        ],
        &expect![[r#"
            {{eq name "eu-1"}} {{eq tier 3.0}} {{eq tier "3"}} {{eq path "apps/web"}}  →  "true true false true"
            {{ne name "x"}} {{lt tier 4}} {{gte tier "3"}} {{gt "b" "a"}} {{lte 1 0.5}}  →  "true true true true false"
            {{lt name 3}}  →  error: "{{lt name 3}}" (line 1, column 1) failed: lt: "eu-1" and 3 cannot be ordered; compare two numbers or two texts
            {{and on tier}} {{and on nmae}} {{or nmae on}} {{not nmae}} {{not empty}}  →  "true false true true true"
            {{has list "b"}} {{has metadata.labels "env"}} {{has list "z"}}  →  "true true false"
            {{startsWith name "eu"}} {{endsWith path "web"}}  →  "true true"
            {{semverCompare ">=1.30, <2" "v1.31.2-gke.100"}} {{semverCompare "^1.30" "1.29"}}  →  "true false"
            {{semverCompare ">=1.30.0-rc.1" "1.30.0-rc.2"}} {{semverCompare "1" "x"}}  →  error: "{{semverCompare \"1\" \"x\"}}" (line 1, column 49) failed: semverCompare: "x" is not a version: unexpected character 'x' while parsing major version number
            {{#if (and (eq metadata.labels.env "prod") (gt tier 2))}}big{{else}}small{{/if}}  →  "big"
            {{#if metadata.labels.canary}}canary{{else if tier}}tier {{tier}}{{else}}none{{/if}}  →  "tier 3"
            {{#eq name "eu-1"}}yes{{else}}no{{/eq}}{{#unless on}}off{{/unless}}  →  "yes"
            {{#each items}}{{@index}}={{name}}:{{port}}@{{@root.name}}{{#unless @last}},{{/unless}}{{/each}}  →  "0=x:80@eu-1,1=y:443@eu-1"
            {{#each metadata.labels}}{{@key}}={{this}};{{/each}}  →  "env=prod;example.com/zone=z1;"
            {{#each list as |item|}}{{item}}{{../tier}}{{/each}}  →  "a3b3c3"
            {{#with metadata.labels}}{{env}}{{/with}}{{#with nmae}}{{else}}!{{/with}}  →  "prod!"
        "#]],
    );
}

#[test]
fn a_template_is_bounded() {
    let deep = format!("{}name{}", "{{lower (lower ".repeat(40), ")}}".repeat(40));
    let chain = format!("{{{{#if a}}}}{}{{{{/if}}}}", "{{else if a}}".repeat(40));
    let many = "{{name}}".repeat(1001);
    let long = format!("{{{{name}}}}{}", "x".repeat(70_000));
    for source in [deep, chain, many, long] {
        assert!(matches!(Text::compile(&source), Err(TemplateError::Syntax { .. })));
    }
    let numbers: Vec<u32> = (0..1000).collect();
    let Value::Object(map) = json!({"list": numbers, "text": "x".repeat(600_000)}) else {
        unreachable!()
    };
    let scope = Scope::new(map);
    let failure = |source: &str| {
        let text = Text::compile(source).unwrap();
        text.render(&scope, &mut Budget::default()).unwrap_err().to_string()
    };
    let loops = "{{#each list}}{{#each @root.list}}{{/each}}{{/each}}";
    assert!(failure(loops).contains("100000 steps"), "{}", failure(loops));
    assert!(failure("{{text}}{{text}}").contains("1048576 bytes"));
    assert!(failure("{{{json text}}}{{text}}").contains("1048576 bytes"));
    assert!(failure("{{lower (replace text \"x\" \"xx\")}}").contains("1048576 bytes"));
    assert!(failure("{{regexReplace text \"x\" \"$0$0\"}}").contains("1048576 bytes"));
    assert!(failure("{{join list (trunc text 60000)}}").contains("1048576 bytes"));
}

/// What the two ways of rendering give must not differ.
#[test]
fn the_short_way_and_the_library_agree() {
    for source in ["{{name}}-{{tier}}x", "{{list.1}}", "{{metadata.labels.[example.com/zone]}}"] {
        assert!(matches!(Text::compile(source).unwrap().body, Body::Parts(_)), "{source}");
        let through_library = format!("{source}{{{{#if false}}}}{{{{/if}}}}");
        assert_eq!(render(source), render(&through_library), "{source}");
    }
}

#[test]
fn every_helper_is_documented() {
    let guide = include_str!("../../../../docs/guide/templates.md");
    let crate_docs = include_str!("../lib.rs");
    for name in helpers::names() {
        let is_named = |text: &str| {
            ["`", "`#", "`{{{{", "(", " "]
                .iter()
                .any(|before| text.contains(&format!("{before}{name}")))
        };
        assert!(
            guide.contains(&format!("`{name}")) || guide.contains(&format!("`#{name}")),
            "{name}"
        );
        assert!(is_named(crate_docs), "{name}");
    }
}

fn json_value() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        "\\PC{0,12}",
        ".{0,8}",
        Just("on".to_owned()),
        Just("0755".to_owned()),
        Just("1:30".to_owned()),
        Just("- a\n  b: &x".to_owned()),
        Just("\u{85}\u{2028}\u{7f}".to_owned()),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-1e9..1e9).prop_map(Value::from),
        text.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(text.clone(), inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Pieces that template texts are made of, so that random texts get past the first brace.
fn template_text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => proptest::sample::select(vec![
            "{{", "}}", "{{{", "}}}", "{{{{", "}}}}", "{{#", "{{/", "{{^", "{{else", "{{!", "{{!--",
            "--}}", "{{>", "{{*", "{{#*", "{{#>", "{{&", "~", "(", ")", "[", "]", "|", "as |", "\"", "'",
            "\\", "\\{{", ".", "..", "../", "/", "@", "@root.", "@index", "this", "=", ",", ":",
        ]),
        4 => proptest::sample::select(vec![
            "name", "list", "path", "each", "if", "with", "lower", "json", "lookup", "eq", "raw", "unless",
            "default", "and", "else", "inline", "log", "true", "null", "1", "-1.5E3", "\"x\"", "[1,2]",
            "{\"a\":1}", "tier", "x",
        ]),
        2 => Just(" "),
        1 => proptest::sample::select(vec!["\n", "é", "\u{0}", "\u{2028}", "\t"]),
    ];
    proptest::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

/// Whole tags, so that random texts get past the parser too.
fn tags() -> impl Strategy<Value = String> {
    let names =
        vec!["name", "list", "path", "items", "nmae", "this", "../x", "@index", "metadata.labels"];
    let name = proptest::sample::select(names);
    let helper = proptest::sample::select(helpers::names());
    let call = (helper.clone(), proptest::collection::vec(name.clone(), 0..4))
        .prop_map(|(helper, names)| format!("{helper} {}", names.join(" ")));
    let nested = (helper, call.clone(), name.clone())
        .prop_map(|(helper, call, name)| format!("{helper} ({call}) {name}"));
    let tag = prop_oneof![
        name.prop_map(|name| format!("{{{{{name}}}}}")),
        call.clone().prop_map(|call| format!("{{{{{call}}}}}")),
        call.prop_map(|call| {
            let name = call.split(' ').next().unwrap_or_default().to_owned();
            format!("{{{{~#{call}}}}} a {{{{else}}}} b {{{{/{name}~}}}}")
        }),
        nested.prop_map(|call| format!("{{{{{{{call}}}}}}}")),
    ];
    proptest::collection::vec(tag, 0..4).prop_map(|tags| tags.join("-"))
}

proptest! {
    #[test]
    fn no_text_makes_a_template_panic(source in prop_oneof![template_text(), tags(), ".{0,40}"]) {
        drop(render(&source));
    }

    #[test]
    fn yaml_reads_back_as_the_value(value in json_value()) {
        let text = yaml::write(&value);
        let read = model::yaml::read_one(text.as_bytes(), 1 << 20);
        prop_assert_eq!(read, Ok(value), "{}", text);
    }

    #[test]
    fn a_value_is_never_read_as_a_template(value in "\\PC{0,20}|[{}#/ a-z]{0,20}") {
        let scope = Scope::new(Map::from_iter([("v".to_owned(), Value::from(value.clone()))]));
        let text = |source| Text::compile(source).unwrap().render(&scope, &mut Budget::default());
        prop_assert_eq!(text("<{{v}}>"), Ok(Value::from(format!("<{value}>"))));
        prop_assert_eq!(text("{{#if true}}{{v}}{{/if}}"), Ok(Value::from(value.clone())));
        prop_assert_eq!(text("{{{json v}}}"), Ok(Value::from(value)));
    }
}

/// The examples in the table of helpers give what the guide says they give.
#[test]
fn the_examples_of_the_guide() {
    let guide = include_str!("../../../../docs/guide/templates.md");
    let helpers = guide.split_once("## Helpers").unwrap().1;
    let parameters = helpers.split_once("```yaml").unwrap().1.split_once("```").unwrap().0;
    let Value::Object(parameters) = model::yaml::read_one(parameters.as_bytes(), 1 << 16).unwrap()
    else {
        unreachable!()
    };
    let scope = Scope::new(parameters);
    let (mut run, mut used) = (0, String::new());
    for row in helpers.lines().filter(|line| line.starts_with("| `")) {
        let example = row.trim_end_matches(" |").rsplit(" | ").next().unwrap();
        let (template, result) =
            example.split_once(" → ").unwrap_or_else(|| panic!("no example: {row}"));
        let (template, result) = (template.trim_matches('`'), result.trim_matches('`'));
        let text = Text::compile(template).unwrap().render_text(&scope, &mut Budget::default());
        assert_eq!(text.as_deref(), Ok(result), "{template}");
        used.push_str(template);
        run += 1;
    }
    assert!(run > 25, "{run}");
    for name in helpers::names() {
        assert!(used.contains(name), "{name} has no example");
    }
}
