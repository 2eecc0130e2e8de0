//! The spoke's configuration: one commented file compiled in, a file over it, flags over both.

use std::path::{Path, PathBuf};

use model::decision::{DecisionResource, MAX_RESOURCES};
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
    pub decisions: Decisions,
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

/// Which decision objects a hub may be told of.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Decisions {
    pub resources: Vec<DecisionResource>,
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
    #[error("decisions.resources has {count} entries; at most {MAX_RESOURCES} are watched")]
    TooManyResources { count: usize },
    #[error("decisions.resources has {first} and {second}: an object may be in both; keep one")]
    Overlap { first: DecisionResource, second: DecisionResource },
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
        let config: Self = layered(DEFAULT, file, settings)?;
        config.decisions.check()?;
        Ok(config)
    }
}

impl Decisions {
    fn check(&self) -> Result<(), ConfigError> {
        let count = self.resources.len();
        if count > MAX_RESOURCES {
            return Err(ConfigError::TooManyResources { count });
        }
        for (index, first) in self.resources.iter().enumerate() {
            let overlaps = |other: &&DecisionResource| first.overlaps(other);
            if let Some(second) = self.resources[index + 1..].iter().find(overlaps) {
                let (first, second) = (first.clone(), second.clone());
                return Err(ConfigError::Overlap { first, second });
            }
        }
        Ok(())
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
        assert!(config.decisions.resources.is_empty());
    }

    #[test]
    fn an_object_is_watched_once() {
        let load = |namespaces: [&str; 2]| {
            let one = |namespace: &str| {
                format!(
                    "{{apiVersion: x.example/v1, resource: placements, namespace: {namespace:?}}}"
                )
            };
            let list = namespaces.map(one).join(", ");
            Config::load(None, &[format!("decisions.resources=[{list}]")])
        };
        assert_eq!(load(["a", "b"]).unwrap().decisions.resources.len(), 2);
        let error = load(["a", ""]).unwrap_err().to_string();
        assert!(error.contains("placements of x.example/v1 in a and placements of"), "{error}");
        assert!(load(["a", "a"]).is_err());
    }
}
