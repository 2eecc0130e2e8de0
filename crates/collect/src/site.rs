//! A crawler: one service, one organisation, one credential. It remembers pages with what the
//! service needs to say "not modified", and asks each question once, however many want to know.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use reqwest::header::{
    ACCEPT, HeaderMap, HeaderName, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH,
};
use reqwest::{Method, Url};
use serde_json::Value;
use tokio::sync::Mutex;

use crate::auth::{Auth, Credential};
use crate::cache::Cache;
use crate::call::Call;
use crate::failure::{Failure, FailureKind};
use crate::http::{Channel, Incoming, Outgoing, Shared, Trust, place};
use crate::secret::Secrets;
use crate::wire::{self, Headers, Kind, Page};

/// What tells one crawler from another. Names of secrets, never secrets.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Identity {
    pub service: &'static str,
    pub base: Url,
    pub organization: String,
    pub auth: Auth,
    pub trust: Trust,
}

/// An answer as it arrived. Without a page when the service says that there is no such thing.
#[derive(Debug)]
pub(crate) struct Reply {
    pub page: Option<Page>,
    pub headers: Headers,
}

pub(crate) struct Site {
    pub identity: Identity,
    pub shared: Arc<Shared>,
    pub(crate) secrets: Arc<dyn Secrets>,
    pub(crate) channel: Channel,
    pub(crate) credential: Mutex<Option<Credential>>,
    slots: Cache<String, Arc<Mutex<Slot>>>,
}

/// The last answer to one question. The lock is held while it is asked, so that others wait for the
/// same answer.
#[derive(Default)]
struct Slot {
    reply: Option<(Arc<Reply>, Duration)>,
    failure: Option<(Failure, Duration)>,
}

/// The weight of a slot that holds nothing yet.
const EMPTY_SLOT: usize = 400;

impl Site {
    pub(crate) fn new(
        identity: Identity,
        shared: Arc<Shared>,
        secrets: Arc<dyn Secrets>,
    ) -> Result<Self, Failure> {
        shared.check(&identity.base)?;
        let client = shared
            .client(&identity.trust)
            .map_err(|error| Failure::new(FailureKind::Secret, error))?;
        Ok(Self {
            identity,
            channel: Channel::new(Arc::clone(&shared), client),
            slots: Cache::new(shared.config.limits.max_cached),
            credential: Mutex::default(),
            shared,
            secrets,
        })
    }

    /// Asks, or remembers.
    pub(crate) async fn ask(&self, call: &Call) -> Result<Arc<Reply>, Failure> {
        let key = call.key();
        let slot = self.slots.get_or_insert(&key, EMPTY_SLOT, Arc::default);
        let mut slot = slot.lock().await;
        if let Some(known) = self.known(call, &slot) {
            self.shared.counters.remembered.fetch_add(1, Ordering::Relaxed);
            return known;
        }
        let before = slot.reply.as_ref().map(|(reply, _)| Arc::clone(reply));
        let result = self.fetch(call, before.as_deref()).await;
        let now = self.shared.clock.now();
        match result {
            // Not modified.
            Ok(None) => {
                let reply = before.expect("only a question with an answer is asked conditionally");
                slot.reply = Some((Arc::clone(&reply), now));
                slot.failure = None;
                Ok(reply)
            }
            Ok(Some(reply)) => {
                let weight = reply.page.as_ref().map_or(0, |page| page.content.weight());
                self.slots.weigh(&key, EMPTY_SLOT + 2 * key.len() + weight);
                let reply = Arc::new(reply);
                *slot = Slot { reply: Some((Arc::clone(&reply), now)), failure: None };
                Ok(reply)
            }
            Err(failure) => {
                slot.failure = Some((failure.clone(), now));
                Err(failure)
            }
        }
    }

    fn known(&self, call: &Call, slot: &Slot) -> Option<Result<Arc<Reply>, Failure>> {
        let now = self.shared.clock.now();
        let timing = self.shared.config.timing;
        let young = |at: Duration, most: Duration| now.saturating_sub(at) < most;
        if let Some((failure, at)) = &slot.failure {
            return young(*at, timing.failed_for).then(|| Err(failure.clone()));
        }
        let (reply, at) = slot.reply.as_ref()?;
        (call.lasting || young(*at, timing.fresh_for)).then(|| Ok(Arc::clone(reply)))
    }

    /// `None` when what was known is still so.
    async fn fetch(&self, call: &Call, before: Option<&Reply>) -> Result<Option<Reply>, Failure> {
        let outgoing = self.outgoing(call, before).await?;
        let incoming = self.channel.exchange(&outgoing).await?;
        let Incoming { status, headers, body } = incoming;
        match status {
            200 => {
                let page = self.page(call, &headers, &body)?;
                Ok(Some(Reply { page: Some(page), headers }))
            }
            304 if outgoing.headers.contains_key(IF_NONE_MATCH)
                || outgoing.headers.contains_key(IF_MODIFIED_SINCE) =>
            {
                Ok(None)
            }
            _ if call.kind.takes(&headers.content_type)
                && wire::absent(call.kind, status, &body) =>
            {
                Ok(Some(Reply { page: None, headers }))
            }
            401 => {
                // The next request gets a new one, where it can be made.
                *self.credential.lock().await = None;
                Err(self.refused(call, status, &headers, &body))
            }
            _ => Err(self.refused(call, status, &headers, &body)),
        }
    }

