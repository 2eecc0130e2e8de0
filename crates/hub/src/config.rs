//! The hub's configuration: one commented file compiled in, a file over it, flags over both.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use model::name::ClusterName;
use model::settings::{SettingsError, layered};
use serde::Deserialize;
use source::GitSettings;
use thiserror::Error;

/// Every key with its default and its meaning.
pub const DEFAULT: &str = include_str!("../muster-hub.yaml");

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Config {
    pub listen: SocketAddr,
    pub fleet_repository: FleetRepositoryConfig,
    pub poll_seconds: u64,
    pub git: GitSettings,
    pub services: ServicesConfig,
    pub decisions: DecisionsConfig,
    pub store: StoreConfig,
    pub certificates: Certificates,
    pub log: Log,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FleetRepositoryConfig {
    pub url: String,
    pub revision: String,
    pub path: String,
}

/// Which services outside of Git may be asked for generators.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ServicesConfig {
    pub allowed_urls: Vec<String>,
    pub secrets_folder: String,
    pub ca_files: Vec<PathBuf>,
    pub interval_seconds: u64,
}

/// Whose decision objects are believed.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DecisionsConfig {
    /// Nobody's when it is empty.
    #[serde(deserialize_with = "name_or_nothing")]
    pub cluster: Option<ClusterName>,
}

fn name_or_nothing<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<ClusterName>, D::Error> {
    match String::deserialize(deserializer)?.as_str() {
        "" => Ok(None),
        name => ClusterName::new(name).map(Some).map_err(serde::de::Error::custom),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Backend {
    Sled,
    Memory,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StoreConfig {
    pub backend: Backend,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Certificates {
    pub cluster_hours: u32,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Log {
    pub filter: String,
    pub format: String,
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
    #[error("{key} is {value}; it must be {rule}")]
    Range { key: &'static str, value: u64, rule: &'static str },
}

impl Config {
    /// The defaults, `file` laid over them, and `settings` (`key.path=value`) over both. All of it
    /// is checked here, before a port is bound.
    ///
    /// # Errors
    /// When the file cannot be read, is not YAML, names a key that does not exist, or a value is
    /// out of its range.
    pub fn load(file: Option<&Path>, settings: &[String]) -> Result<Self, ConfigError> {
        let read = |path: &Path| {
            std::fs::read(path)
                .map_err(|source| ConfigError::Read { path: path.to_owned(), source })
                .map(|text| (path.display().to_string(), text))
        };
        let file = file.map(read).transpose()?;
        let file = file.as_ref().map(|(origin, text)| (origin.as_str(), text.as_slice()));
        let config: Self = layered(DEFAULT, file, settings)?;
        let hours = config.certificates.cluster_hours;
        in_range("certificates.clusterHours", hours.into(), 1..=2160, "from 1 to 2160")?;
        in_range("pollSeconds", config.poll_seconds, 1..=86_400, "from 1 to 86400")?;
        let interval = config.services.interval_seconds;
        in_range("services.intervalSeconds", interval, 60..=86_400, "from 60 to 86400")?;
        Ok(config)
    }
}

fn in_range(
    key: &'static str,
    value: u64,
    range: std::ops::RangeInclusive<u64>,
    rule: &'static str,
) -> Result<(), ConfigError> {
    if range.contains(&value) { Ok(()) } else { Err(ConfigError::Range { key, value, rule }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_complete_and_a_range_is_kept() {
        let config = Config::load(None, &[]).unwrap();
        assert_eq!(config.poll_seconds, 180);
        assert_eq!(config.decisions.cluster, None);
        assert!(Config::load(None, &["decisions.cluster=EU 1".into()]).is_err());
        let error = Config::load(None, &["certificates.clusterHours=0".into()]).unwrap_err();
        assert!(error.to_string().contains("from 1 to 2160"), "{error}");
    }
}
