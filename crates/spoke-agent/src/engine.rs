//! The reconcile engine: keeps a cluster as its applications say, with or without a hub.
//!
//! One task owns all state and runs [`run`]'s loop. It takes in
//!
//! | from | channel | what |
//! |---|---|---|
//! | the session | `watch` of [`DesiredSet`] | the accepted state, whole |
//! | the session | `mpsc` of [`EngineCommand`] | syncs and approvals by hand |
//! | watches, one task per kind | `mpsc`, [`WATCH_EVENTS`] | what was seen in the cluster |
//! | passes, one task per piece of work | `mpsc`, [`NOTICES`] | what became of it |
//!
//! and gives out passes (at most one per application, a few at a time) and `Report`s. Each
//! application is a [`unit`] of its own: an error, a slow renderer or a panic in its pass reaches
//! no other. An application is removed on a tombstone only; one that is not mentioned is left as
//! it is.

mod agenda;
mod pass;
mod payloads;
mod record;
mod removal;
mod repair;
mod report;
mod state;
mod sync;
#[cfg(test)]
mod tests;
mod unit;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use model::canonical::Digest;
use model::desired::{Tombstone, VersionedApplication};
use model::name::ApplicationName;
use model::status::{ApplicationStatus, Incident};
use runtime::clock::Clock;
use runtime::supervise::Supervisor;
use thiserror::Error;
use tokio::sync::{mpsc, watch};

use crate::inventory::store::{InventoryStore, StoreError};
use crate::kubernetes::answer::Refusal;
use crate::kubernetes::client::Cluster;
use crate::kubernetes::discovery::Discovery;
use crate::kubernetes::watch::{Event as WatchEvent, GroupKind};
use crate::manifests::ManifestSource;
use pass::Means;
use payloads::PayloadCache;
use state::{Engine, Notice};

/// Events of all watches together: each holds the metadata of one object, a few kilobytes at
/// most. When it is full the watches wait, and so does the API server.
const WATCH_EVENTS: usize = 32;
/// Ends of passes and of discoveries: there are never many more passes than slots for them.
const NOTICES: usize = 32;
/// The most events that are handled before passes are started and reports sent.
const BATCH: usize = 64;
/// How the start is tried again when the API server does not answer.
const START_RETRY: runtime::backoff::Backoff =
    runtime::backoff::Backoff::new(Duration::from_secs(1), 2, Duration::from_secs(30));

/// What the cluster should run, as far as it is legal now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DesiredSet {
    pub applications: BTreeMap<ApplicationName, VersionedApplication>,
    /// Only those that may be acted on now; an application that is in neither map stays as it is.
    pub removals: BTreeMap<ApplicationName, Tombstone>,
}

pub struct EngineInput {
    pub desired: watch::Receiver<Arc<DesiredSet>>,
    pub commands: mpsc::Receiver<EngineCommand>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EngineCommand {
    /// Apply everything of it now, and take over what others manage, except what belongs to
    /// another application.
    Sync { application: ApplicationName },
    /// Render all applications anew and apply what differs.
    Refresh,
    /// Remove the objects whose removal is parked.
    ApprovePrune { application: ApplicationName },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    Status(ApplicationStatus),
    /// An incident without fields is about an object that was deleted.
    Incident(Incident),
    /// The tombstone is fulfilled.
    Removed {
        name: ApplicationName,
        /// The tombstone's.
        version: Digest,
        pruned: usize,
        orphaned: usize,
    },
}

#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// The agent's own namespace, for the inventories.
    pub namespace: String,
    /// Marks this agent's objects; empty means the name of the namespace. Changing it orphans
    /// what was applied before from the watches until it is applied again.
    pub inventory_id: String,
    /// For caches. Losing it costs a render.
    pub state_dir: PathBuf,
    /// Applications that are synced at a time; as many again may be repaired.
    pub concurrency: usize,
    /// Objects of one application that are in flight at a time.
    pub object_concurrency: usize,
    /// Objects per page of a list: the largest lever on memory.
    pub watch_page_size: u32,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            namespace: "muster-system".to_owned(),
            inventory_id: String::new(),
            state_dir: PathBuf::from("/var/lib/muster-spoke"),
            concurrency: 4,
            object_concurrency: 4,
            watch_page_size: 25,
        }
    }
}

#[derive(Debug, Error)]
pub enum EngineError {
    #[error(
        "the inventory id {id:?} is not a label value: at most 63 letters, digits, '-', '_' and '.'"
    )]
    InventoryId { id: String },
}

