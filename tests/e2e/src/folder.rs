//! One folder for everything that a scenario makes: removed when it passes, kept and named when it fails.

use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};

/// Names the folder below which scenarios make theirs. Default: the system's folder for temporary files.
pub const E2E_DIR_VARIABLE: &str = "MUSTER_E2E_DIR";

#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    keep: bool,
}

impl Folder {
    /// A new folder whose name begins with `name`.
    pub fn new(name: &str) -> Result<Self> {
        let base = std::env::var_os(E2E_DIR_VARIABLE)
            .filter(|value| !value.is_empty())
            .map_or_else(|| std::env::temp_dir().join("muster-e2e"), PathBuf::from);
        fs::create_dir_all(&base).with_context(|| format!("cannot make {}", base.display()))?;
        let path = tempfile::Builder::new()
            .prefix(&format!("{name}-"))
            .tempdir_in(&base)
            .with_context(|| format!("cannot make a folder in {}", base.display()))?
            .keep();
        Ok(Self { path, keep: false })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// From now on the folder stays.
    pub fn keep(&mut self) {
        self.keep = true;
    }
}

impl Drop for Folder {
    #[expect(
        clippy::print_stderr,
        reason = "whoever reads a failed test has to know where its logs are"
    )]
    fn drop(&mut self) {
        if self.keep || std::thread::panicking() {
            eprintln!("all logs and files of this run are in {}", self.path.display());
        } else if let Err(error) = fs::remove_dir_all(&self.path) {
            eprintln!("cannot remove {}: {error}", self.path.display());
        }
    }
}
