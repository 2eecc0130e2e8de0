//! The fleet API: what people and scripts may ask, each with an actor and a reason in the ledger.
//!
//! Handlers check who asks, parse, call the owner of the state, and translate. They decide nothing.

use std::time::Duration;

use model::id::Epoch;
use model::name::{ApplicationName, ClusterName, SetName};
use model::status::Timestamp;
use model::suggest::nearest;
use proto::session::Command;
use proto::v1;
use runtime::clock::Clock;
use runtime::error::chain;
use runtime::supervise::Supervisor;
use serde::Serialize;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use crate::clusters::{Clusters, ClustersError};
use crate::commands::CommandQueue;
use crate::enrol::{EnrolError, LabelChange, NewToken, Refusal, TokenScope};
use crate::fleet::{FleetError, FleetHandle};
use crate::ledger::{Filter, Ledger, NewRecord};
use crate::listen::operator_of;
use crate::session::Registry;
use crate::status::StatusBoard;
use crate::views::World;

/// The largest text of documents that `apply` takes, in bytes.
const MAX_DOCUMENTS: usize = 3 << 20;
/// The largest reason that a person may give, in bytes.
const MAX_REASON: usize = 1_000;
/// The most records that one question returns.
const MAX_HISTORY: u32 = 1_000;
/// Watchers are told of changes at most this often.
const WATCH_PAUSE: Duration = Duration::from_millis(200);

/// What all handlers share.
#[derive(Clone)]
pub(crate) struct FleetApi {
    pub(crate) fleet_name: String,
    pub(crate) address: String,
    pub(crate) epoch: Epoch,
    pub(crate) clusters: Clusters,
    pub(crate) fleet: FleetHandle,
    pub(crate) statuses: StatusBoard,
    pub(crate) commands: CommandQueue,
    pub(crate) registry: Registry,
    pub(crate) ledger: Ledger,
    pub(crate) clock: Clock,
    pub(crate) supervisor: Supervisor,
}

type Answer<T> = Result<Response<T>, Status>;

fn done(message: impl Into<String>) -> Answer<v1::Done> {
    Ok(Response::new(v1::Done { message: message.into() }))
}

fn failed(error: impl std::error::Error + 'static) -> Status {
    Status::internal(chain(&error))
}

/// What the fleet's owner did not do: a refusal is the caller's to mend, the rest is ours.
fn not_done(error: FleetError) -> Status {
    match &error {
        FleetError::Refused(_) => Status::failed_precondition(chain(&error)),
        FleetError::Failed(_) | FleetError::Store(_) => Status::internal(chain(&error)),
        FleetError::Stopped => Status::unavailable(chain(&error)),
    }
}

/// What enrolment did not do. An unknown cluster is told apart, so that the CLI can look for the
/// nearest name.
fn refused(error: impl std::error::Error + Into<ClustersError> + 'static) -> Status {
    let text = chain(&error);
    match error.into() {
        ClustersError::Enrol(EnrolError::Refused(Refusal::UnknownCluster { .. })) => {
            Status::not_found(text)
        }
        ClustersError::Enrol(EnrolError::Refused(_)) => Status::failed_precondition(text),
        ClustersError::Enrol(_) | ClustersError::Revocations { .. } => Status::internal(text),
    }
}

fn invalid(error: impl std::fmt::Display) -> Status {
    Status::invalid_argument(error.to_string())
}

fn json<T: Serialize>(items: &[T]) -> Result<Vec<Vec<u8>>, Status> {
    let items = items.iter().map(serde_json::to_vec);
    items.collect::<Result<_, _>>().map_err(|error| Status::internal(error.to_string()))
}

impl FleetApi {
    fn now(&self) -> Timestamp {
        Timestamp(self.clock.wall_ms())
    }

    fn operator<T>(&self, request: &Request<T>) -> Result<String, Status> {
        operator_of(request, &self.fleet_name)
    }

