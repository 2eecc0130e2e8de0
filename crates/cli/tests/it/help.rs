//! The manual: every page as it is printed, and the page of docs that goes with it.

use std::process::Command;

use expect_test::expect_file;

/// All commands with subcommands, each as the words that reach it.
fn pages(command: &clap::Command, words: &[String], pages: &mut Vec<Vec<String>>) {
    pages.push(words.to_vec());
    for inner in command.get_subcommands() {
        let words = [words, &[inner.get_name().to_owned()]].concat();
        self::pages(inner, &words, pages);
    }
}

fn all_pages() -> Vec<Vec<String>> {
    let mut all = Vec::new();
    pages(&cli::command(), &[], &mut all);
    all
}

/// What the command prints on a terminal of 80 columns.
fn help(words: &[String]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_muster"));
    command.args(words).arg("--help").env_remove("MUSTER_CONTEXT").env("COLUMNS", "80");
    let output = command.output().unwrap();
    assert!(output.status.success(), "{words:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn every_page() {
    let page = |words: &Vec<String>| {
        format!(
            "$ muster {}\n{}\n",
            [words.as_slice(), &["--help".into()]].concat().join(" "),
            help(words)
        )
    };
    let text: String = all_pages().iter().map(page).collect();
    expect_file!["help.txt"].assert_eq(&text);
}

#[test]
fn every_command_is_in_the_docs() {
    let docs = include_str!("../../../../docs/cli.md");
    for words in all_pages().iter().filter(|words| !words.is_empty()) {
        let command = format!("`muster {}", words.join(" "));
        assert!(docs.contains(&command), "docs/cli.md does not mention {command}`");
    }
}

#[test]
fn clap_finds_no_mistake() {
    cli::command().debug_assert();
}
