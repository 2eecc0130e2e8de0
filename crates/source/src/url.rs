//! The name of a repository: parsed strictly, shown without secrets, compared in a normal form.
//!
//! What is not on the list is refused: local paths, helper transports (`ext::`), hosts, users and
//! paths that a program could take for an option, passwords in the URL. Whether `http` and `file`
//! may be used is not decided here but by the [`UrlPolicy`](crate::UrlPolicy) of the mirrors.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

use thiserror::Error;

#[cfg(test)]
mod tests;

/// Longer ones are hostile.
const MAX_BYTES: usize = 2048;
/// How much of a refused URL a message quotes.
const QUOTED_CHARS: usize = 120;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scheme {
    Https,
    Http,
    Ssh,
    File,
}

impl Scheme {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Https => "https",
            Self::Http => "http",
            Self::Ssh => "ssh",
            Self::File => "file",
        }
    }
}

/// The URL of a Git repository.
///
/// Equality ignores what makes no difference to a Git host: the case of the host, the default
/// port, a trailing `/` and `.git`, and a user name in an `https` URL. `host:path` and
/// `ssh://host/path` differ: the first is relative to the user's home.
#[derive(Clone)]
pub struct RepoUrl(Arc<Parts>);

/// Apart, so that the name of a repository is cheap to pass around and to put into an error.
struct Parts {
    scheme: Scheme,
    /// Only for `ssh`.
    user: Option<String>,
    /// Lower case; empty for `file`.
    host: String,
    /// Only when it is not the scheme's own.
    port: Option<u16>,
    /// Without a leading or trailing `/`.
    path: String,
    /// From the form `host:path`.
    home_relative: bool,
}

/// A text that is not a usable repository URL.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the repository URL {url:?} {rule}")]
pub struct UrlError {
    /// Without what could be a secret.
    url: String,
    rule: &'static str,
}

const FORMS: &str = "is not one of https://HOST/PATH, ssh://USER@HOST/PATH and USER@HOST:PATH";

impl RepoUrl {
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let url = Self::parse_prefix(text)?;
        if url.0.path.is_empty() {
            return Err(refuse(text, "has no path; it names a host, not a repository"));
        }
        Ok(url)
    }

    /// Like `parse`, but the path may be empty: all repositories of a host.
    pub(crate) fn parse_prefix(text: &str) -> Result<Self, UrlError> {
        parse(text).map(|parts| Self(Arc::new(parts))).map_err(|rule| refuse(text, rule))
    }

    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.0.scheme
    }

    pub(crate) fn user(&self) -> Option<&str> {
        self.0.user.as_deref()
    }

    pub(crate) fn host(&self) -> &str {
        &self.0.host
    }

    pub(crate) fn port(&self) -> Option<u16> {
        self.0.port
    }

    /// The path as the other side is asked for it; absolute unless relative to the user's home.
    pub(crate) fn remote_path(&self) -> String {
        if self.0.home_relative { self.0.path.clone() } else { format!("/{}", self.0.path) }
    }

    /// The components of the path, without a final `.git`.
    pub(crate) fn components(&self) -> impl Iterator<Item = &str> {
        self.0
            .path
            .strip_suffix(".git")
            .unwrap_or(&self.0.path)
            .split('/')
            .filter(|c| !c.is_empty())
    }

    /// What two URLs of one repository have in common; the mirror's folder is named by its digest.
    pub(crate) fn key(&self) -> String {
        let user = self.0.user.as_deref().unwrap_or_default();
        let port = self.0.port.map(|port| port.to_string()).unwrap_or_default();
        let home = if self.0.home_relative { "~" } else { "" };
        let path: Vec<_> = self.components().collect();
        let scheme = self.0.scheme.as_str();
        format!("{scheme}://{user}@{}:{port}/{home}/{}", self.0.host, path.join("/"))
    }
}

