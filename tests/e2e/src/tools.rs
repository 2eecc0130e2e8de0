//! Where the pinned control-plane tools are.
//!
//! `MUSTER_TOOLS_DIR` names a folder that the user filled; otherwise it is the cache that `cargo xtask tools`
//! fills. This module only looks; building is xtask's work.

use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};

/// Names the folder of ready tools; then nothing is built.
pub const TOOLS_DIR_VARIABLE: &str = "MUSTER_TOOLS_DIR";

/// The folder of the tools, and whether the user chose it.
#[derive(Debug, Clone)]
pub struct Tools {
    folder: PathBuf,
    from_variable: bool,
}

impl Tools {
    /// The folder named by `MUSTER_TOOLS_DIR`, or `${XDG_CACHE_HOME:-~/.cache}/muster/tools`.
    pub fn locate() -> Result<Self> {
        if let Some(folder) = non_empty(TOOLS_DIR_VARIABLE) {
            return Ok(Self { folder, from_variable: true });
        }
        let cache = match non_empty("XDG_CACHE_HOME") {
            Some(cache) => cache,
            None => non_empty("HOME")
                .context("HOME is not set: name a folder for the tools in MUSTER_TOOLS_DIR")?
                .join(".cache"),
        };
        Ok(Self { folder: cache.join("muster").join("tools"), from_variable: false })
    }

    /// The tools in this folder.
    pub fn in_folder(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), from_variable: false }
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// True when `MUSTER_TOOLS_DIR` names the folder: then it is the user's, and nothing is written to it.
    pub fn is_users_own(&self) -> bool {
        self.from_variable
    }

    /// The binary of this name.
    pub fn path(&self, name: &str) -> Result<PathBuf> {
        let path = self.folder.join(name);
        if path.is_file() {
            return Ok(path);
        }
        if self.from_variable {
            bail!(
                "{TOOLS_DIR_VARIABLE} is {}, which has no `{name}`: add it, or unset {TOOLS_DIR_VARIABLE} and run \
                 `cargo xtask tools {name}`",
                self.folder.display()
            );
        }
        bail!("no `{name}` in {}: run `cargo xtask tools {name}`", self.folder.display());
    }
}

fn non_empty(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_tool_is_named_with_the_command_that_makes_it() {
        let folder = tempfile::tempdir().unwrap();
        let error = Tools::in_folder(folder.path()).path("etcd").unwrap_err().to_string();
        assert!(error.contains("no `etcd`") && error.contains("cargo xtask tools etcd"), "{error}");
    }

    #[test]
    fn in_the_users_own_folder_the_variable_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let tools = Tools { folder: folder.path().to_owned(), from_variable: true };
        let error = tools.path("etcd").unwrap_err().to_string();
        assert!(error.contains("MUSTER_TOOLS_DIR") && error.contains("`etcd`"), "{error}");
    }
}