    fn world(&self) -> Result<World, Status> {
        Ok(World {
            fleet: self.fleet.snapshot().borrow().clone(),
            clusters: self.clusters.records().map_err(failed)?,
            statuses: self.statuses.all(),
        })
    }

    fn list_now(&self, asked: &v1::ListRequest) -> Result<v1::ListResponse, Status> {
        let world = self.world()?;
        let items = match asked.kind.as_str() {
            "clusters" => {
                json(&pick(world.clusters(), "cluster", &asked.name, |view| view.name.as_str())?)?
            }
            "applications" => {
                let mut views = world.applications(asked.detail);
                views.retain(|view| {
                    asked.cluster.is_empty() || view.cluster.as_str() == asked.cluster
                });
                let of_set =
                    |set: &Option<SetName>| set.as_ref().map_or("", SetName::as_str) == asked.set;
                views.retain(|view| asked.set.is_empty() || of_set(&view.set));
                json(&pick(views, "application", &asked.name, |view| view.name.as_str())?)?
            }
            "applicationsets" => {
                json(&pick(world.sets(), "application set", &asked.name, |view| {
                    view.name.as_str()
                })?)?
            }
            other => {
                let known = ["clusters", "applications", "applicationsets"];
                return Err(invalid(model::suggest::unknown("kind", other, &known)));
            }
        };
        Ok(v1::ListResponse { items })
    }

    /// The cluster of an application that exists.
    fn cluster_of(&self, name: &ApplicationName) -> Result<ClusterName, Status> {
        let snapshot = self.fleet.snapshot().borrow().clone();
        let found = snapshot.applications.iter().find(|entry| entry.desired.name() == name);
        found.map(|entry| entry.cluster.clone()).ok_or_else(|| {
            let known = snapshot.applications.iter().map(|entry| entry.desired.name().as_str());
            not_found("application", name.as_str(), known)
        })
    }

    /// Stores a command for a cluster and hands it to the session, when there is one.
    async fn send(&self, cluster: &ClusterName, command: Command) -> Result<bool, Status> {
        let id = self.commands.push(cluster, &command).await.map_err(failed)?;
        Ok(self.registry.command(cluster, (id, command)))
    }

    async fn record(
        &self,
        actor: &str,
        action: &str,
        subject: (Option<ApplicationName>, Option<ClusterName>),
        message: String,
        reason: &str,
    ) -> Result<(), Status> {
        let (application, cluster) = subject;
        let record = NewRecord {
            at: self.now(),
            actor: actor.to_owned(),
            action: action.to_owned(),
            application,
            cluster,
            commit: None,
            message,
            reason: reason.to_owned(),
        };
        self.ledger.append(vec![record]).await.map_err(failed)
    }
}

/// The item of that name, or all of them when none is asked for.
fn pick<T>(
    mut items: Vec<T>,
    what: &str,
    name: &str,
    name_of: impl Fn(&T) -> &str,
) -> Result<Vec<T>, Status> {
    if name.is_empty() {
        return Ok(items);
    }
    match items.iter().position(|item| name_of(item) == name) {
        Some(index) => Ok(vec![items.swap_remove(index)]),
        None => Err(not_found(what, name, items.iter().map(name_of))),
    }
}

fn not_found<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a str>) -> Status {
    let hint = nearest(name, known).map(|name| format!("; did you mean {name:?}?"));
    Status::not_found(format!("there is no {what} {name:?}{}", hint.unwrap_or_default()))
}

fn checked_reason(reason: String) -> Result<String, Status> {
    if reason.len() > MAX_REASON {
        return Err(invalid(format!("the reason is longer than {MAX_REASON} bytes")));
    }
    Ok(reason)
}

#[tonic::async_trait]
impl v1::fleet_server::Fleet for FleetApi {
    type WatchStream = ReceiverStream<Result<v1::ListResponse, Status>>;

