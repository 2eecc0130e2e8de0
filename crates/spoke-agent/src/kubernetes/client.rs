//! The requests that the engine makes, one function each. Thin: they build a URL, send, and sort
//! the answer; they never retry.

use std::fmt::Write as _;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use kube::client::Body;
use model::manifest::ObjectKey;
use serde_json::json;

use super::answer::{self, Refusal, RefusalKind, Subject};
use super::discovery::Resource;
use super::metadata::{self, Observation};

/// How long one request may take. An apply passes all admission webhooks, which the API server
/// itself bounds to 30 s; a request without a bound would hang with a hung server.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(45);
/// Added to a watch's own timeout before the agent gives up on a silent connection.
const WATCH_GRACE: Duration = Duration::from_secs(20);
/// The longest error body that is read.
const MAX_ERROR_BYTES: usize = 64 * 1024;

const JSON: &str = "application/json";
const METADATA: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
const METADATA_LIST: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
const APPLY_PATCH: &str = "application/apply-patch+yaml";

/// The agent's own API server.
#[derive(Clone)]
pub struct Cluster {
    client: kube::Client,
}

/// One server-side apply.
#[derive(Debug, Clone)]
pub struct Apply<'a> {
    pub resource: &'a Resource,
    pub key: &'a ObjectKey,
    /// The manifest as JSON.
    pub body: Bytes,
    pub manager: &'a str,
    pub force: bool,
    pub dry_run: bool,
    /// Refuse repeated keys instead of taking the later one.
    pub strict: bool,
}

/// What became of a deletion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deletion {
    Gone,
    /// Accepted, but finalizers hold the object.
    Held,
}

/// The bytes of one page of a list.
pub(super) struct Page {
    pub(super) body: Bytes,
}

impl Cluster {
    #[must_use]
    pub fn new(client: kube::Client) -> Self {
        Self { client }
    }

    /// Applies one object; the answer carries metadata only.
    ///
    /// # Errors
    /// The server's refusal.
    pub async fn apply(&self, apply: Apply<'_>) -> Result<Observation, Refusal> {
        let mut uri = apply.resource.object_path(apply.key);
        let _ = write!(
            uri,
            "?fieldManager={}&fieldValidation={}",
            percent_encode(apply.manager),
            if apply.strict { "Strict" } else { "Ignore" }
        );
        if apply.force {
            uri.push_str("&force=true");
        }
        if apply.dry_run {
            uri.push_str("&dryRun=All");
        }
        let request = Request::builder()
            .method(Method::PATCH)
            .uri(uri)
            .header(header::CONTENT_TYPE, APPLY_PATCH)
            .header(header::ACCEPT, METADATA)
            .body(Body::from(apply.body));
        let body = self.request(request, subject(apply.key)).await?;
        observed(apply.key, &body, false)
    }

    /// Changes who manages an object's fields.
    ///
    /// # Errors
    /// The server's refusal; it changed nothing when the object is not what the patch expects.
    pub async fn patch(
        &self,
        resource: &Resource,
        key: &ObjectKey,
        patch: &serde_json::Value,
    ) -> Result<Observation, Refusal> {
        let request = Request::builder()
            .method(Method::PATCH)
            .uri(resource.object_path(key))
            .header(header::CONTENT_TYPE, "application/json-patch+json")
            .header(header::ACCEPT, METADATA)
            .body(Body::from(patch.to_string().into_bytes()));
        let body = self.request(request, subject(key)).await?;
        observed(key, &body, false)
    }

    /// Looks at one object; its health is known only when it is read in `full`.
    ///
    /// # Errors
    /// The server's refusal; [`RefusalKind::NotFound`] when the object does not exist.
    pub async fn look_at(
        &self,
        resource: &Resource,
        key: &ObjectKey,
        full: bool,
    ) -> Result<Observation, Refusal> {
        let request = get(resource.object_path(key), if full { JSON } else { METADATA });
        let body = self.request(request, subject(key)).await?;
        observed(key, &body, full)
    }

    /// The document at a path.
    ///
    /// # Errors
    /// The server's refusal.
    pub async fn get(&self, path: &str, accept: Option<&str>) -> Result<Bytes, Refusal> {
        let request = get(path.to_owned(), accept.unwrap_or(JSON));
        self.request(request, Subject::default()).await
    }

    /// Deletes exactly the object with this uid, in the background.
    ///
    /// # Errors
    /// The server's refusal; [`RefusalKind::Race`] when another object has that name now.
    pub async fn delete(
        &self,
        resource: &Resource,
        key: &ObjectKey,
        uid: &str,
    ) -> Result<Deletion, Refusal> {
        let options = json!({"apiVersion": "v1", "kind": "DeleteOptions",
            "propagationPolicy": "Background", "preconditions": {"uid": uid}});
        let request = Request::builder()
            .method(Method::DELETE)
            .uri(resource.object_path(key))
            .header(header::CONTENT_TYPE, JSON)
            .header(header::ACCEPT, METADATA)
            .body(Body::from(options.to_string().into_bytes()));
        match self.request(request, subject(key)).await {
            // The object comes back when finalizers hold it, a Status when it is gone.
            Ok(body) => match metadata::observe(&key.group, &key.kind, text(&body), false) {
                Ok(seen) if seen.deleting => Ok(Deletion::Held),
                _ => Ok(Deletion::Gone),
            },
            Err(refusal) if refusal.kind == RefusalKind::NotFound => Ok(Deletion::Gone),
            Err(refusal) => Err(refusal),
        }
    }

