//! A sync pass: render, write the intent, apply in order, prune, write the result.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use model::application::SyncOption;
use model::canonical::Digest;
use model::desired::DesiredApplication;
use model::manifest::{Manifest, ObjectKey, apply_rank};
use model::status::Condition;
use runtime::supervise::blocking;
use serde_json::Value;

use super::pass::{Manner, Means, Outcome, entry_after};
use super::payloads::Header;
use super::removal::{self, Removed};
use crate::inventory::store::Parts;
use crate::inventory::{Entry, Inventory};
use crate::kubernetes::answer::Refusal;
use crate::kubernetes::fields::{MANAGER_PREFIX, NAMESPACE_MANAGER_PREFIX, manager_name};
use crate::manifests::ManifestsError;
use crate::reconcile::conflict::Standing;
use crate::reconcile::payload::{self, Class, Marks, Payload};
use crate::reconcile::prune::{self, Policy};

/// How long a definition may take to be established before the pass goes on without it.
const ESTABLISHED_WITHIN: Duration = Duration::from_secs(60);
const ESTABLISHED_POLL: Duration = Duration::from_millis(40);

/// What a sync pass is asked to do.
pub(super) struct SyncRequest {
    pub(super) application: Arc<DesiredApplication>,
    pub(super) version: Digest,
    /// Only compare: syncing is by hand, or a person paused it.
    pub(super) compare: bool,
    pub(super) self_heal: bool,
    /// A person ordered it: apply everything, and adopt what others manage.
    pub(super) by_hand: bool,
    /// Render even if nothing that the render depends on has changed.
    pub(super) refresh: bool,
    pub(super) prune: bool,
    pub(super) policy: Policy,
    /// What the inventory holds, and whether each is known to be in order.
    pub(super) known: BTreeMap<ObjectKey, (Entry, bool)>,
    pub(super) parts: Parts,
    /// Namespaces in which other applications have objects.
    pub(super) used_namespaces: BTreeSet<String>,
}

/// What it did.
pub(super) struct SyncOutcome {
    pub(super) version: Digest,
    pub(super) compared: bool,
    /// Why nothing was attempted, if so.
    pub(super) blocked: Option<Blocked>,
    /// What became of each wanted object, with its entry.
    pub(super) objects: BTreeMap<ObjectKey, (Entry, Outcome)>,
    /// Manifests that could not even become payloads.
    pub(super) problems: Vec<String>,
    /// All entries of the inventory now.
    pub(super) inventory: Inventory,
    pub(super) parts: Parts,
    pub(super) removed: Removed,
    pub(super) conditions: Vec<Condition>,
}

pub(super) struct Blocked {
    pub(super) condition: &'static str,
    pub(super) message: String,
}

impl From<ManifestsError> for Blocked {
    fn from(error: ManifestsError) -> Self {
        Self { condition: "RenderFailed", message: error.message }
    }
}

fn refused(condition: &'static str, refusal: Refusal) -> Blocked {
    Blocked { condition, message: refusal.message }
}

pub(super) async fn run(means: Means, request: SyncRequest) -> SyncOutcome {
    let inventory = Inventory {
        entries: request.known.iter().map(|(k, (e, _))| (k.clone(), e.clone())).collect(),
    };
    let mut outcome = SyncOutcome {
        version: request.version,
        compared: request.compare,
        blocked: None,
        objects: BTreeMap::new(),
        problems: Vec::new(),
        inventory,
        parts: request.parts.clone(),
        removed: Removed::default(),
        conditions: Vec::new(),
    };
    let payloads = match payloads(&means, &request, &mut outcome.problems).await {
        Ok(payloads) => payloads,
        Err(blocked) => {
            outcome.blocked = Some(blocked);
            return outcome;
        }
    };
    if let Err(blocked) = sync(&means, &request, payloads, &mut outcome).await {
        outcome.blocked = Some(blocked);
    }
    outcome
}

