//! One spoke from its identity to its end: what `muster-spoke run` and `muster-spoke join` do.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use k8s_openapi::api::core::v1::Namespace;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client};
use render::{Limits, Renderer, Tools};
use runtime::clock::Clock;
use runtime::error::chain;
use runtime::supervise::Supervisor;
use source::Mirrors;
use tokio::sync::{mpsc, watch};

use crate::config::Config;
use crate::decisions;
use crate::engine::{self, DesiredSet, EngineConfig, EngineInput};
use crate::identity::{self, Identity, JoinRequest, SECRET_NAME};
use crate::kubernetes::client::Cluster;
use crate::manifests::{GitManifests, ManifestSource};
use crate::secrets::SecretValue;
use crate::session::machine::Machine;
use crate::session::storage::Storage;
use crate::session::task::{EngineLink, Introduction, Session, Traffic};

/// The Secret that holds the accepted state.
const STATE_SECRET: &str = "muster-spoke-state";
/// Reports on their way from the engine to the session, which only stores them in memory: 1,024 is
/// a burst of every application of a large cluster. When it is full the engine waits a moment.
const REPORTS: usize = 1_024;
/// Commands on their way to the engine; a person gives them, one at a time.
const COMMANDS: usize = 16;
/// How often the age of the certificate is looked at.
const RENEWAL_CHECK: Duration = Duration::from_secs(60);
/// How long tasks may take to stop.
const GRACE: Duration = Duration::from_secs(10);

/// How to reach a hub for the first time; all three or none.
#[derive(Clone, Default, clap::Args)]
pub struct JoinArgs {
    /// The hub's address, HOST:PORT
    #[arg(long, env = "MUSTER_HUB")]
    pub hub: Option<String>,
    /// The join token; better in the environment than on the command line
    #[arg(long, env = "MUSTER_TOKEN", hide_env_values = true)]
    pub token: Option<String>,
    /// The pin of the hub's CA, sha256:HEX
    #[arg(long, env = "MUSTER_CA_PIN")]
    pub ca_pin: Option<String>,
    /// The cluster's name; only for a reusable token
    #[arg(long, env = "MUSTER_CLUSTER")]
    pub name: Option<String>,
}

/// Connects to the API server of the spoke's own cluster.
pub async fn client(kubeconfig: Option<&std::path::Path>) -> anyhow::Result<Client> {
    let config = match kubeconfig {
        None => kube::Config::infer().await.context("no kubeconfig and not inside a cluster")?,
        Some(path) => {
            let shown = path.display();
            let file = Kubeconfig::read_from(path)
                .with_context(|| format!("cannot read the kubeconfig {shown}"))?;
            kube::Config::from_custom_kubeconfig(file, &KubeConfigOptions::default())
                .await
                .with_context(|| format!("the kubeconfig {shown} cannot be used"))?
        }
    };
    Client::try_from(config).context("the connection to the API server cannot be set up")
}

/// Joins once and stores the identity.
pub async fn join(client: Client, config: &Config, args: &JoinArgs) -> anyhow::Result<Identity> {
    let secret = SecretValue::new(client.clone(), &config.namespace, SECRET_NAME);
    if let Some(identity) = Identity::load(&secret).await? {
        bail!(
            "this cluster has joined as {} already; to join anew, remove the Secrets \
             {SECRET_NAME}* in namespace {} first",
            identity.cluster,
            config.namespace
        );
    }
    let (Some(hub), Some(token), Some(ca_pin)) = (&args.hub, &args.token, &args.ca_pin) else {
        bail!(
            "this cluster has not joined a fleet yet: give --hub, --token and --ca-pin \
             (`muster cluster token create --name NAME` prints them)"
        );
    };
    let request = JoinRequest {
        hub: hub.clone(),
        token: token.clone(),
        ca_pin: ca_pin.clone(),
        name: args.name.clone(),
        kube_system_uid: kube_system_uid(&client).await?,
    };
    let identity = identity::join(&request).await?;
    identity.save(&secret).await?;
    tracing::info!(cluster = %identity.cluster, fleet = identity.fleet, "joined");
    Ok(identity)
}