    /// Removes an object of the agent's own, whatever its uid.
    ///
    /// # Errors
    /// The server's refusal; an object that is not there is a success.
    pub async fn delete_own(&self, path: &str) -> Result<(), Refusal> {
        let request = Request::builder()
            .method(Method::DELETE)
            .uri(path)
            .header(header::ACCEPT, JSON)
            .body(Body::empty());
        match self.request(request, Subject::default()).await {
            Ok(_) => Ok(()),
            Err(refusal) if refusal.kind == RefusalKind::NotFound => Ok(()),
            Err(refusal) => Err(refusal),
        }
    }

    /// Applies an object of the agent's own by path and returns its JSON.
    ///
    /// # Errors
    /// The server's refusal; [`RefusalKind::Race`] when it was written since `body` was made.
    pub async fn apply_own(
        &self,
        path: &str,
        manager: &str,
        body: Bytes,
    ) -> Result<Bytes, Refusal> {
        let request = Request::builder()
            .method(Method::PATCH)
            .uri(format!("{path}?fieldManager={manager}&force=true"))
            .header(header::CONTENT_TYPE, APPLY_PATCH)
            .header(header::ACCEPT, METADATA)
            .body(Body::from(body));
        self.request(request, Subject::default()).await
    }

    /// One page of the objects that a label selects.
    pub(super) async fn list(
        &self,
        collection: &str,
        selector: &str,
        limit: u32,
        page: &str,
        full: bool,
    ) -> Result<Page, Refusal> {
        let mut uri =
            format!("{collection}?labelSelector={}&limit={limit}", percent_encode(selector));
        if !page.is_empty() {
            let _ = write!(uri, "&continue={}", percent_encode(page));
        }
        let request = get(uri, if full { JSON } else { METADATA_LIST });
        Ok(Page { body: self.request(request, Subject::default()).await? })
    }

    /// Opens a watch from a version; the body is one JSON event per line.
    pub(super) async fn watch(
        &self,
        collection: &str,
        selector: &str,
        from: &str,
        timeout: Duration,
        full: bool,
    ) -> Result<Body, Refusal> {
        let uri = format!(
            "{collection}?watch=1&allowWatchBookmarks=true&labelSelector={}&resourceVersion={}\
             &timeoutSeconds={}",
            percent_encode(selector),
            percent_encode(from),
            timeout.as_secs()
        );
        let request = get(uri, if full { JSON } else { METADATA });
        let response = self.send(request).await?;
        match response.status() {
            StatusCode::OK => Ok(response.into_body()),
            _ => Err(refused(response, Subject::default()).await),
        }
    }

    async fn request(
        &self,
        request: Result<Request<Body>, http::Error>,
        subject: Subject,
    ) -> Result<Bytes, Refusal> {
        let work = async {
            let response = self.send(request).await?;
            if !response.status().is_success() {
                return Err(refused(response, subject).await);
            }
            let body = response.into_body().collect().await;
            Ok(body.map_err(|error| Refusal::unreachable(&chain(&error)))?.to_bytes())
        };
        match tokio::time::timeout(REQUEST_TIMEOUT, work).await {
            Ok(result) => result,
            Err(_elapsed) => {
                Err(Refusal::unreachable(&format!("nothing within {REQUEST_TIMEOUT:?}")))
            }
        }
    }

    async fn send(
        &self,
        request: Result<Request<Body>, http::Error>,
    ) -> Result<Response<Body>, Refusal> {
        let request = request.map_err(|error| Refusal::unreachable(&error.to_string()))?;
        self.client.send(request).await.map_err(|error| Refusal::unreachable(&chain(&error)))
    }
}

/// How long a watch with this timeout may be silent.
pub(super) fn patience(timeout: Duration) -> Duration {
    timeout + WATCH_GRACE
}

fn get(uri: String, accept: &str) -> Result<Request<Body>, http::Error> {
    Request::builder().uri(uri).header(header::ACCEPT, accept).body(Body::empty())
}

fn subject(key: &ObjectKey) -> Subject {
    Subject {
        secret: key.group.is_empty() && key.kind == "Secret",
        namespace: key.group.is_empty() && key.kind == "Namespace",
    }
}

async fn refused(response: Response<Body>, subject: Subject) -> Refusal {
    let code = response.status().as_u16();
    let retry_after = response
        .headers()
        .get(header::RETRY_AFTER)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.parse().ok());
    let limited = http_body_util::Limited::new(response.into_body(), MAX_ERROR_BYTES);
    let body = limited.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    answer::classify(code, retry_after, &body, subject)
}

fn observed(key: &ObjectKey, body: &[u8], full: bool) -> Result<Observation, Refusal> {
    metadata::observe(&key.group, &key.kind, text(body), full).map_err(|error| {
        Refusal::unreachable(&format!("its answer for {key} is not JSON: {error}"))
    })
}

fn text(body: &[u8]) -> &str {
    std::str::from_utf8(body).unwrap_or_default()
}

/// An error with its causes: the outer text alone is often "client error".
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let message = inner.to_string();
        if !text.contains(&message) {
            let _ = write!(text, ": {message}");
        }
        source = inner.source();
    }
    text
}

/// Encodes what may not stand as it is in a path segment or a query value.
pub(crate) fn percent_encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b':' | b'@' => {
                encoded.push(char::from(byte));
            }
            _ => {
                let _ = write!(encoded, "%{byte:02X}");
            }
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_selectors_cannot_change_the_url() {
        assert_eq!(percent_encode("system:web"), "system:web");
        assert_eq!(percent_encode("a=b&c/d e"), "a%3Db%26c%2Fd%20e");
    }
}
