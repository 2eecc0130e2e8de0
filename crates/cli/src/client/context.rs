//! The context file: which hub, whom to trust, and who this person is.
//!
//! `muster-hub init` writes it. It holds a private key, so no message quotes its content.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use model::{suggest, yaml};
use runtime::tls::{Identity, PemError, certificates_from_pem, private_key_from_pem};
use rustls_pki_types::CertificateDer;
use serde::Deserialize;
use serde_json::{Map, Value};
use thiserror::Error;

/// A context is a few kilobytes of PEM; a bundle of many roots stays far below this.
const LIMITS: yaml::Limits = yaml::Limits::new(1 << 20, 1);
const KEYS: [&str; 6] = ["hub", "serverName", "fleet", "ca", "certificate", "key"];

#[derive(Debug, Error)]
pub(crate) enum ContextError {
    #[error("there is no context file at {path}", path = path.display())]
    Missing { path: PathBuf },
    #[error("no context file is named, and HOME is not set")]
    NoHome,
    #[error("cannot read the context file {path}", path = path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("the context file {path} is not valid: {message}", path = path.display())]
    Invalid { path: PathBuf, message: String },
    #[error("the context file {path} cannot be used", path = path.display())]
    Pem { path: PathBuf, source: PemError },
}

impl ContextError {
    pub(crate) fn hints(&self) -> Vec<String> {
        match self {
            Self::Missing { .. } | Self::NoHome => vec![
                "`muster-hub init --dir DIR` writes one, DIR/admin.yaml; name it with \
                 --context-file FILE or MUSTER_CONTEXT, or copy it to \
                 ~/.config/muster/context.yaml"
                    .to_owned(),
            ],
            Self::Invalid { .. } | Self::Pem { .. } => {
                vec![format!("it holds {}; `muster-hub init` writes it", KEYS.join(", "))]
            }
            Self::Read { .. } => Vec::new(),
        }
    }
}

/// A context that was read and checked. It has no `Debug`: nothing may print the key by accident.
pub(crate) struct Context {
    pub(crate) path: PathBuf,
    /// `host:port`.
    pub(crate) hub: String,
    /// The name that the hub's certificate must carry.
    pub(crate) server_name: String,
    pub(crate) ca: Vec<CertificateDer<'static>>,
    pub(crate) identity: Identity,
    /// Whether others than the owner may read the file.
    pub(crate) exposed: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Document {
    hub: String,
    server_name: String,
    /// For people: which fleet this is.
    #[serde(rename = "fleet")]
    _fleet: String,
    ca: String,
    certificate: String,
    key: String,
}

impl Context {
    /// Reads `named`, or the file at its usual place.
    pub(crate) fn load(named: Option<&Path>) -> Result<Self, ContextError> {
        let path = match named {
            Some(path) => path.to_owned(),
            None => usual_place(|name| std::env::var_os(name).map(PathBuf::from))
                .ok_or(ContextError::NoHome)?,
        };
        let text = fs::read(&path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => ContextError::Missing { path: path.clone() },
            _ => ContextError::Read { path: path.clone(), source },
        })?;
        let mode = fs::metadata(&path).map(|meta| meta.permissions().mode());
        let exposed = mode.is_ok_and(|mode| mode & 0o044 != 0);
        Self::read(&text, path, exposed)
    }

    fn read(text: &[u8], path: PathBuf, exposed: bool) -> Result<Self, ContextError> {
        let document = match document(text) {
            Ok(document) => document,
            Err(message) => return Err(ContextError::Invalid { path, message }),
        };
        let Document { hub, server_name, ca, certificate, key, .. } = document;
        let pem = |source| ContextError::Pem { path: path.clone(), source };
        let ca = certificates_from_pem(ca.as_bytes(), "`ca`").map_err(pem)?;
        let chain = certificates_from_pem(certificate.as_bytes(), "`certificate`").map_err(pem)?;
        let key = private_key_from_pem(key.as_bytes(), "`key`").map_err(pem)?;
        let identity = Identity { chain, key };
        Ok(Self { hub, server_name, ca, identity, exposed, path })
    }
}

fn usual_place(variable: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    let absolute = |path: &PathBuf| path.is_absolute();
    let config = variable("XDG_CONFIG_HOME").filter(absolute);
    let config =
        config.or_else(|| variable("HOME").filter(absolute).map(|home| home.join(".config")))?;
    Some(config.join("muster/context.yaml"))
}

/// The message never quotes a value, since one of them is the key.
fn document(text: &[u8]) -> Result<Document, String> {
    let mut documents = yaml::read(text, LIMITS).map_err(|error| match error {
        yaml::YamlError::Syntax { line, .. } => format!("line {line} is not YAML"),
        too_large @ yaml::YamlError::TooLarge { .. } => too_large.to_string(),
    })?;
    let Some(Value::Object(map)) = documents.pop() else {
        return Err("it must be one mapping".to_owned());
    };
    check(&map)?;
    serde_json::from_value(Value::Object(map)).map_err(|error| error.to_string())
}

fn check(map: &Map<String, Value>) -> Result<(), String> {
    if let Some(key) = map.keys().find(|key| !KEYS.contains(&key.as_str())) {
        return Err(suggest::unknown("key", key, &KEYS));
    }
    for key in KEYS {
        match map.get(key) {
            Some(Value::String(text)) if !text.is_empty() => {}
            Some(_) => return Err(format!("`{key}` must be text that is not empty")),
            None => return Err(format!("`{key}` is missing")),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        let read = Context::read(text.as_bytes(), PathBuf::from("context.yaml"), false);
        runtime::error::chain(&read.err().unwrap())
    }

    #[test]
    fn the_usual_place_follows_the_environment() {
        let environment = |xdg: Option<&'static str>, home: Option<&'static str>| {
            usual_place(move |name| if name == "HOME" { home } else { xdg }.map(PathBuf::from))
        };
        let usual = PathBuf::from("/users/ann/.config/muster/context.yaml");
        assert_eq!(environment(None, Some("/users/ann")), Some(usual.clone()));
        assert_eq!(environment(Some(""), Some("/users/ann")), Some(usual), "empty is unset");
        let own = PathBuf::from("/etc/ann/muster/context.yaml");
        assert_eq!(environment(Some("/etc/ann"), Some("/users/ann")), Some(own));
        assert_eq!(environment(None, None), None);
    }

    #[test]
    fn an_unknown_key_is_an_error_with_the_nearest_one() {
        let message = error("hub: a:1\nservername: b\n");
        assert!(message.contains("unknown key \"servername\""), "{message}");
        assert!(message.contains("did you mean \"serverName\"?"), "{message}");
    }

    #[test]
    fn a_missing_key_is_named() {
        let message = error("hub: a:1\nserverName: b\nfleet: f\nca: x\ncertificate: x\n");
        assert!(message.contains("`key` is missing"), "{message}");
    }

    #[test]
    fn no_message_shows_the_private_key() {
        let others = "hub: a:1\nserverName: b\nfleet: f\nca: x\ncertificate: x\n";
        for key in ["key: {SECRET: 1}", "key: [SECRET]", "key: \"SECRET\n", "key: SECRET: SECRET"] {
            let message = error(&format!("{others}{key}"));
            assert!(!message.contains("SECRET"), "{message}");
        }
    }
}
