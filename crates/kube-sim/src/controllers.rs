//! What makes workloads ready: controllers as steps that become due. Synchronous; they run under the
//! cluster's lock and write through the same functions as requests do.

use std::time::Duration;

use crate::cluster::State;
use crate::store::{Event, ResourceId};

/// How workloads behave.
#[derive(Debug, Clone)]
pub struct Behaviour {
    /// From a workload's change to its pods being ready.
    pub ready_after: Duration,
    /// From a definition's creation to its kind being served.
    pub crd_established_after: Duration,
    /// From the deletion of a namespace to the removal of its contents.
    pub namespace_deleted_after: Duration,
    /// Pods whose image contains one of these never start: `ImagePullBackOff`.
    pub bad_images: Vec<String>,
    /// Pods whose image contains one of these start and end again: `CrashLoopBackOff`.
    pub crashing_images: Vec<String>,
    /// Whether ReplicaSets and Pods are made, or workloads become ready without them: a large fleet
    /// of them in one process is not about pods.
    pub pods: bool,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            ready_after: Duration::from_millis(300),
            crd_established_after: Duration::from_millis(30),
            namespace_deleted_after: Duration::from_secs(5),
            bad_images: vec!["does-not-exist".to_owned(), "nonexistent".to_owned()],
            crashing_images: vec!["crash".to_owned()],
            pods: true,
        }
    }
}

/// The queue of steps, and what the controllers remember.
pub(crate) struct Controllers {
    pub(crate) behaviour: Behaviour,
}

impl Controllers {
    /// Called after every write, whoever made it; queues the steps that follow from it.
    pub(crate) fn observe(&mut self, resource: &ResourceId, event: &Event, now: Duration) {
        let _ = (resource, event, now);
    }

    /// When the next step is due, as the clock's `now`.
    pub(crate) fn next_due(&self) -> Option<Duration> {
        None
    }
}

/// Runs the steps that are due.
pub(crate) fn run_due(state: &mut State) {
    let _ = state;
}
