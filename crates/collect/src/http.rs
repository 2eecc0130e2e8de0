//! One exchange with a service: within the budget, to an address that is allowed, with a time limit
//! and a bound on the body; repeated when that is safe. Knows nothing of what is asked.
//!
//! Tasks: none of its own; the HTTP client has one per connection.

use std::collections::HashMap;
use std::error::Error as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue, LOCATION};
use reqwest::{Certificate, Client, Method, Response, StatusCode, Url};
use runtime::clock::Clock;
use tokio::sync::Semaphore;

use crate::address::{CheckedResolver, Policy, RefusedAddress, SystemLookup};
use crate::budget::Bucket;
use crate::config::{Config, ConfigError};
use crate::failure::{Failure, FailureKind, spoken};
use crate::wire::Headers;

/// A renamed repository needs one redirect; more is a loop.
const MAX_REDIRECTS: usize = 3;

/// Hosts with a budget; a request to one more starts the list anew.
const MAX_HOSTS: usize = 1_000;

/// What all crawlers share.
pub(crate) struct Shared {
    pub config: Config,
    pub clock: Clock,
    pub counters: Counters,
    clients: Mutex<HashMap<Trust, Client>>,
    buckets: Mutex<HashMap<String, Bucket>>,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub requests: AtomicU64,
    pub not_modified: AtomicU64,
    pub remembered: AtomicU64,
}

/// Which certificates a service may show.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Trust {
    /// Any at all.
    pub insecure: bool,
    /// Authorities beside the usual ones, in PEM.
    pub pem: Option<String>,
}

impl Shared {
    pub(crate) fn new(config: Config, clock: Clock) -> Result<Self, ConfigError> {
        runtime::tls::install_provider();
        let shared = Self {
            config,
            clock,
            counters: Counters::default(),
            clients: Mutex::default(),
            buckets: Mutex::default(),
        };
        // What is wrong with the settings is said at the start, not at the first request.
        shared.client(&Trust::default())?;
        Ok(shared)
    }

    pub(crate) fn policy(&self) -> Policy {
        Policy { loopback: self.config.allow_loopback, link_local: self.config.allow_link_local }
    }

    /// The client for a choice of certificates; connections are shared.
    pub(crate) fn client(&self, trust: &Trust) -> Result<Client, ConfigError> {
        let mut clients = lock(&self.clients);
        if let Some(client) = clients.get(trust) {
            return Ok(client.clone());
        }
        let client = self.build(trust)?;
        if clients.len() >= MAX_HOSTS {
            clients.clear();
        }
        clients.insert(trust.clone(), client.clone());
        Ok(client)
    }

