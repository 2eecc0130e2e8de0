//! The thin task around the machine: connects, pumps messages, persists, and never gives up.
//!
//! Without a hub it keeps taking the engine's reports, so that the engine never waits for the
//! network (law L5). Everything it decides, the machine decides.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use proto::channel::{ChannelError, connect};
use proto::session::{Command, Hello, Parting, ToHub, ToSpoke};
use proto::v1::spoke_session_client::SpokeSessionClient;
use proto::{MAX_MESSAGE_BYTES, v1};
use runtime::backoff::Backoff;
use runtime::error::chain;
use thiserror::Error;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;

use super::machine::{Action, Event, Machine, desired_of};
use super::storage::{Storage, StorageError};
use crate::decisions::Reported;
use crate::engine::{DesiredSet, EngineCommand, Report};
use crate::identity::{Identity, IdentityError};

/// Full jitter between one and sixty seconds, so that a fleet does not stampede a hub that is back.
const RECONNECT: Backoff = Backoff::new(Duration::from_secs(1), 2, Duration::from_secs(60));
/// Messages on their way to the hub. The machine has one report, one answer and a few commands in
/// flight; a listing of 100,000 resources is 20 pieces. When it is full the stream is too slow to
/// live: it is closed and begun anew.
const OUTBOX: usize = 64;
/// How long one message may wait for room in the outbox.
const SEND_TIMEOUT: Duration = Duration::from_secs(30);

/// What is said of this spoke in every `Hello`.
#[derive(Debug, Clone)]
pub struct Introduction {
    pub instance_id: String,
    pub kube_system_uid: String,
    pub kubernetes_version: String,
    pub tools: BTreeMap<String, String>,
}

/// The channels to the engine.
pub struct EngineLink {
    pub desired: watch::Sender<Arc<DesiredSet>>,
    pub commands: mpsc::Sender<EngineCommand>,
    pub reports: mpsc::Receiver<Report>,
}

/// What the hub has sent so far; clones count together.
#[derive(Debug, Clone, Default)]
pub struct Traffic(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    messages: AtomicU64,
    spec_bytes: AtomicU64,
    accepted: AtomicU64,
    welcomes: AtomicU64,
}

impl Traffic {
    /// All messages of the hub.
    #[must_use]
    pub fn messages(&self) -> u64 {
        self.0.messages.load(Ordering::Relaxed)
    }

    /// The bytes of applications and tombstones: zero when nothing changed (law L9).
    #[must_use]
    pub fn spec_bytes(&self) -> u64 {
        self.0.spec_bytes.load(Ordering::Relaxed)
    }

    /// How many responses were stored and acknowledged.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.0.accepted.load(Ordering::Relaxed)
    }

    /// How often a hub accepted a session.
    #[must_use]
    pub fn welcomes(&self) -> u64 {
        self.0.welcomes.load(Ordering::Relaxed)
    }

    fn count(&self, message: &v1::HubMessage) {
        use v1::hub_message::Message;
        self.0.messages.fetch_add(1, Ordering::Relaxed);
        match &message.message {
            Some(Message::Desired(desired)) => {
                let upserts = desired.upserts.iter().map(|upsert| upsert.body.len());
                let bytes: usize = upserts.chain(desired.tombstones.iter().map(Vec::len)).sum();
                self.0.spec_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
            }
            Some(Message::Welcome(_)) => {
                self.0.welcomes.fetch_add(1, Ordering::Relaxed);
            }
            _ => {}
        }
    }
}

pub struct Session {
    pub machine: Machine,
    pub storage: Storage,
    pub engine: EngineLink,
    pub identity: watch::Receiver<Identity>,
    pub introduction: Introduction,
    /// What is known of decision objects; `None` when nothing is watched or known yet.
    pub decisions: watch::Receiver<Option<Arc<Reported>>>,
    pub traffic: Traffic,
    pub shutdown: CancellationToken,
}

