//! What is known of each cluster: reported by its spoke, with its age and source (law L10).
//!
//! The session of a cluster owns its part and publishes whole snapshots; readers take one and are
//! never in the way. What was last known survives a restart of the hub through the store, written
//! at most every 30 seconds.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use model::canonical::Digest;
use model::decision::DecisionList;
use model::name::{ApplicationName, ClusterName};
use model::status::{self, ApplicationStatus, Incident, Timestamp};
use model::view::DecisionsView;
use proto::session::{Hello, Rejection, Report};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::session::Gathered;

/// The incidents kept of one cluster; older ones are in the ledger.
const MAX_INCIDENTS: usize = 500;

/// One cluster as its spoke last described it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ClusterStatus {
    /// Whether a session is open now. Never stored: after a restart nobody is connected.
    #[serde(skip)]
    pub connected: bool,
    pub last_seen: Option<Timestamp>,
    pub agent_version: String,
    pub kubernetes_version: String,
    pub tools: BTreeMap<String, String>,
    pub hold: bool,
    pub held_removals: Vec<ApplicationName>,
    pub applications: BTreeMap<ApplicationName, Arc<Reported>>,
    #[serde(skip)]
    pub incidents: VecDeque<Incident>,
    /// What the spoke last said of decision objects; only of the cluster that is believed.
    #[serde(skip)]
    pub decisions: Option<DecisionsView>,
    /// What the spoke refused, with its reason.
    #[serde(skip)]
    pub rejected: BTreeMap<ApplicationName, Rejection>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reported {
    pub status: ApplicationStatus,
    /// By the hub's clock.
    pub at: Timestamp,
}

impl ClusterStatus {
    pub fn opened(&mut self, hello: &Hello, now: Timestamp) {
        self.connected = true;
        self.last_seen = Some(now);
        self.agent_version.clone_from(&hello.agent_version);
        self.kubernetes_version.clone_from(&hello.kubernetes_version);
        self.tools.clone_from(&hello.tools);
        self.rejected.clear();
    }

    pub fn closed(&mut self, now: Timestamp) {
        self.connected = false;
        self.last_seen = Some(now);
    }

    /// Takes a report and returns the incidents that are new or changed.
    pub fn report(&mut self, report: Report, now: Timestamp) -> Vec<Incident> {
        self.last_seen = Some(now);
        self.hold = report.hold;
        self.held_removals = report.held_removals;
        if report.full {
            self.applications.clear();
        }
        for name in &report.gone {
            self.applications.remove(name);
        }
        for status in report.statuses {
            let name = status.name.clone();
            self.applications.insert(name, Arc::new(Reported { status, at: now }));
        }
        let news: Vec<_> = report
            .incidents
            .into_iter()
            .filter(|incident| !self.incidents.contains(incident))
            .collect();
        for incident in &news {
            self.incidents.retain(|known| known.id != incident.id);
            self.incidents.push_back(incident.clone());
        }
        while self.incidents.len() > MAX_INCIDENTS {
            self.incidents.pop_front();
        }
        news
    }

    /// Takes a report of decision objects.
    pub fn decided(&mut self, gathered: &Gathered, now: Timestamp) {
        let mut view = DecisionsView { at: now, objects: 0, problems: Vec::new() };
        for (resource, list) in gathered {
            match list {
                DecisionList::Whole(objects) => view.objects += objects.len(),
                DecisionList::Failed(reason) => view.problems.push(format!("{resource}: {reason}")),
            }
        }
        self.last_seen = Some(now);
        self.decisions = Some(view);
    }

    #[must_use]
    pub fn digest(&self) -> Digest {
        status::digest(self.applications.values().map(|reported| &reported.status))
    }
}

/// Snapshots by cluster, and a wake-up for those who watch.
#[derive(Debug, Clone)]
pub struct StatusBoard {
    clusters: Arc<Mutex<BTreeMap<ClusterName, Arc<ClusterStatus>>>>,
    version: Arc<watch::Sender<u64>>,
}

impl Default for StatusBoard {
    fn default() -> Self {
        Self { clusters: Arc::default(), version: Arc::new(watch::Sender::new(0)) }
    }
}

impl StatusBoard {
    #[must_use]
    pub fn get(&self, cluster: &ClusterName) -> Arc<ClusterStatus> {
        self.locked().get(cluster).cloned().unwrap_or_default()
    }

    #[must_use]
    pub fn all(&self) -> BTreeMap<ClusterName, Arc<ClusterStatus>> {
        self.locked().clone()
    }

    pub fn publish(&self, cluster: &ClusterName, status: ClusterStatus) {
        self.locked().insert(cluster.clone(), Arc::new(status));
        self.version.send_modify(|version| *version += 1);
    }

    /// Changes whenever any snapshot does.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    /// The map holds only snapshots, so a panic elsewhere cannot leave it half changed.
    fn locked(&self) -> std::sync::MutexGuard<'_, BTreeMap<ClusterName, Arc<ClusterStatus>>> {
        self.clusters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
