//! One hub from its folder to its end: what `muster-hub run` does, and what tests call.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use model::status::Timestamp;
use proto::MAX_MESSAGE_BYTES;
use proto::channel::{KEEPALIVE_INTERVAL, KEEPALIVE_TIMEOUT};
use proto::v1::enrolment_server::EnrolmentServer;
use proto::v1::fleet_server::FleetServer;
use proto::v1::spoke_session_server::SpokeSessionServer;
use runtime::clock::Clock;
use runtime::error::chain;
use runtime::supervise::Supervisor;
use runtime::tls::{ClientAuth, ReloadableCert, root_store, server_config};
use source::Mirrors;
use tokio::net::TcpListener;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Server;

use crate::api::FleetApi;
use crate::clusters::Clusters;
use crate::commands::CommandQueue;
use crate::config::{Backend, Config};
use crate::enrolment::EnrolmentService;
use crate::fleet::board::DesiredBoard;
use crate::fleet::{self, DecisionReports, FleetOptions, FleetRepository};
use crate::init::{Place, load_place, pki_dir};
use crate::ledger::Ledger;
use crate::pki::{Lifetime, Pki};
use crate::session::{Registry, SessionService};
use crate::status::StatusBoard;
use crate::store::Store;
use crate::store::memory::MemoryStore;
use crate::store::sled::{SledOptions, SledStore};
use crate::{epoch, listen, services, status_keeper};

/// How long tasks may take to stop.
const GRACE: Duration = Duration::from_secs(10);
/// How often the hub's own certificate is looked at.
const CERTIFICATE_CHECK: Duration = Duration::from_secs(3_600);
/// The most streams of one connection: a spoke needs three, the CLI two.
const MAX_STREAMS: u32 = 64;

/// Runs the hub until the supervisor's token is cancelled.
pub async fn run(
    dir: &Path,
    config: Config,
    clock: Clock,
    supervisor: Supervisor,
) -> anyhow::Result<()> {
    start(dir, config, Given::default(), clock, supervisor).await
}

/// As [`run`], on a port that the caller has bound already instead of `config.listen`: who starts
/// several hubs at once cannot choose a free port in any other way.
pub async fn run_listening(
    listener: std::net::TcpListener,
    dir: &Path,
    config: Config,
    clock: Clock,
    supervisor: Supervisor,
) -> anyhow::Result<()> {
    listener.set_nonblocking(true)?;
    let given = Given { listener: Some(TcpListener::from_std(listener)?), store: None };
    start(dir, config, given, clock, supervisor).await
}

/// As [`run`], on a store that is open already, whatever the configuration says of one: who
/// simulates a fleet keeps, loses and restores stores without a disk.
pub async fn run_on(
    store: Arc<dyn Store>,
    dir: &Path,
    config: Config,
    clock: Clock,
    supervisor: Supervisor,
) -> anyhow::Result<()> {
    let given = Given { listener: None, store: Some(store) };
    start(dir, config, given, clock, supervisor).await
}

/// What the caller has made already, in place of what the configuration says.
#[derive(Default)]
struct Given {
    listener: Option<TcpListener>,
    store: Option<Arc<dyn Store>>,
}