/// Why a stream ended; always tried again.
#[derive(Debug, Error)]
enum StreamEnd {
    #[error(transparent)]
    Channel(#[from] ChannelError),
    #[error(transparent)]
    Identity(#[from] IdentityError),
    #[error("the hub ended the stream: {}", .0.message())]
    Status(Box<tonic::Status>),
    #[error("the hub closed the stream")]
    Closed,
    #[error("{}: {}", .0.code, .0.message)]
    Parting(Parting),
    #[error("a message of the hub breaks the contract")]
    Wire(#[from] proto::session::WireError),
    #[error("the accepted state cannot be stored, so nothing can be acknowledged")]
    Storage(#[from] StorageError),
    #[error("the hub does not take messages")]
    Slow,
    #[error("this process is shutting down")]
    Shutdown,
}

enum Input {
    Hub(Result<Option<v1::HubMessage>, tonic::Status>),
    Engine(Option<Report>),
    Decisions,
    Shutdown,
}

impl Session {
    /// Runs until shutdown.
    pub async fn run(mut self) {
        self.engine.desired.send_replace(desired_of(self.machine.accepted()));
        let mut attempt = 0;
        while !self.shutdown.is_cancelled() {
            let (end, lived) = self.stream().await;
            let closed = self.machine.handle(Event::Closed);
            debug_assert!(closed.is_empty(), "nothing can be sent on a stream that has ended");
            attempt = if lived { 0 } else { attempt + 1 };
            let mut pause = RECONNECT.jittered(attempt, &mut rand::rng());
            match &end {
                StreamEnd::Shutdown => return,
                StreamEnd::Parting(parting) => {
                    let asked = Duration::from_millis(parting.retry_after_ms);
                    pause += asked.min(Duration::from_secs(600));
                    tracing::warn!(reason = %chain(&end), ?pause, "the session ended");
                }
                _ => tracing::warn!(reason = %chain(&end), ?pause, "no session with the hub"),
            }
            self.wait(pause).await;
        }
    }

    /// Takes the engine's reports until the pause is over.
    async fn wait(&mut self, pause: Duration) {
        let pause = tokio::time::sleep(pause);
        tokio::pin!(pause);
        loop {
            // Cancel-safe: a sleep, a channel's receive and a token lose nothing when dropped.
            let report = tokio::select! {
                () = &mut pause => return,
                () = self.shutdown.cancelled() => return,
                report = self.engine.reports.recv() => report,
            };
            if let Err(end) = self.offline(report).await {
                tracing::error!(reason = %chain(&end), "the accepted state could not be stored");
            }
        }
    }

    /// A report of the engine while there is no stream.
    async fn offline(&mut self, report: Option<Report>) -> Result<(), StreamEnd> {
        let Some(event) = report.map(event_of) else {
            self.shutdown.cancelled().await;
            return Err(StreamEnd::Shutdown);
        };
        let actions = self.machine.handle(event);
        self.act(actions, None).await
    }

    /// One stream from dial to end. Returns why it ended, and whether the hub had welcomed it.
    async fn stream(&mut self) -> (StreamEnd, bool) {
        let (outbox, inbox) = mpsc::channel(OUTBOX);
        let identity = self.identity.borrow().clone();
        let open = open(identity, inbox);
        tokio::pin!(open);
        let mut hub = loop {
            // Cancel-safe: `open` is pinned and polled again; the others lose nothing.
            let report = tokio::select! {
                opened = &mut open => match opened {
                    Ok(hub) => break hub,
                    Err(end) => return (end, false),
                },
                () = self.shutdown.cancelled() => return (StreamEnd::Shutdown, false),
                report = self.engine.reports.recv() => report,
            };
            if let Err(end) = self.offline(report).await {
                return (end, false);
            }
        };
        let mut lived = false;
        let end = match self.converse(&outbox, &mut hub, &mut lived).await {
            Err(end) => end,
            Ok(()) => StreamEnd::Closed,
        };
        (end, lived)
    }

    async fn converse(
        &mut self,
        outbox: &mpsc::Sender<v1::SpokeMessage>,
        hub: &mut tonic::Streaming<v1::HubMessage>,
        lived: &mut bool,
    ) -> Result<(), StreamEnd> {
        send(outbox, ToHub::Hello(Box::new(self.hello()))).await?;
        let actions = self.machine.handle(Event::Opened);
        self.act(actions, Some(outbox)).await?;
        // What is known already is news to this stream.
        self.decisions.mark_changed();
        loop {
            // Cancel-safe: `message` keeps what it has read, the others lose nothing.
            let input = tokio::select! {
                message = hub.message() => Input::Hub(message),
                report = self.engine.reports.recv() => Input::Engine(report),
                // The sender is gone when nothing is watched.
                Ok(()) = self.decisions.changed() => Input::Decisions,
                () = self.shutdown.cancelled() => Input::Shutdown,
            };
            let event = match input {
                Input::Hub(Ok(Some(message))) => {
                    self.traffic.count(&message);
                    let message = ToSpoke::try_from(message)?;
                    if let ToSpoke::Welcome(welcome) = &message {
                        *lived = true;
                        tracing::info!(epoch = %welcome.epoch, term = %welcome.term, "welcome");
                        if !welcome.send_decisions && self.watches_decisions() {
                            tracing::warn!(
                                "the hub does not take decision objects from this cluster: its \
                                 decisions.cluster names another one, or it is of an earlier version"
                            );
                        }
                    }
                    Event::Received(message)
                }
                Input::Hub(Ok(None)) => return Ok(()),
                Input::Hub(Err(status)) => return Err(StreamEnd::Status(Box::new(status))),
                Input::Engine(Some(report)) => event_of(report),
                Input::Decisions => match self.decisions.borrow_and_update().clone() {
                    Some(reported) => Event::Decisions(reported),
                    None => continue,
                },
                Input::Engine(None) | Input::Shutdown => return Err(StreamEnd::Shutdown),
            };
            let answers = matches!(&event, Event::Received(ToSpoke::Desired { .. }));
            let held = self.machine.accepted().hold;
            let actions = self.machine.handle(event);
            if self.machine.accepted().hold && !held {
                tracing::warn!("the hub's epoch is not known here: removals are on hold");
            }
            self.act(actions, Some(outbox)).await?;
            if answers {
                self.traffic.0.accepted.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Carries actions out in order. Without a stream, what would be sent is dropped: the machine
    /// does not ask for it then.
    async fn act(
        &mut self,
        actions: Vec<Action>,
        outbox: Option<&mpsc::Sender<v1::SpokeMessage>>,
    ) -> Result<(), StreamEnd> {
        let mut queue = std::collections::VecDeque::from(actions);
        while let Some(action) = queue.pop_front() {
            match action {
                Action::Persist => self.storage.save(self.machine.accepted()).await?,
                Action::Publish => {
                    self.engine.desired.send_replace(desired_of(self.machine.accepted()));
                }
                Action::Send(message) => {
                    if let Some(outbox) = outbox {
                        send(outbox, message).await?;
                    }
                }
                Action::Run { id, command } => {
                    let error = self.command(command).await;
                    queue.extend(self.machine.handle(Event::CommandDone { id, error }));
                }
                Action::Close(parting) => return Err(StreamEnd::Parting(parting)),
            }
        }
        Ok(())
    }

    async fn command(&self, command: Command) -> Option<String> {
        let command = match command {
            Command::Sync { application } => EngineCommand::Sync { application },
            Command::ApprovePrune { application } => EngineCommand::ApprovePrune { application },
            Command::Refresh => EngineCommand::Refresh,
            // The machine answers it itself.
            Command::ConfirmRemovals { .. } => return None,
        };
        match self.engine.commands.send(command).await {
            Ok(()) => None,
            Err(_) => Some("the engine is shutting down".to_owned()),
        }
    }

    fn watches_decisions(&self) -> bool {
        // Whoever watches keeps the other end.
        self.decisions.has_changed().is_ok()
    }

    fn hello(&self) -> Hello {
        let accepted = self.machine.accepted();
        let Introduction { instance_id, kube_system_uid, kubernetes_version, tools } =
            self.introduction.clone();
        Hello {
            agent_version: env!("CARGO_PKG_VERSION").to_owned(),
            capabilities: Vec::new(),
            kube_system_uid,
            instance_id,
            cluster: accepted.cluster.clone(),
            last_epoch: accepted.last_epoch,
            last_term: accepted.last_term,
            root: accepted.root(),
            status_digest: self.machine.status_digest(),
            record: accepted.record.clone(),
            kubernetes_version,
            tools,
        }
    }
}

fn event_of(report: Report) -> Event {
    match report {
        Report::Status(status) => Event::Status(status),
        Report::Incident(incident) => Event::Incident(incident),
        Report::Removed { name, version, pruned, orphaned } => {
            let count = |number| u32::try_from(number).unwrap_or(u32::MAX);
            Event::Removed { name, version, pruned: count(pruned), orphaned: count(orphaned) }
        }
    }
}

async fn open(
    identity: Identity,
    inbox: mpsc::Receiver<v1::SpokeMessage>,
) -> Result<tonic::Streaming<v1::HubMessage>, StreamEnd> {
    let channel = connect(&identity.hub, identity.client_config()?).await?;
    let mut client = SpokeSessionClient::new(channel)
        .max_decoding_message_size(MAX_MESSAGE_BYTES)
        .max_encoding_message_size(MAX_MESSAGE_BYTES);
    let opened = client.connect(ReceiverStream::new(inbox)).await;
    Ok(opened.map_err(|status| StreamEnd::Status(Box::new(status)))?.into_inner())
}

async fn send(outbox: &mpsc::Sender<v1::SpokeMessage>, message: ToHub) -> Result<(), StreamEnd> {
    let sent = outbox.send_timeout(message.into(), SEND_TIMEOUT).await;
    sent.map_err(|_| StreamEnd::Slow)
}
