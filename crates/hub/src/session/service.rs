//! The thin side of a session: streams, deadlines and the effects of the machine's actions.

use std::sync::Arc;
use std::time::Duration;

use model::id::Epoch;
use model::name::ClusterName;
use model::status::{Incident, IncidentOutcome, Timestamp};
use proto::session::{Hello, Parting, ToHub, ToSpoke};
use proto::v1;
use runtime::clock::Clock;
use runtime::error::chain;
use runtime::supervise::Supervisor;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use super::machine::{Action, Event, Machine, Terms};
use super::registry::{Registry, Ticket};
use crate::clusters::Clusters;
use crate::commands::CommandQueue;
use crate::fleet::board::{ClusterDesired, DesiredBoard};
use crate::fleet::{DecisionReports, FleetHandle, Reporter};
use crate::ledger::{Ledger, NewRecord};
use crate::listen::cluster_of;
use crate::pki::{Serial, Shown};
use crate::status::{ClusterStatus, StatusBoard};

/// Messages on their way to one spoke. The machine has one batch, one `SyncComplete`, one
/// acknowledgement and a few commands in flight. A spoke that lets it fill up is closed.
const OUTBOX: usize = 64;
/// How long a new stream may take to say `Hello`.
const HELLO_TIMEOUT: Duration = Duration::from_secs(30);
/// How long one message may wait for a slow spoke.
const SEND_TIMEOUT: Duration = Duration::from_secs(30);

/// What all sessions share.
#[derive(Clone)]
pub(crate) struct SessionService {
    pub(crate) fleet_name: String,
    pub(crate) epoch: Epoch,
    pub(crate) clusters: Clusters,
    pub(crate) board: DesiredBoard,
    pub(crate) fleet: FleetHandle,
    pub(crate) statuses: StatusBoard,
    pub(crate) decisions: DecisionReports,
    pub(crate) commands: CommandQueue,
    pub(crate) ledger: Ledger,
    pub(crate) registry: Registry,
    pub(crate) clock: Clock,
    pub(crate) supervisor: Supervisor,
}

type Outbox = mpsc::Sender<Result<v1::HubMessage, Status>>;

#[tonic::async_trait]
impl v1::spoke_session_server::SpokeSession for SessionService {
    type ConnectStream = ReceiverStream<Result<v1::HubMessage, Status>>;

    async fn connect(
        &self,
        request: Request<Streaming<v1::SpokeMessage>>,
    ) -> Result<Response<Self::ConnectStream>, Status> {
        let (cluster, shown) = cluster_of(&request, &self.fleet_name)?;
        let (outbox, receiver) = mpsc::channel(OUTBOX);
        let service = self.clone();
        let stream = request.into_inner();
        self.supervisor.spawn(format!("session {cluster}"), async move {
            if let Err(parting) = service.session(&cluster, shown, stream, &outbox).await {
                tracing::info!(%cluster, code = parting.code, reason = parting.message, "session over");
                let farewell = ToSpoke::GoAway(parting).into();
                // The spoke may be gone already; then nobody needs to be told.
                let _gone = outbox.send_timeout(Ok(farewell), Duration::from_secs(1)).await;
            }
        });
        Ok(Response::new(ReceiverStream::new(receiver)))
    }
}

/// One open session: everything its loop works with.
struct Session<'a> {
    service: &'a SessionService,
    cluster: &'a ClusterName,
    outbox: &'a Outbox,
    machine: Machine,
    status: ClusterStatus,
    /// Only for the cluster whose decision objects are believed.
    reporter: Option<Reporter>,
}

#[expect(clippy::large_enum_variant, reason = "one at a time, on the stack of one loop")]
enum Input {
    Spoke(Result<Option<v1::SpokeMessage>, Status>),
    Desired,
    Command(Option<super::registry::Numbered>),
    End,
    Authorization,
    Shutdown,
}

impl SessionService {
    fn now(&self) -> Timestamp {
        Timestamp(self.clock.wall_ms())
    }