    async fn version(&self, request: Request<v1::VersionRequest>) -> Answer<v1::VersionResponse> {
        self.operator(&request)?;
        Ok(Response::new(v1::VersionResponse {
            hub_version: env!("CARGO_PKG_VERSION").to_owned(),
            fleet: self.fleet_name.clone(),
            epoch: self.epoch.to_string(),
        }))
    }

    async fn apply(&self, request: Request<v1::ApplyRequest>) -> Answer<v1::ApplyResponse> {
        let actor = self.operator(&request)?;
        let v1::ApplyRequest { documents, reason } = request.into_inner();
        if documents.len() > MAX_DOCUMENTS {
            return Err(invalid(format!("the documents are larger than {MAX_DOCUMENTS} bytes")));
        }
        let outcomes = self.fleet.apply(documents, actor, checked_reason(reason)?).await;
        let results = outcomes.map_err(not_done)?.into_iter().map(|one| v1::ApplyResult {
            kind: one.kind,
            name: one.name,
            outcome: one.outcome,
            message: one.message,
        });
        Ok(Response::new(v1::ApplyResponse { results: results.collect() }))
    }

    async fn delete(&self, request: Request<v1::DeleteRequest>) -> Answer<v1::Done> {
        let actor = self.operator(&request)?;
        let v1::DeleteRequest { kind, name, reason } = request.into_inner();
        let message = self.fleet.delete(kind, name, actor, checked_reason(reason)?).await;
        done(message.map_err(not_done)?)
    }

    async fn list(&self, request: Request<v1::ListRequest>) -> Answer<v1::ListResponse> {
        self.operator(&request)?;
        Ok(Response::new(self.list_now(request.get_ref())?))
    }

    async fn watch(&self, request: Request<v1::ListRequest>) -> Answer<Self::WatchStream> {
        self.operator(&request)?;
        let asked = request.into_inner();
        // One list waits while the client reads another: a slow reader sees fewer, newer lists.
        let (sender, receiver) = mpsc::channel(1);
        let api = self.clone();
        self.supervisor.spawn("watch", async move {
            let mut fleet = api.fleet.snapshot();
            let mut statuses = api.statuses.changes();
            let mut clusters = api.clusters.changes();
            let shutdown = api.supervisor.token();
            let mut last = None;
            loop {
                fleet.borrow_and_update();
                statuses.borrow_and_update();
                clusters.borrow_and_update();
                let list = api.list_now(&asked);
                let failed = list.is_err();
                if let Ok(list) = &list
                    && last.as_ref() == Some(list)
                {
                    // Nothing that was asked for has changed.
                } else {
                    last = list.clone().ok();
                    if sender.send(list).await.is_err() || failed {
                        return;
                    }
                }
                // Cancel-safe: each only waits for a change that is still there afterwards.
                tokio::select! {
                    Ok(()) = fleet.changed() => {}
                    Ok(()) = statuses.changed() => {}
                    Ok(()) = clusters.changed() => {}
                    () = sender.closed() => return,
                    () = shutdown.cancelled() => return,
                }
                tokio::time::sleep(WATCH_PAUSE).await;
            }
        });
        Ok(Response::new(ReceiverStream::new(receiver)))
    }

    async fn history(&self, request: Request<v1::HistoryRequest>) -> Answer<v1::HistoryResponse> {
        self.operator(&request)?;
        let v1::HistoryRequest { application, cluster, limit } = request.into_inner();
        let named = |text: String| if text.is_empty() { None } else { Some(text) };
        let filter = Filter {
            application: named(application)
                .map(ApplicationName::try_from)
                .transpose()
                .map_err(invalid)?,
            cluster: named(cluster).map(ClusterName::try_from).transpose().map_err(invalid)?,
        };
        let limit = if limit == 0 { 50 } else { limit.min(MAX_HISTORY) };
        let records = self.ledger.recent(&filter, limit as usize).map_err(failed)?;
        Ok(Response::new(v1::HistoryResponse { records: json(&records)? }))
    }

