//! Secrets for repositories, each bound to the URLs it may be sent to.
//!
//! A secret leaves only for the scheme, host and port it was given for, below its path, compared
//! by components. It is never shown; the caller loads it.

use std::fmt;
use std::path::PathBuf;

use thiserror::Error;

use crate::url::{RepoUrl, Scheme, UrlError};

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CredentialsError {
    #[error(transparent)]
    Url(#[from] UrlError),
    #[error("the credentials for {prefix} are of the wrong kind: {rule}")]
    Kind { prefix: RepoUrl, rule: &'static str },
    #[error("the secret for {prefix} holds a line break or another control character")]
    Characters { prefix: RepoUrl },
}

/// What proves who we are.
#[derive(Clone)]
pub enum Secret {
    /// A user name with a password or an access token, over HTTP.
    Basic { username: String, password: String },
    /// A token of its own, over HTTP.
    Bearer { token: String },
    /// A private key for ssh, and the host keys that are trusted.
    SshKey { key_file: PathBuf, known_hosts_file: PathBuf },
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Basic { .. } => "Basic(…)",
            Self::Bearer { .. } => "Bearer(…)",
            Self::SshKey { .. } => "SshKey(…)",
        })
    }
}

/// All secrets of a process.
#[derive(Debug, Clone, Default)]
pub struct Credentials {
    entries: Vec<(RepoUrl, Secret)>,
    certificates: Vec<Vec<u8>>,
}

impl Credentials {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Binds a secret to a repository, or to all below a URL such as `https://git.example/team`.
    pub fn add(&mut self, prefix: &str, secret: Secret) -> Result<(), CredentialsError> {
        let prefix = RepoUrl::parse_prefix(prefix)?;
        let over_http = matches!(prefix.scheme(), Scheme::Https | Scheme::Http);
        let rule = match secret {
            _ if prefix.scheme() == Scheme::File => Some("a file URL takes none"),
            Secret::SshKey { .. } if over_http => Some("an ssh key is for ssh URLs"),
            Secret::Basic { .. } | Secret::Bearer { .. } if !over_http => {
                Some("a password or token is for https URLs")
            }
            _ => None,
        };
        if let Some(rule) = rule {
            return Err(CredentialsError::Kind { prefix, rule });
        }
        if has_control_characters(&secret) {
            return Err(CredentialsError::Characters { prefix });
        }
        self.entries.push((prefix, secret));
        Ok(())
    }

    /// Trusts further CA certificates, in PEM, for `https` repositories.
    pub fn trust_pem(&mut self, pem: Vec<u8>) {
        self.certificates.push(pem);
    }

    pub(crate) fn trusted_pems(&self) -> &[Vec<u8>] {
        &self.certificates
    }

    /// The secret with the longest prefix of `url`.
    pub(crate) fn find(&self, url: &RepoUrl) -> Option<&Secret> {
        self.entries
            .iter()
            .filter(|(prefix, _)| covers(prefix, url))
            .max_by_key(|(prefix, _)| prefix.components().count())
            .map(|(_, secret)| secret)
    }
}

/// A header may not hold a line break, and a password has no reason to.
fn has_control_characters(secret: &Secret) -> bool {
    match secret {
        Secret::Basic { username, password } => {
            username.contains(':') || [username, password].iter().any(|t| has_control(t))
        }
        Secret::Bearer { token } => has_control(token),
        Secret::SshKey { .. } => false,
    }
}

fn has_control(text: &str) -> bool {
    text.chars().any(char::is_control)
}

fn covers(prefix: &RepoUrl, url: &RepoUrl) -> bool {
    let place = |url: &RepoUrl| (url.scheme(), url.host().to_owned(), url.port());
    let user_fits = prefix.user().is_none() || prefix.user() == url.user();
    let mut components = url.components();
    place(prefix) == place(url)
        && user_fits
        && prefix.components().all(|component| components.next() == Some(component))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bearer(token: &str) -> Secret {
        Secret::Bearer { token: token.to_owned() }
    }

    fn found(credentials: &Credentials, url: &str) -> Option<String> {
        match credentials.find(&RepoUrl::parse(url).unwrap()) {
            Some(Secret::Bearer { token }) => Some(token.clone()),
            Some(_) => Some("another kind".to_owned()),
            None => None,
        }
    }

    #[test]
    fn a_secret_goes_only_to_its_own_place() {
        let mut credentials = Credentials::new();
        credentials.add("https://git.example/team", bearer("team")).unwrap();
        credentials.add("https://git.example/team/special.git", bearer("special")).unwrap();
        let found = |url| found(&credentials, url);
        assert_eq!(found("https://git.example/team/r").as_deref(), Some("team"));
        assert_eq!(found("https://git.example/team/special").as_deref(), Some("special"));
        assert_eq!(found("https://git.example/team/special/x").as_deref(), Some("special"));
        for stranger in [
            "http://git.example/team/r",
            "https://git.example:8443/team/r",
            "https://git.example.evil.example/team/r",
            "https://evil.example/team/r",
            "https://git.example/team2/r",
            "https://git.example/x/../team2",
            "https://git.example/other/team",
            "ssh://git.example/team/r",
        ] {
            assert_eq!(found(stranger), None, "{stranger}");
        }
    }

    #[test]
    fn an_ssh_user_in_the_prefix_must_be_the_same() {
        let key = || Secret::SshKey { key_file: "k".into(), known_hosts_file: "h".into() };
        let mut credentials = Credentials::new();
        credentials.add("ssh://git@git.example", key()).unwrap();
        assert!(credentials.find(&RepoUrl::parse("git@git.example:o/r").unwrap()).is_some());
        assert!(credentials.find(&RepoUrl::parse("you@git.example:o/r").unwrap()).is_none());
    }

    #[test]
    fn a_secret_of_the_wrong_kind_is_refused_and_none_is_shown() {
        let mut credentials = Credentials::new();
        assert!(credentials.add("ssh://git.example", bearer("hunter2")).is_err());
        assert!(credentials.add("https://git.example", bearer("hunter2\nX: y")).is_err());
        let basic = Secret::Basic { username: "me".into(), password: "hunter2".into() };
        credentials.add("https://git.example", basic).unwrap();
        assert!(!format!("{credentials:?}").contains("hunter2"));
    }
}
