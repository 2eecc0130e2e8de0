//! Secrets: where they come from, and a type that cannot be printed.

use std::collections::BTreeMap;
use std::fmt;

use model::provider::SecretRef;
use thiserror::Error;
use zeroize::Zeroizing;

/// A token, password or key. It has no `Display`, its `Debug` says nothing, and its memory is
/// overwritten when it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text without white space around it: files and Secrets often end with a line break, which
    /// no header may hold.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.trim()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Why a secret or a ConfigMap cannot be had. The message names it and never quotes it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct Missing {
    pub message: String,
}

impl Missing {
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into() }
    }
}

/// Where secrets and ConfigMaps are. It is asked before every request, so that a new token counts
/// at once; an implementation answers from memory or a file.
pub trait Secrets: Send + Sync {
    /// The secret of that name. `audience` is the origin (`https://host:port`) that it will be sent
    /// to: an implementation may know secrets that are not for everyone.
    ///
    /// # Errors
    /// When there is none, or when it is not for that audience.
    fn secret(&self, reference: &SecretRef, audience: &str) -> Result<Secret, Missing>;

    /// The data of a ConfigMap: a plugin's address, or certificates.
    ///
    /// # Errors
    /// When there is none.
    fn config_map(&self, name: &str) -> Result<BTreeMap<String, String>, Missing>;
}

/// There are no secrets; for services that need none.
#[derive(Debug, Clone, Copy)]
pub struct NoSecrets;

impl Secrets for NoSecrets {
    fn secret(&self, reference: &SecretRef, _audience: &str) -> Result<Secret, Missing> {
        let SecretRef { secret_name, key } = reference;
        Err(Missing::new(format!("there is no secret `{secret_name}` with the key `{key}`")))
    }

    fn config_map(&self, name: &str) -> Result<BTreeMap<String, String>, Missing> {
        Err(Missing::new(format!("there is no ConfigMap `{name}`")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_printed_and_is_trimmed() {
        let secret = Secret::new("s3cr3t\n".to_owned());
        assert_eq!(format!("{secret:?}"), "Secret(…)");
        assert_eq!(secret.expose(), "s3cr3t");
    }
}