async fn sync(
    means: &Means,
    request: &SyncRequest,
    payloads: Vec<Payload>,
    outcome: &mut SyncOutcome,
) -> Result<(), Blocked> {
    let empty = payloads.iter().all(|payload| payload.class == Class::Implicit);
    let wanted: BTreeSet<ObjectKey> = payloads.iter().map(|payload| payload.key.clone()).collect();
    let name = &request.application.name;
    if !request.compare {
        for payload in &payloads {
            let entry = Entry::new(&payload.api_version, payload.class);
            outcome.inventory.entries.entry(payload.key.clone()).or_insert(entry);
        }
        write_inventory(means, request, outcome, &wanted).await?;
    }
    apply_all(means, request, payloads, outcome).await;
    if request.compare {
        return Ok(());
    }
    let all_applied = outcome.problems.is_empty()
        && outcome.objects.values().all(|(_, outcome)| outcome.is_done());
    if all_applied {
        prune(means, request, &wanted, empty, outcome).await;
    }
    let written = means.inventories.write(name, &outcome.inventory, &mut outcome.parts).await;
    written
        .map_err(|error| Blocked { condition: "InventoryNotWritten", message: error.to_string() })
}

/// Before the first apply: every object that may come to exist is in the inventory.
async fn write_inventory(
    means: &Means,
    request: &SyncRequest,
    outcome: &mut SyncOutcome,
    wanted: &BTreeSet<ObjectKey>,
) -> Result<(), Blocked> {
    if wanted.iter().all(|key| request.known.contains_key(key)) {
        return Ok(());
    }
    let name = &request.application.name;
    let written = means.inventories.write(name, &outcome.inventory, &mut outcome.parts).await;
    written
        .map_err(|error| Blocked { condition: "InventoryNotWritten", message: error.to_string() })
}

/// The payloads in apply order: from the cache on disk when nothing they depend on has changed.
async fn payloads(
    means: &Means,
    request: &SyncRequest,
    problems: &mut Vec<String>,
) -> Result<Vec<Payload>, Blocked> {
    let application = Arc::clone(&request.application);
    let (source, cache) = (Arc::clone(&means.manifests), means.payloads.clone());
    let facts = Arc::clone(&means.facts.borrow());
    let (version, refresh) = (request.version, request.refresh);
    let part_of = means.config.inventory_id.clone();
    // Git, renderers and files block.
    let found = blocking("render", move || {
        let cached = |fingerprint: Option<Digest>| {
            let same = |header: &Header| {
                let same_input = fingerprint.is_some() && header.fingerprint == fingerprint;
                header.part_of == part_of && (header.version == version || same_input)
            };
            cache.read(&application.name, same, |_| true)
        };
        if !refresh && let Some((_, payloads)) = cached(None) {
            return Ok((Found::Cached(payloads), None));
        }
        let fingerprint = source.fingerprint(&application, &facts)?;
        if !refresh && let Some((mut header, payloads)) = cached(fingerprint) {
            header.version = version;
            if let Err(error) = cache.write(&header, &payloads) {
                tracing::warn!(application = %application.name, %error, "the render is not cached");
            }
            return Ok((Found::Cached(payloads), fingerprint));
        }
        let rendered = source.manifests(&application, &facts)?;
        Ok::<_, ManifestsError>((Found::Rendered(rendered.manifests), fingerprint))
    })
    .await;
    let (found, fingerprint) = match found {
        Ok(Ok(found)) => found,
        Ok(Err(error)) => return Err(Blocked::from(error)),
        Err(error) => {
            let message = error.to_string();
            return Err(Blocked { condition: "RenderFailed", message });
        }
    };
    match found {
        Found::Cached(payloads) => Ok(payloads),
        Found::Rendered(manifests) => {
            prepare(means, request, manifests, fingerprint, problems).await
        }
    }
}

enum Found {
    Cached(Vec<Payload>),
    Rendered(Vec<Manifest>),
}

