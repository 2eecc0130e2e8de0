//! What an operator decides: which services may be asked, how much, and how long it may take.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use runtime::backoff::Backoff;
use thiserror::Error;

use crate::address::Lookup;

/// The settings of a collector. [`Config::default`] asks the public services and no others.
#[derive(Clone)]
pub struct Config {
    /// Which addresses may be asked, beside the public services in `endpoints`.
    pub allowed: Vec<Allowed>,
    pub allow_loopback: bool,
    /// Link-local addresses and the metadata services of clouds.
    pub allow_link_local: bool,
    /// Certificates, in PEM, of authorities that are trusted beside the system's.
    pub trusted_pem: Option<String>,
    /// An HTTP proxy for everything. Names are resolved by it, so addresses are not checked.
    pub proxy: Option<String>,
    pub budget: Budget,
    pub limits: Limits,
    pub timing: Timing,
    pub endpoints: Endpoints,
    pub aws: Aws,
    /// Who resolves names; the system's resolver when absent.
    pub lookup: Option<Arc<dyn Lookup>>,
}

/// How many requests one host may be sent. An answer "not modified" gives its request back, as the
/// services do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    pub requests: u32,
    pub per: Duration,
    /// Requests in flight at once, for one organisation.
    pub concurrency: usize,
}

/// Bounds of one crawl.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    pub max_body: usize,
    /// Pages of one list.
    pub max_pages: usize,
    /// Items of one list.
    pub max_items: usize,
    /// Bytes of remembered pages, of one organisation.
    pub max_cached: usize,
    /// Organisations, and answers, that are remembered.
    pub max_remembered: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// A page younger than this is not asked for again, so that many sets cost one crawl.
    pub fresh_for: Duration,
    /// A request that failed is not repeated within this time.
    pub failed_for: Duration,
    pub connect: Duration,
    /// One request, to the end of its body.
    pub request: Duration,
    pub crawl: Duration,
    /// The longest wait for the budget or at the service's wish; what needs longer is answered
    /// from memory.
    pub max_wait: Duration,
    pub retries: u32,
    pub backoff: Backoff,
}

/// Where the public services are. They need not be on the allow-list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoints {
    pub github: String,
    pub gitlab: String,
    pub bitbucket: String,
    pub azure: String,
    /// One address for all AWS services, as a gateway has; the regions' own when absent.
    pub aws: Option<String>,
}

/// How AWS is asked. The keys are `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and, if there is
/// one, `AWS_SESSION_TOKEN` of the secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aws {
    pub secret_name: String,
    /// For requests that name none.
    pub region: Option<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            allowed: Vec::new(),
            allow_loopback: false,
            allow_link_local: false,
            trusted_pem: None,
            proxy: None,
            // GitHub gives a token 5,000 requests an hour, and others use the token too.
            budget: Budget { requests: 3_600, per: Duration::from_secs(3_600), concurrency: 8 },
            limits: Limits {
                max_body: 8 << 20,
                // 100 pages of 100 are 10,000 repositories, the fleet's bound of applications.
                max_pages: 500,
                max_items: 50_000,
                max_cached: 32 << 20,
                max_remembered: 1_000,
            },
            timing: Timing {
                fresh_for: Duration::from_secs(30),
                failed_for: Duration::from_secs(10),
                connect: Duration::from_secs(10),
                request: Duration::from_secs(30),
                crawl: Duration::from_secs(600),
                max_wait: Duration::from_secs(5),
                retries: 2,
                backoff: Backoff::new(Duration::from_millis(200), 4, Duration::from_secs(5)),
            },
            endpoints: Endpoints::default(),
            aws: Aws { secret_name: "aws".to_owned(), region: None },
            lookup: None,
        }
    }
}

impl Default for Endpoints {
    fn default() -> Self {
        Self {
            github: "https://api.github.com/".to_owned(),
            gitlab: "https://gitlab.com/".to_owned(),
            bitbucket: "https://api.bitbucket.org/2.0".to_owned(),
            azure: "https://dev.azure.com".to_owned(),
            aws: None,
        }
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config").field("allowed", &self.allowed).finish_non_exhaustive()
    }
}

