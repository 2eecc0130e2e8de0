//! No template takes much memory, much time or the stack, whatever it asks for.

use gotemplate::{Limits, MissingKey, Template};

use crate::answers::{data, render};

#[track_caller]
fn refused(template: &str, reason: &str) {
    let error = render(template).expect_err(reason);
    assert!(
        error.contains(reason),
        "wanted {reason:?}: {}",
        error.chars().take(300).collect::<String>()
    );
}

#[test]
fn one_value_is_bounded() {
    for template in [
        "{{ repeat 99999999999 \"ab\" }}",
        "{{ indent 9999999 \"a\" }}",
        "{{ nindent 2000000 \"a\" }}",
        "{{ printf \"%900000d%900000d\" 1 2 }}",
        "{{ printf \"%1000000v\" (until 1000) }}",
        "{{ randAlpha 2000000 }}",
        "{{ replace \"\" (repeat 1000 \"x\") (repeat 2000 \"y\") }}",
        "{{ regexReplaceAll \"\" (repeat 2000 \"y\") (repeat 1000 \"$0x\") }}",
        "{{ join (repeat 1000 \"x\") (until 2000) }}",
    ] {
        refused(template, "longer than");
    }
}

#[test]
fn lists_are_bounded() {
    refused("{{ until 99999999999 }}", "items");
    refused("{{ untilStep 0 9223372036854775807 1 }}", "items");
    refused("{{ seq 0 99999999999 }}", "items");
}

#[test]
fn work_is_bounded() {
    refused("{{ range 99999999999 }}{{ end }}", "steps");
    refused(
        "{{ range until 1000 }}{{ range until 1000 }}{{ range until 1000 }}{{ end }}{{ end }}{{ end }}",
        "steps",
    );
    refused("{{ range 1000000 }}{{ $x := repeat 1000000 \"x\" }}{{ end }}", "steps");
    refused("{{ range 1000000 }}{{ $x := regexMatch \"a{1000}\" \"a\" }}{{ end }}", "steps");
    refused(
        "{{ range 1000000 }}{{ $x := derivePassword 1 \"none\" \"\" \"\" \"\" }}{{ end }}",
        "steps",
    );
    // A key of primes costs so many steps that a rendering makes a dozen at most.
    for call in ["genPrivateKey \"rsa\"", "genPrivateKey \"dsa\"", "genCA \"x\" 1"] {
        let limits = Limits { steps: 50_000, ..Limits::default() };
        let one = format!("{{{{ $x := {call} }}}}");
        let template = Template::parse(&one, MissingKey::Default).expect("it parses");
        let error = template.render(&data(), &limits).expect_err("a key costs more");
        assert!(error.message.contains("steps"), "{call}: {error}");
    }
    refused("{{ range 1000000 }}{{ $x := genCAWithKey \"x\" 1 $.pem.ed }}{{ end }}", "steps");
    refused("{{ $l := list }}{{ range 1000000 }}{{ $l = append $l . }}{{ end }}", "steps");
}

#[test]
fn shared_values_cannot_grow_without_end() {
    let doubled = "{{ $x := list 1 }}{{ range 100 }}{{ $x = list $x $x }}{{ end }}{{ $x }}";
    refused(doubled, "a value");
    refused(
        "{{ $x := dict }}{{ range 100 }}{{ $x = dict \"a\" $x \"b\" $x }}{{ end }}{{ toYaml $x }}",
        "a value",
    );
}

#[test]
fn output_is_bounded() {
    refused("{{ range 100 }}{{ repeat 100000 \"x\" }}{{ end }}", "longer than");
    let limits = Limits { steps: 10, bytes: 10 };
    let long = Template::parse("12345678901", MissingKey::Default).expect("it parses");
    assert!(long.render(&data(), &limits).is_err());
    let short = Template::parse("1234567890", MissingKey::Default).expect("it parses");
    assert_eq!(short.render(&data(), &limits).as_deref(), Ok("1234567890"));
}

