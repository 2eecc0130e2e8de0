//! A fresh directory for one run of a tool: only regular files that we wrote, and no links.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use model::tree::RepoPath;
use tempfile::TempDir;

use crate::Limits;
use crate::error::RenderError;

const PREFIX: &str = "render-";

/// Removed when dropped. `repo` mirrors the repository; the rest is ours.
pub(crate) struct Scratch {
    directory: TempDir,
    written: BTreeSet<RepoPath>,
    bytes: usize,
    limits: Limits,
}

impl Scratch {
    pub(crate) fn new(parent: &Path, limits: &Limits) -> Result<Self, RenderError> {
        let make = || {
            fs::create_dir_all(parent)?;
            let parent = parent.canonicalize()?;
            let directory = tempfile::Builder::new().prefix(PREFIX).tempdir_in(parent)?;
            for name in ["repo", "home", "tmp", "input"] {
                fs::create_dir(directory.path().join(name))?;
            }
            Ok(directory)
        };
        let what = format!("make a scratch directory in {}", parent.display());
        let directory = make().map_err(RenderError::machine(what))?;
        Ok(Self { directory, written: BTreeSet::new(), bytes: 0, limits: limits.clone() })
    }

    /// Removes what earlier processes left behind when they were killed.
    pub(crate) fn sweep(parent: &Path) {
        for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(PREFIX)
                && let Err(error) = fs::remove_dir_all(entry.path())
            {
                tracing::warn!(path = %entry.path().display(), %error, "cannot remove old scratch");
            }
        }
    }

    pub(crate) fn root(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.root().join("home")
    }

    pub(crate) fn tmp(&self) -> PathBuf {
        self.root().join("tmp")
    }

    /// Where a path of the repository is on this machine.
    pub(crate) fn repo(&self, path: &RepoPath) -> PathBuf {
        self.root().join("repo").join(path.as_str())
    }

    pub(crate) fn has(&self, path: &RepoPath) -> bool {
        self.written.contains(path)
    }

    /// Writes a file of the repository.
    pub(crate) fn write_repo(&mut self, path: &RepoPath, text: &[u8]) -> Result<(), RenderError> {
        if self.written.insert(path.clone()) {
            self.write(&self.repo(path), text)?;
        }
        Ok(())
    }

    /// Writes a file of ours, such as inline values, and says where it is.
    pub(crate) fn write_input(&mut self, name: &str, text: &[u8]) -> Result<PathBuf, RenderError> {
        let file = self.root().join("input").join(name);
        self.write(&file, text)?;
        Ok(file)
    }

    fn write(&mut self, file: &Path, text: &[u8]) -> Result<(), RenderError> {
        self.bytes += text.len();
        if self.bytes > self.limits.tree_bytes || self.written.len() > self.limits.tree_files {
            return Err(RenderError::Limit {
                what: "what the application reads from its repository has".to_owned(),
                amount: format!("{} bytes in {} files", self.bytes, self.written.len()),
                limit: format!("{} and {}", self.limits.tree_bytes, self.limits.tree_files),
            });
        }
        let write = || {
            fs::create_dir_all(file.parent().unwrap_or(file))?;
            fs::write(file, text)
        };
        write().map_err(RenderError::machine("write to the scratch directory"))
    }
}
