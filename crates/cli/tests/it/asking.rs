//! Commands that only look.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use expect_test::expect;
use serde_json::{Value, json};

use crate::tool::{Ran, World, application, with};

#[test]
fn a_list_is_a_table_for_people_and_a_document_for_scripts() {
    let world = World::new();
    let (one, two) = (application("checkout-eu-1", "eu-1"), application("checkout-eu-2", "eu-2"));
    world.set("applications", vec![one.clone(), two.clone()]);

    let table = world.run(&["get", "apps"]).data();
    let names: Vec<_> = table.lines().map(|line| line.split("  ").next().unwrap()).collect();
    assert_eq!(names, ["NAME", "checkout-eu-1", "checkout-eu-2"]);
    assert!(!table.contains('\u{1b}'), "no colours into a pipe");

    let list = world.run(&["get", "applications", "-o", "json"]).json();
    assert_eq!(list["items"][1]["name"], "checkout-eu-2");
    assert_eq!(list["items"][0]["aNewField"], true, "unknown fields are passed on");
    assert_eq!(list["items"][0]["resources"], Value::Null, "a list has no details");

    let single = world.run(&["get", "app", "checkout-eu-1", "-o", "json"]).json();
    assert_eq!(single, one, "one name gives the object, with details");

    let yaml = world.run(&["get", "app", "checkout-eu-1", "-o", "yaml"]).data();
    let limits = model::yaml::Limits::new(1 << 20, 1);
    assert_eq!(model::yaml::read(yaml.as_bytes(), limits).unwrap(), [one]);

    let filtered = world.run(&["get", "app", "--cluster", "eu-2", "-o", "json"]).json();
    assert_eq!(filtered["items"].as_array().unwrap().len(), 1);
    let filtered = world.run(&["get", "app", "--set", "other", "-o", "json"]).json();
    assert_eq!(filtered, json!({"items": []}));
}

#[test]
fn every_kind_has_its_short_names() {
    let world = World::new();
    for (kind, empty) in [
        ("cluster", "No clusters.\n"),
        ("clusters", "No clusters.\n"),
        ("app", "No applications.\n"),
        ("apps", "No applications.\n"),
        ("Application", "No applications.\n"),
        ("appset", "No application sets.\n"),
        ("appsets", "No application sets.\n"),
        ("ApplicationSet", "No application sets.\n"),
    ] {
        let Ran { code, out, err } = world.run(&["get", kind]);
        assert_eq!((code, out.as_str(), err.as_str()), (0, "", empty), "{kind}");
    }
}

#[test]
fn a_watch_prints_changed_rows_and_says_what_is_gone() {
    let world = World::new();
    let (one, two) = (application("checkout-eu-1", "eu-1"), application("checkout-eu-2", "eu-2"));
    world.set("applications", vec![one.clone(), two.clone()]);
    let mut child = world.tool.command(&["get", "apps", "-o", "json", "--watch"]);
    let mut child = child.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || -> Value { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };
    for name in ["checkout-eu-1", "checkout-eu-2"] {
        let change = next();
        assert_eq!((&change["event"], &change["item"]["name"]), (&json!("Added"), &json!(name)));
    }
    world.set("applications", vec![one.clone(), with(two, "health", "Degraded")]);
    let change = next();
    assert_eq!(change["event"], "Changed");
    assert_eq!(change["item"]["health"], "Degraded");
    world.set("applications", vec![one]);
    let change = next();
    assert_eq!(
        (&change["event"], &change["item"]["name"]),
        (&json!("Removed"), &json!("checkout-eu-2"))
    );
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_watched_table_has_one_header() {
    let world = World::new();
    let one = application("checkout-eu-1", "eu-1");
    world.set("applications", vec![one.clone()]);
    let mut child = world.tool.command(&["get", "app", "checkout-eu-1", "--watch"]);
    let mut child = child.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || lines.next().unwrap().unwrap();
    assert!(next().starts_with("NAME"));
    assert!(next().starts_with("checkout-eu-1  eu-1     Synced"));
    world.set("applications", vec![with(one, "sync", "OutOfSync")]);
    assert!(next().starts_with("checkout-eu-1  eu-1     OutOfSync"));
    world.set("applications", vec![]);
    let mut talk = BufReader::new(child.stderr.take().unwrap()).lines();
    assert_eq!(talk.next().unwrap().unwrap(), "application checkout-eu-1 is gone");
    assert!(child.wait().unwrap().success(), "a watch of one thing ends with it");
}

#[test]
fn describe_shows_the_details() {
    let world = World::new();
    world.set("applications", vec![application("checkout-eu-1", "eu-1")]);
    let text = world.run(&["describe", "app", "checkout-eu-1"]).data();
    assert!(text.contains("Resources:\n  KIND     NAMESPACE  NAME"), "{text}");
}

#[test]
fn versions_of_both_sides() {
    let world = World::new();
    expect![[r#"
        Client:        0.1.0
        Hub:           9.9.9
        Fleet:         acme
        Epoch:         00000000000000ff.3
    "#]]
    .assert_eq(&world.run(&["version"]).data());
    let document = world.run(&["version", "-o", "json"]).json();
    assert_eq!(document["hub"], "9.9.9");
    world.tool.chmod(0o600);
    let alone =
        world.tool.command(&["version", "--client"]).env("MUSTER_CONTEXT", "/nowhere").output();
    assert_eq!(Ran::from(alone.unwrap()).data(), "Client:        0.1.0\n");
}

#[test]
fn history_and_tokens_are_lists_too() {
    let world = World::new();
    let record = |sequence: u64| {
        json!({
            "sequence": sequence, "at": 1_700_000_000_000_i64, "actor": "hub", "action": "Applied",
            "application": "checkout-eu-1", "message": "commit in force",
        })
    };
    world.set("records", vec![record(2), record(1)]);
    let list = world.run(&["history", "--limit", "1", "-o", "json"]).json();
    assert_eq!(list, json!({"items": [record(2)]}));
    assert!(world.run(&["history"]).data().contains("Applied"));

    let Ran { code, out, err } = world.run(&["cluster", "token", "list"]);
    assert_eq!((code, out.as_str(), err.as_str()), (0, "", "No tokens.\n"));
}

#[test]
fn a_list_may_be_larger_than_a_message_usually_is() {
    let world = World::new();
    // About 6 MB of JSON; gRPC clients refuse more than 4 MiB unless told otherwise.
    world.set("applications", many(8_000));
    assert_eq!(world.run(&["get", "apps"]).data().lines().count(), 8_001);
}

fn many(number: usize) -> Vec<Value> {
    (0..number).map(|index| application(&format!("app-{index:04}"), "eu-1")).collect()
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let world = World::new();
    // More than a pipe holds, so that the write meets the closed end.
    world.set("applications", many(2_000));
    let mut child = world.tool.command(&["get", "apps", "-o", "json"]);
    let mut child = child.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    drop(out);
    let ran = Ran::from(child.wait_with_output().unwrap());
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
}

#[test]
fn completions_are_for_the_shell_that_is_asked_for() {
    let world = World::new();
    for (shell, sign) in
        [("bash", "complete -F"), ("zsh", "#compdef muster"), ("fish", "complete -c muster")]
    {
        assert!(world.run(&["completions", shell]).data().contains(sign), "{shell}");
    }
}
