//! `hub-fleet`: what a fleet of a thousand spokes costs one hub, and how soon they follow.
//!
//! The hub is a process of its own. All spokes are in this one, each with its TLS session, on
//! simulated clusters; so on few cores a time here is mostly the spokes' own work, a thousand times
//! on the cores of one machine.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, bail};
use kube_sim::store::ResourceId;
use runtime::clock::Clock;
use runtime::supervise::{Supervisor, blocking};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio_util::sync::CancellationToken;

use super::process::{Process, complete, megabytes};
use super::{Figure, Settings, percentile, program};
use crate::content::{LABEL, PICKED};
use crate::fleet::{base, cluster, manifests};
use crate::git::{GitServer, Repository};
use crate::hub::free_address;
use crate::member::Member;
use crate::operator::Operator;

/// How finely acceptance is seen: looking at a thousand counters takes far less.
const SAMPLE: Duration = Duration::from_millis(5);
/// Looking at ten thousand objects takes milliseconds.
const APPLIED_SAMPLE: Duration = Duration::from_millis(50);
const LIMIT: Duration = Duration::from_secs(600);
/// What still follows from applying is over by then.
const SETTLE: Duration = Duration::from_secs(40);
const REST: Duration = Duration::from_secs(30);

pub(super) struct HubProcess {
    pub(super) address: SocketAddr,
    pub(super) process: Process,
}

struct Bench {
    members: Vec<Member>,
    clock: Clock,
    applications: usize,
}

/// Runs it in `folder`.
///
/// # Errors
/// When something cannot be started, or does not come about within ten minutes.
pub async fn run(folder: &Path, settings: &Settings) -> Result<Vec<Figure>> {
    let Settings { binaries, spokes, applications } = settings;
    let supervisor = Supervisor::new(CancellationToken::new());
    let git = GitServer::start(&folder.join("git"))?;
    let mut repository = Repository::create(&git, "fleet")?;
    let url = git.url("fleet");
    repository.commit(&files(&url, *applications, 0), "the fleet begins")?;
    let binary = program(binaries, "muster-hub")?;
    let hub = HubProcess::create(&binary, folder, &url).await?;
    let mut operator = Operator::new(&folder.join("hub/admin.yaml"));
    let token = operator.token(&[(LABEL, PICKED)]).await?;
    let shared = manifests(folder)?;
    let base = base().await?;
    let mut bench =
        Bench { members: Vec::new(), clock: Clock::system(), applications: *applications };
    for index in 0..*spokes {
        let cluster = cluster(index as u64, &base, &supervisor);
        bench.members.push(Member::new(index, folder, cluster, None, hub.address));
    }
    let mut figures = Vec::new();

    let start = |member: &mut Member| member.start(&shared, &token, 0, &supervisor);
    bench.members.iter_mut().try_for_each(start)?;
    figures.push(Figure::seconds("join_seconds", bench.until_welcome(&vec![0; *spokes]).await?));
    operator.refresh().await?;
    bench.until_applied(1).await?;

    for member in &mut bench.members {
        member.stop().await;
    }
    let welcomes = bench.welcomes();
    bench.members.iter_mut().try_for_each(start)?;
    figures.push(Figure::seconds("connect_seconds", bench.until_welcome(&welcomes).await?));

    tokio::time::sleep(SETTLE).await;
    let (bytes, welcomes) = (bench.spec_bytes(), bench.welcomes());
    operator.hang_up();
    let began = bench.clock.now();
    let hub = hub.restart(&binary, folder, &url).await?;
    bench.until_welcome(&welcomes).await?;
    figures.push(Figure::seconds("resync_seconds", bench.clock.now() - began));
    tokio::time::sleep(SETTLE).await;
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let resent = (bench.spec_bytes() - bytes) as f64;
    figures.push(Figure::new("resync_spec_bytes", resent, "B"));

    figures.extend(change(&mut bench, &mut operator, repository, &url).await?);

    tokio::time::sleep(SETTLE).await;
    let before = hub.process.cpu()?;
    tokio::time::sleep(REST).await;
    let used = hub.process.cpu()?.saturating_sub(before);
    let percent = used.as_secs_f64() / REST.as_secs_f64() * 100.0;
    figures.push(Figure::new("idle_cpu_percent", percent, "%"));
    let memory = |field| hub.process.memory(field).map(megabytes);
    figures.push(Figure::new("hub_rss_mb", memory("VmRSS")?, "MB"));
    figures.push(Figure::new("hub_vmhwm_mb", memory("VmHWM")?, "MB"));
    hub.process.kill().await?;
    for member in &mut bench.members {
        member.kill().await;
    }
    supervisor.join(Duration::ZERO).await;
    Ok(figures)
}

