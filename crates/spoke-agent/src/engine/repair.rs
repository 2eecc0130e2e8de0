//! A repair pass: look at what may be gone, put back what was changed, and say who changed it.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::application::SyncOption;
use model::canonical::Digest;
use model::desired::DesiredApplication;
use model::manifest::{ObjectKey, apply_rank};
use runtime::supervise::blocking;

use super::pass::{Manner, Means, Outcome, entry_after};
use super::payloads::Header;
use super::record::TroubleKind;
use super::sync::manager;
use crate::health;
use crate::inventory::{Entry, NO_FIELDS};
use crate::kubernetes::answer::RefusalKind;
use crate::kubernetes::fields::{self, Taken};
use crate::kubernetes::metadata::Observation;
use crate::reconcile::conflict::Standing;
use crate::reconcile::payload::Payload;

/// What a repair pass is asked to do.
pub(super) struct RepairRequest {
    pub(super) application: Arc<DesiredApplication>,
    /// The version that was applied last.
    pub(super) version: Digest,
    /// Put it right; otherwise only find out what is wrong.
    pub(super) heal: bool,
    pub(super) objects: BTreeMap<ObjectKey, (Entry, TroubleKind)>,
}

/// What became of one object.
#[derive(Debug)]
pub(super) enum Repaired {
    /// Nothing is wrong with it: this is how it looks.
    Fine(Box<Observation>),
    /// It was changed, and is right again.
    Healed { entry: Entry, seen: Box<Observation>, taken: Taken },
    /// It was changed; nothing was done.
    Drifted { taken: Taken, managed_fields: Box<str> },
    /// It is gone; nothing was done.
    Gone,
    /// It could not be put right.
    Failed { outcome: Outcome },
    /// Its kind cannot be asked, or its payload is not there: only a sync can tell.
    NeedsSync,
}

pub(super) type RepairOutcome = BTreeMap<ObjectKey, Repaired>;

pub(super) async fn run(means: Means, request: RepairRequest) -> RepairOutcome {
    let mut payloads = payloads(&means, &request).await;
    let mut work: Vec<_> = request
        .objects
        .iter()
        .map(|(key, (entry, trouble))| {
            (key.clone(), entry.clone(), trouble.clone(), payloads.remove(key))
        })
        .collect();
    work.sort_by_key(|(key, ..)| apply_rank(key));
    let request = &request;
    let means = &means;
    let repaired = means
        .each(work, |(key, entry, trouble, payload)| async move {
            let repaired = repair(means, request, &key, entry, trouble, payload).await;
            (key, repaired)
        })
        .await;
    repaired.into_iter().collect()
}

/// The payloads of these objects from the disk.
async fn payloads(means: &Means, request: &RepairRequest) -> BTreeMap<ObjectKey, Payload> {
    let (cache, version) = (means.payloads.clone(), request.version);
    let name = request.application.name.clone();
    let part_of = means.config.inventory_id.clone();
    let keys: std::collections::BTreeSet<ObjectKey> = request.objects.keys().cloned().collect();
    let read = blocking("payloads", move || {
        let same = |header: &Header| header.version == version && header.part_of == part_of;
        cache.read(&name, same, |key| keys.contains(key))
    })
    .await;
    match read {
        Ok(Some((_, payloads))) => {
            payloads.into_iter().map(|payload| (payload.key.clone(), payload)).collect()
        }
        Ok(None) => BTreeMap::new(),
        Err(error) => {
            tracing::warn!(%error, "the cached render could not be read");
            BTreeMap::new()
        }
    }
}

async fn repair(
    means: &Means,
    request: &RepairRequest,
    key: &ObjectKey,
    entry: Entry,
    trouble: TroubleKind,
    payload: Option<Payload>,
) -> Repaired {
    let manager = manager(&request.application, entry.class);
    let drifted = match trouble {
        TroubleKind::Drifted { managed_fields } => Some(managed_fields),
        TroubleKind::Missing | TroubleKind::Suspect => {
            match look(means, key, &entry, &manager).await {
                Look::Fine(seen) => return Repaired::Fine(seen),
                Look::Drifted(managed_fields) => Some(managed_fields),
                Look::Gone => None,
                Look::Unknown => return Repaired::NeedsSync,
            }
        }
    };
    if drifted.is_none() && !request.heal {
        return Repaired::Gone;
    }
    let Some(payload) = payload.filter(|payload| payload.hash == entry.desired) else {
        return Repaired::NeedsSync;
    };
    put_right(means, request, &payload, &manager, drifted).await
}

enum Look {
    Fine(Box<Observation>),
    Drifted(Box<str>),
    Gone,
    Unknown,
}

async fn look(means: &Means, key: &ObjectKey, entry: &Entry, manager: &str) -> Look {
    let Ok(Some(resource)) = means.resource(&entry.api_version, &key.kind).await else {
        return Look::Unknown;
    };
    let full = health::has_rule(&key.group, &key.kind);
    match means.cluster.look_at(&resource, key, full).await {
        Ok(seen)
            if seen.deleting
                || entry.own == NO_FIELDS
                || seen.own_hash(manager) == Some(entry.own) =>
        {
            Look::Fine(Box::new(seen))
        }
        Ok(seen) => Look::Drifted(seen.managed_fields),
        Err(refusal) if refusal.kind == RefusalKind::NotFound => Look::Gone,
        Err(_) => Look::Unknown,
    }
}

/// One apply tells both: it puts the object right, and its answer says which fields we own when
/// all is well. Without healing the same apply is a dry run.
async fn put_right(
    means: &Means,
    request: &RepairRequest,
    payload: &Payload,
    manager: &str,
    drifted: Option<Box<str>>,
) -> Repaired {
    let was_gone = drifted.is_none();
    let managed_fields = drifted.unwrap_or_else(|| "[]".into());
    let before = fields::parse(&managed_fields);
    let others = before
        .iter()
        .any(|entry| entry.manager != manager && fields::application_of(&entry.manager).is_some());
    let manner = Manner {
        manager,
        standing: Standing { owned: true, self_heal: true, adopt: false, by_hand: false },
        // With another application in it the server must be asked who holds what.
        force: !others,
        dry_run: !request.heal,
        strict: !request.application.sync_policy.has(SyncOption::NoValidation),
    };
    match means.apply(payload, manner).await {
        Outcome::Applied { seen, .. } => {
            let after = fields::parse(&seen.managed_fields);
            // An object that was deleted lost everything, which is not worth a list.
            let taken = match was_gone {
                true => Taken::default(),
                false => fields::taken(&fields::own_paths(&after, manager), &before, manager),
            };
            match request.heal {
                true => {
                    Repaired::Healed { entry: entry_after(payload, &seen, manager), seen, taken }
                }
                false => Repaired::Drifted { taken, managed_fields },
            }
        }
        outcome => Repaired::Failed { outcome },
    }
}
