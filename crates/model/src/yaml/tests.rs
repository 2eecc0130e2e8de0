//! What Kubernetes' reader gives for the same texts was checked against sigs.k8s.io/yaml 1.6.

use proptest::prelude::*;
use serde_json::json;

use super::*;

const LIMITS: Limits = Limits::new(1 << 20, 100);

fn one(text: &str) -> Value {
    read_one(text.as_bytes(), 1 << 20).unwrap_or_else(|error| panic!("{text:?}: {error}"))
}

fn error(text: &str) -> String {
    read(text.as_bytes(), LIMITS).expect_err(text).to_string()
}

#[test]
fn plain_words_and_numbers_are_those_of_yaml_1_1() {
    for (text, value) in [
        ("y", json!(true)),
        ("Yes", json!(true)),
        ("ON", json!(true)),
        ("off", json!(false)),
        ("N", json!(false)),
        ("yEs", json!("yEs")),
        ("~", json!(null)),
        ("NULL", json!(null)),
        ("\"on\"", json!("on")),
        ("'7'", json!("7")),
        ("0755", json!(493)),
        ("0o17", json!(15)),
        ("-0x1F", json!(-31)),
        ("0b101", json!(5)),
        ("1_000", json!(1000)),
        ("089", json!(89)),
        ("1:30", json!("1:30")),
        ("2026-01-02", json!("2026-01-02")),
        ("9007199254740993", json!(9_007_199_254_740_993_u64)),
        ("18446744073709551615", json!(u64::MAX)),
        ("-9223372036854775808", json!(i64::MIN)),
        ("18446744073709551616", json!(18_446_744_073_709_551_616.0)),
        ("+1", json!(1)),
        ("1e3", json!(1000)),
        ("1.0", json!(1)),
        ("1.50", json!(1.5)),
        (".5", json!(0.5)),
        ("1.", json!(1)),
        ("1e999", json!("1e999")),
        ("0x", json!("0x")),
        ("-", json!([null])),
        ("+", json!("+")),
        ("1.2.3", json!("1.2.3")),
        ("!!str 1", json!("1")),
        ("!!int '7'", json!(7)),
        ("!!float 2", json!(2)),
        ("! 12", json!("12")),
        ("!Ref 12", json!("12")),
    ] {
        assert_eq!(one(text), value, "{text}");
    }
}

#[test]
fn keys_become_text_as_in_kubernetes() {
    let text = "n: 3\n1.5: a\n0755: b\n'x': c\n1e6: d\n9e90: i\ntrue: e\n? f\n: g\n";
    let value = json!({"false": 3, "1.5": "a", "493": "b", "x": "c", "1e+06": "d", ".inf": "i", "true": "e",
        "f": "g"});
    assert_eq!(one(text), value);
}

#[test]
fn aliases_and_merges_are_expanded() {
    let text =
        "base: &b {a: 1, l: &l [x]}\none: {<<: *b, a: 2}\ntwo: {<<: [{a: 3}, *b]}\nk: {*l : 1}\n";
    assert_eq!(error(text), "line 4: a mapping or a list cannot be a key");
    let text =
        "base: &b {a: 1, l: [x]}\none: {<<: *b, a: 2}\ntwo: {<<: [{a: 3}, *b]}\nq: {\"<<\": 1}\n";
    let value = json!({
        "base": {"a": 1, "l": ["x"]},
        "one": {"a": 2, "l": ["x"]},
        "two": {"a": 3, "l": ["x"]},
        "q": {"<<": 1},
    });
    assert_eq!(one(text), value);
    assert_eq!(one("a: &k key\n*k : 1\n"), json!({"a": "key", "key": 1}));
}

#[test]
fn documents_are_split_and_empty_ones_left_out() {
    let text = "\u{feff}# only a comment\n---\na: 1\r\n---\n---\n~\n---\n- b\n...\n";
    let documents = read(text.as_bytes(), LIMITS).unwrap();
    assert_eq!(documents, [json!({"a": 1}), json!(["b"])]);
    assert_eq!(read(b"", LIMITS), Ok(vec![]));
    assert_eq!(read_one(b" \n# x\n", 10), Ok(Value::Null));
}

#[test]
fn block_scalars_tabs_and_indentless_lists_are_read() {
    let text = "a: |\n  x\n  \ty\nb: >-\n  one\n  two\nc:\n- 1\n-\t2\nd: {\n  \"e\": 1\n  }\n";
    let value = json!({"a": "x\n\ty\n", "b": "one two", "c": [1, 2], "d": {"e": 1}});
    assert_eq!(one(text), value);
}