/// Gives every manifest its namespace, marks it, and keeps the result on disk.
async fn prepare(
    means: &Means,
    request: &SyncRequest,
    manifests: Vec<Manifest>,
    fingerprint: Option<Digest>,
    problems: &mut Vec<String>,
) -> Result<Vec<Payload>, Blocked> {
    let application = &request.application;
    let part_of = means.config.inventory_id.as_str();
    let default = match application.namespace.as_str() {
        "" => "default",
        namespace => namespace,
    };
    let marks = Marks {
        application: application.name.as_str(),
        part_of,
        ignore: &application.ignore_differences,
    };
    let defined = scopes_defined_by(&manifests);
    let (mut payloads, mut seen) = (Vec::with_capacity(manifests.len() + 1), BTreeSet::new());
    let mut all_known = true;
    for manifest in manifests {
        let namespaced = scope(means, &manifest, &defined).await?;
        all_known &= namespaced.is_some();
        let manifest = match namespaced {
            Some(false) => manifest.in_namespace(""),
            _ if manifest.key().namespace.is_empty() => manifest.in_namespace(default),
            _ => manifest,
        };
        if !seen.insert(manifest.key().clone()) {
            problems.push(format!("{} stands twice in the source; remove one", manifest.key()));
            continue;
        }
        match payload::prepare(manifest, marks) {
            Ok(payload) => payloads.push(payload),
            Err(error) => problems.push(error.to_string()),
        }
    }
    if application.sync_policy.has(SyncOption::CreateNamespace) {
        let metadata = application.sync_policy.managed_namespace_metadata.as_ref();
        let implicit = payload::implicit_namespace(default, metadata, part_of);
        if !payloads.is_empty() && seen.insert(implicit.key.clone()) {
            payloads.push(implicit);
        }
    }
    payloads.sort_by_cached_key(|payload| (apply_rank(&payload.key), payload.key.clone()));
    if all_known && problems.is_empty() {
        keep(means, request, fingerprint, &payloads).await;
    }
    Ok(payloads)
}

/// Keeps the payloads on disk. A full disk costs repairs their speed, not their success.
async fn keep(
    means: &Means,
    request: &SyncRequest,
    fingerprint: Option<Digest>,
    payloads: &[Payload],
) {
    let header = Header {
        application: request.application.name.clone(),
        version: request.version,
        fingerprint,
        part_of: means.config.inventory_id.clone(),
        count: payloads.len(),
    };
    // Bodies are shared, so this copies names only.
    let (cache, payloads) = (means.payloads.clone(), payloads.to_vec());
    let written = blocking("payloads", move || cache.write(&header, &payloads)).await;
    let problem = match written {
        Ok(Ok(())) => return,
        Ok(Err(error)) => error.to_string(),
        Err(error) => error.to_string(),
    };
    tracing::warn!(problem, "a render could not be cached in the state directory");
}

/// Kinds that definitions among the manifests bring, and whether they live in namespaces.
fn scopes_defined_by(manifests: &[Manifest]) -> BTreeMap<(String, String), bool> {
    manifests
        .iter()
        .filter(|manifest| manifest.key().kind == "CustomResourceDefinition")
        .filter_map(|manifest| {
            let spec = manifest.body().get("spec")?;
            let text = |pointer: &str| Some(spec.pointer(pointer)?.as_str()?.to_owned());
            let scope = spec.get("scope").and_then(Value::as_str)?;
            Some(((text("/group")?, text("/names/kind")?), scope == "Namespaced"))
        })
        .collect()
}

/// Whether the kind lives in namespaces; `None` when nobody knows the kind yet.
async fn scope(
    means: &Means,
    manifest: &Manifest,
    defined: &BTreeMap<(String, String), bool>,
) -> Result<Option<bool>, Blocked> {
    let key = manifest.key();
    if let Some(resource) = means.discovery.kinds().find(manifest.api_version(), &key.kind) {
        return Ok(Some(resource.namespaced));
    }
    if let Some(namespaced) = defined.get(&(key.group.clone(), key.kind.clone())) {
        return Ok(Some(*namespaced));
    }
    let found = means.resource(manifest.api_version(), &key.kind).await;
    let found = found.map_err(|refusal| refused("DiscoveryFailed", refusal))?;
    Ok(found.map(|resource| resource.namespaced))
}

/// Applies rank by rank; the objects of one rank go a few at a time.
async fn apply_all(
    means: &Means,
    request: &SyncRequest,
    payloads: Vec<Payload>,
    outcome: &mut SyncOutcome,
) {
    let mut ranks: BTreeMap<usize, Vec<Payload>> = BTreeMap::new();
    for payload in payloads {
        ranks.entry(apply_rank(&payload.key)).or_default().push(payload);
    }
    for group in ranks.into_values() {
        let definitions: Vec<ObjectKey> = group
            .iter()
            .filter(|payload| payload.key.kind == "CustomResourceDefinition")
            .map(|payload| payload.key.clone())
            .collect();
        let applied = means.each(group, |payload| apply_one(means, request, payload)).await;
        for (key, entry, result) in applied {
            if !request.compare {
                match &result {
                    Outcome::Applied { .. } | Outcome::Unchanged => {
                        outcome.inventory.entries.insert(key.clone(), entry.clone());
                    }
                    _ => {}
                }
            }
            outcome.objects.insert(key, (entry, result));
        }
        for key in definitions {
            let changed = matches!(outcome.objects.get(&key), Some((_, Outcome::Applied { .. })));
            if changed && !established(means, &key).await {
                outcome.conditions.push(Condition {
                    kind: "DefinitionNotEstablished".to_owned(),
                    message: format!("{key} was not established within {ESTABLISHED_WITHIN:?}"),
                });
            }
        }
    }
}

