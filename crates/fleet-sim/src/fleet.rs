//! A whole fleet in one process: the Git server, the hub, the clusters with their spokes.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use kube_sim::controllers::Behaviour;
use kube_sim::{Cluster, Options, Snapshot};
use runtime::clock::Clock;
use runtime::supervise::{Supervisor, blocking};
use spoke_agent::config::Config;
use tokio_util::sync::CancellationToken;

use crate::content::{Content, LABEL, PICKED};
use crate::git::{GitServer, Repository};
use crate::hub::Hub;
use crate::link::Link;
use crate::manifests::SharedManifests;
use crate::member::{Member, prepare};
use crate::operator::{Operator, Token};

/// The hub of a simulation looks at Git when it is told to, and every ten minutes besides.
const HUB_SETTINGS: [&str; 3] =
    ["git.allowHttp=true", "fleetRepository.path=muster", "pollSeconds=600"];
/// How long all spokes may take to join and connect.
const CONNECT_LIMIT: Duration = Duration::from_secs(600);
const POLL: Duration = Duration::from_millis(100);

pub struct Fleet {
    pub supervisor: Supervisor,
    pub git: GitServer,
    pub hub: Hub,
    pub operator: Operator,
    pub members: Vec<Member>,
    pub manifests: Arc<SharedManifests>,
    pub token: Token,
    repository: Arc<Mutex<Repository>>,
    url: String,
}

impl Fleet {
    /// Starts it with its first commit, and waits until every spoke is connected. Returns the
    /// commit as well.
    pub async fn start(folder: &Path, spokes: usize, content: &Content) -> Result<(Self, String)> {
        let supervisor = Supervisor::new(CancellationToken::new());
        let git = GitServer::start(&folder.join("git"))?;
        let repository = Arc::new(Mutex::new(Repository::create(&git, "fleet")?));
        let url = git.url("fleet");
        let commit = write(&repository, content.files(&url), "the fleet begins").await?;
        let settings = HUB_SETTINGS.iter().map(|one| (*one).to_owned());
        let settings = settings.chain([format!("fleetRepository.url={url}")]).collect();
        let mut hub = Hub::create(folder, settings).await?;
        hub.start(&supervisor).await?;
        let mut operator = Operator::new(&hub.context_file());
        let token = operator.token(&[(LABEL, PICKED)]).await?;
        let manifests = manifests(folder)?;
        let mut fleet = Self {
            supervisor,
            git,
            hub,
            operator,
            members: Vec::new(),
            manifests,
            token,
            repository,
            url,
        };
        let base = base().await?;
        for index in 0..spokes {
            let link = Link::open(fleet.hub.address(), &fleet.supervisor).await?;
            let cluster = cluster(index as u64, &base, &fleet.supervisor);
            let mut member = Member::new(index, folder, cluster, Some(link), fleet.hub.address());
            member.start(&fleet.manifests, &fleet.token, 0, &fleet.supervisor)?;
            fleet.members.push(member);
        }
        fleet.until_connected(spokes).await?;
        Ok((fleet, commit))
    }

    /// Until as many sessions were welcomed as there are spokes.
    async fn until_connected(&self, spokes: usize) -> Result<()> {
        let connected =
            || self.members.iter().filter(|member| member.traffic.welcomes() > 0).count();
        let all = async {
            while connected() < spokes {
                tokio::time::sleep(POLL).await;
            }
        };
        if tokio::time::timeout(CONNECT_LIMIT, all).await.is_err() {
            bail!("only {} of {spokes} spokes have connected", connected());
        }
        Ok(())
    }

    /// Commits this content, whatever the server answers meanwhile.
    pub async fn commit(&self, content: &Content, message: &str) -> Result<String> {
        write(&self.repository, content.files(&self.url), message).await
    }

    /// Ends everything.
    pub async fn stop(mut self) {
        for member in &mut self.members {
            member.kill().await;
        }
        self.hub.kill().await;
        self.supervisor.join(Duration::ZERO).await;
    }
}

async fn write(
    repository: &Arc<Mutex<Repository>>,
    files: std::collections::BTreeMap<String, String>,
    message: &str,
) -> Result<String> {
    let (repository, message) = (Arc::clone(repository), message.to_owned());
    blocking("commit", move || {
        let mut repository = repository.lock().unwrap_or_else(PoisonError::into_inner);
        repository.commit(&files, &message)
    })
    .await?
}

/// One mirror for all spokes of the process.
pub fn manifests(folder: &Path) -> Result<Arc<SharedManifests>> {
    let mut config = Config::load(None, &["git.allowHttp=true".to_owned()])?;
    config.state_dir = folder.join("shared");
    Ok(SharedManifests::new(spoke_agent::run::manifests(&config)?))
}

/// What all clusters begin with, shared between them.
pub async fn base() -> Result<Snapshot> {
    let cluster = Cluster::new(options(0));
    prepare(&cluster).await.context("the first cluster")?;
    Ok(cluster.snapshot())
}

/// A cluster of its own seed, driven by a task.
#[must_use]
pub fn cluster(index: u64, base: &Snapshot, supervisor: &Supervisor) -> Cluster {
    let cluster = Cluster::from_snapshot(options(index + 1), base);
    supervisor.spawn("cluster", cluster.clone().drive());
    cluster
}

fn options(seed: u64) -> Options {
    let behaviour = Behaviour { pods: false, ..Behaviour::default() };
    Options { seed, clock: Clock::system(), behaviour }
}
