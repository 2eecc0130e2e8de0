//! Watches: a stream that reads the log of its resource whenever that grew.
//!
//! It keeps a revision and no events, so a slow reader costs nothing: when the log no longer reaches
//! back to its revision it is told so (410) and ended.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use serde_json::json;
use tokio::sync::watch::Receiver;
use tokio::time::Instant;

use super::accept::{Form, Shape, negotiate};
use super::answer::{Painter, with_type};
use super::body::Body;
use super::query::{Query, refused, unsupported};
use super::read::{malformed_revision, namespace, selector};
use super::select::Selector;
use super::status::Status;
use super::{Answered, Ask};
use crate::cluster::{Cluster, OpenWatch, State};
use crate::schema::Resource;
use crate::store::{Change, Event, Stored};

/// A real server takes a random time of 30 to 60 minutes.
const DEFAULT_TIMEOUT: Duration = Duration::from_mins(45);
const BOOKMARK_PERIOD: Duration = Duration::from_mins(1);
/// Events per turn under the lock: a reader of a long log does not hold up the others.
const BATCH: usize = 100;

struct Watch {
    cluster: Cluster,
    resource: Arc<Resource>,
    namespace: Option<String>,
    selector: Selector,
    form: Form,
    include: String,
    /// Everything up to here was sent or is in `initial`.
    revision: u64,
    /// What there was when the watch began and is still to be sent.
    initial: VecDeque<Arc<Stored>>,
    /// A bookmark marks the end of them.
    initial_bookmark: bool,
    bookmarks: bool,
    next_bookmark: Duration,
    /// A table has named its columns.
    begun: bool,
    ends: Instant,
    changed: Receiver<u64>,
    cut: Receiver<u64>,
    done: bool,
    _open: OpenWatch,
}

pub(super) fn start(cluster: &Cluster, state: &mut State, ask: &Ask<'_>) -> Answered {
    let (form, _) = negotiate(ask.accept(), Shape::Watch)?;
    check_options(ask.query)?;
    let mut selector = selector(ask)?;
    if !ask.target.name.is_empty() {
        selector.only(&ask.target.name);
    }
    let wanted = match ask.query.get("resourceVersion") {
        "" => 0,
        text => text.parse().map_err(|_| Status::new(500, "", malformed_revision(text)))?,
    };
    let send_initial = ask.query.flag("sendInitialEvents");
    let from_now = ask.query.has("sendInitialEvents") && !send_initial;
    let timeout = ask.query.timeout()?.unwrap_or(DEFAULT_TIMEOUT);
    let now = state.store.revision();
    let mut watch = Watch {
        cluster: cluster.clone(),
        resource: Arc::clone(&ask.resource),
        namespace: namespace(ask).map(str::to_owned),
        selector,
        form,
        include: ask.query.get("includeObject").to_owned(),
        revision: if wanted == 0 { now } else { wanted },
        initial: VecDeque::new(),
        initial_bookmark: false,
        bookmarks: ask.query.flag("allowWatchBookmarks"),
        next_bookmark: state.clock.now() + BOOKMARK_PERIOD,
        begun: false,
        ends: Instant::now() + timeout,
        changed: state.store.subscribe(&ask.resource.id),
        cut: cluster.cuts(),
        done: false,
        _open: cluster.open_watch(),
    };
    if send_initial || (wanted == 0 && !from_now) {
        let objects = state.store.list(&ask.resource.id, namespace(ask), None);
        let seen = objects.filter(|object| watch.selector.matches(object));
        watch.initial = seen.cloned().collect();
        watch.revision = now;
        watch.initial_bookmark = send_initial && watch.bookmarks;
    }
    let stream = futures::stream::unfold(watch, |mut watch| async move {
        watch.next().await.map(|chunk| (chunk, watch))
    });
    let mut response = with_type(200, "application/json", Bytes::new());
    *response.body_mut() = Body::stream(stream);
    Ok(response)
}

fn check_options(query: &Query) -> Result<(), Status> {
    let (options, field) = ("ListOptions", "resourceVersionMatch");
    match (query.has("sendInitialEvents"), query.get(field)) {
        (false, "") | (true, "NotOlderThan") => Ok(()),
        (false, _) => {
            let why = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is \
                       provided";
            Err(refused(options, field, why))
        }
        (true, "") => {
            let why = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
            Err(refused(options, field, why))
        }
        (true, other) => {
            Err(unsupported(options, field, &format!("{other:?}"), "\"NotOlderThan\""))
        }
    }
}

/// The answer to a watch from a version that is gone: 200, one event, the end.
pub(super) fn expired(message: &str) -> Response<Body> {
    with_type(200, "application/json", error_event(message))
}

