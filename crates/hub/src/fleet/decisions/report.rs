//! Where the session of the believed cluster brings what its spoke says of decision objects.
//!
//! A `watch` that holds the latest: the session writes, the fleet's owner reads when it comes to it.

use std::sync::Arc;

use model::id::Term;
use model::name::ClusterName;
use model::status::Timestamp;
use runtime::clock::Clock;
use tokio::sync::watch;

use crate::session::Gathered;

/// What has been said so far.
#[derive(Debug, Clone, Default)]
pub(in crate::fleet) struct Told {
    pub(super) link: Link,
    /// The last report that was whole, of this session or an earlier one.
    pub(super) last: Option<Arc<Gathered>>,
}

/// Whether somebody is there who would tell of a change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Link {
    /// No session has been open since the hub started.
    #[default]
    Never,
    /// Entered when a session opens; `reported` with its first report.
    Open { term: Term, reported: bool },
    /// Entered when the newest session has ended.
    Closed { since: Timestamp },
}

/// Whose decision objects are believed, and the place for them. Clones share it.
#[derive(Debug, Clone)]
pub struct DecisionReports {
    cluster: Option<ClusterName>,
    told: Arc<watch::Sender<Told>>,
    clock: Clock,
}

impl DecisionReports {
    /// `cluster` is the one that is believed, if any is.
    #[must_use]
    pub fn new(cluster: Option<ClusterName>, clock: Clock) -> Self {
        Self { cluster, told: Arc::new(watch::Sender::new(Told::default())), clock }
    }

    #[must_use]
    pub(in crate::fleet) fn cluster(&self) -> Option<&ClusterName> {
        self.cluster.as_ref()
    }

    #[must_use]
    pub(in crate::fleet) fn subscribe(&self) -> watch::Receiver<Told> {
        self.told.subscribe()
    }

    /// A session of this cluster is open. `None` when its decision objects are not believed.
    #[must_use]
    pub(crate) fn open(&self, cluster: &ClusterName, term: Term) -> Option<Reporter> {
        if self.cluster.as_ref() != Some(cluster) {
            return None;
        }
        self.told.send_modify(|told| told.link = Link::Open { term, reported: false });
        Some(Reporter { reports: self.clone(), term })
    }
}

/// What the session holds while it is open; its end is told when this is dropped.
pub(crate) struct Reporter {
    reports: DecisionReports,
    term: Term,
}

impl Reporter {
    pub(crate) fn report(&self, gathered: Gathered) {
        self.modify(|told| {
            told.link = Link::Open { term: self.term, reported: true };
            told.last = Some(Arc::new(gathered));
        });
    }

    /// A session that has been superseded has nothing to say any more.
    fn modify(&self, change: impl FnOnce(&mut Told)) {
        self.reports.told.send_if_modified(|told| {
            let is_mine = matches!(&told.link, Link::Open { term, .. } if *term == self.term);
            if is_mine {
                change(told);
            }
            is_mine
        });
    }
}

impl Drop for Reporter {
    fn drop(&mut self) {
        let since = Timestamp(self.reports.clock.wall_ms());
        self.modify(|told| told.link = Link::Closed { since });
    }
}
