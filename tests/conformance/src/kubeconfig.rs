//! The parts of a kubeconfig that a plain HTTPS client needs.

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use std::path::Path;

/// One server and one user.
pub(crate) struct Kubeconfig {
    /// `HOST:PORT`.
    pub(crate) address: String,
    pub(crate) ca: Vec<u8>,
    /// Certificate and key, as PEM.
    pub(crate) identity: Option<(Vec<u8>, Vec<u8>)>,
    pub(crate) token: Option<String>,
}

impl Kubeconfig {
    /// Reads the first cluster and the first user.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(&text).with_context(|| format!("in {}", path.display()))
    }

    /// The same from its text.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let config: Value = serde_saphyr::from_str(text).context("not YAML")?;
        let cluster = &config["clusters"][0]["cluster"];
        let user = &config["users"][0]["user"];
        let server = cluster["server"].as_str().context("no server")?;
        let address = server.strip_prefix("https://").context("the server is not https://")?;
        let identity = match user.get("client-certificate-data") {
            Some(certificate) => Some((decode(certificate)?, decode(&user["client-key-data"])?)),
            None => None,
        };
        Ok(Self {
            address: address.trim_end_matches('/').to_owned(),
            ca: decode(&cluster["certificate-authority-data"])?,
            identity,
            token: user["token"].as_str().map(str::to_owned),
        })
    }
}

fn decode(value: &Value) -> Result<Vec<u8>> {
    let text = value.as_str().context("certificates have to be in the file itself")?;
    STANDARD.decode(text).context("not base64")
}