impl PartialEq for RepoUrl {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for RepoUrl {}

impl Hash for RepoUrl {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

impl PartialOrd for RepoUrl {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for RepoUrl {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

impl fmt::Display for RepoUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.home_relative {
            return write!(f, "{}:{}", self.0.host, self.0.path);
        }
        write!(f, "{}://{}", self.0.scheme.as_str(), self.0.host)?;
        if let Some(port) = self.0.port {
            write!(f, ":{port}")?;
        }
        write!(f, "/{}", self.0.path)
    }
}

impl fmt::Debug for RepoUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for RepoUrl {
    type Err = UrlError;
    fn from_str(text: &str) -> Result<Self, UrlError> {
        Self::parse(text)
    }
}

type Rule = &'static str;

fn refuse(text: &str, rule: Rule) -> UrlError {
    UrlError { url: redact(text), rule }
}

/// The part of a text that cannot hold a password, whatever the text was meant to be.
fn redact(text: &str) -> String {
    let scheme = text.split_once("://").map(|(scheme, _)| scheme);
    let rest = text.rsplit_once('@').map_or(text, |(_, rest)| rest);
    let secret_in_front = rest.len() < text.len();
    let query_before_user = text.find(['?', '#']).is_some_and(|at| at < text.len() - rest.len());
    let shown = match (scheme, secret_in_front) {
        (Some(scheme), _) if query_before_user => format!("{scheme}://…"),
        (None, _) if query_before_user => "…".to_owned(),
        (Some(scheme), true) => format!("{scheme}://{rest}"),
        _ => rest.to_owned(),
    };
    let shown = shown.split(['?', '#']).next().unwrap_or_default();
    shown.chars().take(QUOTED_CHARS).collect()
}

fn parse(text: &str) -> Result<Parts, Rule> {
    if text.is_empty() {
        return Err("is empty");
    }
    if text.len() > MAX_BYTES {
        return Err("is longer than 2048 bytes");
    }
    if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err("holds white space or a control character");
    }
    match text.split_once("://") {
        // The parser for the web would guess what these mean.
        Some(("https" | "http", rest)) if rest.starts_with('/') || rest.contains('\\') => {
            Err(FORMS)
        }
        Some(("https", _)) => parse_http(text, Scheme::Https),
        Some(("http", _)) => parse_http(text, Scheme::Http),
        Some(("ssh", rest)) => parse_ssh(rest),
        Some(("file", rest)) => parse_file(rest),
        Some(_) => Err("has a scheme that is not supported; use https:// or ssh://"),
        None => parse_scp(text),
    }
}

fn parse_http(text: &str, scheme: Scheme) -> Result<Parts, Rule> {
    let url = reqwest::Url::parse(text).map_err(|_malformed| FORMS)?;
    if url.password().is_some() {
        return Err("holds a password; put it into the credentials, not into the URL");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("has a query or a fragment; a repository URL has none");
    }
    let host = url.host_str().unwrap_or_default();
    if host.is_empty() || host.starts_with('-') {
        return Err("has no usable host");
    }
    let path = url.path().trim_matches('/');
    if path.split('/').any(|component| component.eq_ignore_ascii_case("%2e%2e")) {
        return Err("has a path that leaves its folder");
    }
    Ok(Parts {
        scheme,
        user: None,
        host: host.to_owned(),
        port: url.port(),
        path: path.to_owned(),
        home_relative: false,
    })
}

fn parse_ssh(rest: &str) -> Result<Parts, Rule> {
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (user, host_and_port) = split_user(authority)?;
    let (host, port) = match host_and_port.rsplit_once(':') {
        // A colon inside of brackets belongs to the address.
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (host_and_port, None),
    };
    let port = match port {
        None => None,
        Some(digits) => Some(digits.parse().map_err(|_not_a_port| "has a port that is no number")?),
    };
    ssh(user, host, port.filter(|port| *port != 22), path, false)
}

fn parse_scp(text: &str) -> Result<Parts, Rule> {
    if text.starts_with(['/', '.', '~']) {
        return Err("is a local path; only repositories on a server can be used");
    }
    let (authority, path) = text.split_once(':').ok_or(FORMS)?;
    if authority.contains('/') || path.starts_with(':') {
        return Err(FORMS);
    }
    let (user, host) = split_user(authority)?;
    match path.strip_prefix('/') {
        // `host:/path` is absolute, as in `ssh://host/path`.
        Some(absolute) => ssh(user, host, None, absolute, false),
        None => ssh(user, host, None, path, true),
    }
}

fn split_user(authority: &str) -> Result<(Option<&str>, &str), Rule> {
    let Some((user, host)) = authority.rsplit_once('@') else { return Ok((None, authority)) };
    if user.contains(':') {
        return Err("holds a password; put it into the credentials, not into the URL");
    }
    let plain = user.chars().all(|c| c.is_ascii_alphanumeric() || "._-+".contains(c));
    if user.is_empty() || user.starts_with('-') || !plain {
        return Err("has a user name that ssh could misread");
    }
    Ok((Some(user), host))
}

fn ssh(
    user: Option<&str>,
    host: &str,
    port: Option<u16>,
    path: &str,
    home_relative: bool,
) -> Result<Parts, Rule> {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let plain = match bare {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => host.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c)),
    };
    if host.is_empty() || host.starts_with('-') || !plain {
        return Err("has a host that ssh could misread");
    }
    check_path(path)?;
    Ok(Parts {
        scheme: Scheme::Ssh,
        user: user.map(str::to_owned),
        host: host.to_ascii_lowercase(),
        port,
        path: path.trim_matches('/').to_owned(),
        home_relative,
    })
}

fn parse_file(rest: &str) -> Result<Parts, Rule> {
    let path = rest.strip_prefix('/').ok_or("names a host; a file URL is file:///PATH")?;
    if path.split('/').any(|component| component == "..") {
        return Err("has a path that leaves its folder");
    }
    Ok(Parts {
        scheme: Scheme::File,
        user: None,
        host: String::new(),
        port: None,
        path: path.trim_matches('/').to_owned(),
        home_relative: false,
    })
}

/// The path goes through a shell on the other side: no character that means something to one.
fn check_path(path: &str) -> Result<(), Rule> {
    if path.starts_with('-') {
        return Err("has a path that could be taken for an option");
    }
    if path.split('/').any(|component| component == "..") {
        return Err("has a path that leaves its folder");
    }
    if path.chars().any(|c| !c.is_alphanumeric() && !"/._-~+@:,=".contains(c)) {
        return Err("has a character in its path that a shell could misread");
    }
    Ok(())
}
