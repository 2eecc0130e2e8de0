//! What Go answers (`answers.jsonl`, made by the program in `oracle/`), and what is defined.

use gotemplate::{Limits, MissingKey, Template, Value};
use serde_json::Value as Json;

pub(crate) fn data() -> Value {
    let json =
        model::yaml::read_one(include_bytes!("data.yaml"), 1 << 20).expect("the data is YAML");
    Value::from_json(&json)
}

pub(crate) fn render(template: &str) -> Result<String, String> {
    let template =
        Template::parse(template, MissingKey::Default).map_err(|error| error.to_string())?;
    template.render(&data(), &Limits::default()).map_err(|error| error.to_string())
}

#[test]
fn answers_are_those_of_go() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for line in include_str!("answers.jsonl").lines() {
        let line: Json = serde_json::from_str(line).expect("a line is JSON");
        let template = line["t"].as_str().expect("a line has a template");
        let wanted = line["ours"].as_str().or(line["o"].as_str()).unwrap_or("error");
        let given = render(template);
        let same = match &given {
            Ok(text) => text == wanted && !line["e"].as_bool().unwrap_or_default(),
            Err(_) => wanted == "error",
        };
        if !same {
            wrong.push(format!("{template}\n  wanted {wanted:?}\n  given  {given:?}"));
        }
        count += 1;
    }
    assert!(wrong.is_empty(), "{} of {count} differ:\n{}", wrong.len(), wrong.join("\n"));
    assert!(count > 1200, "the table is there");
}

#[test]
fn documented_functions_are_the_defined_ones() {
    let page = include_str!("../../../../docs/design/gotemplate.md");
    let list = page.split("```text\n").nth(1).and_then(|rest| rest.split("```").next());
    let mut documented: Vec<_> = list.expect("the page has the list").split_whitespace().collect();
    documented.sort_unstable();
    assert_eq!(gotemplate::functions::names(), documented);
}

#[test]
fn functions_that_look_at_the_machine_are_not_defined() {
    for name in ["env", "expandenv", "getHostByName"] {
        let error = render(&format!("{{{{ {name} \"x\" }}}}")).unwrap_err();
        assert!(error.contains("not defined"), "{error}");
    }
}

#[test]
fn volatile_functions_are_named() {
    let parse = |text| Template::parse(text, MissingKey::Default).expect("it parses");
    assert_eq!(
        parse("{{ if .a }}{{ now | date \"2006\" }}{{ end }}{{ uuidv4 }}{{ now }}").volatile(),
        ["now", "uuidv4"]
    );
    assert_eq!(parse("{{ define \"a\" }}{{ randAlpha 3 }}{{ end }}").volatile(), ["randAlpha"]);
    assert!(parse("{{ .now }}{{ \"now\" }}{{ upper .s }}").volatile().is_empty());
}

#[test]
fn missing_keys_are_as_asked() {
    let with = |missing| {
        let template = Template::parse("{{ .nope }}", missing).expect("it parses");
        template.render(&data(), &Limits::default()).map_err(|error| error.message)
    };
    assert_eq!(with(MissingKey::Default).as_deref(), Ok("<no value>"));
    assert_eq!(with(MissingKey::Zero).as_deref(), Ok("<no value>"));
    assert_eq!(with(MissingKey::Error).unwrap_err(), "map has no entry for key \"nope\"");
}

#[test]
fn random_functions_keep_their_form() {
    for (template, length) in [
        ("{{ randAlphaNum 12 }}", 12),
        ("{{ randNumeric 5 }}", 5),
        ("{{ uuidv4 }}", 36),
        ("{{ bcrypt \"a\" }}", 60),
        ("{{ shuffle \"abc\" }}", 3),
    ] {
        assert_eq!(render(template).expect(template).len(), length, "{template}");
    }
    assert_eq!(
        render("{{ encryptAES \"k\" .s | decryptAES \"k\" }}").as_deref(),
        Ok("hello world")
    );
    assert_eq!(render("{{ randInt 4 5 }}").as_deref(), Ok("4"));
}

#[test]
fn errors_have_the_place_in_the_source() {
    for (template, place) in [
        ("a\n  {{- /* note */ -}}\n  {{ nope .s }}", "line 3, column 6"),
        ("x {{- .s -}} y\n{{ fail \"no\" }}", "line 2, column 4"),
        ("é {{ .s.x }}", "line 1, column 6"),
        ("{{ if .s }}\n{{ end }}\n{{ end }}", "line 3, column 1"),
        ("{{ if .s }}\n\n{{ .s }}", "line 1, column 1"),
        ("\n{{ $x }}", "line 2, column 4"),
        ("\n {{ .s", "line 2, column 2"),
        ("{{ 1__0 }}", "line 1, column 4"),
        ("{{ .a.b.c }}{{ template \"none\" }}", "line 1, column 16"),
    ] {
        let error = render(template).unwrap_err();
        assert!(error.starts_with(place), "{template:?}: wanted {place}: {error}");
    }
}
