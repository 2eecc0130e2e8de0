//! What all passes share: the means, and applying one object.
//!
//! A pass is one piece of work for one application, run as a task of its own: a sync, a repair or
//! a removal. It gets copies of what it needs, has effects on the cluster, and returns what became
//! of each object; only the engine's loop changes the engine's state.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use render::ClusterFacts;
use serde_json::Value;
use tokio::sync::watch;

use super::EngineConfig;
use super::payloads::PayloadCache;
use crate::inventory::store::InventoryStore;
use crate::inventory::{Entry, NO_FIELDS};
use crate::kubernetes::answer::{ConflictCause, Refusal, RefusalKind};
use crate::kubernetes::client::{Apply, Cluster};
use crate::kubernetes::discovery::{Discovery, Resource};
use crate::kubernetes::metadata::Observation;
use crate::manifests::ManifestSource;
use crate::reconcile::conflict::{self, Resolution, Standing};
use crate::reconcile::payload::Payload;

/// Attempts when somebody else writes the same object at the same moment.
const RACES: usize = 4;
/// Attempts and pause when a kind was established but one API server replica does not serve it
/// yet; on an idle server it takes 20 to 50 ms.
const KIND_ATTEMPTS: usize = 6;
const KIND_PAUSE: Duration = Duration::from_millis(150);

/// What a pass works with.
#[derive(Clone)]
pub(super) struct Means {
    pub(super) cluster: Cluster,
    pub(super) discovery: Discovery,
    pub(super) manifests: Arc<dyn ManifestSource>,
    pub(super) inventories: InventoryStore,
    pub(super) payloads: PayloadCache,
    pub(super) config: Arc<EngineConfig>,
    /// What charts may ask about the cluster; replaced as a whole by [`Means::refresh`].
    pub(super) facts: Arc<watch::Sender<Arc<ClusterFacts>>>,
}

/// How one apply is made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Manner<'a> {
    pub(super) manager: &'a str,
    pub(super) standing: Standing,
    /// Take the fields without asking first: only for objects in which no other application of
    /// Muster has a hand.
    pub(super) force: bool,
    pub(super) dry_run: bool,
    pub(super) strict: bool,
}

/// What became of one object.
#[derive(Debug)]
pub(super) enum Outcome {
    /// It is as it was applied before; nothing was sent.
    Unchanged,
    Applied {
        seen: Box<Observation>,
        /// Fields that were taken from others.
        taken: Vec<ConflictCause>,
    },
    /// A dry run was accepted: an apply would change it.
    WouldChange,
    WaitingForKind(String),
    Conflict(String),
    Shared(String),
    Failed {
        message: String,
        retry_after: Option<Duration>,
    },
}

impl Outcome {
    pub(super) fn is_done(&self) -> bool {
        matches!(self, Self::Unchanged | Self::Applied { .. })
    }

    pub(super) fn failed(refusal: Refusal) -> Self {
        Self::Failed { message: refusal.message, retry_after: refusal.retry_after }
    }
}

