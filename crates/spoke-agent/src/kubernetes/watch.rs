//! Watching the objects of one kind: list in small pages, then one event at a time, forever.
//!
//! Nothing is stored: each object becomes what the caller reads of it (the engine an
//! [`Observation`]) and is dropped. A watch is a unit of its own with its own back-off; a kind that cannot be listed stops nobody. A deletion that the
//! watch reports is not believed by the engine without a GET: an object that leaves the label
//! selector looks the same.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt as _;
use kube::client::Body;
use rand::RngExt as _;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::mpsc;

use super::answer::{Refusal, RefusalKind};
use super::client::{Cluster, chain, patience};
use super::discovery::Resource;
use super::metadata::{self, Observation};

/// The server ends a watch after this time and the agent begins the next one: with ten kinds that
/// is a request every half minute. Load balancers often cut silent connections after 300 s.
const WATCH_TIMEOUT: Duration = Duration::from_secs(290);
/// One event holds one object, at most 3 MiB as the API server takes it, and its envelope.
const MAX_EVENT_BYTES: usize = 4 << 20;
const BACKOFF: runtime::backoff::Backoff =
    runtime::backoff::Backoff::new(Duration::from_millis(800), 2, Duration::from_secs(30));

/// What to watch.
#[derive(Debug, Clone)]
pub struct Target {
    pub resource: Resource,
    /// Empty means all.
    pub namespace: String,
    /// A label selector; an empty one takes everything.
    pub selector: String,
    /// Whole objects, for kinds with a health rule; otherwise metadata only.
    pub full: bool,
    /// Objects per page: the largest lever on memory.
    pub page_size: u32,
}

#[derive(Debug)]
pub enum Event<T = Box<Observation>> {
    /// A list begins: what is not seen until `Listed` is not there.
    Listing,
    Seen(T),
    /// It was deleted, or left the selector.
    Left(T),
    /// The list is complete as of this version.
    Listed {
        resource_version: u64,
    },
    /// The watch is open: from here on, what changes is seen. Also after a failure.
    Watching,
    /// The kind cannot be listed or watched at the moment; the watch goes on trying.
    Failed(Refusal),
}

/// A kind without its version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupKind {
    pub group: String,
    pub kind: String,
}

/// What is kept of an object, read from its JSON.
trait Read<T>: Fn(&str) -> Result<T, String> {}
impl<T, F: Fn(&str) -> Result<T, String>> Read<T> for F {}

/// Where the events of all watches meet, each marked with its watch.
struct Sink<M, T> {
    mark: M,
    events: mpsc::Sender<(M, Event<T>)>,
}

impl<M: Clone, T> Sink<M, T> {
    async fn send(&self, event: Event<T>) -> Result<(), Refusal> {
        let sent = self.events.send((self.mark.clone(), event)).await;
        sent.map_err(|_closed| Refusal::unreachable("who watches is gone"))
    }
}

/// Where the watch stands.
enum Position {
    /// Nothing is known: list.
    Unknown,
    /// Watch from this version.
    At(String),
}

/// Watches for the engine until the receiver is gone.
pub async fn run(cluster: Cluster, target: Target, events: mpsc::Sender<(Arc<GroupKind>, Event)>) {
    let kind = GroupKind {
        group: target.resource.group.to_string(),
        kind: target.resource.kind.to_string(),
    };
    let (of, full) = (kind.clone(), target.full);
    let observe = move |json: &str| {
        let observed = metadata::observe(&of.group, &of.kind, json, full);
        observed.map(Box::new).map_err(|error| error.to_string())
    };
    run_with(cluster, target, Arc::new(kind), observe, events).await;
}