/// What can go wrong while starting; all of it is tried again.
#[derive(Debug, Error)]
enum StartError {
    #[error("the kinds of the cluster could not be read: {0}")]
    Discovery(Refusal),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What one turn of the loop is about.
enum Event {
    Desired,
    Command(EngineCommand),
    Watch(Arc<GroupKind>, WatchEvent),
    Notice(Notice),
    Tick,
}

/// Runs the engine until the supervisor's token is cancelled or the session is gone.
///
/// # Errors
/// When the configuration cannot work. Whatever the cluster or Git does is reported and tried
/// again.
pub async fn run(
    client: kube::Client,
    manifests: Arc<dyn ManifestSource>,
    config: EngineConfig,
    mut input: EngineInput,
    reports: mpsc::Sender<Report>,
    clock: Clock,
    supervisor: Supervisor,
) -> Result<(), EngineError> {
    let shutdown = supervisor.token();
    let config = checked(config)?;
    let cluster = Cluster::new(client);
    let inventories = InventoryStore::new(cluster.clone(), &config.namespace, &config.inventory_id);
    let started = tokio::select! {
        started = start(&cluster, &inventories) => started,
        () = shutdown.cancelled() => return Ok(()),
    };
    let (discovery, facts, stored) = started;
    let facts = Arc::new(watch::Sender::new(Arc::new(facts)));
    let means = Means {
        cluster,
        discovery,
        manifests,
        inventories,
        payloads: PayloadCache::new(&config.state_dir),
        config: Arc::new(config),
        facts,
    };
    let (watch_tx, mut watch_rx) = mpsc::channel(WATCH_EVENTS);
    let (notices_tx, mut notices_rx) = mpsc::channel(NOTICES);
    let mut engine = Engine::new(means, clock.clone(), supervisor, watch_tx, notices_tx, stored);
    let desired = Arc::clone(&input.desired.borrow_and_update());
    engine.want(&desired);
    let mut commands_open = true;
    loop {
        engine.work();
        engine.report(&reports);
        let wake = engine.next_wake();
        let now = clock.now();
        let sleep = wake.map(|at| at.saturating_sub(now));
        // Every arm is cancel-safe: a value is taken only by the arm that wins.
        let event = tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            changed = input.desired.changed() => match changed {
                Ok(()) => Event::Desired,
                Err(_session_is_gone) => return Ok(()),
            },
            command = input.commands.recv(), if commands_open => match command {
                Some(command) => Event::Command(command),
                None => { commands_open = false; Event::Tick }
            },
            Some(notice) = notices_rx.recv() => Event::Notice(notice),
            Some((kind, event)) = watch_rx.recv() => Event::Watch(kind, event),
            () = tokio::time::sleep(sleep.unwrap_or_default()), if sleep.is_some() => Event::Tick,
        };
        match event {
            Event::Desired => {
                let desired = Arc::clone(&input.desired.borrow_and_update());
                engine.want(&desired);
            }
            Event::Command(command) => engine.command(&command),
            Event::Notice(Notice::Pass(end)) => engine.pass_ended(end),
            Event::Notice(Notice::Discovered) => engine.discovered(),
            Event::Watch(kind, event) => engine.seen(&kind, event),
            Event::Tick => {}
        }
        for _ in 0..BATCH {
            match watch_rx.try_recv() {
                Ok((kind, event)) => engine.seen(&kind, event),
                Err(_) => break,
            }
        }
    }
}

fn checked(mut config: EngineConfig) -> Result<EngineConfig, EngineError> {
    if config.inventory_id.is_empty() {
        config.inventory_id.clone_from(&config.namespace);
    }
    let id = &config.inventory_id;
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    let valid = id.len() <= 63
        && id.chars().all(inner)
        && edge(id.chars().next())
        && edge(id.chars().next_back());
    match valid {
        true => Ok(config),
        false => Err(EngineError::InventoryId { id: id.clone() }),
    }
}

type Started =
    (Discovery, render::ClusterFacts, BTreeMap<ApplicationName, crate::inventory::store::Stored>);

/// Reads what the cluster knows; tries until it answers.
async fn start(cluster: &Cluster, inventories: &InventoryStore) -> Started {
    let mut attempt = 0;
    loop {
        match try_start(cluster, inventories).await {
            Ok(started) => return started,
            Err(error) => {
                let wait = START_RETRY.jittered(attempt, &mut rand::rng());
                tracing::warn!(%error, ?wait, "the engine cannot start yet");
                attempt += 1;
                tokio::time::sleep(wait).await;
            }
        }
    }
}

async fn try_start(cluster: &Cluster, inventories: &InventoryStore) -> Result<Started, StartError> {
    let discovery = Discovery::start(cluster.clone()).await.map_err(StartError::Discovery)?;
    let kube_version = discovery.server_version().await.map_err(StartError::Discovery)?;
    let api_versions = discovery.kinds().api_versions();
    let stored = inventories.load().await?;
    Ok((discovery, render::ClusterFacts { kube_version, api_versions }, stored))
}
