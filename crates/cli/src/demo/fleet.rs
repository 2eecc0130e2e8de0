//! A hub and a spoke for each cluster, in this process: the code of `muster-hub` and of
//! `muster-spoke`, over TLS on loopback.
//!
//! Tasks: `hub` and one `spoke` for each cluster, which have supervisors of their own. Why one of
//! them ended before its time comes out of [`Fleet::broken`].

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use hub::config::Config as HubConfig;
use hub::init::InitOptions;
use model::view::ClusterView;
use proto::v1::{CreateTokenRequest, ListRequest};
use runtime::clock::Clock;
use runtime::error::chain;
use runtime::supervise::{Supervisor, TaskHandle};
use serde::de::DeserializeOwned;
use serde_json::json;
use spoke_agent::config::Config as SpokeConfig;
use spoke_agent::run::JoinArgs;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::cluster::Cluster;
use super::error::DemoError;
use super::repository::{Repository, SETS};
use super::show::Telling;
use crate::client::{Hub, Options, Watch};
use crate::failure::Failure;
use crate::kind::Kind;
use crate::show::{Console, parse_views};

const FLEET: &str = "demo";
/// What the sample's application set selects.
const LABEL: (&str, &str) = ("env", "prod");
/// A second is the shortest: whoever commits sees it happen.
const POLL_SECONDS: u64 = 1;
/// A token is used at once.
const TOKEN_SECONDS: u64 = 300;
/// Enough for a machine that is busy with something else; an idle one needs a second or two.
pub(crate) const LIMIT: Duration = Duration::from_secs(120);
/// What a hub or spoke may take to end. They need milliseconds, unless a tool is rendering.
const GRACE: Duration = Duration::from_secs(5);

/// What a part that breaks may take to end.
const NOTICE: Duration = Duration::from_millis(500);

/// Ends before the fleet does: why.
#[derive(Debug, Clone)]
struct Broken {
    part: String,
    reason: String,
}

pub(crate) struct Fleet {
    supervisor: Supervisor,
    hub_task: TaskHandle,
    hub_token: CancellationToken,
    spoke_tasks: Vec<TaskHandle>,
    spoke_token: CancellationToken,
    broken_tx: watch::Sender<Option<Broken>>,
    context_file: PathBuf,
}

/// Where a fleet lives.
pub(crate) struct Place<'a> {
    pub(crate) folder: &'a Path,
    /// Where the hub listens; any free port when absent.
    pub(crate) port: Option<u16>,
    pub(crate) clock: Clock,
    pub(crate) supervisor: Supervisor,
}