/// One change to all applications: from the question to the hub until each spoke has stored it,
/// and until it is in each cluster.
async fn change(
    bench: &mut Bench,
    operator: &mut Operator,
    mut repository: Repository,
    url: &str,
) -> Result<Vec<Figure>> {
    let files = files(url, bench.applications, 2);
    blocking("commit", move || repository.commit(&files, "one change to all")).await??;
    let accepted: Vec<_> = bench.members.iter().map(|one| one.traffic.accepted()).collect();
    let began = bench.clock.now();
    let (asked, times) = tokio::join!(operator.refresh(), bench.watch_change(&accepted));
    asked?;
    let Times { first, mut accepted, mut applied } = times?;
    let since = |times: &mut Vec<Duration>| times.iter_mut().for_each(|time| *time -= first);
    since(&mut accepted);
    since(&mut applied);
    Ok(vec![
        Figure::seconds("plan_seconds", first - began),
        Figure::seconds("accepted_p50_seconds", percentile(&mut accepted, 50)),
        Figure::seconds("accepted_p99_seconds", percentile(&mut accepted, 99)),
        Figure::seconds("applied_p99_seconds", percentile(&mut applied, 99)),
    ])
}

/// By the clock of the bench.
struct Times {
    /// When the first spoke received something.
    first: Duration,
    accepted: Vec<Duration>,
    applied: Vec<Duration>,
}

impl Bench {
    fn welcomes(&self) -> Vec<u64> {
        self.members.iter().map(|member| member.traffic.welcomes()).collect()
    }

    fn spec_bytes(&self) -> u64 {
        self.members.iter().map(|member| member.traffic.spec_bytes()).sum()
    }

    /// Until every spoke was welcomed once more than before. Returns how long that took.
    async fn until_welcome(&self, before: &[u64]) -> Result<Duration> {
        let began = self.clock.now();
        loop {
            let now = self.welcomes();
            let missing = now.iter().zip(before).filter(|(now, was)| now <= was).count();
            if missing == 0 {
                return Ok(self.clock.now() - began);
            }
            if self.clock.now() - began > LIMIT {
                bail!("{missing} of {} spokes were not welcomed", self.members.len());
            }
            tokio::time::sleep(SAMPLE).await;
        }
    }

    async fn until_applied(&self, value: u64) -> Result<()> {
        let began = self.clock.now();
        loop {
            let has = |member: &&Member| applied(member, self.applications, value);
            let done = self.members.iter().filter(has).count();
            if done == self.members.len() {
                return Ok(());
            }
            if self.clock.now() - began > LIMIT {
                bail!("{done} of {} clusters have everything", self.members.len());
            }
            tokio::time::sleep(APPLIED_SAMPLE).await;
        }
    }