async fn kube_system_uid(client: &Client) -> anyhow::Result<String> {
    let namespace = Api::<Namespace>::all(client.clone()).get("kube-system").await;
    let namespace = namespace.context("cannot read the namespace kube-system")?;
    namespace.metadata.uid.context("the namespace kube-system has no uid")
}

/// Runs the spoke until the supervisor's token is cancelled. Joins first when it has no identity.
pub async fn run(
    client: Client,
    config: Config,
    args: &JoinArgs,
    clock: Clock,
    supervisor: Supervisor,
) -> anyhow::Result<()> {
    let manifests = Arc::new(manifests(&config)?);
    run_on(manifests, Traffic::default(), client, config, args, clock, supervisor).await
}

/// Where manifests come from, as the configuration says.
pub fn manifests(config: &Config) -> anyhow::Result<GitManifests> {
    let mirrors = Mirrors::open(
        config.state_dir.join("git"),
        config.git.policy(),
        config.git.credentials()?,
        source::Limits::default(),
    )?;
    let scratch = config.state_dir.join("scratch");
    Ok(GitManifests::new(mirrors, Renderer::new(found_tools(), Limits::default(), scratch)))
}

/// As [`run`], with manifests from elsewhere: many spokes in one process share one source.
/// `traffic` counts what the hub sends.
pub async fn run_on(
    manifests: Arc<dyn ManifestSource>,
    traffic: Traffic,
    client: Client,
    config: Config,
    args: &JoinArgs,
    clock: Clock,
    supervisor: Supervisor,
) -> anyhow::Result<()> {
    let secret = SecretValue::new(client.clone(), &config.namespace, SECRET_NAME);
    let identity = match Identity::load(&secret).await? {
        Some(identity) => identity,
        None => join(client.clone(), &config, args).await?,
    };
    let cluster = identity.cluster.clone();
    tracing::info!(%cluster, fleet = identity.fleet, hub = identity.hub, "starting");

    let storage = Storage::new(SecretValue::new(client.clone(), &config.namespace, STATE_SECRET));
    let accepted = storage.load(&cluster).await?;
    let (desired_tx, desired) = watch::channel(Arc::new(DesiredSet::default()));
    let (commands_tx, commands) = mpsc::channel(COMMANDS);
    let (reports_tx, reports) = mpsc::channel(REPORTS);
    let (identity_tx, identity_rx) = watch::channel(identity);

    let introduction = Introduction {
        instance_id: format!("{:032x}", rand::random::<u128>()),
        kube_system_uid: kube_system_uid(&client).await?,
        kubernetes_version: client.apiserver_version().await?.git_version,
        tools: names(&found_tools()),
    };
    let decisions = decisions::start(
        Cluster::new(client.clone()),
        config.decisions.resources.clone(),
        config.reconcile.watch_page_size,
        &supervisor,
    );
    let session = Session {
        machine: Machine::new(accepted),
        storage,
        engine: EngineLink { desired: desired_tx, commands: commands_tx, reports },
        identity: identity_rx,
        introduction,
        decisions,
        traffic,
        shutdown: supervisor.token(),
    };
    supervisor.spawn_essential("session", session.run());
    let renewing = renewal(identity_tx, secret, clock.clone());
    let shutdown = supervisor.token();
    supervisor.spawn_essential("renewal", async move {
        // A renewal that is dropped half-way is begun anew after the next start.
        shutdown.run_until_cancelled(renewing).await;
    });

    let engine_config = engine_config(&config);
    let input = EngineInput { desired, commands };
    let token = supervisor.token();
    let running =
        engine::run(client, manifests, engine_config, input, reports_tx, clock, supervisor.clone());
    tokio::select! {
        // Not cancel-safe, and need not be: the process ends with either.
        ended = running => ended?,
        () = token.cancelled() => {}
    }
    token.cancel();
    let failure = supervisor.failure();
    let abandoned = supervisor.join(GRACE).await;
    if !abandoned.is_empty() {
        tracing::warn!(tasks = abandoned.join(", "), "stopped without waiting for these tasks");
    }
    match failure {
        Some(reason) => bail!(reason),
        None => Ok(()),
    }
}