/// As [`run`], with objects in another form, until the receiver is gone. An object that cannot be
/// read fails the watch: what it says is not known.
pub async fn run_with<M: Clone, T>(
    cluster: Cluster,
    target: Target,
    mark: M,
    read: impl Fn(&str) -> Result<T, String>,
    events: mpsc::Sender<(M, Event<T>)>,
) {
    let events = Sink { mark, events };
    let mut position = Position::Unknown;
    let mut failures = 0;
    while !events.events.is_closed() {
        let result = match &position {
            Position::Unknown => list(&cluster, &target, &read, &events).await,
            Position::At(version) => watch(&cluster, &target, version, &read, &events).await,
        };
        match result {
            Ok(next) => {
                position = next;
                failures = 0;
            }
            Err(refusal) => {
                if refusal.kind == RefusalKind::Expired {
                    position = Position::Unknown;
                }
                let wait = refusal.retry_after.unwrap_or_default()
                    + BACKOFF.jittered(failures, &mut rand::rng());
                failures += 1;
                // A version that is too old is the normal end of a long silence, no failure.
                if (refusal.kind != RefusalKind::Expired || failures > 2)
                    && events.send(Event::Failed(refusal)).await.is_err()
                {
                    return;
                }
                tokio::time::sleep(wait).await;
            }
        }
    }
}

#[derive(Deserialize)]
struct ListPage<'a> {
    metadata: ListMetadata,
    /// A metadata list without items has `null` here.
    #[serde(borrow, default)]
    items: Option<Vec<&'a RawValue>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListMetadata {
    #[serde(default)]
    resource_version: String,
    #[serde(default)]
    r#continue: String,
}

async fn list<M: Clone, T>(
    cluster: &Cluster,
    target: &Target,
    read: &impl Read<T>,
    events: &Sink<M, T>,
) -> Result<Position, Refusal> {
    events.send(Event::Listing).await?;
    let path = target.resource.collection_path(&target.namespace);
    let mut token = String::new();
    loop {
        let page =
            cluster.list(&path, &target.selector, target.page_size, &token, target.full).await?;
        let text = std::str::from_utf8(&page.body)
            .map_err(|error| Refusal::unreachable(&error.to_string()))?;
        let page: ListPage<'_> =
            serde_json::from_str(text).map_err(|error| Refusal::unreachable(&error.to_string()))?;
        for item in page.items.unwrap_or_default() {
            events.send(Event::Seen(object_of(read, item.get())?)).await?;
        }
        if page.metadata.r#continue.is_empty() {
            let version = page.metadata.resource_version;
            let resource_version = version.parse().unwrap_or(0);
            events.send(Event::Listed { resource_version }).await?;
            return Ok(Position::At(version));
        }
        token = page.metadata.r#continue;
    }
}

fn object_of<T>(read: &impl Read<T>, json: &str) -> Result<T, Refusal> {
    let refused = |error| Refusal {
        kind: RefusalKind::Unavailable,
        message: format!("an object cannot be read: {error}"),
        retry_after: None,
    };
    read(json).map_err(refused)
}

#[derive(Deserialize)]
struct WatchEvent<'a> {
    r#type: String,
    #[serde(borrow)]
    object: &'a RawValue,
}

#[derive(Deserialize)]
struct Bookmark {
    metadata: ListMetadata,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ErrorObject {
    message: String,
    reason: String,
    code: u16,
}

async fn watch<M: Clone, T>(
    cluster: &Cluster,
    target: &Target,
    from: &str,
    read: &impl Read<T>,
    events: &Sink<M, T>,
) -> Result<Position, Refusal> {
    // Watches that began together must not end together.
    let timeout = WATCH_TIMEOUT - Duration::from_secs(rand::rng().random_range(0..=30));
    let path = target.resource.collection_path(&target.namespace);
    let opened = cluster.watch(&path, &target.selector, from, timeout, target.full);
    let body = tokio::time::timeout(patience(Duration::from_secs(20)), opened)
        .await
        .map_err(|_elapsed| Refusal::unreachable("the watch did not open"))??;
    events.send(Event::Watching).await?;
    let mut version = from.to_owned();
    let mut lines = Lines { body, buffer: Vec::new(), scanned: 0 };
    loop {
        let next = tokio::time::timeout(patience(timeout), lines.next());
        let Ok(line) = next.await else { return Ok(Position::At(version)) };
        let Some(line) = line? else { return Ok(Position::At(version)) };
        let text =
            std::str::from_utf8(&line).map_err(|error| Refusal::unreachable(&error.to_string()))?;
        let Some(event) = read_event(read, text, &mut version)? else { continue };
        events.send(event).await?;
    }
}

/// Reads one line; a bookmark only moves the version.
fn read_event<T>(
    read: &impl Read<T>,
    line: &str,
    version: &mut String,
) -> Result<Option<Event<T>>, Refusal> {
    let event: WatchEvent<'_> = serde_json::from_str(line)
        .map_err(|error| Refusal::unreachable(&format!("an event cannot be read: {error}")))?;
    let object = event.object.get();
    if event.r#type == "ERROR" {
        let error: ErrorObject = serde_json::from_str(object).unwrap_or_default();
        let kind = match error.code == 410 || error.reason == "Expired" {
            true => RefusalKind::Expired,
            false => RefusalKind::Unavailable,
        };
        return Err(Refusal { kind, message: error.message, retry_after: None });
    }
    if let Ok(bookmark) = serde_json::from_str::<Bookmark>(object)
        && !bookmark.metadata.resource_version.is_empty()
    {
        *version = bookmark.metadata.resource_version;
    }
    Ok(match event.r#type.as_str() {
        "ADDED" | "MODIFIED" => Some(Event::Seen(object_of(read, object)?)),
        "DELETED" => Some(Event::Left(object_of(read, object)?)),
        _ => None,
    })
}