    fn build(&self, trust: &Trust) -> Result<Client, ConfigError> {
        let config = &self.config;
        let lookup = config.lookup.clone().unwrap_or_else(|| Arc::new(SystemLookup));
        let resolver = CheckedResolver { lookup, policy: self.policy() };
        let mut builder = Client::builder()
            .user_agent(concat!("muster/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .connect_timeout(config.timing.connect)
            .dns_resolver(Arc::new(resolver))
            .tls_danger_accept_invalid_certs(trust.insecure)
            // The environment's proxy would see every token, and would resolve names for us.
            .no_proxy();
        if let Some(proxy) = &config.proxy {
            let proxy = reqwest::Proxy::all(proxy).map_err(|_address| ConfigError::Proxy)?;
            builder = builder.proxy(proxy);
        }
        for pem in [&config.trusted_pem, &trust.pem].into_iter().flatten() {
            let certificates = Certificate::from_pem_bundle(pem.as_bytes())
                .map_err(|error| ConfigError::Trusted { why: chain(&error) })?;
            if certificates.is_empty() {
                let why = "there is no \"BEGIN CERTIFICATE\" block".to_owned();
                return Err(ConfigError::Trusted { why });
            }
            builder = builder.tls_certs_merge(certificates);
        }
        builder.build().map_err(|error| ConfigError::Http { why: chain(&error) })
    }

    /// Whether a request may be made to this address.
    pub(crate) fn check(&self, url: &Url) -> Result<(), Failure> {
        let endpoints = &self.config.endpoints;
        let public = [
            Some(&endpoints.github),
            Some(&endpoints.gitlab),
            Some(&endpoints.bitbucket),
            Some(&endpoints.azure),
            endpoints.aws.as_ref(),
        ];
        let public = public.into_iter().flatten().filter_map(|text| Url::parse(text).ok());
        let known = public.into_iter().any(|known| known.origin() == url.origin())
            || aws_host(url)
            || self.config.allowed.iter().any(|allowed| allowed.covers(url));
        if !known {
            let origin = url.origin().ascii_serialization();
            return Err(Failure::new(
                FailureKind::Refused,
                format_args!(
                    "{origin} is not on the list of services that may be asked; the operator can \
                     allow `{origin}`"
                ),
            ));
        }
        self.policy().check_url(url).map_err(|refused| refusal(url, refused))
    }

    fn take(&self, host: &str) -> Result<(), Duration> {
        let now = self.clock.now();
        let mut buckets = lock(&self.buckets);
        if buckets.len() >= MAX_HOSTS && !buckets.contains_key(host) {
            buckets.clear();
        }
        let budget = self.config.budget;
        let bucket = buckets
            .entry(host.to_owned())
            .or_insert_with(|| Bucket::new(budget.requests, budget.per, now));
        bucket.take(now)
    }

    fn give_back(&self, host: &str) {
        if let Some(bucket) = lock(&self.buckets).get_mut(host) {
            bucket.give_back();
        }
    }
}

fn aws_host(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    url.scheme() == "https"
        && [".amazonaws.com", ".amazonaws.com.cn"].iter().any(|domain| host.ends_with(domain))
}

/// What is sent.
pub(crate) struct Outgoing {
    pub method: Method,
    pub url: Url,
    pub headers: HeaderMap,
    pub body: Option<Vec<u8>>,
    /// Sending it twice does no more than sending it once.
    pub repeatable: bool,
    pub timeout: Option<Duration>,
}

impl Outgoing {
    pub(crate) fn get(url: Url, headers: HeaderMap) -> Self {
        Self { method: Method::GET, url, headers, body: None, repeatable: true, timeout: None }
    }
}

/// What came.
pub(crate) struct Incoming {
    pub status: u16,
    pub headers: Headers,
    pub body: Vec<u8>,
}

/// The way to one service with one credential.
pub(crate) struct Channel {
    shared: Arc<Shared>,
    client: Client,
    permits: Semaphore,
    /// The service wants to be left alone until then.
    quiet_until: Mutex<Duration>,
}

impl Channel {
    pub(crate) fn new(shared: Arc<Shared>, client: Client) -> Self {
        let permits = Semaphore::new(shared.config.budget.concurrency.max(1));
        Self { shared, client, permits, quiet_until: Mutex::default() }
    }

    /// Sends a request and reads the answer, whatever its status; a redirect to elsewhere is a
    /// failure.
    pub(crate) async fn exchange(&self, outgoing: &Outgoing) -> Result<Incoming, Failure> {
        let timing = self.shared.config.timing;
        let mut attempt = 0;
        loop {
            let result = self.attempt(outgoing).await;
            let asked = match &result {
                Ok(incoming) if !passing(incoming.status) => return result,
                Ok(incoming) => incoming.headers.pause(self.shared.clock.wall_ms()),
                Err(failure)
                    if !matches!(failure.kind, FailureKind::Network | FailureKind::Timeout) =>
                {
                    return result;
                }
                Err(_) => None,
            };
            let wait = asked.unwrap_or_else(|| timing.backoff.jittered(attempt, &mut rand::rng()));
            if !outgoing.repeatable || attempt >= timing.retries || wait > timing.max_wait {
                return result;
            }
            attempt += 1;
            tokio::time::sleep(wait).await;
        }
    }

    async fn attempt(&self, outgoing: &Outgoing) -> Result<Incoming, Failure> {
        let mut url = outgoing.url.clone();
        for _ in 0..=MAX_REDIRECTS {
            self.admit(&url).await?;
            let permit = self.permits.acquire().await.expect("the semaphore is never closed");
            let response = self.send(outgoing, &url).await?;
            if response.status().is_redirection() && response.status() != StatusCode::NOT_MODIFIED {
                url = redirected(outgoing, &url, &response)?;
                continue;
            }
            let incoming = self.read(response, &url).await;
            drop(permit);
            return incoming;
        }
        Err(redirect(&outgoing.url, "itself, again and again"))
    }

    /// Waits until a request may be sent, unless that takes too long.
    async fn admit(&self, url: &Url) -> Result<(), Failure> {
        let host = url.origin().ascii_serialization();
        let most = self.shared.config.timing.max_wait;
        if let Some(wait) = self.quiet() {
            if wait > most {
                return Err(limited(&host, "asks for no more requests", wait));
            }
            tokio::time::sleep(wait).await;
        }
        let Err(wait) = self.shared.take(&host) else { return Ok(()) };
        let spent = "has had all requests of our budget";
        if wait > most {
            return Err(limited(&host, spent, wait));
        }
        tokio::time::sleep(wait).await;
        self.shared.take(&host).map_err(|wait| limited(&host, spent, wait))
    }

    fn quiet(&self) -> Option<Duration> {
        let wait = lock(&self.quiet_until).saturating_sub(self.shared.clock.now());
        (!wait.is_zero()).then_some(wait)
    }

    async fn send(&self, outgoing: &Outgoing, url: &Url) -> Result<Response, Failure> {
        self.shared.counters.requests.fetch_add(1, Ordering::Relaxed);
        let timeout = outgoing.timeout.unwrap_or(self.shared.config.timing.request);
        let mut request = self
            .client
            .request(outgoing.method.clone(), url.clone())
            .headers(outgoing.headers.clone())
            .timeout(timeout);
        if let Some(body) = &outgoing.body {
            request = request.body(body.clone());
        }
        let response = request.send().await.map_err(|error| broken(url, &error))?;
        tracing::debug!(place = place(url), status = response.status().as_u16(), "asked");
        Ok(response)
    }

    async fn read(&self, mut response: Response, url: &Url) -> Result<Incoming, Failure> {
        let status = response.status().as_u16();
        let headers = read_headers(response.headers());
        if let Some(pause) = headers.pause(self.shared.clock.wall_ms()) {
            let until = self.shared.clock.now().saturating_add(pause);
            let mut quiet = lock(&self.quiet_until);
            *quiet = until.max(*quiet);
        }
        if status == StatusCode::NOT_MODIFIED.as_u16() {
            self.shared.counters.not_modified.fetch_add(1, Ordering::Relaxed);
            self.shared.give_back(&url.origin().ascii_serialization());
        }
        let most = self.shared.config.limits.max_body;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| broken(url, &error))? {
            if body.len() + chunk.len() > most {
                return Err(Failure::new(
                    FailureKind::TooMuch,
                    format_args!("{} sent more than {most} bytes", place(url)),
                ));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Incoming { status, headers, body })
    }
}

/// A status that may be another one in a moment.
fn passing(status: u16) -> bool {
    matches!(status, 429 | 500 | 502 | 503 | 504)
}

/// Where a redirect leads, when it stays with the service: the credential goes along.
fn redirected(outgoing: &Outgoing, from: &Url, response: &Response) -> Result<Url, Failure> {
    let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
    let Some(to) = location.and_then(|location| from.join(location).ok()) else {
        return Err(redirect(from, "nowhere"));
    };
    if outgoing.method != Method::GET || to.origin() != from.origin() {
        // Without the query: that of a login page may hold a token.
        return Err(redirect(from, &place(&to)));
    }
    Ok(to)
}

fn redirect(from: &Url, to: &str) -> Failure {
    Failure::new(
        FailureKind::Redirect,
        format_args!(
            "{} redirects to {to}, as to a login page; check the address and the token",
            place(from)
        ),
    )
}

fn limited(host: &str, what: &str, wait: Duration) -> Failure {
    let message = format!("{host} {what}; the next one in {}", spoken(wait));
    Failure::new(FailureKind::RateLimited, message)
}

fn refusal(url: &Url, refused: RefusedAddress) -> Failure {
    Failure::new(FailureKind::Refused, format_args!("{}: {refused}", place(url)))
}

fn broken(url: &Url, error: &reqwest::Error) -> Failure {
    let mut source = error.source();
    while let Some(inner) = source {
        if let Some(refused) = inner.downcast_ref::<RefusedAddress>() {
            return refusal(url, *refused);
        }
        source = inner.source();
    }
    let kind = if error.is_timeout() { FailureKind::Timeout } else { FailureKind::Network };
    Failure::new(kind, format_args!("{}: {}", place(url), chain(error)))
}

/// The messages from the outside in, each once, without the address and its query.
fn chain(error: &reqwest::Error) -> String {
    let mut parts = Vec::new();
    let mut next: Option<&dyn std::error::Error> = error.source();
    while let Some(source) = next {
        let message = source.to_string();
        if !parts.contains(&message) {
            parts.push(message);
        }
        next = source.source();
    }
    if parts.is_empty() { "the request failed".to_owned() } else { parts.join(": ") }
}

/// An address without what may be secret or long.
pub(crate) fn place(url: &Url) -> String {
    let path: String = url.path().chars().take(200).collect();
    format!("{}{path}", url.origin().ascii_serialization())
}

fn read_headers(headers: &HeaderMap) -> Headers {
    let texts =
        headers.iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
    Headers::read(texts)
}

/// A header whose value no log shows.
pub(crate) fn sensitive(
    name: HeaderName,
    value: &str,
) -> Result<(HeaderName, HeaderValue), Failure> {
    let mut value = HeaderValue::from_str(value).map_err(|_bytes| {
        let what = "a secret has characters that no HTTP header can hold, such as a line break";
        Failure::new(FailureKind::Secret, what)
    })?;
    value.set_sensitive(true);
    Ok((name, value))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