fn found_tools() -> Tools {
    Tools::find(std::env::var_os("PATH").as_deref())
}

fn names(tools: &Tools) -> BTreeMap<String, String> {
    let found = [("kustomize", &tools.kustomize), ("helm", &tools.helm)];
    let found = found.into_iter().filter(|(_, path)| path.is_some());
    found.map(|(name, _)| (name.to_owned(), "found".to_owned())).collect()
}

fn engine_config(config: &Config) -> EngineConfig {
    EngineConfig {
        namespace: config.namespace.clone(),
        concurrency: config.reconcile.concurrency,
        watch_page_size: config.reconcile.watch_page_size,
        state_dir: config.state_dir.clone(),
        ..EngineConfig::default()
    }
}

/// Since when this process has the present certificate, by both of its clocks.
#[derive(Debug, Clone, Copy)]
struct Held {
    since: Duration,
    wall_ms: i64,
    /// Whether this process got it, so that its whole age is known here.
    renewed: bool,
}

impl Held {
    fn from_now(clock: &Clock, renewed: bool) -> Self {
        Self { since: clock.now(), wall_ms: clock.wall_ms(), renewed }
    }

    /// Whether it is time for a new one. The time of day may be wrong by years (law L8): it decides
    /// once, about a certificate of an earlier process. After that only how far it went on counts,
    /// or a clock that is ahead would renew for ever.
    fn is_due(self, half_life: Duration, past_half: bool, clock: &Clock) -> bool {
        let wall = u64::try_from(clock.wall_ms() - self.wall_ms).unwrap_or_default();
        let age = clock.now().saturating_sub(self.since).max(Duration::from_millis(wall));
        age >= half_life || (past_half && !self.renewed)
    }
}

/// Gets a new certificate at half of the life of the present one, and keeps trying.
async fn renewal(identity: watch::Sender<Identity>, secret: SecretValue, clock: Clock) {
    let mut held = Held::from_now(&clock, false);
    loop {
        tokio::time::sleep(RENEWAL_CHECK).await;
        let current = identity.borrow().clone();
        match renew_if_due(&current, held, &identity, &secret, &clock).await {
            Ok(true) => held = Held::from_now(&clock, true),
            Ok(false) => {}
            Err(error) => {
                tracing::warn!(reason = %chain(error.as_ref()), "the certificate was not renewed");
            }
        }
    }
}

async fn renew_if_due(
    current: &Identity,
    held: Held,
    identity: &watch::Sender<Identity>,
    secret: &SecretValue,
    clock: &Clock,
) -> anyhow::Result<bool> {
    let past_half = current.is_past_half(clock.wall_ms() / 1000)?;
    if !held.is_due(current.half_life()?, past_half, clock) {
        return Ok(false);
    }
    let renewed = current.renew().await?;
    renewed.save(secret).await?;
    tracing::info!("the certificate was renewed");
    identity.send_replace(renewed);
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    #[test]
    fn a_clock_that_is_ahead_renews_once_and_not_for_ever() {
        let (clock, hand) = Clock::manual(0);
        let loaded = Held::from_now(&clock, false);
        assert!(loaded.is_due(15 * DAY, true, &clock));
        let renewed = Held::from_now(&clock, true);
        assert!(!renewed.is_due(15 * DAY, true, &clock));
        hand.advance(15 * DAY);
        assert!(renewed.is_due(15 * DAY, true, &clock));
    }

    #[test]
    fn a_clock_that_is_behind_renews_in_time() {
        let (clock, hand) = Clock::manual(0);
        let loaded = Held::from_now(&clock, false);
        hand.advance(14 * DAY);
        assert!(!loaded.is_due(15 * DAY, false, &clock));
        hand.advance(DAY);
        assert!(loaded.is_due(15 * DAY, false, &clock));
    }
}