fn error_event(message: &str) -> String {
    let status = Status::new(410, "Expired", message).to_json();
    format!("{}\n", json!({"type": "ERROR", "object": status}))
}

impl Watch {
    /// The next lines; `None` at the end.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if self.done {
                return None;
            }
            let lines = self.ready();
            if !lines.is_empty() {
                return Some(Bytes::from(lines));
            }
            if self.done {
                return None;
            }
            let bookmark = self.until_bookmark();
            // All four are cancel-safe: they only wait, and what they tell is looked up again.
            tokio::select! {
                changed = self.changed.changed() => self.done = changed.is_err(),
                _cut = self.cut.changed() => self.done = true,
                () = tokio::time::sleep_until(self.ends) => {
                    self.done = true;
                    let revision = self.cluster.state().store.revision();
                    if self.bookmarks {
                        return Some(Bytes::from(self.bookmark(revision, false)));
                    }
                }
                () = tokio::time::sleep(bookmark), if self.bookmarks => {}
            }
        }
    }

    fn until_bookmark(&self) -> Duration {
        let left = self.next_bookmark.saturating_sub(self.cluster.state().clock.now());
        // One that is due was just sent, or is as soon as this wait is over.
        left.max(Duration::from_millis(1))
    }

    /// What can be sent without waiting.
    fn ready(&mut self) -> String {
        let mut lines = String::new();
        let cluster = self.cluster.clone();
        let state = cluster.state();
        let now_ms = state.clock.wall_ms();
        self.changed.borrow_and_update();
        for _ in 0..BATCH {
            let Some(stored) = self.initial.pop_front() else { break };
            self.line(&mut lines, "ADDED", &stored.json, now_ms);
        }
        if !self.initial.is_empty() {
            return lines;
        }
        if std::mem::take(&mut self.initial_bookmark) {
            lines.push_str(&self.bookmark(self.revision, true));
        }
        let events = match state.store.events_after(&self.resource.id, self.revision) {
            Ok(events) => events,
            Err(forgotten) => {
                self.done = true;
                let (from, oldest) = (self.revision, forgotten.oldest);
                lines.push_str(&error_event(&format!(
                    "too old resource version: {from} ({oldest})"
                )));
                return lines;
            }
        };
        let events: Vec<&Event> = events.take(BATCH).collect();
        let all = events.len() < BATCH;
        for event in events {
            self.revision = event.revision;
            self.event(&mut lines, event, now_ms);
        }
        // A watch from the future waits for it.
        if all && self.revision < state.store.revision() {
            self.revision = state.store.revision();
        }
        if self.bookmarks && state.clock.now() >= self.next_bookmark {
            self.next_bookmark = state.clock.now() + BOOKMARK_PERIOD;
            lines.push_str(&self.bookmark(self.revision, false));
        }
        lines
    }

    fn event(&mut self, lines: &mut String, event: &Event, now_ms: i64) {
        if self.namespace.as_deref().is_some_and(|wanted| *wanted != *event.object.key.namespace) {
            return;
        }
        let fits = |object: &Stored| self.selector.matches(object);
        let before = event.previous.as_deref().is_some_and(fits);
        let after = event.change != Change::Deleted && fits(&event.object);
        match (before, after) {
            (false, true) => self.line(lines, "ADDED", &event.object.json, now_ms),
            (true, true) => self.line(lines, "MODIFIED", &event.object.json, now_ms),
            (true, false) if event.change == Change::Deleted => {
                self.line(lines, "DELETED", &event.object.json, now_ms);
            }
            // It left the selector: shown as it was, at the revision of the change.
            (true, false) => {
                let previous = event.previous.as_ref().expect("it fitted before");
                let mut value = previous.value();
                value["metadata"]["resourceVersion"] = json!(event.revision.to_string());
                self.line(lines, "DELETED", &value.to_string(), now_ms);
            }
            (false, false) => {}
        }
    }

    fn line(&mut self, lines: &mut String, kind: &str, stored: &str, now_ms: i64) {
        let object = self.painter(now_ms).event(stored, !self.begun);
        self.begun = true;
        let _ = writeln!(lines, "{{\"type\":\"{kind}\",\"object\":{object}}}");
    }

    fn bookmark(&self, revision: u64, end_of_initial: bool) -> String {
        let object = self.painter(0).bookmark(revision, end_of_initial);
        format!("{}\n", json!({"type": "BOOKMARK", "object": object}))
    }

    fn painter(&self, now_ms: i64) -> Painter<'_> {
        Painter { resource: &self.resource, form: self.form, include: &self.include, now_ms }
    }
}
