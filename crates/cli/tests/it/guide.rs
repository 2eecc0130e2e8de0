//! The guide to application sets, run as it stands: its files are written, its commands are typed.
//!
//! A `yaml` block whose first line is a comment with a path is that file. A `console` block holds
//! commands after `$ ` and what they print. `UPDATE_EXPECT=1` writes the answers into the guide.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Map, Value, json};

use crate::offline::{folder, run, write};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/guide/applicationsets.md");

/// A fenced block: its language and its lines.
struct Block<'a> {
    language: &'a str,
    text: &'a str,
}

fn blocks(page: &str) -> Vec<Block<'_>> {
    let parts = page.split("\n```").skip(1).step_by(2).map(|part| part.split_once('\n').unwrap());
    parts.map(|(language, text)| Block { language, text }).collect()
}

/// The file that a block is, by its first line.
fn file<'a>(block: &Block<'a>) -> Option<&'a str> {
    let first = block.text.lines().next()?;
    first.strip_prefix("# ").filter(|path| path.ends_with(".yaml") && block.language == "yaml")
}

/// What a shell prints for a command, both streams.
fn shell(dir: &Path, command: &str) -> String {
    let muster = PathBuf::from(env!("CARGO_BIN_EXE_muster"));
    let known = env::var_os("PATH").unwrap();
    let path = [muster.parent().unwrap().to_owned()].into_iter().chain(env::split_paths(&known));
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("{{ {command}; }} 2>&1")]).current_dir(dir);
    shell.env("PATH", env::join_paths(path).unwrap()).env("HOME", dir).env("LC_ALL", "C");
    let output = shell.env_remove("MUSTER_CONTEXT").output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// The block as it should be: each command with what it prints.
fn typed(dir: &Path, text: &str) -> String {
    let commands = text.lines().filter_map(|line| line.strip_prefix("$ "));
    commands.map(|command| format!("$ {command}\n{}", shell(dir, command))).collect()
}

#[test]
fn every_example_says_what_it_prints() {
    let page = fs::read_to_string(PAGE).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("fleet-repository");
    fs::create_dir(&dir).unwrap();
    let mut expected = page.clone();
    for block in blocks(&page) {
        if let Some(path) = file(&block) {
            write(&dir, path, block.text);
        }
        if block.language == "console" {
            let written = format!("```console\n{}\n```", block.text);
            let typed = format!("```console\n{}```", typed(&dir, block.text));
            expected = expected.replacen(&written, &typed, 1);
        }
    }
    expect_test::expect_file![PAGE].assert_eq(&expected);
}

/// The rows of the table whose header begins with these columns, in their code marks.
fn rows(page: &str, header: &str) -> Vec<Vec<String>> {
    let table = page.split(header).nth(1).unwrap();
    let lines = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    let cell = |cell: &str| cell.trim().trim_matches('`').replace('\u{0}', "|");
    lines
        .map(|line| {
            let line = line.replace("\\|", "\u{0}");
            line.trim_matches('|').split('|').map(cell).collect()
        })
        .collect()
}

#[test]
fn both_columns_of_the_table_of_templates_give_the_third() {
    let page = fs::read_to_string(PAGE).unwrap();
    let rows = rows(&page, "| Go template | native | gives |");
    assert!(rows.len() > 10, "{rows:?}");
    let parameters = blocks(&page).into_iter().find(|block| block.text.starts_with("# parameters"));
    let parameters = parameters.unwrap().text;
    let annotations = |column: usize| -> Map<String, Value> {
        let templates = rows.iter().map(|row| row[column].as_str());
        templates.enumerate().map(|(row, text)| (format!("row-{row}"), text.into())).collect()
    };
    let set = |column: usize, mut set: Value| {
        let name = if column == 0 { "{{ .name }}" } else { "{{name}}" };
        set["kind"] = "ApplicationSet".into();
        set["metadata"] = json!({ "name": "table" });
        set["spec"]["generators"] = json!([{ "list": { "elementsYaml": format!("- {}",
            parameters.lines().skip(1).collect::<Vec<_>>().join("\n  ")) } }]);
        set["spec"]["template"]["metadata"] =
            json!({ "name": name, "annotations": annotations(column) });
        set["spec"]["template"]["spec"]["source"] = json!({ "repoURL": "r", "path": "p" });
        set
    };
    let go = json!({ "apiVersion": "argoproj.io/v1alpha1", "spec": {
        "goTemplate": true, "template": { "spec": {
            "project": "default", "destination": { "name": "eu-1" } } } } });
    let native = json!({ "apiVersion": "muster.dev/v1alpha1", "spec": {
        "template": { "spec": { "destination": { "cluster": "eu-1" } } } } });
    for (column, document) in [go, native].into_iter().enumerate() {
        let dir = folder(&[("set.yaml", &set(column, document).to_string())]);
        let document: Value = run(dir.path(), &["set.yaml"]).json();
        let given = &document["applications"][0]["metadata"]["annotations"];
        for (index, row) in rows.iter().enumerate() {
            assert_eq!(given[format!("row-{index}")], row[2].as_str(), "{}", row[column]);
        }
    }
}