/// Why a setting cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ConfigError {
    #[error(
        "`{text}` cannot be allowed: {why}; write `https://host`, `https://host:port/path` or \
         `https://*.domain`"
    )]
    Allowed { text: String, why: &'static str },
    #[error("the trusted certificates cannot be used: {why}")]
    Trusted { why: String },
    #[error("the proxy's address cannot be used")]
    Proxy,
    #[error("HTTP cannot be set up: {why}")]
    Http { why: String },
}

/// One entry of the allow-list: a scheme, a host or all below a domain, a port, and the beginning
/// of the path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowed {
    scheme: String,
    host: String,
    /// `host` is a domain, and only names below it match.
    below: bool,
    port: Option<u16>,
    /// Ends with `/`, or is all of the path.
    path: String,
}

impl FromStr for Allowed {
    type Err = ConfigError;

    /// Reads `scheme://host[:port][/path]`; `https` when there is no scheme.
    fn from_str(text: &str) -> Result<Self, ConfigError> {
        let wrong = |why| ConfigError::Allowed { text: text.to_owned(), why };
        let full = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
        let below = full.contains("://*.");
        let url = Url::parse(&full.replacen("://*.", "://", 1))
            .map_err(|_malformed| wrong("it is no address"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(wrong("only http and https are spoken"));
        }
        if !url.username().is_empty() || url.password().is_some() || url.query().is_some() {
            return Err(wrong("it has more than a host and a path"));
        }
        let host = url.host_str().unwrap_or_default();
        if host.is_empty() || host.contains('*') {
            return Err(wrong("a `*` may only stand for what is before a domain"));
        }
        if below && !host.contains('.') {
            return Err(wrong("a whole top-level domain is too much"));
        }
        Ok(Self {
            scheme: url.scheme().to_owned(),
            host: host.to_owned(),
            below,
            port: url.port_or_known_default(),
            path: url.path().to_owned(),
        })
    }
}

impl Allowed {
    /// Whether it names this machine itself, which is refused unless loopback is allowed.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        let host = self.host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
    }

    pub(crate) fn covers(&self, url: &Url) -> bool {
        let host = url.host_str().unwrap_or_default();
        let same_host = if self.below {
            host.strip_suffix(self.host.as_str()).is_some_and(|rest| rest.ends_with('.'))
        } else {
            host == self.host
        };
        let below = |path: &str| {
            let prefix = self.path.trim_end_matches('/');
            path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        same_host
            && url.scheme() == self.scheme
            && url.port_or_known_default() == self.port
            && below(url.path())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(allowed: &str, url: &str) -> bool {
        allowed.parse::<Allowed>().unwrap().covers(&Url::parse(url).unwrap())
    }

    #[test]
    fn an_entry_covers_its_host_port_and_path_and_nothing_beside() {
        assert!(covers("git.example.com", "https://git.example.com/api/v4/"));
        assert!(covers("https://git.example.com/api", "https://git.example.com/api"));
        assert!(covers("https://git.example.com/api/", "https://git.example.com/api/v1"));
        assert!(!covers("https://git.example.com/api", "https://git.example.com/apix"));
        assert!(!covers("git.example.com", "http://git.example.com/"));
        assert!(!covers("git.example.com", "https://git.example.com:8443/"));
        assert!(!covers("git.example.com", "https://git.example.com.evil.test/"));
        assert!(covers("https://*.example.com", "https://a.b.example.com/x"));
        assert!(!covers("https://*.example.com", "https://example.com/x"));
        assert!(!covers("https://*.example.com", "https://evilexample.com/x"));
    }

    #[test]
    fn this_machine_is_known_by_its_names() {
        let is_loopback = |text: &str| text.parse::<Allowed>().unwrap().is_loopback();
        assert!(
            ["http://localhost:1", "http://127.0.0.1", "http://[::1]:80"]
                .map(is_loopback)
                .iter()
                .all(|is| *is)
        );
        assert!(!is_loopback("localhost.example.com") && !is_loopback("10.0.0.1"));
    }

    #[test]
    fn what_cannot_be_an_entry_is_refused() {
        for text in
            ["ftp://x", "https://user@host", "https://*", "https://*.com", "https://a*b.c", ""]
        {
            assert!(text.parse::<Allowed>().is_err(), "{text}");
        }
    }
}
