//! The patterns against answers of the programs whose patterns they are: Go's `path.Match`, the
//! doublestar module, `git ls-files`.

use serde::Deserialize;

use super::doublestar;
use super::path_match;
use super::pathspec::Pathspec;

/// A pattern and which of the names it matches.
#[derive(Deserialize)]
struct Answer {
    p: String,
    #[serde(default)]
    m: Vec<String>,
    /// The pattern is not valid.
    #[serde(default)]
    bad: bool,
    /// It leads out of the repository.
    #[serde(default)]
    out: bool,
}

fn check(text: &str, matched: impl Fn(&str) -> Result<Vec<String>, String>) {
    let mut wrong = Vec::new();
    for line in text.lines() {
        let mut answer: Answer = serde_json::from_str(line).unwrap();
        answer.m.sort();
        answer.m.dedup();
        match matched(&answer.p) {
            Ok(mut names) => {
                names.sort();
                if answer.bad || answer.out || names != answer.m {
                    wrong.push(format!("{:?}: {names:?}, there {line}", answer.p));
                }
            }
            Err(_) if answer.bad || answer.out => {}
            Err(error) => wrong.push(format!("{error}; there {line}")),
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

/// Files with the directories that they lie in.
fn tree(files: &[&str]) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for file in files {
        let ends = file.match_indices('/').map(|(at, _)| &file[..at]);
        all.extend(ends.chain([*file]).map(str::to_owned));
    }
    all.sort();
    all.dedup();
    all
}

const FILES: [&str; 20] = [
    "a.yaml",
    "b.json",
    ".dot",
    "a/a.yaml",
    "a/b.yaml",
    "a/b/c.yaml",
    "a/b/c/d.json",
    "a/.hid/x.yaml",
    "ab/a.yaml",
    "ab/c/a.yaml",
    "b/a/a/a",
    "x-y/z.yaml",
    "é/ü.yaml",
    "star*.yaml",
    "x{1}.yaml",
    "[x].yaml",
    "a b.yaml",
    "q?.yaml",
    "c/]",
    "c/!a",
];
const MORE_FILES: [&str; 7] =
    ["A/B.YAML", "A.yaml", "Ab/C.yaml", "d/1.yaml", "d/22.yaml", ":x", "b\\s"];
const NAMES: [&str; 32] = [
    "a", "b", "ab", "ba", "abc", "a/b", "a/b/c", "b/a", "ab/c", "a-b", "a.b", "-", "]", "[", "^",
    "!", "a]", "é", "aé", "日", "a/é", "\\", "*", "a*b", "?", "{a,b}", "x/y/z", "a/bc/d", "aa/bb",
    "aaa", "abab", "a/a/a",
];

#[test]
fn directories_are_matched_as_go_matches_paths() {
    check(include_str!("answers/path_match.jsonl"), |source| {
        let pattern = path_match::Pattern::compile(source)?;
        let order = |name: &&&str| pattern.matches(name);
        let mut names: Vec<String> = NAMES.iter().filter(order).map(|n| (*n).to_owned()).collect();
        names.sort();
        // A walk begins where no match can be missed.
        for name in &names {
            let components: Vec<&str> = name.split('/').collect();
            assert!(components.len() > pattern.start.len(), "{source:?} {name:?}");
            assert_eq!(components[..pattern.start.len()], pattern.start, "{source:?} {name:?}");
            let below = components.len() - pattern.start.len();
            assert!(pattern.levels.is_none_or(|levels| below <= levels), "{source:?} {name:?}");
        }
        Ok(names)
    });
}

#[test]
fn files_are_matched_as_the_doublestar_module_finds_them() {
    let tree = tree(&FILES);
    check(include_str!("answers/doublestar.jsonl"), |source| {
        let pattern = doublestar::Pattern::compile(source)?;
        let mut names: Vec<String> = tree
            .iter()
            .filter(|name| pattern.matches(name, !FILES.contains(&name.as_str())))
            .cloned()
            .collect();
        for name in &names {
            let start = pattern.start.join("/");
            assert!(name.starts_with(&start), "{source:?} {name:?}");
        }
        if pattern.matches_top() {
            names.push(".".to_owned());
        }
        Ok(names)
    });
}

#[test]
fn files_are_listed_as_git_lists_them() {
    check(include_str!("answers/pathspec.jsonl"), |source| {
        let pattern = Pathspec::compile(source)?;
        let mut names = Vec::new();
        for name in FILES.iter().chain(&MORE_FILES) {
            if pattern.lists(name, false)? {
                let start = pattern.start.join("/");
                assert!(name.starts_with(&start), "{source:?} {name:?}");
                names.push((*name).to_owned());
            }
        }
        Ok(names)
    });
}

#[test]
fn a_pattern_of_many_stars_ends() {
    let name = "a/".repeat(60) + "b";
    let many = ":(glob)".to_owned() + &"**/a/".repeat(30) + "c";
    assert!(Pathspec::compile(&many).unwrap().lists(&name, false).is_err());
    let many = "*a".repeat(200) + "c";
    assert_eq!(Pathspec::compile(&many).unwrap().lists(&"a".repeat(400), false), Ok(false));
    assert!(!path_match::Pattern::compile(&many).unwrap().matches(&"a".repeat(400)));
    let many = "**/a/".repeat(30) + "c";
    assert!(!doublestar::Pattern::compile(&many).unwrap().matches(&name, false));
    let many = "{a,b}".repeat(12);
    assert!(doublestar::Pattern::compile(&many).unwrap_err().contains("too many"));
}