async fn start(
    dir: &Path,
    config: Config,
    given: Given,
    clock: Clock,
    supervisor: Supervisor,
) -> anyhow::Result<()> {
    let Config {
        listen,
        fleet_repository,
        poll_seconds,
        git,
        services,
        decisions,
        store,
        certificates,
        log: _,
    } = config;
    let services = services::open(services, clock.clone())?;
    let place = load_place(dir)?;
    let pki = Arc::new(Pki::load(&pki_dir(dir))?);
    let mirrors = Mirrors::open(
        dir.join("git"),
        git.policy(),
        git.credentials()?,
        source::Limits::default(),
    )?;
    let store = match given.store {
        Some(store) => store,
        None => open_store(store.backend, dir).await?,
    };
    // Before the first byte is said to anybody: whatever was said before belongs to an older epoch.
    let epoch = epoch::begin(store.as_ref()).await?;
    let ledger = Ledger::new(Arc::clone(&store));
    let lifetime = Lifetime::hours(certificates.cluster_hours)?;
    let registry = Registry::default();
    let clusters = Clusters::open(
        Arc::clone(&store),
        Arc::clone(&pki),
        lifetime,
        registry.clone(),
        pki_dir(dir).join("revoked"),
    )?;
    let board = DesiredBoard::default();
    let decisions = DecisionReports::new(decisions.cluster, clock.clone());
    let options = FleetOptions {
        repository: FleetRepository::from_settings(
            &fleet_repository.url,
            &fleet_repository.revision,
            &fleet_repository.path,
        )?,
        poll_interval: Duration::from_secs(poll_seconds),
        services,
        decisions: decisions.clone(),
        epoch,
    };
    let fleet = fleet::start(
        options,
        Arc::clone(&store),
        mirrors.clone(),
        Arc::new(clusters.clone()),
        board.clone(),
        clock.clone(),
        &supervisor,
    )
    .await?;
    let statuses = StatusBoard::default();
    status_keeper::restore(store.as_ref(), &statuses)?;
    supervisor.spawn(
        "status keeper",
        status_keeper::run(Arc::clone(&store), statuses.clone(), supervisor.token()),
    );
    let commands = CommandQueue::new(Arc::clone(&store));

    let listener = match given.listener {
        Some(listener) => listener,
        None => TcpListener::bind(listen)
            .await
            .with_context(|| format!("cannot listen on {listen}; is another hub running?"))?,
    };
    let now = Timestamp(clock.wall_ms());
    let certificate =
        ReloadableCert::new(pki.server_identity(&pki_dir(dir), &place.names, now)?)?;
    let roots = root_store([pki.ca_certificate()])?;
    let tls = server_config(certificate.clone(), ClientAuth::Optional(roots))?;
    let connections = listen::accept(listener, tls, &supervisor);
    let keeping = keep_certificate(
        certificate,
        Arc::clone(&pki),
        dir.to_owned(),
        place.clone(),
        clock.clone(),
    );
    let shutdown = supervisor.token();
    supervisor.spawn_essential("hub certificate", async move {
        // Between two looks there is nothing to finish.
        shutdown.run_until_cancelled(keeping).await;
    });

    let fleet_name = pki.fleet().to_string();
    let sessions = SessionService {
        fleet_name: fleet_name.clone(),
        epoch,
        clusters: clusters.clone(),
        board,
        fleet: fleet.clone(),
        statuses: statuses.clone(),
        decisions,
        commands: commands.clone(),
        ledger: ledger.clone(),
        registry: registry.clone(),
        clock: clock.clone(),
        supervisor: supervisor.clone(),
    };
    let enrolment = EnrolmentService {
        fleet_name: fleet_name.clone(),
        clusters: clusters.clone(),
        fleet: fleet.clone(),
        clock: clock.clone(),
    };
    let api = FleetApi {
        fleet_name: fleet_name.clone(),
        address: place.address,
        epoch,
        clusters,
        fleet,
        statuses,
        commands,
        registry,
        ledger,
        clock,
        supervisor: supervisor.clone(),
    };
    tracing::info!(%listen, fleet = fleet_name, %epoch, "the hub is ready");
    let token = supervisor.token();
    let served = Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
        .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
        .max_concurrent_streams(MAX_STREAMS)
        .add_service(SpokeSessionServer::new(sessions).max_decoding_message_size(MAX_MESSAGE_BYTES))
        .add_service(EnrolmentServer::new(enrolment).max_decoding_message_size(16 << 10))
        .add_service(FleetServer::new(api).max_decoding_message_size(MAX_MESSAGE_BYTES))
        .serve_with_incoming_shutdown(ReceiverStream::new(connections), token.cancelled());
    // A client that does not hang up must not keep the process alive.
    let served = async {
        tokio::select! {
            // Not cancel-safe, and need not be: the process ends with either.
            served = served => served.context("the server failed"),
            () = async { token.cancelled().await; tokio::time::sleep(GRACE).await } => Ok(()),
        }
    };
    let served = served.await;
    token.cancel();
    mirrors.interrupt();
    let failure = supervisor.failure();
    let abandoned = supervisor.join(GRACE).await;
    if !abandoned.is_empty() {
        tracing::warn!(tasks = abandoned.join(", "), "stopped without waiting for these tasks");
    }
    served?;
    match failure {
        Some(reason) => bail!(reason),
        None => Ok(()),
    }
}

async fn open_store(backend: Backend, dir: &Path) -> anyhow::Result<Arc<dyn Store>> {
    match backend {
        Backend::Memory => {
            tracing::warn!("the store is in memory: when the hub stops, it forgets everything");
            Ok(Arc::new(MemoryStore::new()))
        }
        Backend::Sled => {
            let path = dir.join("store");
            let opened = runtime::supervise::blocking("open the store", move || {
                SledStore::open(&path, &SledOptions::default())
            });
            let (store, report) = opened.await??;
            tracing::info!(?report, "the store is open and was read once");
            Ok(Arc::new(store))
        }
    }
}

/// Replaces the hub's certificate before it ends, without a restart.
async fn keep_certificate(
    certificate: ReloadableCert,
    pki: Arc<Pki>,
    dir: std::path::PathBuf,
    place: Place,
    clock: Clock,
) {
    loop {
        tokio::time::sleep(CERTIFICATE_CHECK).await;
        let now = Timestamp(clock.wall_ms());
        let replaced = pki
            .server_identity(&pki_dir(&dir), &place.names, now)
            .map_err(|error| chain(&error))
            .and_then(|identity| certificate.replace(identity).map_err(|error| chain(&error)));
        if let Err(reason) = replaced {
            tracing::error!(reason, "the hub's certificate could not be renewed");
        }
    }
}
