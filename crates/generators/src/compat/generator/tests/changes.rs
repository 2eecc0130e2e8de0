//! What templates change in the parameters that they are given (`set`, `unset`, `merge`).

use super::*;

const GO: Engine = Engine::Go(MissingKey::Error);

fn files() -> Fake {
    let files =
        [("a/values.yaml", "deep: {k: 1}\nlist: [1, x]\n"), ("b/values.yaml", "deep: {k: 2}\n")];
    Fake { files: files.into(), ..Fake::default() }
}

#[test]
fn a_value_leaves_what_it_sets_in_the_parameters() {
    check(
        &files(),
        GO,
        json!({
            "git": {
                "repoURL": "https://git.test",
                "files": [{"path": "*/values.yaml"}],
                "values": {
                    "id": "{{ $_ := set . \"id\" .path.basename }}",
                    "more": "{{ $_ := set . \"more\" (dict \"n\" 7 \"f\" 1.5 \"l\" (list 1)) }}",
                    "z": "{{ $_ := unset . \"list\" }}{{ .id }}",
                },
            },
            "selector": {"matchLabels": {"id": "a"}},
        }),
        expect![[r#"
            git a/values.yaml: {"deep":{"k":1},"id":"a","more":{"f":1.5,"l":[1],"n":7},"path":{"basename":"a","basenameNormalized":"a","filename":"values.yaml","filenameNormalized":"values.yaml","path":"a","segments":["a"]},"values":{"id":"","more":"","z":"a"}}
        "#]],
    );
}

#[test]
fn a_second_child_changes_what_the_first_one_gave_for_those_behind_it() {
    let pair = |text: &str| {
        json!({"matrix": {"generators": [
            {"list": {"elements": [{"a": "x", "m": {"k": "1"}}, {"a": "y", "m": {"k": "2"}}]}},
            {"list": {"elements": [{"b": text}, {"b": "{{ .m.k }}"}]}},
        ]}})
    };
    check(
        &Fake::default(),
        GO,
        pair("{{ $_ := set .m \"k\" .a }}{{ .m.k }}"),
        expect![[r#"
        list[0] × list[0]: {"a":"x","b":"x","m":{"k":"x"}}
        list[0] × list[1]: {"a":"x","b":"x","m":{"k":"x"}}
        list[1] × list[0]: {"a":"y","b":"y","m":{"k":"y"}}
        list[1] × list[1]: {"a":"y","b":"y","m":{"k":"y"}}
    "#]],
    );
    // Nothing that a template leaves may be endless or be what JSON cannot hold.
    check(
        &Fake::default(),
        GO,
        pair("{{ $_ := set . \"t\" (now) }}"),
        expect![[r#"
        list[0]: HELD matrix.generators[1]: a parameter that is set to a time.Time cannot be kept; make it text
        list[1]: HELD matrix.generators[1]: a parameter that is set to a time.Time cannot be kept; make it text
    "#]],
    );
    let nested = "{{ range until 90 }}{{ $_ := set $ \"m\" (dict \"k\" $.m \"l\" $.m) }}{{ end }}";
    check(
        &Fake::default(),
        GO,
        pair(nested),
        expect![[r#"
        list[0]: HELD matrix.generators[1]: line 1, column 30, at <set $ "m" (dict "k" $.m "l" $.m)>: more than 1000000 steps
        list[1]: HELD matrix.generators[1]: line 1, column 30, at <set $ "m" (dict "k" $.m "l" $.m)>: more than 1000000 steps
    "#]],
    );
}
