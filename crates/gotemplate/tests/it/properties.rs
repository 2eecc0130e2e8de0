//! Nothing that is written in a template or its data makes it panic.

use gotemplate::{Limits, MissingKey, Template, Value};
use proptest::prelude::*;
use proptest::sample::select;

fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        // JSON has no negative zero in YAML.
        any::<f64>().prop_map(|number| (number + 0.0).into()),
        ".{0,12}".prop_map(Into::into),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            prop::collection::btree_map("[a-d]", inner, 0..4)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

/// An argument of any kind, wrong ones too.
fn argument() -> impl Strategy<Value = String> {
    prop_oneof![
        select(vec![
            ".",
            ".a",
            ".b.c",
            "nil",
            "true",
            "0",
            "-1",
            "3",
            "1.5",
            "1e300",
            "\"\"",
            "\"é€x\"",
            "\"2006-01-02\"",
            "\"%[3]*.[2]*[1]f %v\"",
            "\"(a|b)*\"",
            "\"1.2.x\"",
            "\"http://u@h:1/p?q#f\"",
            "(list 1 \"a\" nil)",
            "(dict \"a\" 1)",
            "(until 3)",
            "(semver \"1.2.3\")",
            "(toDate \"2006\" \"2024\")",
            "9223372036854775807",
        ])
        .prop_map(str::to_owned),
        "[ -~é]{0,8}".prop_map(|text| format!("{text:?}")),
    ]
}

fn render(template: &str, data: &serde_json::Value) {
    let limits = Limits { steps: 50_000, bytes: 1 << 16 };
    for missing in [MissingKey::Default, MissingKey::Zero, MissingKey::Error] {
        if let Ok(template) = Template::parse(template, missing) {
            drop(template.render(&Value::from_json(data), &limits));
        }
    }
}

proptest! {
    #[test]
    fn any_text(template in "(\\{\\{-? ?|-?\\}\\}|[a-z$.|()\"'` :=\\n0-9é]|if|range|end|else|define|block){0,40}", data in json()) {
        render(&template, &data);
    }

    #[test]
    fn any_bytes(template in "\\PC{0,80}") {
        render(&template, &serde_json::Value::Null);
        render(&format!("{{{{{template}}}}}"), &serde_json::Value::Null);
    }

    #[test]
    fn any_call(name in select(gotemplate::functions::names()), arguments in prop::collection::vec(argument(), 0..5), data in json()) {
        render(&format!("{{{{ {name} {} }}}}", arguments.join(" ")), &data);
    }

    #[test]
    fn yaml_that_is_written_is_read_back(data in json()) {
        let template = "{{ $x := toYaml (dict \"v\" .) }}{{ eq (toJson (fromYaml $x)) (toJson (dict \"v\" .)) }}";
        let template = Template::parse(template, MissingKey::Default).expect("it parses");
        // What YAML cannot hold is refused by the reader, never read as something else.
        if let Ok(same) = template.render(&Value::from_json(&data), &Limits::default()) {
            prop_assert_eq!(same, "true");
        }
    }
}
