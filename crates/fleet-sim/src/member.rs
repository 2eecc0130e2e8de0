//! One cluster of the fleet: a simulated API server, the wire to the hub, and the real spoke.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use anyhow::{Context as _, Result};
use kube_sim::{Cluster, User};
use runtime::clock::Clock;
use runtime::supervise::{Supervisor, TaskHandle};
use spoke_agent::config::Config;
use spoke_agent::run::{JoinArgs, run_on};
use spoke_agent::session::task::Traffic;
use tokio_util::sync::CancellationToken;
use tower::Service;

use crate::content::cluster_name;
use crate::link::Link;
use crate::manifests::SharedManifests;
use crate::operator::Token;

/// The namespace of the agent.
pub const NAMESPACE: &str = "muster-system";
/// Spokes share one thread: a few applications at a time each is plenty.
const SETTINGS: [&str; 2] = ["git.allowHttp=true", "reconcile.concurrency=2"];

/// Requests that were made of an API server; clones count together.
#[derive(Debug, Clone, Default)]
pub struct Requests(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    all: AtomicU64,
    watches: AtomicU64,
}

impl Requests {
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.all.load(Ordering::Relaxed)
    }

    /// Without watches: every client opens its own anew after some minutes, as the API server
    /// wants it, also when nothing happens.
    #[must_use]
    pub fn questions(&self) -> u64 {
        self.count() - self.0.watches.load(Ordering::Relaxed)
    }

    fn note(&self, uri: &http::Uri) {
        if uri.query().is_some_and(|query| query.split('&').any(|one| one.starts_with("watch="))) {
            self.0.watches.fetch_add(1, Ordering::Relaxed);
        }
        self.0.all.fetch_add(1, Ordering::Relaxed);
    }
}

/// A service that counts what passes.
#[derive(Clone)]
pub struct Counted<S> {
    inner: S,
    requests: Requests,
}

impl<S> Counted<S> {
    pub fn new(inner: S, requests: Requests) -> Self {
        Self { inner, requests }
    }
}

impl<S: Service<http::Request<B>>, B> Service<http::Request<B>> for Counted<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        self.requests.note(request.uri());
        self.inner.call(request)
    }
}

struct Running {
    supervisor: Supervisor,
    task: TaskHandle,
}

pub struct Member {
    pub index: usize,
    pub name: String,
    pub cluster: Cluster,
    pub link: Option<Link>,
    pub requests: Requests,
    pub traffic: Traffic,
    hub: SocketAddr,
    state_dir: PathBuf,
    running: Option<Running>,
}

impl Member {
    /// A cluster with its spoke not yet running. Without a link the spoke dials the hub itself.
    #[must_use]
    pub fn new(
        index: usize,
        folder: &Path,
        cluster: Cluster,
        link: Option<Link>,
        hub: SocketAddr,
    ) -> Self {
        let name = cluster_name(index);
        Self {
            index,
            state_dir: folder.join("spokes").join(&name),
            name,
            cluster,
            link,
            requests: Requests::default(),
            traffic: Traffic::default(),
            hub,
            running: None,
        }
    }

    #[must_use]
    pub fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// A client of the cluster that is not the spoke's: nothing that it does is counted.
    #[must_use]
    pub fn client(&self) -> kube::Client {
        kube::Client::new(self.cluster.service(User::admin()), "default")
    }

    /// Runs the spoke; it joins when it never has. Its time of day is wrong by `skew`.
    pub fn start(
        &mut self,
        manifests: &Arc<SharedManifests>,
        token: &Token,
        skew_hours: i64,
        parent: &Supervisor,
    ) -> Result<()> {
        if self.running.is_some() {
            return Ok(());
        }
        let service = Counted::new(self.cluster.service(User::admin()), self.requests.clone());
        let client = kube::Client::new(service, NAMESPACE);
        let settings: Vec<_> = SETTINGS.iter().map(|one| (*one).to_owned()).collect();
        let mut config = Config::load(None, &settings)?;
        config.state_dir.clone_from(&self.state_dir);
        let dial = self.link.as_ref().map_or(self.hub, Link::address);
        let args = JoinArgs {
            hub: Some(dial.to_string()),
            token: Some(token.token.clone()),
            ca_pin: Some(token.ca_pin.clone()),
            name: Some(self.name.clone()),
        };
        let supervisor = Supervisor::new(CancellationToken::new());
        let clock = Clock::skewed(skew_hours * 3_600_000);
        let (manifests, traffic, own) =
            (Arc::clone(manifests), self.traffic.clone(), supervisor.clone());
        let name = self.name.clone();
        let task = parent.spawn(format!("spoke {name}"), async move {
            let ran = run_on(manifests, traffic, client, config, &args, clock, own).await;
            if let Err(error) = ran {
                tracing::error!(name, "a spoke ended: {error:#}");
            }
        });
        self.running = Some(Running { supervisor, task });
        Ok(())
    }

    /// Whether its process ended by itself, which it never should.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.running.as_ref().is_some_and(|running| running.task.is_finished())
    }

    /// As by SIGTERM.
    pub async fn stop(&mut self) {
        if let Some(Running { supervisor, task }) = self.running.take() {
            supervisor.token().cancel();
            task.finished().await;
        }
    }

    /// As by SIGKILL: its tasks end wherever they are, between two requests or within one.
    pub async fn kill(&mut self) {
        if let Some(Running { supervisor, task }) = self.running.take() {
            task.abort();
            task.finished().await;
            supervisor.join(Duration::ZERO).await;
            if let Some(link) = &self.link {
                link.hang_up();
            }
        }
    }
}

/// Makes the agent's namespace, which a person makes with the manifests of a spoke.
pub async fn prepare(cluster: &Cluster) -> Result<()> {
    let client = kube::Client::new(cluster.service(User::admin()), "default");
    let body = serde_json::json!({"apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": NAMESPACE}});
    let request = http::Request::post("/api/v1/namespaces")
        .header(http::header::CONTENT_TYPE, "application/json")
        .body(serde_json::to_vec(&body)?)?;
    let made: serde_json::Value =
        client.request(request).await.context("the namespace of the agent cannot be made")?;
    drop(made);
    Ok(())
}