    async fn watch_change(&self, before: &[u64]) -> Result<Times> {
        let began = self.clock.now();
        let bytes = self.spec_bytes();
        let mut first = None;
        let mut accepted = vec![None; self.members.len()];
        let mut done = vec![None; self.members.len()];
        let mut looked = began;
        while accepted.iter().chain(&done).any(Option::is_none) {
            tokio::time::sleep(SAMPLE).await;
            let now = self.clock.now();
            if now - began > LIMIT {
                bail!("a change did not arrive everywhere");
            }
            if first.is_none() && self.spec_bytes() > bytes {
                first = Some(now);
            }
            for (index, member) in self.members.iter().enumerate() {
                if accepted[index].is_none() && member.traffic.accepted() > before[index] {
                    accepted[index] = Some(now);
                }
            }
            if now - looked < APPLIED_SAMPLE {
                continue;
            }
            looked = now;
            for (index, member) in self.members.iter().enumerate() {
                if done[index].is_none() && applied(member, self.applications, 2) {
                    done[index] = Some(now);
                }
            }
        }
        let flat = |times: Vec<Option<Duration>>| times.into_iter().flatten().collect();
        let first = first.unwrap_or(began);
        Ok(Times { first, accepted: flat(accepted), applied: flat(done) })
    }
}

/// Whether every application of a cluster says this value.
fn applied(member: &Member, applications: usize, value: u64) -> bool {
    let marker = format!("\"value {value}\"");
    member.cluster.read(|store| {
        let maps = store.list(&ResourceId::new("", "configmaps"), Some("default"), None);
        maps.filter(|stored| stored.json.contains(&marker)).count() >= applications
    })
}

impl HubProcess {
    pub(super) async fn create(binary: &Path, folder: &Path, url: &str) -> Result<Self> {
        let address = free_address()?;
        let mut init = Command::new(binary);
        init.args(["init", "--fleet", "bench", "--address", &address.to_string(), "--dir"]);
        complete(init.arg(folder.join("hub"))).await?;
        let process = start(binary, folder, url, address)?;
        let hub = Self { address, process };
        hub.until_listening().await?;
        Ok(hub)
    }

    /// SIGKILL, and the same again.
    async fn restart(self, binary: &Path, folder: &Path, url: &str) -> Result<Self> {
        self.process.kill().await?;
        let hub = Self { process: start(binary, folder, url, self.address)?, ..self };
        hub.until_listening().await?;
        Ok(hub)
    }

    async fn until_listening(&self) -> Result<()> {
        let listening = async {
            while TcpStream::connect(self.address).await.is_err() {
                tokio::time::sleep(SAMPLE).await;
            }
        };
        if tokio::time::timeout(LIMIT, listening).await.is_err() {
            bail!("the hub does not listen on {}", self.address);
        }
        Ok(())
    }
}

fn start(binary: &Path, folder: &Path, url: &str, address: SocketAddr) -> Result<Process> {
    let mut command = Command::new(binary);
    command.arg("run").arg("--dir").arg(folder.join("hub"));
    command.args(["--listen", &address.to_string(), "--set", "git.allowHttp=true"]);
    command.args(["--set", "fleetRepository.path=muster"]);
    command.args(["--set", &format!("fleetRepository.url={url}")]);
    Process::start(&mut command, &folder.join("hub.log"))
}

/// A set over all clusters and all directories, each with one ConfigMap.
fn files(url: &str, applications: usize, change: u64) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    let value = change.max(1);
    for number in 0..applications {
        files.insert(
            format!("apps/app-{number}/map.yaml"),
            format!(
                "apiVersion: v1\nkind: ConfigMap\n\
                 metadata: {{name: app-{number}, namespace: default}}\n\
                 data: {{value: \"value {value}\"}}\n"
            ),
        );
    }
    let set = format!(
        "apiVersion: muster.dev/v1alpha1
kind: ApplicationSet
metadata: {{name: apps}}
spec:
  generators:
    - matrix:
        generators:
          - clusters: {{selector: {{matchLabels: {{{LABEL}: {PICKED}}}}}}}
          - git: {{repoURL: \"{url}\", directories: [{{path: apps/*}}]}}
  template:
    metadata: {{name: \"{{{{path.basename}}}}-{{{{name}}}}\"}}
    spec:
      source: {{repoURL: \"{url}\", path: \"{{{{path}}}}\"}}
      destination: {{cluster: \"{{{{name}}}}\", namespace: default}}
      syncPolicy: {{automated: {{prune: true, selfHeal: true}}}}
"
    );
    files.insert("muster/apps.yaml".to_owned(), set);
    files
}