#[test]
fn recursion_is_bounded() {
    refused(
        "{{ define \"a\" }}{{ template \"a\" . }}{{ end }}{{ template \"a\" . }}",
        "nested deeper",
    );
    let inner = format!(
        "{}{{{{ template \"a\" . }}}}{}",
        "{{ if true }}".repeat(40),
        "{{ end }}".repeat(40)
    );
    refused(
        &format!("{{{{ define \"a\" }}}}{inner}{{{{ end }}}}{{{{ template \"a\" . }}}}"),
        "nested deeper",
    );
    let ten = "{{ define \"a\" }}{{ if gt . 0 }}{{ . }}{{ template \"a\" (int (sub . 1)) }}{{ end }}{{ end }}{{ template \"a\" 10 }}";
    assert_eq!(render(ten).as_deref(), Ok("10987654321"));
}

#[test]
fn nesting_of_values_is_bounded() {
    refused(
        "{{ $x := list }}{{ range 10000 }}{{ $x = list $x }}{{ end }}{{ $x }}",
        "nested deeper",
    );
    // Each step sees shallow maps only; the whole is printed or dropped all the same.
    let chain = "{{ $root := dict }}{{ $at := $root }}{{ range 50000 }}{{ $new := dict }}{{ $_ := set $at \"x\" $new }}{{ $at = $new }}{{ end }}";
    assert_eq!(render(chain).as_deref(), Ok(""));
    refused(&format!("{chain}{{{{ $root }}}}"), "nested deeper");
    refused(&format!("{chain}{{{{ toJson $root }}}}"), "nested deeper");
}

#[test]
fn a_map_does_not_come_to_contain_itself() {
    refused("{{ $m := dict }}{{ $_ := set $m \"m\" $m }}{{ $m }}", "cannot contain itself");
    refused(
        "{{ $m := dict }}{{ $_ := set $m \"m\" (list (dict \"x\" $m)) }}",
        "cannot contain itself",
    );
    let merged =
        "{{ $a := dict \"x\" 1 }}{{ $b := merge $a (dict \"k\" (dict \"a\" $a)) }}{{ toJson $b }}";
    assert_eq!(render(merged).as_deref(), Ok(r#"{"k":{"a":{"x":1}},"x":1}"#));
    let inner = "{{ $in := dict }}{{ $a := dict \"k\" $in }}{{ $_ := mergeOverwrite $a (dict \"k\" (dict \"in\" $in)) }}{{ toJson $a }}";
    assert_eq!(render(inner).as_deref(), Ok(r#"{"k":{"in":{}}}"#));
}

#[test]
fn sources_are_bounded() {
    refused(&"x".repeat((1 << 20) + 1), "longer than");
    let count = 20_000;
    refused(&format!("{{{{ {}1{} }}}}", "(".repeat(count), ")".repeat(count)), "nested deeper");
    refused(
        &format!("{}x{}", "{{ if true }}".repeat(count), "{{ end }}".repeat(count)),
        "nested deeper",
    );
    refused(
        &format!("{{{{ if false }}}}{}{{{{ end }}}}", "{{ else if false }}".repeat(count)),
        "nested deeper",
    );
    let variables: String = (0..count).map(|i| format!("{{{{ $v{i} := 1 }}}}")).collect();
    refused(&variables, "variables");
    assert!(render(&format!("{{{{ {}1{} }}}}", "(".repeat(50), ")".repeat(50))).is_ok());
    let deep = format!(
        "{}{{{{ {}1{} }}}}{}",
        "{{ if true }}".repeat(80),
        "(".repeat(50),
        ")".repeat(50),
        "{{ end }}".repeat(80)
    );
    refused(&deep, "nesting depth exceeded");
    let chain = format!("{{{{ if false }}}}{}x{{{{ end }}}}", "{{ else if true }}".repeat(79));
    assert_eq!(render(&chain).as_deref(), Ok(""));
    assert!(render(&format!("{{{{ .m{} }}}}", ".a".repeat(count))).is_err());
    assert!(render(&format!("{{{{ \"a\"{} }}}}", " | upper".repeat(count))).is_ok());
    assert!(render(&"{{ .s }}".repeat(count)).is_ok());
}