impl Fleet {
    /// Makes a fleet and starts its hub.
    pub(crate) fn start(place: Place<'_>, repository: &Repository) -> Result<Self, DemoError> {
        let Place { folder, port, clock, supervisor } = place;
        let wanted = port.unwrap_or(0);
        let port_error = |source| DemoError::Port { port: wanted, source };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, wanted)).map_err(port_error)?;
        let address = listener.local_addr().map_err(port_error)?;
        let dir = folder.join("hub");
        let options = InitOptions {
            dir: dir.clone(),
            fleet: FLEET.to_owned(),
            address: address.to_string(),
            names: Vec::new(),
        };
        hub::init::init(&options, &clock)
            .map_err(|error| setup("the hub cannot be made", error))?;
        let mut config = HubConfig::load(None, &hub_settings(repository))
            .map_err(|error| setup("the hub's configuration is wrong", error.into()))?;
        config.listen = address;

        let (broken_tx, _) = watch::channel(None);
        let hub_token = CancellationToken::new();
        let own = Supervisor::new(hub_token.clone());
        let run_dir = dir.clone();
        let part = run_part(
            "the hub".to_owned(),
            async move { hub::run::run_listening(listener, &run_dir, config, clock, own).await },
            broken_tx.clone(),
        );
        let hub_task = supervisor.spawn("hub", part.instrument(tracing::info_span!("hub")));
        Ok(Self {
            supervisor,
            hub_task,
            hub_token,
            spoke_tasks: Vec::new(),
            spoke_token: CancellationToken::new(),
            broken_tx,
            context_file: dir.join("admin.yaml"),
        })
    }

    /// The context of an operator of this fleet.
    pub(crate) fn context_file(&self) -> &Path {
        &self.context_file
    }

    /// Why a part ended before its time; pending while all is well.
    pub(crate) fn broken(&self) -> impl Future<Output = DemoError> + use<> {
        let mut broken = self.broken_tx.subscribe();
        async move {
            // Cancel-safe: the value stays in the channel.
            let found = broken.wait_for(Option::is_some).await.ok().and_then(|found| found.clone());
            match found {
                Some(Broken { part, reason }) => DemoError::Stopped { part, reason },
                None => std::future::pending().await,
            }
        }
    }

    /// Runs `work` as long as all parts are well. A part that ended is the cause of whatever it made
    /// fail, and may be noticed a moment later.
    pub(crate) async fn while_whole<T>(
        &self,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        whole(self.broken(), work).await
    }

    /// Starts a spoke for a cluster, which joins with `join`.
    pub(crate) fn add_spoke(
        &mut self,
        cluster: &Cluster,
        join: JoinArgs,
        namespace: &str,
        state_dir: PathBuf,
        clock: Clock,
    ) -> Result<(), DemoError> {
        fs::create_dir_all(&state_dir).map_err(DemoError::file("make", &state_dir))?;
        let mut config = SpokeConfig::load(None, &["git.allowFile=true".to_owned()])
            .map_err(|error| setup("the spoke's configuration is wrong", error.into()))?;
        namespace.clone_into(&mut config.namespace);
        config.state_dir = state_dir;
        let own = Supervisor::new(self.spoke_token.child_token());
        let client = cluster.client.clone();
        let part = run_part(
            format!("the spoke of {}", cluster.name),
            async move { spoke_agent::run::run(client, config, &join, clock, own).await },
            self.broken_tx.clone(),
        );
        let span = tracing::info_span!("spoke", cluster = cluster.name);
        let name = format!("spoke {}", cluster.name);
        self.spoke_tasks.push(self.supervisor.spawn(name, part.instrument(span)));
        Ok(())
    }

    /// Ends the spokes: from now on nothing is changed in a cluster.
    pub(crate) async fn stop_spokes(&self) {
        self.spoke_token.cancel();
        let ended = async {
            for task in &self.spoke_tasks {
                task.finished().await;
            }
        };
        if tokio::time::timeout(GRACE, ended).await.is_err() {
            tracing::warn!("spokes did not stop in time");
        }
    }

    pub(crate) async fn stop(&self) {
        self.stop_spokes().await;
        self.hub_token.cancel();
        if tokio::time::timeout(GRACE, self.hub_task.finished()).await.is_err() {
            tracing::warn!("the hub did not stop in time");
        }
    }
}

fn setup(what: &'static str, error: anyhow::Error) -> DemoError {
    DemoError::Setup { what, reason: chain(error.as_ref()) }
}

fn hub_settings(repository: &Repository) -> [String; 4] {
    [
        format!("fleetRepository.url={}", repository.url()),
        format!("fleetRepository.path={SETS}"),
        format!("pollSeconds={POLL_SECONDS}"),
        "git.allowFile=true".to_owned(),
    ]
}

pub(crate) async fn whole<T>(
    broken: impl Future<Output = DemoError>,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let mut broken = Box::pin(broken);
    let failure = tokio::select! {
        biased;
        error = &mut broken => return Err(error.into()),
        outcome = work => match outcome {
            Ok(value) => return Ok(value),
            Err(failure) => failure,
        },
    };
    match tokio::time::timeout(NOTICE, broken).await {
        Ok(error) => Err(error.into()),
        Err(_all_well) => Err(failure),
    }
}

