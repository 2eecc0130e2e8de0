//! Repositories made with the real git.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use model::id::CommitId;
use model::tree::{FileTree, RepoPath, TreeError};
use source::{Credentials, Limits, Mirrors, RepoUrl, UrlPolicy};
use tempfile::TempDir;

/// git, untouched by the configuration of whoever runs the tests.
pub(crate) fn git_command(folder: &Path) -> Command {
    let mut command = Command::new("git");
    command
        .current_dir(folder)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_AUTHOR_NAME", "Ada")
        .env("GIT_AUTHOR_EMAIL", "ada@example.org")
        .env("GIT_AUTHOR_DATE", "1700000000 +0000")
        .env("GIT_COMMITTER_NAME", "Ada")
        .env("GIT_COMMITTER_EMAIL", "ada@example.org")
        .env("GIT_COMMITTER_DATE", "1700000000 +0000");
    command
}

/// A work tree below `root/NAME`, and its bare twin `root/NAME.git` that is served.
pub(crate) struct Repo {
    pub(crate) root: TempDir,
}

impl Repo {
    pub(crate) fn new() -> Self {
        let repo = Self { root: tempfile::tempdir().unwrap() };
        std::fs::create_dir(repo.work()).unwrap();
        std::fs::create_dir(repo.bare()).unwrap();
        run(git_command(&repo.bare()).args(["init", "-q", "--bare", "-b", "main"]), b"");
        let allow = ["config", "receive.denyDeleteCurrent", "ignore"];
        run(git_command(&repo.bare()).args(allow), b"");
        repo.git(&["init", "-q", "-b", "main"]);
        repo.git(&["remote", "add", "origin", "../repo.git"]);
        repo
    }

    pub(crate) fn work(&self) -> PathBuf {
        self.root.path().join("repo")
    }

    pub(crate) fn bare(&self) -> PathBuf {
        self.root.path().join("repo.git")
    }

    pub(crate) fn url(&self) -> RepoUrl {
        RepoUrl::parse(&format!("file://{}", self.bare().display())).unwrap()
    }

    /// Runs git in the work tree and gives what it prints.
    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        run(git_command(&self.work()).args(arguments), b"")
    }

    pub(crate) fn git_with(&self, arguments: &[&str], input: &[u8]) -> String {
        run(git_command(&self.work()).args(arguments), input)
    }

    /// Writes files, commits and pushes them; a content that begins with `-> ` makes a link.
    pub(crate) fn commit(&self, files: &[(&str, &str)], subject: &str) -> CommitId {
        for (path, content) in files {
            let path = self.work().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            match content.strip_prefix("-> ") {
                Some(target) => std::os::unix::fs::symlink(target, path).unwrap(),
                None => std::fs::write(path, content).unwrap(),
            }
        }
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", subject]);
        self.push();
        self.git(&["rev-parse", "HEAD"]).parse().unwrap()
    }

    pub(crate) fn push(&self) {
        let refs = ["refs/heads/*:refs/heads/*", "refs/tags/*:refs/tags/*"];
        self.git(&["push", "-q", "--force", "--prune", "origin", refs[0], refs[1]]);
    }

    /// A commit of a tree that git itself would not write; `entries` are mode, name, object.
    pub(crate) fn hostile(&self, entries: &[(&str, &str, &str)]) -> CommitId {
        let mut tree = Vec::new();
        for (mode, name, id) in entries {
            tree.extend_from_slice(format!("{mode} {name}\0").as_bytes());
            let digits = id.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
            tree.extend(digits.map(|pair| u8::from_str_radix(pair, 16).unwrap()));
        }
        let tree =
            self.git_with(&["hash-object", "-t", "tree", "--literally", "-w", "--stdin"], &tree);
        let commit = self.git(&["commit-tree", "-m", "hostile", &tree]);
        self.git(&["update-ref", "refs/heads/hostile", &commit]);
        self.push();
        commit.parse().unwrap()
    }

    pub(crate) fn blob(&self, content: &str) -> String {
        self.git_with(&["hash-object", "-w", "--stdin"], content.as_bytes())
    }
}

/// Text that does not compress well, always the same.
pub(crate) fn noise(length: usize) -> String {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(b'!' + u8::try_from(state % 90).unwrap())
    };
    (0..length).map(|_| next()).collect()
}

fn run(command: &mut Command, input: &[u8]) -> String {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{command:?}: {said}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Mirrors in a folder of their own that may use every scheme.
pub(crate) struct Home {
    pub(crate) folder: TempDir,
    pub(crate) mirrors: Mirrors,
}

impl Home {
    pub(crate) fn new() -> Self {
        Self::with(Credentials::new(), Limits::default())
    }

    pub(crate) fn with(credentials: Credentials, limits: Limits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let policy = UrlPolicy { allow_file: true, allow_http: true };
        let mirrors =
            Mirrors::open(folder.path().join("mirrors"), policy, credentials, limits).unwrap();
        Self { folder, mirrors }
    }

    /// The same folder in another process, as after a restart.
    pub(crate) fn restarted(&self) -> Mirrors {
        let policy = UrlPolicy { allow_file: true, allow_http: true };
        let folder = self.folder.path().join("mirrors");
        Mirrors::open(folder, policy, Credentials::new(), Limits::default()).unwrap()
    }

    /// The folders of the mirrors, by name.
    pub(crate) fn folders(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.folder.path().join("mirrors")).unwrap();
        let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        paths
    }
}

pub(crate) fn read(tree: &dyn FileTree, path: &str) -> Result<String, TreeError> {
    let bytes = tree.read(&RepoPath::parse(path).unwrap(), 1_000_000)?;
    Ok(String::from_utf8(bytes).unwrap())
}

pub(crate) fn names(tree: &dyn FileTree, path: &str) -> Result<Vec<String>, TreeError> {
    let entries = tree.list(&RepoPath::parse(path).unwrap())?;
    Ok(entries.into_iter().map(|entry| entry.name).collect())
}