async fn apply_one(
    means: &Means,
    request: &SyncRequest,
    payload: Payload,
) -> (ObjectKey, Entry, Outcome) {
    let known = request.known.get(&payload.key);
    let owned = known.is_some_and(|(entry, _)| entry.is_applied());
    let entry = known.map_or_else(
        || Entry::new(&payload.api_version, payload.class),
        |(entry, _)| entry.clone(),
    );
    let unchanged = known.is_some_and(|(entry, trusted)| *trusted && entry.desired == payload.hash);
    if unchanged && !request.by_hand {
        return (payload.key, entry, Outcome::Unchanged);
    }
    let manager = manager(&request.application, payload.class);
    let manner = Manner {
        manager: &manager,
        standing: Standing {
            owned,
            self_heal: request.self_heal,
            adopt: payload.adopt,
            by_hand: request.by_hand,
        },
        force: false,
        dry_run: request.compare,
        strict: !request.application.sync_policy.has(SyncOption::NoValidation),
    };
    let result = match means.apply(&payload, manner).await {
        Outcome::Applied { .. } if request.compare => Outcome::WouldChange,
        result => result,
    };
    let entry = match &result {
        Outcome::Applied { seen, .. } => entry_after(&payload, seen, &manager),
        _ => entry,
    };
    (payload.key, entry, result)
}

/// The field manager of an object of this application.
pub(super) fn manager(application: &DesiredApplication, class: Class) -> String {
    let prefix = match class {
        Class::Normal => MANAGER_PREFIX,
        Class::Implicit => NAMESPACE_MANAGER_PREFIX,
    };
    manager_name(prefix, application.name.as_str())
}

/// Waits until a definition is established.
async fn established(means: &Means, key: &ObjectKey) -> bool {
    let path = format!("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{}", key.name);
    let poll = async {
        loop {
            if let Ok(document) = means.cluster.get(&path, None).await {
                let object: Value = serde_json::from_slice(&document).unwrap_or_default();
                let conditions = object.pointer("/status/conditions").and_then(Value::as_array);
                let is_established = conditions.into_iter().flatten().any(|condition| {
                    condition.get("type") == Some(&Value::from("Established"))
                        && condition.get("status") == Some(&Value::from("True"))
                });
                if is_established {
                    return;
                }
            }
            tokio::time::sleep(ESTABLISHED_POLL).await;
        }
    };
    tokio::time::timeout(ESTABLISHED_WITHIN, poll).await.is_ok()
}

async fn prune(
    means: &Means,
    request: &SyncRequest,
    wanted: &BTreeSet<ObjectKey>,
    empty: bool,
    outcome: &mut SyncOutcome,
) {
    // An implicit namespace that is no longer asked for is forgotten, never removed.
    outcome
        .inventory
        .entries
        .retain(|key, entry| wanted.contains(key) || entry.class == Class::Normal);
    let stale: Vec<ObjectKey> =
        outcome.inventory.entries.keys().filter(|key| !wanted.contains(*key)).cloned().collect();
    let keeps = request.application.sync_policy.has(SyncOption::NoPrune);
    if stale.is_empty() || !request.prune || keeps {
        return;
    }
    let policy = Policy { empty_render: empty, ..request.policy };
    let plan = prune::plan(&stale, outcome.inventory.entries.len(), policy);
    let removed = removal::remove(
        means,
        request.application.name.as_str(),
        plan.remove,
        &mut outcome.inventory,
        &request.used_namespaces,
    )
    .await;
    outcome.removed = removed;
    if !plan.parked.is_empty() {
        let names: Vec<_> = plan.parked.iter().take(5).map(ObjectKey::to_string).collect();
        let more = plan.parked.len().saturating_sub(names.len());
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        outcome.conditions.push(Condition {
            kind: "PruneParked".to_owned(),
            message: format!(
                "{} objects are no longer in Git and stay for now: {}{more}; {}",
                plan.parked.len(),
                names.join(", "),
                plan.reason
            ),
        });
    }
}