    /// One stream from `Hello` to its end, which is always said to the spoke.
    async fn session(
        &self,
        cluster: &ClusterName,
        shown: Shown,
        mut stream: Streaming<v1::SpokeMessage>,
        outbox: &Outbox,
    ) -> Result<(), Parting> {
        let hello = hello(&mut stream).await?;
        if hello.cluster != *cluster {
            let message = format!("the certificate is of {cluster}, not of {}", hello.cluster);
            return Err(parting("WrongCluster", message, 600_000));
        }
        let record = self.clusters.admit(cluster, shown, &hello, self.now()).await?;
        self.fleet.clusters_changed();
        let ticket = self.registry.open(cluster);
        let reporter = self.decisions.open(cluster, ticket.term);
        let mut desired = self.board.subscribe(cluster);
        let mut status = ClusterStatus::clone(&self.statuses.get(cluster));
        status.opened(&hello, self.now());
        let terms = Terms {
            cluster: cluster.clone(),
            epoch: self.epoch,
            term: ticket.term,
            record,
            status_digest: status.digest(),
            takes_decisions: reporter.is_some(),
        };
        let current: Arc<ClusterDesired> = desired.borrow_and_update().clone();
        let (machine, actions) = Machine::new(terms, &hello, current);
        self.statuses.publish(cluster, status.clone());
        tracing::info!(%cluster, term = %ticket.term, agent = hello.agent_version, "session open");
        let mut session = Session { service: self, cluster, outbox, machine, status, reporter };
        let ended = match session.act(actions).await {
            Err(parting) => Err(parting),
            Ok(()) => session.converse(shown.serial, stream, desired, ticket).await,
        };
        session.status.closed(self.now());
        // A successor may have published already: then this snapshot is old news.
        if !matches!(&ended, Err(parting) if parting.code == "Superseded") {
            self.statuses.publish(cluster, session.status);
        }
        ended
    }
}

