//! Kubeconfigs, written as JSON: it is YAML, so every client reads it.

use super::pki::Pair;
use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// The user of somebody who holds a client certificate.
pub(crate) fn certificate_user(pair: &Pair) -> Value {
    json!({
        "client-certificate-data": STANDARD.encode(&pair.certificate),
        "client-key-data": STANDARD.encode(&pair.key),
    })
}

/// The user of somebody who holds a bearer token.
pub(crate) fn token_user(token: &str) -> Value {
    json!({ "token": token })
}

/// Writes a kubeconfig with one cluster, one user and one context, readable for its owner only.
pub(crate) fn write(path: &Path, server: &str, ca: &str, user: &Value, name: &str) -> Result<()> {
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "clusters": [{ "name": name, "cluster": { "server": server, "certificate-authority-data": STANDARD.encode(ca) } }],
        "users": [{ "name": name, "user": user }],
        "contexts": [{ "name": name, "context": { "cluster": name, "user": name } }],
    });
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("cannot write {}", path.display()))?;
    writeln!(file, "{config:#}").with_context(|| format!("cannot write {}", path.display()))
}
