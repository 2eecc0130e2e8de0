//! Removing objects: look at each, judge, delete exactly that one, and say what holds the rest.

use std::collections::BTreeSet;

use model::desired::Tombstone;
use model::manifest::ObjectKey;
use model::name::ApplicationName;
use model::set::OnRemoval;
use model::status::Condition;

use super::pass::Means;
use crate::inventory::store::Parts;
use crate::inventory::{Entry, Inventory};
use crate::kubernetes::answer::{Refusal, RefusalKind};
use crate::kubernetes::client::Deletion;
use crate::kubernetes::discovery::Resource;
use crate::kubernetes::fields::{MANAGER_PREFIX, manager_name};
use crate::reconcile::payload::Class;
use crate::reconcile::prune::{self, Judgement, Owner};

/// What a removal did. What is in none of the lists is still in the inventory, to be tried again.
#[derive(Debug, Default)]
pub(super) struct Removed {
    /// Gone, because we removed them or because they were gone.
    pub(super) pruned: usize,
    /// Left in the cluster and forgotten.
    pub(super) orphaned: usize,
    /// Why objects were left, or are still there.
    pub(super) conditions: Vec<Condition>,
    /// Something is not done yet.
    pub(super) pending: bool,
}

enum Fate {
    Pruned,
    Forgotten { reason: Option<String> },
    Pending { reason: String },
}

/// Removes these objects in this order. Confirmed removals leave the inventory.
pub(super) async fn remove(
    means: &Means,
    application: &str,
    keys: Vec<ObjectKey>,
    inventory: &mut Inventory,
    used_namespaces: &BTreeSet<String>,
) -> Removed {
    let mut removed = Removed::default();
    let manager = manager_name(MANAGER_PREFIX, application);
    let owner = Owner { application, manager: &manager, agent_namespace: &means.config.namespace };
    // What contains other objects goes when nothing else is left.
    let (containers, plain): (Vec<_>, Vec<_>) =
        keys.into_iter().partition(prune::takes_others_along);
    for group in [plain, containers] {
        if removed.pending {
            break;
        }
        let fates = {
            let inventory = &*inventory;
            let work = |key: ObjectKey| async move {
                let fate = remove_one(means, &key, inventory, owner, used_namespaces).await;
                (key, fate)
            };
            means.each(group, work).await
        };
        for (key, fate) in fates {
            settle(&key, fate, inventory, &mut removed);
        }
    }
    removed
}

fn settle(key: &ObjectKey, fate: Fate, inventory: &mut Inventory, removed: &mut Removed) {
    let mut condition = |kind: &str, reason: String| {
        let message = format!("{key}: {reason}");
        removed.conditions.push(Condition { kind: kind.to_owned(), message });
    };
    match fate {
        Fate::Pruned => {
            inventory.entries.remove(key);
            removed.pruned += 1;
        }
        Fate::Forgotten { reason } => {
            // A namespace that was made on the way was never the application's own.
            let counts = reason.is_some();
            if let Some(reason) = reason {
                condition("PruneSkipped", reason);
            }
            inventory.entries.remove(key);
            removed.orphaned += usize::from(counts);
        }
        Fate::Pending { reason } => {
            condition("PrunePending", reason);
            removed.pending = true;
        }
    }
}

