//! `muster expand` in a folder of files, without any hub.

use std::fs;
use std::path::Path;
use std::process::Command;

use expect_test::Expect;
use tempfile::TempDir;

use crate::tool::Ran;

pub(crate) fn folder(files: &[(&str, &str)]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (path, text) in files {
        write(dir.path(), path, text);
    }
    dir
}

pub(crate) fn write(dir: &Path, path: &str, text: &str) {
    let path = dir.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// The process in a folder, without any context file.
pub(crate) fn command(dir: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_muster"));
    command.arg("expand").args(words).current_dir(dir).env("HOME", dir);
    command.env_remove("MUSTER_CONTEXT").env_remove("XDG_CONFIG_HOME");
    command
}

pub(crate) fn run(dir: &Path, words: &[&str]) -> Ran {
    command(dir, words).output().unwrap().into()
}

/// What a person sees: stdout, stderr, the code.
#[track_caller]
pub(crate) fn check(dir: &Path, words: &[&str], expected: &Expect) {
    let Ran { code, out, err } = run(dir, words);
    expected.assert_eq(&format!("{out}{err}exit {code}\n"));
}

/// Git in a folder, as nobody in particular.
pub(crate) fn git(dir: &Path, words: &[&str]) {
    let mut command = Command::new("git");
    command.args(["-c", "user.name=t", "-c", "user.email=t@example.com"]).args(words);
    let command = command.current_dir(dir).env("GIT_CONFIG_GLOBAL", "/dev/null");
    let output = command.env("GIT_CONFIG_SYSTEM", "/dev/null").output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

/// All files of a folder in one commit.
pub(crate) fn commit(dir: &Path) {
    git(dir, &["init", "-q", "-b", "main"]);
    git(dir, &["add", "."]);
    git(dir, &["commit", "-q", "-m", "a commit"]);
}