/// Runs a hub or a spoke, and tells when it ends. When that was asked for, nobody listens.
async fn run_part(
    part: String,
    running: impl Future<Output = anyhow::Result<()>>,
    broken: watch::Sender<Option<Broken>>,
) {
    let reason = match running.await {
        Err(error) => chain(error.as_ref()),
        Ok(()) => "it ended by itself".to_owned(),
    };
    tracing::info!(part, reason, "ended");
    broken.send_if_modified(|broken| {
        let first = broken.is_none();
        broken.get_or_insert(Broken { part, reason });
        first
    });
}

/// What an operator sees and does.
pub(crate) struct Operator<'a> {
    pub(crate) hub: Hub,
    console: &'a mut Console,
}

impl<'a> Operator<'a> {
    pub(crate) async fn connect(fleet: &Fleet, console: &'a mut Console) -> Result<Self, Failure> {
        let options =
            Options { context_file: Some(fleet.context_file().to_owned()), request_timeout: LIMIT };
        let hub = Hub::connect(&options, console).await?;
        Ok(Self { hub, console })
    }

    /// What `muster cluster token create` asks for.
    pub(crate) async fn join_args(&mut self, cluster: &str) -> Result<JoinArgs, Failure> {
        let (key, value) = LABEL;
        let request = self.hub.request(CreateTokenRequest {
            cluster: cluster.to_owned(),
            ttl_seconds: TOKEN_SECONDS,
            reusable: false,
            manual_approval: false,
            labels: [(key.to_owned(), value.to_owned())].into(),
            reason: "the demo begins".to_owned(),
        });
        let outcome = self.hub.client.create_token(request).await;
        let answer = self.hub.judge(outcome)?;
        Ok(JoinArgs {
            hub: Some(answer.hub),
            token: Some(answer.token),
            ca_pin: Some(answer.ca_pin),
            name: None,
        })
    }

    /// Watches a list until `condition` finds what it wants in it. `condition` may leave a word on
    /// what it saw, for the message when that does not come.
    pub(crate) async fn until<V: DeserializeOwned, T>(
        &mut self,
        what: &str,
        request: ListRequest,
        mut condition: impl FnMut(&[V], &mut String) -> Option<T>,
    ) -> Result<T, Failure> {
        let mut last = "the hub sent no list".to_owned();
        let mut watch = Watch::new(&mut self.hub, request);
        let reached = async {
            loop {
                let views: Vec<V> = parse_views(&watch.next(self.console).await?)?;
                if let Some(found) = condition(&views, &mut last) {
                    return Ok(found);
                }
            }
        };
        match tokio::time::timeout(LIMIT, reached).await {
            Ok(outcome) => outcome,
            Err(_) => {
                let what = what.to_owned();
                Err(DemoError::Late { what, limit: LIMIT, last }.into())
            }
        }
    }

    /// Until every cluster's spoke is connected.
    pub(crate) async fn all_connected(
        &mut self,
        number: usize,
        telling: &Telling<'_>,
    ) -> Result<(), Failure> {
        let request = list(Kind::Clusters, "");
        self.until("the connection of every spoke", request, |views: &[ClusterView], last| {
            let connected = views.iter().filter(|view| view.state == "Connected").count();
            *last = format!("{connected} of {number} spokes are connected");
            telling.note(last.clone());
            (connected == number).then_some(())
        })
        .await
    }
}

/// A request for all of a kind, or for one by its name with detail.
pub(crate) fn list(kind: Kind, name: &str) -> ListRequest {
    ListRequest {
        kind: kind.plural().to_owned(),
        name: name.to_owned(),
        detail: !name.is_empty(),
        ..Default::default()
    }
}

/// The namespace that a spoke keeps its state in.
pub(crate) fn namespace(name: &str) -> serde_json::Value {
    json!({
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": { "name": name, "labels": { "app.kubernetes.io/managed-by": "muster-demo" } },
    })
}