    fn page(&self, call: &Call, headers: &Headers, body: &[u8]) -> Result<Page, Failure> {
        if !call.kind.takes(&headers.content_type) {
            let found = match headers.content_type.split(';').next().unwrap_or_default().trim() {
                "" => "something without a content type".to_owned(),
                "text/html" => "a web page (text/html)".to_owned(),
                other => other.chars().take(80).collect(),
            };
            return Err(Failure::new(
                FailureKind::ContentType,
                format_args!(
                    "{} answered with {found} where data was expected; check the address and the \
                     token",
                    place(&call.url)
                ),
            ));
        }
        wire::parse(call.kind, body).map_err(|error| {
            let kind = match error {
                wire::WireError::TooLarge => FailureKind::TooMuch,
                _ => FailureKind::Shape,
            };
            Failure::new(kind, format_args!("{} answered with {error}", place(&call.url)))
        })
    }

    /// The failure that a status is.
    fn refused(&self, call: &Call, status: u16, headers: &Headers, body: &[u8]) -> Failure {
        let place = place(&call.url);
        let wait = headers.pause(self.shared.clock.wall_ms());
        let (kind, why) = match (status, wire::aws_error(call.kind, body)) {
            (429, _) | (403 | 503, _) if status == 429 || wait.is_some() => {
                (FailureKind::RateLimited, "too many requests".to_owned())
            }
            (400, Some(wire::AwsError::Throttled)) => {
                (FailureKind::RateLimited, "too many requests".to_owned())
            }
            (400, Some(wire::AwsError::Credential)) | (401, _) => (
                FailureKind::Unauthorized,
                "the credential is missing, wrong or expired".to_owned(),
            ),
            (403, _) => (FailureKind::Unauthorized, "the credential may not see this".to_owned()),
            (404 | 410, _) => {
                let why = "it is not there, or the credential may not see it".to_owned();
                (FailureKind::NotFound, why)
            }
            _ => (FailureKind::Status, "that is no answer".to_owned()),
        };
        let wait = wait.filter(|_| kind == FailureKind::RateLimited);
        let wait = wait.map(|wait| format!(", and again in {}", crate::failure::spoken(wait)));
        Failure::new(
            kind,
            format_args!(
                "{place} answered with status {status}: {why}{}",
                wait.unwrap_or_default()
            ),
        )
    }

    async fn outgoing(&self, call: &Call, before: Option<&Reply>) -> Result<Outgoing, Failure> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, accept(call.kind));
        let body = call.body.as_ref().map(|body| Value::Object(body.json.clone()).to_string());
        let body = body.map(String::into_bytes);
        self.authorize(call, body.as_deref().unwrap_or_default(), &mut headers).await?;
        match body {
            Some(body) => {
                headers
                    .entry("content-type")
                    .or_insert(HeaderValue::from_static("application/json"));
                let repeatable = call.body.as_ref().is_some_and(|body| body.aws.is_some());
                let (method, url, timeout) = (Method::POST, call.url.clone(), call.timeout);
                Ok(Outgoing { method, url, headers, body: Some(body), repeatable, timeout })
            }
            None => {
                conditions(&mut headers, before);
                Ok(Outgoing::get(call.url.clone(), headers))
            }
        }
    }
}

/// Asks only for what has changed.
fn conditions(headers: &mut HeaderMap, before: Option<&Reply>) {
    let Some(before) = before else { return };
    let mut add = |name: HeaderName, value: &Option<String>| {
        if let Some(value) = value.as_deref().and_then(|text| HeaderValue::from_str(text).ok()) {
            headers.insert(name, value);
        }
    };
    add(IF_NONE_MATCH, &before.headers.etag);
    if before.headers.etag.is_none() {
        add(IF_MODIFIED_SINCE, &before.headers.last_modified);
    }
}

fn accept(kind: Kind) -> HeaderValue {
    HeaderValue::from_static(match kind {
        Kind::GithubRepositories
        | Kind::GithubBranch
        | Kind::GithubBranches
        | Kind::GithubContents
        | Kind::GithubPullRequests
        | Kind::GithubInstallation
        | Kind::GithubToken => "application/vnd.github+json",
        Kind::AwsRole => "text/xml",
        _ => "application/json",
    })
}

/// All crawlers of a collector.
pub(crate) struct Sites {
    shared: Arc<Shared>,
    secrets: Arc<dyn Secrets>,
    known: std::sync::Mutex<BTreeMap<Identity, Arc<Site>>>,
}

impl Sites {
    pub(crate) fn new(shared: Arc<Shared>, secrets: Arc<dyn Secrets>) -> Self {
        Self { shared, secrets, known: std::sync::Mutex::default() }
    }

    pub(crate) fn site(&self, identity: Identity) -> Result<Arc<Site>, Failure> {
        let mut known = self.known.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(site) = known.get(&identity) {
            return Ok(Arc::clone(site));
        }
        if known.len() >= self.shared.config.limits.max_remembered {
            known.clear();
        }
        let (shared, secrets) = (Arc::clone(&self.shared), Arc::clone(&self.secrets));
        let site = Arc::new(Site::new(identity.clone(), shared, secrets)?);
        known.insert(identity, Arc::clone(&site));
        Ok(site)
    }

    pub(crate) fn clear(&self) {
        self.known.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clear();
    }

    pub(crate) fn secrets(&self) -> &dyn Secrets {
        &*self.secrets
    }
}
