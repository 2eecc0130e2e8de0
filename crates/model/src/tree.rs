//! A tree of files at a commit, as renderers and generators see it: no host path is in it.
//!
//! `source` implements it over Git's object database; a plain folder implements it for
//! `muster expand`. Engines take `&dyn FileTree` and never touch the file system.

use std::fmt;

use thiserror::Error;

use crate::canonical::Digest;

/// The most components a path may have; deeper ones are hostile.
const MAX_COMPONENTS: usize = 128;
/// The longest path in bytes, as on Linux.
const MAX_PATH_BYTES: usize = 4096;

/// A path inside a repository: components without `.`, `..` or empty ones. Empty is the root.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RepoPath(String);

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RepoPathError {
    #[error("the path {path:?} is absolute; write it relative to the root of the repository")]
    Absolute { path: String },
    #[error("the path {path:?} leaves the repository")]
    Leaves { path: String },
    #[error("the path {path:?} holds a control character or a backslash")]
    Characters { path: String },
    #[error("the path is longer than {MAX_PATH_BYTES} bytes or deeper than {MAX_COMPONENTS}")]
    TooLong,
}

impl RepoPath {
    #[must_use]
    pub fn root() -> Self {
        Self::default()
    }

    /// Parses a path that a person wrote: `.` and `a/./b/` are taken, `..` and `/a` are not.
    pub fn parse(text: &str) -> Result<Self, RepoPathError> {
        Self::root().join(text)
    }

    /// The path `text` relative to this directory; `..` may be used as long as it stays inside.
    pub fn join(&self, text: &str) -> Result<Self, RepoPathError> {
        let path = || text.chars().take(120).collect::<String>();
        if text.starts_with('/') {
            return Err(RepoPathError::Absolute { path: path() });
        }
        if text.chars().any(|c| c.is_control() || c == '\\') {
            return Err(RepoPathError::Characters { path: path() });
        }
        let mut components: Vec<&str> = self.components().collect();
        for component in text.split('/') {
            match component {
                "" | "." => {}
                ".." => {
                    components.pop().ok_or_else(|| RepoPathError::Leaves { path: path() })?;
                }
                name => components.push(name),
            }
        }
        let joined = components.join("/");
        if components.len() > MAX_COMPONENTS || joined.len() > MAX_PATH_BYTES {
            return Err(RepoPathError::TooLong);
        }
        Ok(Self(joined))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    pub fn components(&self) -> impl Iterator<Item = &str> {
        self.0.split('/').filter(|component| !component.is_empty())
    }

    /// The last component; empty for the root.
    #[must_use]
    pub fn file_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    /// The directory it lies in; the root's is the root.
    #[must_use]
    pub fn parent(&self) -> Self {
        Self(self.0.rsplit_once('/').map_or_else(String::new, |(parent, _)| parent.to_owned()))
    }
}

impl fmt::Display for RepoPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "." } else { &self.0 })
    }
}

/// One name in a directory.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TreeEntry {
    pub name: String,
    pub kind: EntryKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum EntryKind {
    Directory,
    File,
    /// Followed by `read` and `list` when it stays inside the tree.
    Symlink,
    /// Not followed: its content is another repository.
    Submodule,
}

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TreeError {
    #[error("{path} is not in the repository")]
    NotFound { path: RepoPath },
    #[error("{path} is not a directory")]
    NotADirectory { path: RepoPath },
    #[error("{path} is not a file")]
    NotAFile { path: RepoPath },
    #[error("{path} is {bytes} bytes; at most {limit} are read")]
    TooLarge { path: RepoPath, bytes: u64, limit: u64 },
    #[error("the link {link} points outside of the repository, or to itself")]
    Link { link: RepoPath },
    #[error("{path} cannot be read from the object database: {message}")]
    Broken { path: RepoPath, message: String },
}

/// Files and directories, read-only and unchanging. A symbolic link is followed for at most ten
/// hops and only inside; one that leaves is an error that names the link, never its target's content.
pub trait FileTree: Send + Sync {
    /// The content of a file of at most `limit` bytes.
    fn read(&self, path: &RepoPath, limit: u64) -> Result<Vec<u8>, TreeError>;

    /// The entries of a directory, sorted by name.
    fn list(&self, path: &RepoPath) -> Result<Vec<TreeEntry>, TreeError>;

    /// An identity of what `read` or `list` finds at a path, links followed: where two trees give
    /// the same one, they give the same there. `None` when the tree has none that is cheaper than
    /// looking, or when nothing is there.
    fn digest(&self, path: &RepoPath) -> Option<Digest> {
        let _ = path;
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_never_leaves_the_root() {
        let text = |path: &str| RepoPath::parse(path).map(|path| path.to_string());
        assert_eq!(text("./a//b/."), Ok("a/b".to_owned()));
        assert_eq!(text("a/../b"), Ok("b".to_owned()));
        assert_eq!(text("."), Ok(".".to_owned()));
        for bad in ["..", "a/../..", "/a", "a\0b", "a\\b", &"a/".repeat(129)] {
            assert!(RepoPath::parse(bad).is_err(), "{bad}");
        }
    }
}