#[test]
fn a_tab_after_a_colon_is_read_as_kubernetes_does() {
    let text = "ä: 1\na:\tb\nc:\t\td\ntext: |\n  x:\ty\n";
    assert_eq!(one(text), json!({"ä": 1, "a": "b", "c": "d", "text": "x:\ty\n"}));
    assert_eq!(
        error("a:\n\tb: 1\n"),
        "line 2: a tab stands where only spaces may; put spaces there"
    );
}

#[test]
fn json_is_read_by_the_rules_of_json() {
    assert_eq!(one(r#"{"a": "\ud83d\ude80", "b": 1e3, "c": [1.5, -0.0]}"#), {
        json!({"a": "🚀", "b": 1000, "c": [1.5, 0]})
    });
    let two = read(b"{\"a\": 1}\n{\"a\": 2}\n", LIMITS).unwrap();
    assert_eq!(two, [json!({"a": 1}), json!({"a": 2})]);
    assert_eq!(one("{a: on, b: [no]}"), json!({"a": true, "b": [false]}));
    assert_eq!(
        error("{\n\"a\": 1,\n\"a\": 2}"),
        "line 3: the key \"a\" stands twice in one mapping"
    );
}

#[test]
fn what_is_wrong_is_said_with_its_line() {
    for (text, message) in [
        ("a: 1\nb:\n  c: 1\n  c: 2\n", "line 4: the key \"c\" stands twice in one mapping"),
        ("n: 1\nfalse: 2\n", "line 2: the key \"false\" stands twice in one mapping"),
        ("a: .inf\n", "line 1: infinity and NaN do not exist in JSON; quote them"),
        ("a: 1\nb: \0\n", "line 2: the control character 0x00 is not allowed"),
        ("? [a]\n: 1\n", "line 1: a mapping or a list cannot be a key"),
        ("~: 1\n", "line 1: an empty or null key; quote it"),
        ("a: &a\n  b: *a\n", "line 2: the alias stands inside of the value it names"),
        ("a: !!int x\n", "line 1: \"x\" is not a value for the tag !!int"),
        (
            "b: &b {a: 1}\nc:\n  a: 2\n  <<: *b\n",
            "line 4: `<<` brings the key \"a\" that stands above it; put `<<` first",
        ),
        ("a:\n  <<: 1\n", "line 2: `<<` takes a mapping or a list of mappings"),
    ] {
        assert_eq!(error(text), message, "{text}");
    }
    assert!(error("a: 1\n b: 2\n").starts_with("line 2: "));
    assert!(error("a: *nowhere\n").starts_with("line 1: "));
    assert_eq!(
        read(b"a: \xff\n", LIMITS).unwrap_err().to_string(),
        "line 1: the text is not UTF-8"
    );
}

#[test]
fn the_limits_hold() {
    assert_eq!(read(b"a: 1", Limits::new(3, 1)), Err(YamlError::TooLarge { bytes: 4, limit: 3 }));
    assert_eq!(
        read_one(b"a: 1\n---\nb: 1\n", 100).unwrap_err().to_string(),
        "line 2: at most 1 documents are read from one text"
    );
    let deep = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
    assert!(read(deep(128).as_bytes(), LIMITS).is_ok());
    assert_eq!(error(&deep(129)), "line 1: nested deeper than 128 levels");
    assert_eq!(error(&"[".repeat(1 << 20)), "line 1: nested deeper than 128 levels");
    let block: Vec<_> = (0..200).map(|level| format!("{}a:", " ".repeat(level))).collect();
    let block = block.join("\n");
    assert!(error(&block).ends_with("nested deeper than 128 levels"));
    let wide = format!("- [{}]", "0,".repeat(500_000) + "0");
    assert!(read(wide.as_bytes(), LIMITS).is_ok(), "half a million values are read");
    let wider = format!("- [{}]", "0,".repeat(MAX_NODES));
    let limits = Limits::new(5 << 20, 1);
    assert_eq!(
        read(wider.as_bytes(), limits).unwrap_err().to_string(),
        "line 1: the text holds more than 2000000 values"
    );
    assert_eq!(
        read(&wider.as_bytes()[2..], limits).unwrap_err().to_string(),
        "line 1: the text holds more than 2000000 values"
    );
}

#[test]
fn an_alias_bomb_is_refused() {
    let list = |level: usize| match level {
        0 => "a0: &a0 [x,x,x,x,x,x,x,x,x]\n".to_owned(),
        _ => {
            let alias = vec![format!("*a{}", level - 1); 9].join(",");
            format!("a{level}: &a{level} [{alias}]\n")
        }
    };
    let message = error(&(0..30).map(list).collect::<String>());
    assert!(message.contains("anchors and aliases make this text grow"), "{message}");

    // One long text, many times.
    let bomb = format!("a: &a {}\nb: [{}]\n", "x".repeat(500_000), vec!["*a"; 100_000].join(","));
    assert!(error(&bomb).contains("anchors and aliases"));

    // Mappings that double by merging.
    let mapping = |level: usize| match level {
        0 => "a0: &a0 {x: 1}\n".to_owned(),
        _ => format!("a{level}: &a{level} {{<<: *a{0}, l: *a{0}, r: *a{0}}}\n", level - 1),
    };
    let bomb: String = (0..200).map(mapping).collect();
    assert!(read(bomb.as_bytes(), LIMITS).is_err());
}