impl Session<'_> {
    async fn converse(
        &mut self,
        serial: Serial,
        mut stream: Streaming<v1::SpokeMessage>,
        mut desired: watch::Receiver<Arc<ClusterDesired>>,
        mut ticket: Ticket,
    ) -> Result<(), Parting> {
        let pending = self.service.commands.pending(self.cluster);
        for (id, command) in pending.map_err(|error| store_failed(&error))? {
            let actions = self.machine.handle(Event::Command { id, command });
            self.act(actions).await?;
        }
        let mut authorization = self.service.clusters.changes();
        let shutdown = self.service.supervisor.token();
        loop {
            // Cancel-safe: `message` keeps what it has read, the others lose nothing.
            let input = tokio::select! {
                message = stream.message() => Input::Spoke(message),
                Ok(()) = desired.changed() => Input::Desired,
                command = ticket.commands.recv() => Input::Command(command),
                Ok(()) = ticket.end.changed() => Input::End,
                Ok(()) = authorization.changed() => Input::Authorization,
                () = shutdown.cancelled() => Input::Shutdown,
            };
            let event = match input {
                Input::Spoke(Ok(Some(message))) => Event::Received(received(message)?),
                // The spoke is gone: there is nobody to be told.
                Input::Spoke(Ok(None) | Err(_)) | Input::Command(None) => return Ok(()),
                Input::Desired => Event::DesiredChanged(desired.borrow_and_update().clone()),
                Input::Command(Some((id, command))) => Event::Command { id, command },
                Input::End => match ticket.end.borrow_and_update().clone() {
                    Some(parting) => return Err(parting),
                    None => continue,
                },
                Input::Authorization => {
                    authorization.borrow_and_update();
                    self.service.clusters.authorize(self.cluster, serial)?;
                    continue;
                }
                Input::Shutdown => {
                    return Err(parting("ShuttingDown", "the hub is stopping".into(), 1_000));
                }
            };
            let actions = self.machine.handle(event);
            self.act(actions).await?;
        }
    }

    /// Carries the machine's actions out, in order: what must be stored is stored before the next.
    async fn act(&mut self, actions: Vec<Action>) -> Result<(), Parting> {
        for action in actions {
            match action {
                Action::Send(message) => self.send(message).await?,
                Action::Accepted { name, .. } => {
                    self.status.rejected.remove(&name);
                }
                Action::Rejected(rejection) => {
                    let message = format!("{}: {}", rejection.code, rejection.message);
                    tracing::warn!(cluster = %self.cluster, name = %rejection.name, message, "refused");
                    self.status.rejected.insert(rejection.name.clone(), rejection);
                    self.publish();
                }
                Action::Removed { name, version, pruned, orphaned } => {
                    let done = self.service.fleet.tombstone_done(
                        self.cluster.clone(),
                        name,
                        version,
                        pruned,
                        orphaned,
                    );
                    done.await;
                }
                Action::CommandDone { id, error } => {
                    if let Some(error) = error {
                        tracing::warn!(cluster = %self.cluster, id, error, "a command failed");
                    }
                    let done = self.service.commands.done(self.cluster, &id).await;
                    done.map_err(|error| store_failed(&error))?;
                }
                Action::Reported(report) => {
                    let now = self.service.now();
                    let incidents = self.status.report(report, now);
                    self.publish();
                    self.record(&incidents, now).await?;
                }
                Action::Decided(gathered) => {
                    self.status.decided(&gathered, self.service.now());
                    self.publish();
                    if let Some(reporter) = &self.reporter {
                        reporter.report(gathered);
                    }
                }
                Action::Close(parting) => return Err(parting),
            }
        }
        Ok(())
    }

    fn publish(&self) {
        self.service.statuses.publish(self.cluster, self.status.clone());
    }

    /// Every drift is an act of somebody, and so a record.
    async fn record(&self, incidents: &[Incident], now: Timestamp) -> Result<(), Parting> {
        if incidents.is_empty() {
            return Ok(());
        }
        let records = incidents.iter().map(|incident| self.incident_record(incident, now));
        let written = self.service.ledger.append(records.collect()).await;
        written.map_err(|error| store_failed(&error))
    }

    fn incident_record(&self, incident: &Incident, now: Timestamp) -> NewRecord {
        let action = match incident.outcome {
            IncidentOutcome::Healed => "DriftHealed",
            IncidentOutcome::Reported => "DriftReported",
            IncidentOutcome::Fighting => "DriftFought",
            IncidentOutcome::Failed => "DriftHealFailed",
        };
        let applied = self.status.applications.get(&incident.application);
        NewRecord {
            at: now,
            actor: format!("cluster/{}", self.cluster),
            action: action.to_owned(),
            application: Some(incident.application.clone()),
            cluster: Some(self.cluster.clone()),
            commit: applied.and_then(|reported| reported.status.revision),
            message: format!(
                "{}: {} changed by {}",
                incident.object,
                incident.fields.join(", "),
                incident.managers.join(", ")
            ),
            reason: String::new(),
        }
    }

    async fn send(&self, message: ToSpoke) -> Result<(), Parting> {
        let sent = self.outbox.send_timeout(Ok(message.into()), SEND_TIMEOUT).await;
        sent.map_err(|_| parting("SlowSpoke", "the spoke does not take messages".into(), 10_000))
    }
}

async fn hello(stream: &mut Streaming<v1::SpokeMessage>) -> Result<Box<Hello>, Parting> {
    let first = tokio::time::timeout(HELLO_TIMEOUT, stream.message()).await;
    let late = || parting("NoHello", "no Hello came in time".into(), 10_000);
    let message = first.map_err(|_| late())?.ok().flatten().ok_or_else(late)?;
    match received(message)? {
        ToHub::Hello(hello) => Ok(hello),
        _ => Err(parting("ProtocolError", "the first message is not Hello".into(), 30_000)),
    }
}

fn received(message: v1::SpokeMessage) -> Result<ToHub, Parting> {
    ToHub::try_from(message).map_err(|error| parting("ProtocolError", chain(&error), 30_000))
}

fn parting(code: impl Into<String>, message: String, retry_after_ms: u64) -> Parting {
    Parting { code: code.into(), message, retry_after_ms }
}

fn store_failed(error: &(dyn std::error::Error + 'static)) -> Parting {
    parting("StoreFailed", chain(error), 10_000)
}
