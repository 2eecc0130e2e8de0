//! What every file must be like: opened by its purpose, not too long, free of paths of somebody's machine, and where
//! decisions are made, free of I/O and clocks.

use crate::workspace;
use anyhow::{Context, Result, bail};
use std::fs;
use std::process::Command;

/// Half of the files are below 200 lines; one beyond this does several jobs.
const MOST_LINES: usize = 700;
/// Folders whose Rust files are ours to read; deploy and docs hold none.
const RUST_ROOTS: [&str; 4] = ["crates/", "proto/", "tests/", "xtask/"];
const GENERATED: &str = "/generated/";
/// Top folders that exist on the machine of one developer only.
const PRIVATE_ROOTS: [&str; 3] = ["root", "home", "work"];
/// A decision takes time and facts as parameters. `machine.rs` and `plan.rs` decide, and so do these crates.
const PURE_ROOTS: [&str; 2] = ["crates/model/src/", "crates/generators/src/"];
const PURE_FILES: [&str; 2] = ["machine.rs", "plan.rs"];
const IMPURE_WORDS: [&str; 9] = [
    ".await",
    "async fn",
    "tokio::",
    "std::fs",
    "std::net",
    "std::process",
    "std::thread",
    "Instant::now",
    "SystemTime::now",
];

pub(crate) fn check() -> Result<Vec<String>> {
    let root = workspace::root();
    let mut findings = Vec::new();
    for path in tracked_files()? {
        // A file that was just deleted is still in the index; a binary file has no lines.
        let Ok(bytes) = fs::read(root.join(&path)) else { continue };
        let Ok(text) = String::from_utf8(bytes) else { continue };
        findings.extend(check_file(&path, &text));
    }
    Ok(findings)
}

fn tracked_files() -> Result<Vec<String>> {
    let output = Command::new("git")
        .args(["ls-files", "-z"])
        .current_dir(workspace::root())
        .output()
        .context("`git` is not in the PATH: tidy asks it which files belong to the project")?;
    if !output.status.success() {
        bail!("git ls-files failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    let names = String::from_utf8(output.stdout)?;
    Ok(names.split('\0').filter(|name| !name.is_empty()).map(str::to_owned).collect())
}

fn check_file(path: &str, text: &str) -> Vec<String> {
    let mut findings = Vec::new();
    if is_our_rust(path) {
        if !text.starts_with("//!") {
            findings.push(format!("{path}:1: starts without `//!`: say what the file is for"));
        }
        let lines = text.lines().count();
        if lines > MOST_LINES {
            findings.push(format!("{path}: {lines} lines, more than {MOST_LINES}: split it"));
        }
        if is_pure(path) {
            findings.extend(impure_lines(path, text));
        }
    }
    for (number, line) in text.lines().enumerate() {
        if let Some(private) = private_path(line) {
            findings.push(format!(
                "{path}:{}: `{private}` is a path of one machine: make it relative or a parameter",
                number + 1
            ));
        }
    }
    findings
}

fn is_our_rust(path: &str) -> bool {
    path.ends_with(".rs")
        && RUST_ROOTS.iter().any(|root| path.starts_with(root))
        && !path.contains(GENERATED)
}

fn is_pure(path: &str) -> bool {
    let file = path.rsplit('/').next().unwrap_or(path);
    let is_test = file == "tests.rs" || path.contains("/tests/");
    !is_test && (PURE_ROOTS.iter().any(|root| path.starts_with(root)) || PURE_FILES.contains(&file))
}

/// Code only: comments may speak of clocks, and tests at the end of a file may read files.
fn impure_lines(path: &str, text: &str) -> Vec<String> {
    let code = text.split("#[cfg(test)]").next().unwrap_or(text);
    let mut findings = Vec::new();
    for (number, line) in code.lines().enumerate() {
        let line = line.split("//").next().unwrap_or(line);
        for word in IMPURE_WORDS.iter().filter(|word| line.contains(**word)) {
            findings.push(format!(
                "{path}:{}: `{word}` in a file that decides: take what it needs as a parameter",
                number + 1
            ));
        }
    }
    findings
}

/// An absolute path below one of the private roots, such as a slash, `home` and a slash. In a URL or a relative path
/// something stands before the first slash.
fn private_path(line: &str) -> Option<&str> {
    PRIVATE_ROOTS.iter().find_map(|root| {
        line.match_indices(root).find_map(|(at, _)| {
            let before = line[..at].strip_suffix('/')?;
            let after = &line[at + root.len()..];
            let starts =
                !before.ends_with(|last: char| last.is_alphanumeric() || "._-/}>)*".contains(last));
            (starts && after.starts_with('/')).then(|| &line[at - 1..=at + root.len()])
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_says_what_it_is_for_unless_it_is_generated() {
        assert_eq!(check_file("crates/a/src/lib.rs", "//! Why.\n"), [""; 0]);
        assert_eq!(check_file("proto/src/generated/a.rs", "pub struct A;\n"), [""; 0]);
        assert_eq!(
            check_file("crates/a/src/lib.rs", "use b;\n"),
            ["crates/a/src/lib.rs:1: starts without `//!`: say what the file is for"]
        );
    }

    #[test]
    fn a_long_file_is_found() {
        let text = format!("//! Long.\n{}", "\n".repeat(MOST_LINES));
        assert_eq!(
            check_file("xtask/src/a.rs", &text),
            ["xtask/src/a.rs: 701 lines, more than 700: split it"]
        );
    }

    #[test]
    fn a_path_of_one_machine_is_found_and_urls_and_relative_paths_are_not() {
        let home = format!("cd /{}/me", "home");
        assert_eq!(private_path(&home), Some(&*format!("/{}/", "home")));
        assert_eq!(
            private_path(&format!("\"/{}/.cache\"", "root")),
            Some(&*format!("/{}/", "root"))
        );
        assert_eq!(private_path(&format!("https://host/{}/x", "home")), None);
        assert_eq!(private_path(&format!("apps/{}/x", "work")), None);
        assert_eq!(private_path(&format!("/{}er/x", "work")), None);
    }

    #[test]
    fn a_decision_reads_no_clock_but_its_tests_and_comments_may() {
        let impure = "//! Plan.\nfn a() { std::fs::read(x) } // std::net\n#[cfg(test)]\nmod tests { use std::fs; }\n";
        assert_eq!(
            check_file("crates/hub/src/session/machine.rs", impure),
            [
                "crates/hub/src/session/machine.rs:2: `std::fs` in a file that decides: take what it needs as a parameter"
            ]
        );
        assert_eq!(check_file("crates/hub/src/session/task.rs", impure), [""; 0]);
    }
}
