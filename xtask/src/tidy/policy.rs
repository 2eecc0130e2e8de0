//! The part of `deny.toml` that `tidy` reads: who may depend on what, and which double versions are known.

use crate::workspace;
use anyhow::{Context, Result};
use serde::Deserialize;
use std::fs;

#[derive(Debug, Deserialize)]
pub(crate) struct Policy {
    pub(crate) bans: Bans,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Bans {
    pub(crate) deny: Vec<Ban>,
    pub(crate) skip: Vec<Exception>,
}

/// A crate that only its wrappers may depend on directly; without wrappers, a crate that must not be there.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ban {
    #[serde(rename = "crate")]
    pub(crate) name: String,
    pub(crate) wrappers: Option<Vec<String>>,
    pub(crate) reason: String,
}

/// An old version that may stand beside a newer one, as `NAME@VERSION-PREFIX`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Exception {
    #[serde(rename = "crate")]
    pub(crate) spec: String,
    /// Required by its presence here: an exception without a reason does not parse.
    #[serde(rename = "reason")]
    _reason: String,
}

impl Exception {
    pub(crate) fn covers(&self, name: &str, version: &str) -> bool {
        let Some((own_name, prefix)) = self.spec.split_once('@') else { return false };
        let rest = version.strip_prefix(prefix);
        own_name == name && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    }
}

pub(crate) fn read() -> Result<Policy> {
    let path = workspace::root().join("deny.toml");
    let text =
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    parse(&text).with_context(|| format!("in {}", path.display()))
}

pub(crate) fn parse(text: &str) -> Result<Policy> {
    Ok(toml::from_str(text)?)
}
