//! What a configuration file says about Git: which schemes, and which credentials for which URLs.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use thiserror::Error;

use crate::credentials::{Credentials, CredentialsError, Secret};
use crate::mirrors::UrlPolicy;

/// The `git` section of the hub's and the spoke's configuration.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GitSettings {
    pub allow_file: bool,
    pub allow_http: bool,
    /// PEM files of further CAs that https repositories may have.
    pub ca_files: Vec<PathBuf>,
    pub credentials: Vec<CredentialSettings>,
}

/// Files that hold one credential, and the URLs it may be sent to. The secret itself never stands
/// in the configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CredentialSettings {
    pub url_prefix: String,
    #[serde(default)]
    pub username: Option<String>,
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    #[serde(default)]
    pub bearer_file: Option<PathBuf>,
    #[serde(default)]
    pub ssh_key_file: Option<PathBuf>,
    #[serde(default)]
    pub known_hosts_file: Option<PathBuf>,
}

#[derive(Debug, Error)]
pub enum SettingsError {
    #[error("the git section names {path}, which cannot be read", path = path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error(
        "git.credentials for {prefix:?}: give username and passwordFile, or bearerFile, or \
         sshKeyFile and knownHostsFile"
    )]
    Kind { prefix: String },
    #[error("git.credentials")]
    Credentials(#[from] CredentialsError),
}

impl GitSettings {
    #[must_use]
    pub fn policy(&self) -> UrlPolicy {
        UrlPolicy { allow_file: self.allow_file, allow_http: self.allow_http }
    }

    /// Reads the files.
    ///
    /// # Errors
    /// When one cannot be read, or an entry is not one of the three kinds.
    pub fn credentials(&self) -> Result<Credentials, SettingsError> {
        let mut credentials = Credentials::new();
        for entry in &self.credentials {
            credentials.add(&entry.url_prefix, entry.secret()?)?;
        }
        for path in &self.ca_files {
            credentials.trust_pem(read(path)?.into_bytes());
        }
        Ok(credentials)
    }
}

impl CredentialSettings {
    fn secret(&self) -> Result<Secret, SettingsError> {
        let Self {
            url_prefix,
            username,
            password_file,
            bearer_file,
            ssh_key_file,
            known_hosts_file,
        } = self;
        match (username, password_file, bearer_file, ssh_key_file, known_hosts_file) {
            (Some(username), Some(password), None, None, None) => {
                Ok(Secret::Basic { username: username.clone(), password: read(password)? })
            }
            (None, None, Some(token), None, None) => Ok(Secret::Bearer { token: read(token)? }),
            (None, None, None, Some(key_file), Some(known_hosts_file)) => Ok(Secret::SshKey {
                key_file: key_file.clone(),
                known_hosts_file: known_hosts_file.clone(),
            }),
            _ => Err(SettingsError::Kind { prefix: url_prefix.clone() }),
        }
    }
}

/// A secret in a file usually ends with the line break of the editor that wrote it.
fn read(path: &Path) -> Result<String, SettingsError> {
    let read = fs::read_to_string(path);
    let text = read.map_err(|source| SettingsError::Read { path: path.to_owned(), source })?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> CredentialSettings {
        CredentialSettings {
            url_prefix: "https://git.example/team".into(),
            username: None,
            password_file: None,
            bearer_file: None,
            ssh_key_file: None,
            known_hosts_file: None,
        }
    }

    #[test]
    fn an_entry_is_exactly_one_kind() {
        let settings = |entry| GitSettings { credentials: vec![entry], ..GitSettings::default() };
        assert!(matches!(settings(entry()).credentials(), Err(SettingsError::Kind { .. })));
        let missing =
            CredentialSettings { bearer_file: Some("/nonexistent/token".into()), ..entry() };
        let error = settings(missing).credentials().unwrap_err().to_string();
        assert!(error.contains("/nonexistent/token"), "{error}");
    }
}
