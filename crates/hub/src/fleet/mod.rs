//! The fleet: from documents, clusters and Git to what each cluster should run, under the laws.
//!
//! ```text
//! repositories (looks at Git) ─> documents ─> expansion ─> plan ─> store ─> board ─> sessions
//!                           services (asks) ──^
//!                decisions (a spoke reports) ──^
//! ```
//! `documents`, `expansion`, `plan`, `snapshot` and the tables of `repositories`, `services`
//! and `decisions` decide and have no effects; `stored` knows the stored form; `actor` owns the state, persists,
//! then publishes.
//!
//! Tasks: `fleet` (essential; commands in through a bounded channel, decision objects through a watch, desired states out through the
//! board, a snapshot out through a watch), and one `look at URL` for each repository that is being
//! read, at most four, and one `ask a service` for each question that is being asked, at most eight
//! (results in through bounded channels).

mod actor;
pub mod board;
mod decisions;
pub mod documents;
mod expansion;
mod handle;
pub mod plan;
mod repositories;
mod services;
mod snapshot;
pub mod state;
mod stored;

#[cfg(test)]
mod tests;

use model::cluster::Cluster;
use model::id::Epoch;
use source::{RepoUrl, UrlError};
use std::time::Duration;

pub use actor::start;
pub use decisions::DecisionReports;
pub(crate) use decisions::Reporter;
pub use handle::{ApplyOutcome, FleetError, FleetHandle, RefreshOutcome};
pub use services::Services;
pub use snapshot::{ApplicationEntry, FleetSnapshot, SetEntry};
pub use stored::FleetStoreError;

/// Who knows which clusters have joined, with the labels that people gave them there.
pub trait ClusterSource: Send + Sync {
    /// All clusters that may be targeted now. Called often; must not block for long.
    fn clusters(&self) -> Vec<Cluster>;

    /// The same, for a source that can fail: an error is not an empty fleet, and the clusters of
    /// the last time stay (law L2). The fleet calls only this one.
    ///
    /// # Errors
    /// When the clusters cannot be read now; the text says why.
    fn try_clusters(&self) -> Result<Vec<Cluster>, String> {
        Ok(self.clusters())
    }
}

/// How the fleet is run.
#[derive(Debug, Clone)]
pub struct FleetOptions {
    pub repository: Option<FleetRepository>,
    /// How often each repository is looked at, give or take 10 %.
    pub poll_interval: Duration,
    pub services: Services,
    pub decisions: DecisionReports,
    pub epoch: Epoch,
}

/// Where the documents of the fleet are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FleetRepository {
    pub url: RepoUrl,
    /// The URL as it was written: how it is asked for, and known after a restart.
    text: String,
    /// Empty means the default branch.
    pub revision: String,
    /// Every `.yaml`, `.yml` and `.json` file below it is read.
    pub path: String,
}

impl FleetRepository {
    /// None when there is no URL.
    pub fn from_settings(url: &str, revision: &str, path: &str) -> Result<Option<Self>, UrlError> {
        if url.is_empty() {
            return Ok(None);
        }
        let (text, revision, path) = (url.to_owned(), revision.to_owned(), path.to_owned());
        Ok(Some(Self { url: RepoUrl::parse(url)?, text, revision, path }))
    }
}