/// JSON values as they come back: whole floats are integers.
fn any_json() -> impl Strategy<Value = Value> {
    let number = prop_oneof![
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>()
            .prop_filter("finite", |number| number.is_finite())
            .prop_map(|number| scalar::number_value(number + 0.0).unwrap()),
    ];
    let text = prop_oneof!["\\PC{0,12}", "[a-z0-9:#\\-{}\\[\\] ,.'\"\\\\\n\t]{0,12}"];
    // YAML 1.1 takes these for line breaks, JSON does not.
    let text = text.prop_map(|text| text.replace(['\u{85}', '\u{2028}', '\u{2029}'], "_"));
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        number,
        text.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
            prop::collection::btree_map(text.clone(), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..Default::default() })]

    #[test]
    fn any_bytes_give_an_answer(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _answer = read(&bytes, LIMITS);
    }

    #[test]
    fn anything_like_yaml_gives_an_answer(
        parts in prop::collection::vec(prop::sample::select(vec![
            "a", "- ", ": ", "\n", "\n  ", "\n---\n", "...", "? ", "&a ", "*a", "<<: ", "[", "]",
            "{", "}", ", ", "|\n", ">-\n ", "\"", "'", "#", "!!int ", "!x ", "%YAML 1.1\n", "\t", "\r\n",
            "~", "0x1", "\\u0041", "é", "\u{feff}", "\u{85}", "%TAG ! a\n", "@", "`",
        ]), 0..40)
    ) {
        let _answer = read(parts.concat().as_bytes(), LIMITS);
    }

    #[test]
    fn json_text_round_trips(value in any_json()) {
        let expected = if value.is_null() { vec![] } else { vec![value.clone()] };
        for text in [value.to_string(), serde_json::to_string_pretty(&value).unwrap()] {
            prop_assert_eq!(read(text.as_bytes(), LIMITS), Ok(expected.clone()));
            // In a list in block style it goes through the YAML reader.
            let indented = text.replace('\n', "\n  ");
            let read = read(format!("- {indented}\n").as_bytes(), LIMITS);
            prop_assert_eq!(read, Ok(vec![json!([value.clone()])]));
        }
    }
}

#[test]
fn as_go_the_last_of_two_keys_counts_and_only_the_first_document() {
    let read = |text: &str| super::read_as_go(text.as_bytes(), 1_000).unwrap();
    assert_eq!(read("a: 1\nb: 2\na: 3\n"), serde_json::json!({"a": 3, "b": 2}));
    assert_eq!(read("a: 1\n---\na: [\n"), serde_json::json!({"a": 1}));
    assert_eq!(read("# nothing\n"), serde_json::Value::Null);
    assert_eq!(read("---\n---\na: 1\n"), serde_json::Value::Null);
    assert_eq!(read("[-0.0, -0, 1e6]").to_string(), "[-0.0,0,1000000]");
    assert_eq!(
        read("x: &x {a: 1, b: 1}\nz:\n  a: 2\n  <<: *x\n  b: 3\n")["z"],
        serde_json::json!({"a": 1, "b": 3})
    );
}

/// Equal but for the difference between 1 and 1.0.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one.as_f64() == other.as_f64(),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            let found =
                |(key, value): (&String, &Value)| other.get(key).is_some_and(|o| same(value, o));
            one.len() == other.len() && one.iter().all(found)
        }
        _ => one == other,
    }
}

/// `t` is a text, `o` what Go reads, absent when it refuses the text. A longer file can be named in
/// `YAML_ANSWERS`.
#[test]
fn texts_are_read_as_go_reads_them() {
    let more = std::env::var("YAML_ANSWERS").map(|file| std::fs::read_to_string(file).unwrap());
    let mut wrong = Vec::new();
    for line in more.as_deref().unwrap_or(include_str!("answers.jsonl")).lines() {
        let answer: Value = serde_json::from_str(line).unwrap();
        let text = answer["t"].as_str().unwrap();
        let read = read_as_go(text.as_bytes(), 1 << 20);
        let is_right = match (answer.get("o"), &read) {
            (Some(expected), Ok(read)) => same(expected, read),
            (expected, read) => expected.is_some() == read.is_ok(),
        };
        if !is_right {
            wrong.push(format!("{line}\n  ours: {read:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}