    async fn sync(&self, request: Request<v1::ApplicationRequest>) -> Answer<v1::Done> {
        let actor = self.operator(&request)?;
        let v1::ApplicationRequest { application, reason } = request.into_inner();
        let name = ApplicationName::try_from(application).map_err(invalid)?;
        let reason = checked_reason(reason)?;
        let cluster = self.cluster_of(&name)?;
        let message = format!("{name} is applied on {cluster}");
        let subject = (Some(name.clone()), Some(cluster.clone()));
        self.record(&actor, "SyncRequested", subject, message, &reason).await?;
        let live = self.send(&cluster, Command::Sync { application: name.clone() }).await?;
        done(if live {
            format!("application {name} is being synced on {cluster}")
        } else {
            format!("application {name} will be synced when {cluster} connects")
        })
    }

    async fn pause(&self, request: Request<v1::ApplicationRequest>) -> Answer<v1::Done> {
        let actor = self.operator(&request)?;
        let v1::ApplicationRequest { application, reason } = request.into_inner();
        let name = ApplicationName::try_from(application).map_err(invalid)?;
        self.cluster_of(&name)?;
        let paused = self.fleet.pause(name.clone(), actor, checked_reason(reason)?).await;
        paused.map_err(not_done)?;
        done(format!("application {name} is paused: its spoke reports and changes nothing"))
    }

    async fn resume(&self, request: Request<v1::ApplicationRequest>) -> Answer<v1::Done> {
        let actor = self.operator(&request)?;
        let v1::ApplicationRequest { application, reason } = request.into_inner();
        let name = ApplicationName::try_from(application).map_err(invalid)?;
        self.cluster_of(&name)?;
        let resumed = self.fleet.resume(name.clone(), actor, checked_reason(reason)?).await;
        resumed.map_err(not_done)?;
        done(format!("application {name} is resumed"))
    }

    async fn refresh(&self, request: Request<v1::RefreshRequest>) -> Answer<v1::RefreshResponse> {
        self.operator(&request)?;
        let outcome = self.fleet.refresh().await.map_err(not_done)?;
        Ok(Response::new(v1::RefreshResponse {
            commit: outcome.commit.map(|commit| commit.to_string()).unwrap_or_default(),
            problems: json(&outcome.problems)?,
        }))
    }

    async fn approve(&self, request: Request<v1::ApproveRequest>) -> Answer<v1::Done> {
        let actor = self.operator(&request)?;
        let v1::ApproveRequest { kind, name, plan, reason } = request.into_inner();
        let reason = checked_reason(reason)?;
        match kind.as_str() {
            "applicationset" => {
                let approved = self.fleet.approve_set(name.clone(), plan, actor, reason).await;
                approved.map_err(not_done)?;
                done(format!("the removals of application set {name} go on"))
            }
            "application" => {
                let name = ApplicationName::try_from(name).map_err(invalid)?;
                let cluster = self.cluster_of(&name)?;
                let message =
                    format!("objects of {name} on {cluster} may be pruned beyond the budget");
                let subject = (Some(name.clone()), Some(cluster.clone()));
                self.record(&actor, "PruneApproved", subject, message, &reason).await?;
                self.send(&cluster, Command::ApprovePrune { application: name.clone() }).await?;
                done(format!("application {name} may prune what it had parked"))
            }
            "cluster" => {
                let cluster = ClusterName::try_from(name).map_err(invalid)?;
                self.clusters
                    .require(&cluster)
                    .map_err(|error| Status::not_found(chain(&error)))?;
                let message = format!("{cluster} may remove again what the hub says");
                let subject = (None, Some(cluster.clone()));
                self.record(&actor, "RemovalsConfirmed", subject, message, &reason).await?;
                self.send(&cluster, Command::ConfirmRemovals { epoch: self.epoch }).await?;
                done(format!("cluster {cluster} is no longer on hold"))
            }
            other => {
                let known = ["applicationset", "application", "cluster"];
                Err(invalid(model::suggest::unknown("kind", other, &known)))
            }
        }
    }