async fn remove_one(
    means: &Means,
    key: &ObjectKey,
    inventory: &Inventory,
    owner: Owner<'_>,
    used_namespaces: &BTreeSet<String>,
) -> Fate {
    let Some(entry) = inventory.entries.get(key) else { return Fate::Pruned };
    if entry.class == Class::Implicit {
        return Fate::Forgotten { reason: None };
    }
    let is_namespace = key.group.is_empty() && key.kind == "Namespace";
    if is_namespace && used_namespaces.contains(&key.name) {
        let reason = "other applications have objects in it".to_owned();
        return Fate::Pending { reason };
    }
    let resource = match served(means, &entry.api_version, key).await {
        Ok(Some(resource)) => resource,
        // With its definition its objects went, too. An aggregated API server that is only down
        // answers otherwise.
        Ok(None) => return Fate::Pruned,
        Err(refusal) => return Fate::Pending { reason: refusal.message },
    };
    let live = match means.cluster.look_at(&resource, key, false).await {
        Ok(live) => Some(live),
        Err(refusal) if refusal.kind == RefusalKind::NotFound => None,
        Err(refusal) => {
            if refusal.kind == RefusalKind::KindMissing {
                // The table is older than the removal of a definition; the next attempt knows.
                if let Err(error) = means.discovery.refresh().await {
                    tracing::warn!(%error, "the kinds could not be read anew");
                }
            }
            return Fate::Pending { reason: refusal.message };
        }
    };
    match prune::judge(key, entry.class, &entry.uid, live.as_ref(), owner) {
        Judgement::Gone => Fate::Pruned,
        Judgement::NotOurs => Fate::Forgotten {
            reason: Some("it is no longer this application's, and stays".to_owned()),
        },
        Judgement::Protected { reason } => {
            Fate::Forgotten { reason: Some(format!("it stays, because {reason}")) }
        }
        Judgement::Deleting { finalizers } => Fate::Pending { reason: held(&finalizers) },
        Judgement::Remove { uid } => match means.cluster.delete(&resource, key, &uid).await {
            Ok(Deletion::Gone) => Fate::Pruned,
            Ok(Deletion::Held) => {
                let finalizers = live.map(|live| live.finalizers).unwrap_or_default();
                Fate::Pending { reason: held(&finalizers) }
            }
            Err(refusal) => Fate::Pending { reason: refusal.message },
        },
    }
}

/// The resource of a kind, in the version that was applied or in another one.
async fn served(
    means: &Means,
    api_version: &str,
    key: &ObjectKey,
) -> Result<Option<Resource>, Refusal> {
    if let Some(resource) = means.discovery.kinds().find_any(api_version, &key.kind) {
        return Ok(Some(resource.clone()));
    }
    if let Some(resource) = means.resource(api_version, &key.kind).await? {
        return Ok(Some(resource));
    }
    means.discovery.refresh().await?;
    Ok(means.discovery.kinds().find_any(api_version, &key.kind).cloned())
}

fn held(finalizers: &[String]) -> String {
    match finalizers {
        [] => "it is being deleted".to_owned(),
        finalizers => format!("it is being deleted, and held by {}", finalizers.join(", ")),
    }
}

/// What a removal pass is asked to do.
pub(super) struct RemovalRequest {
    pub(super) name: ApplicationName,
    pub(super) tombstone: Tombstone,
    pub(super) inventory: Inventory,
    pub(super) parts: Parts,
    pub(super) used_namespaces: BTreeSet<String>,
}

/// What it did; it is finished when nothing is pending.
pub(super) struct RemovalOutcome {
    pub(super) inventory: Inventory,
    pub(super) parts: Parts,
    pub(super) removed: Removed,
}

/// Removes a whole application on a tombstone, which is explicit and approved at the hub: no
/// budget of the spoke applies, all other checks do.
pub(super) async fn run(means: Means, request: RemovalRequest) -> RemovalOutcome {
    let RemovalRequest { name, tombstone, mut inventory, mut parts, used_namespaces } = request;
    let mut removed = match tombstone.on_removal {
        OnRemoval::Orphan => {
            let made = |entry: &&Entry| entry.is_applied() && entry.class == Class::Normal;
            let orphaned = inventory.entries.values().filter(made).count();
            inventory.entries.clear();
            Removed { orphaned, ..Removed::default() }
        }
        OnRemoval::Prune => {
            let keys = prune::in_removal_order(inventory.entries.keys().cloned().collect());
            remove(&means, name.as_str(), keys, &mut inventory, &used_namespaces).await
        }
    };
    let stored = match inventory.entries.is_empty() {
        true => means.inventories.remove(&name, &mut parts).await,
        false => means.inventories.write(&name, &inventory, &mut parts).await,
    };
    if let Err(error) = stored {
        removed.pending = true;
        removed
            .conditions
            .push(Condition { kind: "InventoryNotWritten".to_owned(), message: error.to_string() });
    }
    if inventory.entries.is_empty() && !removed.pending {
        let (cache, name) = (means.payloads.clone(), name.clone());
        let cleared = runtime::supervise::blocking("payloads", move || cache.remove(&name)).await;
        if let Err(error) = cleared {
            tracing::warn!(%error, "a cached render was not removed");
        }
    }
    RemovalOutcome { inventory, parts, removed }
}
