//! A cluster and a client of it.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt as _, Full};
use kube_sim::api::Body;
use kube_sim::controllers::Behaviour;
use kube_sim::{Cluster, Options, User};
use runtime::clock::{Clock, ManualClock};
use serde_json::Value;
use tower::ServiceExt as _;

/// 2026-01-01T00:00:00Z.
pub(crate) const BEGIN_MS: i64 = 1_767_225_600_000;

pub(crate) const JSON: &str = "application/json";
pub(crate) const MERGE: &str = "application/merge-patch+json";
pub(crate) const APPLY: &str = "application/apply-patch+yaml";

pub(crate) struct Sim {
    pub(crate) cluster: Cluster,
    pub(crate) clock: ManualClock,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
    /// Null when it is not JSON.
    pub(crate) json: Value,
}

impl Answer {
    pub(crate) fn message(&self) -> &str {
        self.json["message"].as_str().unwrap_or_default()
    }

    pub(crate) fn warnings(&self) -> Vec<&str> {
        self.headers
            .get_all("warning")
            .iter()
            .map(|value| value.to_str().expect("a warning is text"))
            .collect()
    }

    pub(crate) fn version(&self) -> &str {
        self.json["metadata"]["resourceVersion"].as_str().unwrap_or_default()
    }

    #[track_caller]
    pub(crate) fn expect(self, code: u16) -> Self {
        assert_eq!(self.code, code, "{}", self.text);
        self
    }
}

impl Sim {
    pub(crate) fn new() -> Self {
        Self::with(Behaviour::default())
    }

    pub(crate) fn with(behaviour: Behaviour) -> Self {
        let (clock, hand) = Clock::manual(BEGIN_MS);
        Self { cluster: Cluster::new(Options { seed: 1, clock, behaviour }), clock: hand }
    }

    pub(crate) async fn raw(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Response<Body> {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body.into())).expect("the test says a valid URI");
        self.cluster.service(User::admin()).oneshot(request).await.expect("the service never fails")
    }

    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        let response = self.raw(method, path, headers, body).await;
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.expect("the body never fails").to_bytes();
        let text = String::from_utf8(bytes.to_vec()).expect("answers are text");
        let json = serde_json::from_str(&text).unwrap_or_default();
        Answer { code: parts.status.as_u16(), headers: parts.headers, text, json }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], "").await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        let headers = [("content-type", JSON), ("user-agent", "it/1")];
        self.send("POST", path, &headers, body.to_string()).await
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> Answer {
        let headers = [("content-type", JSON), ("user-agent", "it/1")];
        self.send("PUT", path, &headers, body.to_string()).await
    }

    pub(crate) async fn patch(&self, path: &str, kind: &str, body: &Value) -> Answer {
        self.send("PATCH", path, &[("content-type", kind)], body.to_string()).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", path, &[], "").await
    }

    pub(crate) async fn watch(&self, path: &str) -> Lines {
        let response = self.raw("GET", path, &[], "").await;
        assert_eq!(response.status(), 200);
        Lines { body: response.into_body(), text: String::new() }
    }
}

/// The events of a watch.
pub(crate) struct Lines {
    body: Body,
    text: String,
}

impl Lines {
    /// The next event; `None` at the end of the stream.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some((line, rest)) = self.text.split_once('\n') {
                let event = serde_json::from_str(line).expect("an event is a line of JSON");
                self.text = rest.to_owned();
                return Some(event);
            }
            let frame = self.body.frame().await?.expect("the body never fails");
            let data = frame.data_ref().expect("a watch has no trailers");
            self.text.push_str(std::str::from_utf8(data).expect("events are text"));
        }
    }

    /// The next event in short: `ADDED a`.
    pub(crate) async fn short(&mut self) -> String {
        let Some(event) = self.next().await else { return "end".to_owned() };
        let kind = event["type"].as_str().expect("an event has a type");
        let name = event["object"]["metadata"]["name"].as_str().unwrap_or_default();
        format!("{kind} {name}").trim_end().to_owned()
    }

    /// Nothing comes although there is time for it.
    pub(crate) async fn is_quiet(&mut self) -> bool {
        // With paused time the wait is over as soon as nothing can happen any more.
        tokio::time::timeout(Duration::from_millis(1), self.next()).await.is_err()
    }
}
