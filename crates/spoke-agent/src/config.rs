//! The spoke's configuration: one commented file compiled in, a file over it, flags over both.

use std::path::{Path, PathBuf};

use model::settings::{SettingsError, layered};
use serde::Deserialize;
use source::GitSettings;
use thiserror::Error;

/// Every key with its default and its meaning.
pub const DEFAULT: &str = include_str!("../muster-spoke.yaml");

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Config {
    pub namespace: String,
    pub state_dir: PathBuf,
    pub log: Log,
    pub git: GitSettings,
    pub reconcile: Reconcile,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Log {
    pub filter: String,
    pub format: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Reconcile {
    pub concurrency: usize,
    pub watch_page_size: u32,
}

#[derive(Debug, Error)]
pub enum ConfigError {
    #[error("cannot read {path}")]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error(transparent)]
    Invalid(#[from] SettingsError),
}

impl Config {
    /// The defaults, `file` laid over them, and `settings` (`key.path=value`) over both.
    ///
    /// # Errors
    /// When the file cannot be read, is not YAML, or names a key that does not exist.
    pub fn load(file: Option<&Path>, settings: &[String]) -> Result<Self, ConfigError> {
        let read = |path: &Path| {
            std::fs::read(path)
                .map_err(|source| ConfigError::Read { path: path.to_owned(), source })
                .map(|text| (path.display().to_string(), text))
        };
        let file = file.map(read).transpose()?;
        let file = file.as_ref().map(|(origin, text)| (origin.as_str(), text.as_slice()));
        Ok(layered(DEFAULT, file, settings)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_complete() {
        let config = Config::load(None, &[]).unwrap();
        assert_eq!(config.namespace, "muster-system");
        assert!(!config.git.allow_http);
    }
}