/// Splits a streamed body into lines; an event may be spread over frames.
struct Lines {
    body: Body,
    buffer: Vec<u8>,
    /// How much of the buffer is known to hold no line end.
    scanned: usize,
}

impl Lines {
    async fn next(&mut self) -> Result<Option<Vec<u8>>, Refusal> {
        loop {
            if let Some(end) = self.buffer[self.scanned..].iter().position(|byte| *byte == b'\n') {
                let rest = self.buffer.split_off(self.scanned + end + 1);
                let mut line = std::mem::replace(&mut self.buffer, rest);
                line.pop();
                self.scanned = 0;
                if line.is_empty() {
                    continue;
                }
                return Ok(Some(line));
            }
            self.scanned = self.buffer.len();
            if self.buffer.len() > MAX_EVENT_BYTES {
                return Err(Refusal::unreachable("a watch event is larger than any object"));
            }
            match self.body.frame().await {
                None => return Ok(None),
                Some(Ok(frame)) => {
                    if let Some(data) = frame.data_ref() {
                        self.buffer.extend_from_slice(data);
                    }
                }
                Some(Err(error)) => return Err(Refusal::unreachable(&chain(&error))),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn length(json: &str) -> Result<usize, String> {
        Ok(json.len())
    }

    #[test]
    fn a_bookmark_moves_the_version_and_is_no_event() {
        let mut version = "5".to_owned();
        let line = r#"{"type":"BOOKMARK","object":{"kind":"ConfigMap","metadata":{"resourceVersion":"619"}}}"#;
        assert!(read_event(&length, line, &mut version).unwrap().is_none());
        assert_eq!(version, "619");
    }

    #[test]
    fn a_version_that_is_too_old_asks_for_a_new_list() {
        let mut version = "5".to_owned();
        let line = r#"{"type":"ERROR","object":{"kind":"Status","message":"too old resource version: 757 (966)","reason":"Expired","code":410}}"#;
        let refusal = read_event(&length, line, &mut version).unwrap_err();
        assert_eq!(refusal.kind, RefusalKind::Expired);
    }

    #[test]
    fn an_empty_page_is_a_page() {
        let text = r#"{"kind":"PartialObjectMetadataList","metadata":{"resourceVersion":"7"},"items":null}"#;
        let page: ListPage<'_> = serde_json::from_str(text).unwrap();
        assert_eq!(page.metadata.resource_version, "7");
        assert!(page.items.is_none());
    }

    #[tokio::test]
    async fn lines_are_found_across_frames() {
        let body = Body::from(b"{\"a\":1}\n\n{\"b\"".to_vec());
        let mut lines = Lines { body, buffer: b"{\"z\":0}\n{".to_vec(), scanned: 0 };
        assert_eq!(lines.next().await.unwrap().unwrap(), b"{\"z\":0}");
        assert_eq!(lines.next().await.unwrap().unwrap(), b"{{\"a\":1}");
        // The rest has no line end: an event that was cut off is not an event.
        assert_eq!(lines.next().await.unwrap(), None);
    }
}
