//! Where the Muster binaries are.

use anyhow::{Context, Result};
use std::path::{Path, PathBuf};

/// Names the folder of the Muster binaries. Default: where the program that asks was built.
pub const BIN_DIR_VARIABLE: &str = "MUSTER_BIN_DIR";

/// The folder with `muster`, `muster-hub` and `muster-spoke`.
#[derive(Debug, Clone, Default)]
pub struct Binaries(Option<PathBuf>);

impl Binaries {
    /// Those in this folder, whatever the environment says.
    pub fn in_folder(folder: impl Into<PathBuf>) -> Self {
        Self(Some(folder.into()))
    }

    /// The binary of this name.
    pub fn path(&self, name: &str) -> Result<PathBuf> {
        let folders = self.folders()?;
        let found = folders.iter().map(|folder| folder.join(name)).find(|path| path.is_file());
        found.with_context(|| {
            format!(
                "no `{name}` in {}: run `cargo build --workspace`, or name its folder in {BIN_DIR_VARIABLE}",
                folders.first().map_or_else(String::new, |folder| folder.display().to_string())
            )
        })
    }

    fn folders(&self) -> Result<Vec<PathBuf>> {
        let variable = std::env::var_os(BIN_DIR_VARIABLE).filter(|value| !value.is_empty());
        if let Some(folder) = self.0.clone().or(variable.map(PathBuf::from)) {
            return Ok(vec![folder]);
        }
        // A test binary is in `deps`, one below the binaries.
        let this = std::env::current_exe().context("this program does not know its own path")?;
        Ok(this.ancestors().skip(1).take(2).map(Path::to_owned).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_built_is_named_with_the_command_that_builds_it() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("muster"), "").unwrap();
        let binaries = Binaries::in_folder(folder.path());
        assert!(binaries.path("muster").is_ok());
        let error = binaries.path("muster-hub").unwrap_err().to_string();
        assert!(error.contains("`muster-hub`") && error.contains("cargo build"), "{error}");
    }
}