impl Means {
    /// Applies one object: without force first, then as the conflict allows.
    pub(super) async fn apply(&self, payload: &Payload, manner: Manner<'_>) -> Outcome {
        let resource = match self.resource(&payload.api_version, &payload.key.kind).await {
            Ok(Some(resource)) => resource,
            Ok(None) => return waiting(payload),
            Err(refusal) => return Outcome::failed(refusal),
        };
        let mut force = manner.force;
        let mut taken = Vec::new();
        let (mut races, mut missing) = (0, 0);
        loop {
            let refusal = match self.send(payload, &resource, manner, force).await {
                Ok(seen) => {
                    let first = !manner.standing.owned && !manner.dry_run;
                    let patch = first.then(|| conflict::adoption(&seen, manner.manager)).flatten();
                    let seen = match patch {
                        Some(patch) => self.adopt(&resource, payload, manner, &patch, seen).await,
                        None => seen,
                    };
                    return Outcome::Applied { seen: Box::new(seen), taken };
                }
                Err(refusal) => refusal,
            };
            match refusal.kind {
                RefusalKind::Conflict(causes) => {
                    match conflict::resolve(&causes, manner.standing) {
                        Resolution::Force if !force => {
                            force = true;
                            taken = causes;
                        }
                        Resolution::Shared { applications } => {
                            let owners = applications.join(", ");
                            return Outcome::Shared(format!(
                                "it belongs to the application {owners}; an object belongs to one \
                             application, so remove it from the other"
                            ));
                        }
                        _ => {
                            return Outcome::Conflict(format!(
                                "{}; sync by hand or annotate the manifest with muster.dev/adopt: \
                             \"true\" to take it over",
                                refusal.message
                            ));
                        }
                    }
                }
                RefusalKind::Race if races < RACES => races += 1,
                RefusalKind::KindMissing if missing < KIND_ATTEMPTS => {
                    missing += 1;
                    tokio::time::sleep(KIND_PAUSE).await;
                }
                RefusalKind::KindMissing => return waiting(payload),
                // What a dry run creates does not exist for the next one, a namespace least of all.
                RefusalKind::NamespaceMissing if manner.dry_run => return Outcome::WouldChange,
                _ => return Outcome::failed(refusal),
            }
        }
    }

    /// After the first apply: takes over what a client-side apply left behind, and applies once
    /// more, which removes what the manifest does not have. When that fails, those fields stay
    /// co-owned, which is worth a line in the log and no failure.
    async fn adopt(
        &self,
        resource: &Resource,
        payload: &Payload,
        manner: Manner<'_>,
        patch: &Value,
        seen: Observation,
    ) -> Observation {
        let adopted = match self.cluster.patch(resource, &payload.key, patch).await {
            Ok(_) => self.send(payload, resource, manner, true).await,
            Err(refusal) => Err(refusal),
        };
        adopted.unwrap_or_else(|refusal| {
            let reason = refusal.message;
            tracing::warn!(object = %payload.key, reason, "fields of an earlier kubectl apply stay");
            seen
        })
    }

    async fn send(
        &self,
        payload: &Payload,
        resource: &Resource,
        manner: Manner<'_>,
        force: bool,
    ) -> Result<Observation, Refusal> {
        let apply = Apply {
            resource,
            key: &payload.key,
            body: payload.body.clone(),
            manager: manner.manager,
            force,
            dry_run: manner.dry_run,
            strict: manner.strict,
        };
        self.cluster.apply(apply).await
    }

    /// Reads the kinds of the cluster anew; the old ones stay when that fails.
    pub(super) async fn refresh(&self) -> Result<(), Refusal> {
        self.discovery.refresh().await?;
        let kube_version = self.discovery.server_version().await?;
        let api_versions = self.discovery.kinds().api_versions();
        self.facts.send_replace(Arc::new(ClusterFacts { kube_version, api_versions }));
        Ok(())
    }

    /// The resource of a kind in exactly this version.
    pub(super) async fn resource(
        &self,
        api_version: &str,
        kind: &str,
    ) -> Result<Option<Resource>, Refusal> {
        self.discovery.look_for(api_version, kind).await
    }

    /// Does something for each of many, a few at a time.
    pub(super) async fn each<T, R, F>(&self, items: Vec<T>, work: impl Fn(T) -> F) -> Vec<R>
    where
        F: Future<Output = R>,
    {
        futures::stream::iter(items)
            .map(work)
            .buffered(self.config.object_concurrency.max(1))
            .collect()
            .await
    }
}

fn waiting(payload: &Payload) -> Outcome {
    Outcome::WaitingForKind(format!(
        "the API server does not serve {} {}; install its definition, or correct apiVersion and \
         kind",
        payload.api_version, payload.key.kind
    ))
}

/// The inventory entry after an apply.
pub(super) fn entry_after(payload: &Payload, seen: &Observation, manager: &str) -> Entry {
    Entry {
        api_version: payload.api_version.clone(),
        uid: seen.uid.clone(),
        desired: payload.hash,
        own: seen.own_hash(manager).unwrap_or(NO_FIELDS),
        class: payload.class,
    }
}
