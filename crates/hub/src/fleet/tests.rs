//! The owner task with a real store in memory and real Git repositories on disk.

mod argo;
mod branches;
mod decisions;
mod services;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use collect::{Collector, NoSecrets};
use model::canonical::Digest;
use model::cluster::Cluster;
use model::id::{CommitId, Epoch};
use model::name::{ApplicationName, ClusterName};
use model::selector::Labels;
use model::set::OnRemoval;
use runtime::clock::Clock;
use runtime::supervise::Supervisor;
use source::{Credentials, Limits, Mirrors, UrlPolicy};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::board::DesiredBoard;
use super::*;
use crate::ledger::{Filter, Ledger};
use crate::store::Store;
use crate::store::memory::MemoryStore;

/// No look is due by itself within a test.
const NEVER: Duration = Duration::from_secs(100_000);

fn git(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .args(["-c", "user.name=t", "-c", "user.email=t@example", "-c", "commit.gpgsign=false"])
        .args(arguments)
        .current_dir(folder)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "git {arguments:?}: {told}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A repository whose whole content is given anew with each commit.
struct Repository(PathBuf);

impl Repository {
    fn new(path: PathBuf) -> Self {
        fs::create_dir_all(&path).unwrap();
        git(&path, &["init", "-q", "-b", "main"]);
        Self(path)
    }

    fn url(&self) -> String {
        format!("file://{}/.git", self.0.display())
    }

    fn commit(&self, files: &[(&str, &str)]) -> CommitId {
        git(&self.0, &["rm", "-rqf", "--ignore-unmatch", "."]);
        for (path, text) in files {
            let path = self.0.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        git(&self.0, &["add", "-A"]);
        git(&self.0, &["commit", "-q", "--allow-empty", "-m", "change"]);
        git(&self.0, &["rev-parse", "HEAD"]).parse().unwrap()
    }

    fn hide(&self) {
        fs::rename(&self.0, self.0.with_extension("away")).unwrap();
    }

    fn show(&self) {
        fs::rename(self.0.with_extension("away"), &self.0).unwrap();
    }
}

/// The clusters that have joined.
#[derive(Default)]
struct Joined {
    labels: Mutex<BTreeMap<String, Labels>>,
    broken: AtomicBool,
}

impl Joined {
    fn label(&self, cluster: &str, labels: &[(&str, &str)]) {
        let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        self.labels.lock().unwrap().insert(cluster.to_owned(), labels.collect());
    }
}

impl ClusterSource for Joined {
    fn clusters(&self) -> Vec<Cluster> {
        let joined = self.labels.lock().unwrap();
        let document = |(name, labels): (&String, &Labels)| {
            let document = serde_json::json!({"metadata": {"name": name, "labels": labels}});
            serde_json::from_value(document).unwrap()
        };
        joined.iter().map(document).collect()
    }

    fn try_clusters(&self) -> Result<Vec<Cluster>, String> {
        match self.broken.load(Ordering::Relaxed) {
            true => Err("the store is damaged".to_owned()),
            false => Ok(self.clusters()),
        }
    }
}

/// What outlives a hub.
struct World {
    folder: TempDir,
    store: Arc<MemoryStore>,
    joined: Arc<Joined>,
    apps: Repository,
    fleet: Repository,
    collector: Collector,
    /// The cluster whose decision objects are believed.
    believed: Option<ClusterName>,
}

struct Hub {
    handle: FleetHandle,
    decisions: DecisionReports,
    board: DesiredBoard,
    supervisor: Supervisor,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let apps = Repository::new(folder.path().join("apps"));
        let fleet = Repository::new(folder.path().join("fleet"));
        let collector =
            Collector::new(collect::Config::default(), Arc::new(NoSecrets), Clock::system());
        let collector = collector.unwrap();
        Self {
            folder,
            store: Arc::default(),
            joined: Arc::default(),
            apps,
            fleet,
            collector,
            believed: None,
        }
    }

    async fn start(&self, mirrors: &str, counter: u64) -> Hub {
        let policy = UrlPolicy { allow_file: true, allow_http: false };
        let path = self.folder.path().join(mirrors);
        let mirrors = Mirrors::open(path, policy, Credentials::new(), Limits::default()).unwrap();
        let clock = Clock::system();
        let decisions = DecisionReports::new(self.believed.clone(), clock.clone());
        let options = FleetOptions {
            repository: FleetRepository::from_settings(&self.fleet.url(), "main", ".").unwrap(),
            poll_interval: NEVER,
            services: Services { collector: Ok(self.collector.clone()), interval: NEVER },
            decisions: decisions.clone(),
            epoch: Epoch { id: 7, counter },
        };
        let board = DesiredBoard::default();
        let supervisor = Supervisor::new(CancellationToken::new());
        let store: Arc<dyn Store> = self.store.clone();
        let clusters: Arc<dyn ClusterSource> = self.joined.clone();
        let handle = start(options, store, mirrors, clusters, board.clone(), clock, &supervisor);
        Hub { handle: handle.await.unwrap(), decisions, board, supervisor }
    }

    fn records(&self) -> Vec<String> {
        let store: Arc<dyn Store> = self.store.clone();
        let records = Ledger::new(store).recent(&Filter::default(), 1_000).unwrap();
        records.into_iter().rev().map(|record| record.action).collect()
    }

    /// Two sets: one application for each directory of `apps` on each production cluster, and a
    /// list of twelve; and an application by hand.
    fn documents(&self, listed: std::ops::Range<usize>, by_hand: bool) -> Vec<(String, String)> {
        let url = self.apps.url();
        let matrix = format!(
            "apiVersion: muster.dev/v1alpha1\n\
             kind: ApplicationSet\n\
             metadata: {{name: all}}\n\
             spec:\n\
             \x20 generators:\n\
             \x20 - matrix:\n\
             \x20     generators:\n\
             \x20     - clusters: {{selector: {{matchLabels: {{env: prod}}}}}}\n\
             \x20     - git: {{repoURL: '{url}', revision: main, directories: [{{path: apps/*}}]}}\n\
             \x20 template:\n\
             \x20   metadata: {{name: '{{{{path.basename}}}}-{{{{name}}}}'}}\n\
             \x20   spec:\n\
             \x20     source: {{repoURL: '{url}', targetRevision: main, path: '{{{{path}}}}'}}\n\
             \x20     destination: {{cluster: '{{{{name}}}}'}}\n"
        );
        let elements: Vec<_> = listed.map(|n| format!("{{id: 'l{n}'}}")).collect();
        let list = format!(
            "apiVersion: muster.dev/v1alpha1\n\
             kind: ApplicationSet\n\
             metadata: {{name: listed}}\n\
             spec:\n\
             \x20 generators: [{{list: {{elements: [{}]}}}}]\n\
             \x20 template:\n\
             \x20   metadata: {{name: '{{{{id}}}}'}}\n\
             \x20   spec:\n\
             \x20     source: {{repoURL: '{url}', targetRevision: main, path: .}}\n\
             \x20     destination: {{cluster: lab}}\n",
            elements.join(", ")
        );
        let mut files = vec![
            ("sets/all.yaml".to_owned(), matrix),
            ("sets/list.yaml".to_owned(), list),
            ("kustomization.yaml".to_owned(), "resources: [x]\n".to_owned()),
        ];
        if by_hand {
            files.push(("hand.yaml".to_owned(), application("hand", &url, "lab")));
        }
        files
    }

    fn commit_documents(&self, listed: std::ops::Range<usize>, by_hand: bool) -> CommitId {
        let files = self.documents(listed, by_hand);
        let files: Vec<_> =
            files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        self.fleet.commit(&files)
    }
}

fn application(name: &str, url: &str, cluster: &str) -> String {
    format!(
        "apiVersion: muster.dev/v1alpha1\n\
         kind: Application\n\
         metadata: {{name: {name}}}\n\
         spec:\n\
         \x20 source: {{repoURL: '{url}', targetRevision: main, path: .}}\n\
         \x20 destination: {{cluster: {cluster}}}\n"
    )
}

fn cluster(name: &str) -> ClusterName {
    ClusterName::new(name).unwrap()
}

impl Hub {
    /// What a cluster runs and is told to remove, in one line.
    fn wants(&self, name: &str) -> String {
        let desired = self.board.get(&cluster(name));
        let applications = desired.applications.keys().map(ToString::to_string);
        let tombstones = desired.tombstones.keys().map(|name| format!("-{name}"));
        applications.chain(tombstones).collect::<Vec<_>>().join(" ")
    }

    fn revision(&self, name: &str, application: &str) -> CommitId {
        let desired = self.board.get(&cluster(name));
        let application = ApplicationName::new(application).unwrap();
        desired.applications[&application].application().revision
    }

    fn roots(&self) -> Vec<Digest> {
        ["eu", "us", "lab"].map(|name| self.board.get(&cluster(name)).root).to_vec()
    }

    fn parked(&self, set: &str) -> Option<String> {
        let snapshot = self.handle.snapshot().borrow().clone();
        let entry = snapshot.sets.iter().find(|entry| entry.name.as_str() == set)?;
        entry.parked.as_ref().map(|parked| parked.plan.clone())
    }

    /// Waits until the snapshot is as it should be.
    async fn until(&self, holds: impl Fn(&FleetSnapshot) -> bool) {
        let mut snapshot = self.handle.snapshot();
        let seen = snapshot.wait_for(|snapshot| holds(snapshot));
        drop(tokio::time::timeout(Duration::from_secs(60), seen).await.unwrap().unwrap());
    }

    async fn apply(&self, text: &str) -> Vec<String> {
        let outcomes = self.handle.apply(text.into(), "operator/ada".into(), "test".into()).await;
        let outcomes = outcomes.unwrap().into_iter();
        outcomes.map(|one| format!("{} {} {}", one.kind, one.name, one.outcome)).collect()
    }

    async fn delete(&self, kind: &str, name: &str) -> Result<String, String> {
        let (kind, name) = (kind.to_owned(), name.to_owned());
        let deleted = self.handle.delete(kind, name, "operator/ada".into(), "test".into()).await;
        deleted.map_err(|error| error.to_string())
    }

    async fn approve(&self, set: &str, plan: &str) -> Result<(), String> {
        let (set, plan) = (set.to_owned(), plan.to_owned());
        let approved =
            self.handle.approve_set(set, plan, "operator/ada".into(), "yes".into()).await;
        approved.map_err(|error| error.to_string())
    }

    async fn stop(self) {
        let left = self.supervisor.join(Duration::from_secs(30)).await;
        assert_eq!(left, Vec::<String>::new());
    }
}

const TWO_APPS: [(&str, &str); 2] = [("apps/api/x.yaml", "a: 1\n"), ("apps/web/x.yaml", "a: 1\n")];

async fn prepared() -> (World, Hub) {
    let world = World::new();
    world.joined.label("eu", &[("env", "prod")]);
    world.joined.label("us", &[("env", "prod")]);
    world.joined.label("lab", &[]);
    world.apps.commit(&TWO_APPS);
    let commit = world.commit_documents(0..12, true);
    let hub = world.start("mirrors", 1).await;
    let refreshed = hub.handle.refresh().await.unwrap();
    assert_eq!((refreshed.commit, refreshed.problems), (Some(commit), vec![]));
    (world, hub)
}

#[tokio::test]
async fn a_commit_reaches_the_board_of_the_clusters_that_it_concerns() {
    let (world, hub) = prepared().await;
    assert_eq!(hub.wants("eu"), "api-eu web-eu");
    assert_eq!(hub.wants("us"), "api-us web-us");
    assert!(hub.wants("lab").starts_with("hand l0 l1 l10"));
    let next = world.apps.commit(&[TWO_APPS[0], TWO_APPS[1], ("apps/new/x.yaml", "a: 1\n")]);
    let mut eu = hub.board.subscribe(&cluster("eu"));
    let mut nobody = hub.board.subscribe(&cluster("nobody"));
    hub.handle.refresh().await.unwrap();
    assert!(eu.has_changed().unwrap() && !nobody.has_changed().unwrap());
    assert_eq!(hub.wants("eu"), "api-eu new-eu web-eu");
    assert_eq!(hub.revision("eu", "web-eu"), next);
    let records = world.records();
    eu.borrow_and_update();
    nobody.borrow_and_update();
    // Another look without news: nothing is sent, nothing is written.
    hub.handle.refresh().await.unwrap();
    assert!(!eu.has_changed().unwrap());
    assert_eq!(world.records(), records);
    hub.stop().await;
}

#[tokio::test]
async fn what_a_commit_removes_gets_tombstones_until_they_are_done() {
    let (world, hub) = prepared().await;
    let commit = world.commit_documents(0..11, false);
    hub.handle.refresh().await.unwrap();
    let wanted = hub.wants("lab");
    assert!(wanted.ends_with("l9 -hand -l11"), "{wanted}");
    let desired = hub.board.get(&cluster("lab"));
    let hand = ApplicationName::new("hand").unwrap();
    let tombstone = desired.tombstones[&hand].clone();
    assert_eq!((tombstone.actor.as_str(), tombstone.commit), ("fleet repository", Some(commit)));
    assert_eq!(tombstone.epoch, Epoch { id: 7, counter: 1 });
    // One of another version says nothing.
    let done = |version| hub.handle.tombstone_done(cluster("lab"), hand.clone(), version, 2, 0);
    done(Digest::of(b"other")).await;
    assert!(hub.wants("lab").contains("-hand"));
    done(tombstone.version).await;
    assert!(!hub.wants("lab").contains("-hand"));
    hub.until(|fleet| fleet.applications.iter().all(|entry| *entry.desired.name() != hand)).await;
    assert_eq!(world.records().last().map(String::as_str), Some("RemovalDone"));
    // It comes back as a new application.
    world.commit_documents(0..12, true);
    hub.handle.refresh().await.unwrap();
    assert!(!hub.wants("lab").contains('-'), "{}", hub.wants("lab"));
    hub.stop().await;
}

#[tokio::test]
async fn without_git_nothing_changes() {
    let (world, hub) = prepared().await;
    let roots = hub.roots();
    world.apps.hide();
    world.fleet.hide();
    let refreshed = hub.handle.refresh().await.unwrap();
    assert_eq!(refreshed.problems.len(), 2, "{:?}", refreshed.problems);
    assert_eq!(hub.roots(), roots);
    // What comes in meanwhile is judged with the last good files.
    world.joined.label("ap", &[("env", "prod")]);
    hub.handle.clusters_changed();
    hub.until(|fleet| fleet.clusters.contains_key(&cluster("ap"))).await;
    assert_eq!(hub.wants("ap"), "api-ap web-ap");
    world.apps.show();
    world.fleet.show();
    let refreshed = hub.handle.refresh().await.unwrap();
    assert_eq!(refreshed.problems, []);
    assert_eq!(hub.roots(), roots);
    hub.stop().await;
}

#[tokio::test]
async fn clusters_that_cannot_be_read_are_as_they_were() {
    let (world, hub) = prepared().await;
    let (roots, lab) = (hub.roots(), hub.wants("lab"));
    world.joined.broken.store(true, Ordering::Relaxed);
    let hand = ApplicationName::new("hand").unwrap();
    hub.handle.pause(hand.clone(), "operator/ada".into(), String::new()).await.unwrap();
    assert!(hub.board.get(&cluster("lab")).applications[&hand].application().paused);
    hub.handle.resume(hand, "operator/ada".into(), String::new()).await.unwrap();
    assert_eq!((hub.roots(), hub.parked("all")), (roots.clone(), None));
    hub.stop().await;
    // Not even the first time.
    let hub = world.start("mirrors", 2).await;
    let error = hub.handle.refresh().await.unwrap_err().to_string();
    assert!(error.contains("the clusters cannot be read: the store is damaged"), "{error}");
    assert_eq!((hub.roots(), hub.wants("lab")), (roots, lab));
    hub.stop().await;
}

#[tokio::test]
async fn a_label_that_vanishes_everywhere_waits_for_approval() {
    let (world, hub) = prepared().await;
    world.joined.label("eu", &[]);
    world.joined.label("us", &[]);
    hub.handle.clusters_changed();
    hub.until(|fleet| fleet.sets.iter().any(|set| set.parked.is_some())).await;
    assert_eq!(hub.wants("eu"), "api-eu web-eu");
    let plan = hub.parked("all").unwrap();
    let error = hub.approve("all", "123456789abc").await.unwrap_err();
    assert!(error.contains(&plan), "{error}");
    let error = hub.approve("listed", &plan).await.unwrap_err();
    assert_eq!(error, "nothing of application set listed waits for approval");
    hub.approve("all", &plan).await.unwrap();
    assert_eq!(
        (hub.wants("eu"), hub.wants("us")),
        ("-api-eu -web-eu".into(), "-api-us -web-us".into())
    );
    assert_eq!(hub.parked("all"), None);
    let tombstones = &hub.board.get(&cluster("eu")).tombstones;
    assert!(tombstones.values().all(|tombstone| tombstone.actor == "operator/ada"));
    hub.stop().await;
}

#[tokio::test]
async fn a_restart_finds_everything_even_without_git() {
    let (world, hub) = prepared().await;
    world.joined.label("eu", &[]);
    world.joined.label("us", &[]);
    hub.handle.clusters_changed();
    hub.until(|fleet| fleet.sets.iter().any(|set| set.parked.is_some())).await;
    world.commit_documents(0..11, true);
    hub.handle.refresh().await.unwrap();
    let (roots, lab, plan) = (hub.roots(), hub.wants("lab"), hub.parked("all"));
    let snapshot = hub.handle.snapshot().borrow().clone();
    hub.stop().await;
    let records = world.records();

    let same = world.start("mirrors", 2).await;
    assert_eq!((same.roots(), same.wants("lab")), (roots.clone(), lab.clone()));
    same.handle.refresh().await.unwrap();
    assert_eq!(
        (same.roots(), same.wants("lab"), same.parked("all")),
        (roots.clone(), lab.clone(), plan.clone())
    );
    assert_eq!(*same.handle.snapshot().borrow().clone(), *snapshot);
    same.stop().await;
    assert_eq!(world.records(), records, "a restart is no act");

    // Neither Git nor the mirrors are there.
    world.apps.hide();
    world.fleet.hide();
    let blind = world.start("other-mirrors", 3).await;
    assert_eq!(blind.handle.refresh().await.unwrap().commit, snapshot.commit);
    assert_eq!((blind.roots(), blind.wants("lab"), blind.parked("all")), (roots, lab, plan));
    blind.stop().await;
    let news: Vec<_> = world.records().split_off(records.len());
    assert_eq!(news, ["SourceUnavailable", "SourceUnavailable"]);
}

#[tokio::test]
async fn another_fleet_repository_takes_nothing_away() {
    let (mut world, hub) = prepared().await;
    let (roots, lab) = (hub.roots(), hub.wants("lab"));
    hub.stop().await;
    world.fleet = Repository::new(world.folder.path().join("other"));
    let cluster = "apiVersion: muster.dev/v1alpha1\nkind: Cluster\nmetadata: {name: new}\n";
    world.fleet.commit(&[("new.yaml", cluster)]);
    for counter in 2..4 {
        let hub = world.start("mirrors", counter).await;
        hub.handle.refresh().await.unwrap();
        assert_eq!((hub.roots(), hub.wants("lab")), (roots.clone(), lab.clone()));
        let snapshot = hub.handle.snapshot().borrow().clone();
        assert!(snapshot.sets.iter().all(|set| set.origin == "api" && set.parked.is_none()));
        hub.stop().await;
    }
}

#[tokio::test]
async fn a_hub_that_lost_its_store_removes_nothing() {
    let (world, hub) = prepared().await;
    hub.stop().await;
    world.commit_documents(0..2, false);
    let fresh = World { store: Arc::default(), ..world };
    let hub = fresh.start("mirrors", 1).await;
    hub.handle.refresh().await.unwrap();
    assert_eq!(hub.wants("lab"), "l0 l1");
    assert!(!fresh.records().iter().any(|action| action.starts_with("Removal")));
    hub.stop().await;
}

#[tokio::test]
async fn people_apply_pause_and_delete() {
    let (world, hub) = prepared().await;
    let url = world.apps.url();
    let text = format!(
        "{}---\n{}---\n{}---\nkind: Application\n",
        application("mine", &url, "lab"),
        application("hand", &url, "eu"),
        "apiVersion: muster.dev/v1alpha1\nkind: Cluster\nmetadata: {name: planned, labels: {env: prod}}\n",
    );
    let outcomes = hub.apply(&text).await;
    assert_eq!(
        outcomes,
        [
            "Application mine created",
            "Application hand refused",
            "Cluster planned created",
            "Application  refused",
        ]
    );
    hub.until(|fleet| fleet.clusters.contains_key(&cluster("planned"))).await;
    assert_eq!(hub.wants("planned"), "api-planned web-planned", "it need not have joined");
    assert!(hub.wants("lab").ends_with("mine"));
    assert_eq!(hub.apply(&application("mine", &url, "lab")).await, ["Application mine unchanged"]);

    let mine = ApplicationName::new("mine").unwrap();
    let paused = || hub.board.get(&cluster("lab")).applications[&mine].application().paused;
    hub.handle.pause(mine.clone(), "operator/ada".into(), "night".into()).await.unwrap();
    assert!(paused());
    hub.handle.resume(mine.clone(), "operator/ada".into(), String::new()).await.unwrap();
    assert!(!paused());

    let error = hub.delete("application", "hand").await.unwrap_err();
    assert!(error.contains("hand.yaml of the fleet repository"), "{error}");
    let error = hub.delete("application", "mime").await.unwrap_err();
    assert_eq!(error, "there is no Application mime; did you mean \"mine\"?");
    let message = hub.delete("application", "mine").await.unwrap();
    assert_eq!(message, "Application mine was deleted; 1 removals are ordered");
    assert!(hub.wants("lab").ends_with("-mine"));
    hub.stop().await;
}

#[tokio::test]
async fn a_deleted_set_waits_and_its_evidence_survives_a_restart() {
    let (world, hub) = prepared().await;
    let files = world.documents(0..3, false);
    let listed = files[1].1.replace("name: listed", "name: stored").replace("id: 'l", "id: 's");
    assert_eq!(hub.apply(&listed).await, ["ApplicationSet stored created"]);
    hub.until(|fleet| fleet.applications.len() == 20).await;
    let message = hub.delete("ApplicationSet", "stored").await.unwrap();
    let plan = hub.parked("stored").unwrap();
    let follows = format!("its removals wait: muster approve applicationset stored --plan {plan}");
    assert_eq!(message, format!("ApplicationSet stored was deleted; {follows}"));
    hub.stop().await;
    let hub = world.start("mirrors", 2).await;
    hub.handle.refresh().await.unwrap();
    hub.approve("stored", &plan).await.unwrap();
    assert!(hub.wants("lab").ends_with("-s0 -s1 -s2"), "{}", hub.wants("lab"));
    hub.stop().await;
}

#[tokio::test]
async fn a_store_that_cannot_be_written_changes_nothing_that_is_seen() {
    let (world, hub) = prepared().await;
    let wanted = hub.wants("lab");
    world.store.break_writes("the disk is full");
    world.commit_documents(0..11, true);
    let mut lab = hub.board.subscribe(&cluster("lab"));
    lab.borrow_and_update();
    let mine = ApplicationName::new("hand").unwrap();
    let error = hub.handle.pause(mine, "operator/ada".into(), String::new()).await.unwrap_err();
    assert!(error.to_string().contains("the disk is full"), "{error}");
    let error = hub.handle.refresh().await.unwrap_err();
    assert!(error.to_string().starts_with("the fleet stays as it is"), "{error}");
    assert!(!lab.has_changed().unwrap());
    assert_eq!(hub.wants("lab"), wanted);
    hub.stop().await;
}