    async fn create_token(
        &self,
        request: Request<v1::CreateTokenRequest>,
    ) -> Answer<v1::CreateTokenResponse> {
        let actor = self.operator(&request)?;
        let v1::CreateTokenRequest {
            cluster,
            ttl_seconds,
            reusable,
            manual_approval,
            labels,
            reason,
        } = request.into_inner();
        let scope = match (cluster.is_empty(), reusable) {
            (true, true) => TokenScope::Reusable,
            (true, false) => return Err(invalid("name the cluster, or ask for a reusable token")),
            (false, true) => {
                return Err(invalid(
                    "a reusable token names no cluster: each spoke brings its own",
                ));
            }
            (false, false) => TokenScope::Cluster(ClusterName::try_from(cluster).map_err(invalid)?),
        };
        let ttl = Duration::from_secs(ttl_seconds);
        let labels = labels.into_iter().collect();
        let asked = NewToken { scope, ttl, labels, manual_approval };
        let reason = checked_reason(reason)?;
        let created = self.clusters.create_token(&asked, &actor, &reason, self.now()).await;
        let created = created.map_err(refused)?;
        Ok(Response::new(v1::CreateTokenResponse {
            id: created.token.id().to_string(),
            token: created.token.reveal(),
            ca_pin: self.clusters.ca_pin(),
            hub: self.address.clone(),
            expires_at_ms: created.expires_at.0,
        }))
    }

    async fn list_tokens(
        &self,
        request: Request<v1::ListTokensRequest>,
    ) -> Answer<v1::ListTokensResponse> {
        self.operator(&request)?;
        let tokens = self.clusters.tokens(self.now()).map_err(failed)?;
        Ok(Response::new(v1::ListTokensResponse { tokens: json(&tokens)? }))
    }

    async fn approve_cluster(&self, request: Request<v1::ClusterRequest>) -> Answer<v1::Done> {
        let actor = self.operator(&request)?;
        let v1::ClusterRequest { cluster, reason } = request.into_inner();
        let cluster = ClusterName::try_from(cluster).map_err(invalid)?;
        let reason = checked_reason(reason)?;
        let approved = self.clusters.approve(&cluster, &actor, &reason, self.now()).await;
        approved.map_err(refused)?;
        done(format!("cluster {cluster} may join"))
    }

    async fn revoke_cluster(&self, request: Request<v1::ClusterRequest>) -> Answer<v1::Done> {
        let actor = self.operator(&request)?;
        let v1::ClusterRequest { cluster, reason } = request.into_inner();
        let cluster = ClusterName::try_from(cluster).map_err(invalid)?;
        let reason = checked_reason(reason)?;
        let revoked = self.clusters.revoke(&cluster, &actor, &reason, self.now()).await;
        revoked.map_err(refused)?;
        self.fleet.clusters_changed();
        done(format!("cluster {cluster} is revoked and its stream closed; what runs there goes on"))
    }

    async fn label_cluster(&self, request: Request<v1::LabelClusterRequest>) -> Answer<v1::Done> {
        let actor = self.operator(&request)?;
        let v1::LabelClusterRequest { cluster, set, remove, reason } = request.into_inner();
        let cluster = ClusterName::try_from(cluster).map_err(invalid)?;
        let change = LabelChange { set: set.into_iter().collect(), remove };
        let reason = checked_reason(reason)?;
        let labelled = self.clusters.label(&cluster, &change, &actor, &reason, self.now()).await;
        labelled.map_err(refused)?;
        self.fleet.clusters_changed();
        done(format!("cluster {cluster} is labelled"))
    }
}
