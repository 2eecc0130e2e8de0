//! How the fleet is kept: one record for each thing that can change alone, written by difference.
//!
//! The only place that knows the stored form. Bodies beyond [`INLINE_BYTES`] are blobs, written
//! before the record that names them. A change that fits into one transaction is one; a larger one
//! is cut between applications, never inside of what belongs together (an application, its
//! tombstone and their records), and in an order in which a restart after any part finds a state
//! from which the same plan goes on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use generators::RepoReference;
use model::canonical::{self, Digest};
use model::desired::{Tombstone, VersionedApplication};
use model::document;
use model::id::CommitId;
use model::name::{ApplicationName, ClusterName, SetName};
use model::set::OnRemoval;
use model::status::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

use super::documents::{Documents, GitDocument, GitOrigin, ResourceKey};
use super::state::{Buried, Evidence, FleetState, InForce, Owner, Parked, Place, Subject, changed};
use crate::ledger::{self, NewRecord};
use crate::store::record::{self, Stored};
use crate::store::{Key, Prefix, Store, StoreError, Transaction, Write};

#[cfg(test)]
mod tests;

const ROOT: &str = "fleet";
const APPLICATION: &str = "application";
const TOMBSTONE: &str = "tombstone";
const PARKED: &str = "parked";
const GONE: &str = "gone";
const GIT: &str = "git";
const STORED: &str = "stored";
const SOURCE: &str = "source";
const PAUSE: &str = "pause";
const REVISION: &str = "revision";

/// Larger bodies are blobs. A blob costs a file and three syncs, a large value makes its page of
/// the store large; nearly all specs are a few kilobytes.
const INLINE_BYTES: usize = 32 * 1024;
/// What one transaction of ours holds, with room to the store's own limits.
const BATCH_WRITES: usize = crate::store::MAX_WRITES * 3 / 4;
const BATCH_BYTES: usize = crate::store::MAX_TRANSACTION_BYTES / 2;

/// What was kept cannot be used.
#[derive(Debug, Clone, Error)]
pub enum FleetStoreError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the stored {what} cannot be used: {reason}")]
    Unusable { what: String, reason: String },
}

/// Everything of the fleet that survives a restart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) state: FleetState,
    pub(super) documents: Documents,
    pub(super) pauses: BTreeMap<ApplicationName, Pause>,
    /// The last good commit of each revision.
    pub(super) revisions: BTreeMap<RepoReference, CommitId>,
}

/// Who stopped an application.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Pause {
    pub(super) actor: String,
    pub(super) reason: String,
    pub(super) at: Timestamp,
}

impl Stored for Pause {
    const TAG: &'static str = "fleet-pause.v1";
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Body {
    Inline(Value),
    Blob(Digest),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ApplicationRecord {
    name: ApplicationName,
    cluster: ClusterName,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    set: Option<SetName>,
    element: String,
    generator: usize,
    on_removal: OnRemoval,
    parked: bool,
    version: Digest,
    body: Body,
}

impl Stored for ApplicationRecord {
    const TAG: &'static str = "fleet-application.v1";
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct TombstoneRecord {
    cluster: ClusterName,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    set: Option<SetName>,
    tombstone: Tombstone,
    body: Body,
}

impl Stored for TombstoneRecord {
    const TAG: &'static str = "fleet-tombstone.v1";
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ParkedRecord {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    set: Option<SetName>,
    plan: String,
    reason: String,
}

impl Stored for ParkedRecord {
    const TAG: &'static str = "fleet-parked.v1";
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct GoneRecord {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    set: Option<SetName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    application: Option<ApplicationName>,
    actor: String,
    reason: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    commit: Option<CommitId>,
}

impl Stored for GoneRecord {
    const TAG: &'static str = "fleet-gone.v1";
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct DocumentRecord {
    /// Where it stands in the fleet repository; empty for one that a person applied.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    file: String,
    body: Body,
}

impl Stored for DocumentRecord {
    const TAG: &'static str = "fleet-document.v1";
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SourceRecord {
    url: String,
    path: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    commit: Option<CommitId>,
}

impl Stored for SourceRecord {
    const TAG: &'static str = "fleet-source.v1";
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RevisionRecord {
    url: String,
    revision: String,
    commit: CommitId,
}

impl Stored for RevisionRecord {
    const TAG: &'static str = "fleet-revision.v1";
}

// Reading.

/// Reads everything. Blocks.
pub(super) fn load(store: &dyn Store) -> Result<Kept, FleetStoreError> {
    let mut kept = Kept::default();
    load_state(store, &mut kept.state)?;
    load_documents(store, &mut kept.documents)?;
    for (key, pause) in record::list::<Pause>(store, &below(PAUSE))? {
        kept.pauses.insert(name(&key)?, pause.value);
    }
    for (_, found) in record::list::<RevisionRecord>(store, &below(REVISION))? {
        let RevisionRecord { url: repo_url, revision, commit } = found.value;
        kept.revisions.insert(RepoReference { repo_url, revision }, commit);
    }
    Ok(kept)
}

fn load_state(store: &dyn Store, state: &mut FleetState) -> Result<(), FleetStoreError> {
    for (key, found) in record::list::<ApplicationRecord>(store, &below(APPLICATION))? {
        let ApplicationRecord {
            name,
            cluster,
            set,
            element,
            generator,
            on_removal,
            parked,
            version,
            body,
        } = found.value;
        let desired = application(store, &key, version, body)?;
        let owner = Owner::of(set);
        let entry = InForce { owner, element, generator, on_removal, desired, parked };
        state.applications.insert(Place { name, cluster }, Arc::new(entry));
    }
    for (key, found) in record::list::<TombstoneRecord>(store, &below(TOMBSTONE))? {
        let TombstoneRecord { cluster, set, tombstone, body } = found.value;
        let desired = application(store, &key, tombstone.version, body)?;
        let place = Place { name: tombstone.name.clone(), cluster };
        let buried = Buried { owner: Owner::of(set), tombstone, desired };
        state.tombstones.insert(place, Arc::new(buried));
    }
    for (_, found) in record::list::<ParkedRecord>(store, &below(PARKED))? {
        let ParkedRecord { set, plan, reason } = found.value;
        state.parked.insert(Owner::of(set), Parked { plan, reason });
    }
    for (key, found) in record::list::<GoneRecord>(store, &below(GONE))? {
        let GoneRecord { set, application, actor, reason, commit } = found.value;
        let subject = match (set, application) {
            (Some(set), None) => Subject::Set(set),
            (None, Some(application)) => Subject::Application(application),
            _ => return Err(unusable(&key, "it names no resource, or two")),
        };
        state.gone.insert(subject, Evidence { actor, reason, commit });
    }
    Ok(())
}

fn load_documents(store: &dyn Store, documents: &mut Documents) -> Result<(), FleetStoreError> {
    if let Some(found) = record::get::<SourceRecord>(store, &source_key())? {
        let SourceRecord { url, path, commit } = found.value;
        documents.origin = Some(GitOrigin { url, path });
        documents.commit = commit;
    }
    for (key, found) in record::list::<DocumentRecord>(store, &below(GIT))? {
        let DocumentRecord { file, body } = found.value;
        let resource = resource(store, &key, body)?;
        let document = Arc::new(GitDocument { file, resource });
        documents.git.insert(ResourceKey::of(&document.resource), document);
    }
    for (key, found) in record::list::<DocumentRecord>(store, &below(STORED))? {
        let resource = resource(store, &key, found.value.body)?;
        documents.stored.insert(ResourceKey::of(&resource), Arc::new(resource));
    }
    Ok(())
}

fn application(
    store: &dyn Store,
    key: &Key,
    version: Digest,
    body: Body,
) -> Result<VersionedApplication, FleetStoreError> {
    let body = canonical::to_bytes(&unpack(store, key, body)?);
    VersionedApplication::from_body(version, &body).map_err(|error| unusable(key, error))
}

fn resource(
    store: &dyn Store,
    key: &Key,
    body: Body,
) -> Result<document::Resource, FleetStoreError> {
    document::resource(1, unpack(store, key, body)?).map_err(|error| unusable(key, error))
}

fn unpack(store: &dyn Store, key: &Key, body: Body) -> Result<Value, FleetStoreError> {
    let digest = match body {
        Body::Inline(value) => return Ok(value),
        Body::Blob(digest) => digest,
    };
    let missing = || unusable(key, format!("its body {digest} is missing"));
    let bytes = store.blob(&digest)?.ok_or_else(missing)?;
    serde_json::from_slice(&bytes).map_err(|error| unusable(key, error))
}

fn unusable(key: &Key, reason: impl ToString) -> FleetStoreError {
    FleetStoreError::Unusable { what: key.to_string(), reason: reason.to_string() }
}

fn name(key: &Key) -> Result<ApplicationName, FleetStoreError> {
    ApplicationName::new(&key.name()).map_err(|error| unusable(key, error))
}

fn below(kind: &str) -> Prefix {
    Prefix::new([ROOT, kind])
}

fn source_key() -> Key {
    Key::new([ROOT, SOURCE])
}

fn place_key(kind: &str, place: &Place) -> Key {
    Key::new([ROOT, kind, place.name.as_str(), place.cluster.as_str()])
}

fn resource_key(kind: &str, key: &ResourceKey) -> Key {
    Key::new([ROOT, kind, key.kind.as_str(), &key.name])
}

/// A URL can be longer than a key.
fn revision_key(reference: &RepoReference) -> Key {
    let RepoReference { repo_url, revision } = reference;
    let digest = Digest::of(format!("{repo_url}\n{revision}").as_bytes());
    Key::new([ROOT, REVISION, &digest.to_string()])
}

// Writing.

/// A change of everything that a plan decides on.
pub(super) struct Change<'a> {
    pub(super) before: (&'a FleetState, &'a Documents),
    pub(super) after: (&'a FleetState, &'a Documents),
    pub(super) commits: &'a [(RepoReference, CommitId)],
    pub(super) forgotten: &'a [RepoReference],
    pub(super) acts: &'a [NewRecord],
}

/// Writes the blobs of a change and gives the transactions that make it durable, to be carried out
/// in this order. None when nothing has changed. Blocks.
pub(super) fn transactions(
    store: &dyn Store,
    change: &Change<'_>,
) -> Result<Vec<Transaction>, FleetStoreError> {
    let Change { before: (state, documents), after: (next, next_documents), .. } = change;
    let mut groups = Groups::default();
    owners(state, next, &mut groups);
    places(store, state, next, &mut groups)?;
    acts(change.acts, &mut groups);
    // The documents come last: until then a restart reads the commit again, and finds again what
    // it took away.
    written(store, documents, next_documents, &mut groups)?;
    for (reference, commit) in change.commits {
        let RepoReference { repo_url: url, revision } = reference.clone();
        let value = RevisionRecord { url, revision, commit: *commit };
        groups.last.push(record::put(revision_key(reference), &value));
    }
    let forgotten = change.forgotten.iter();
    groups.last.extend(forgotten.map(|one| Write::Delete { key: revision_key(one) }));
    Ok(groups.packed())
}

/// Writes that belong together.
#[derive(Default)]
struct Groups {
    first: Vec<Write>,
    places: BTreeMap<Place, Vec<Write>>,
    last: Vec<Write>,
}

impl Groups {
    fn packed(self) -> Vec<Transaction> {
        let single = |write| vec![write];
        let first = self.first.into_iter().map(single);
        let groups =
            first.chain(self.places.into_values()).chain(self.last.into_iter().map(single));
        let (mut packed, mut bytes) = (Vec::new(), 0);
        let mut current = Transaction::new();
        for group in groups {
            let size: usize = group.iter().map(size).sum();
            let full =
                current.writes.len() + group.len() > BATCH_WRITES || bytes + size > BATCH_BYTES;
            if full && !current.writes.is_empty() {
                packed.push(std::mem::take(&mut current));
                bytes = 0;
            }
            bytes += size;
            current.writes.extend(group);
        }
        if !current.writes.is_empty() {
            packed.push(current);
        }
        packed
    }
}

fn size(write: &Write) -> usize {
    match write {
        Write::Put { body, .. } | Write::Append { body, .. } => body.len(),
        Write::Delete { .. } => 0,
    }
}

fn owners(state: &FleetState, next: &FleetState, groups: &mut Groups) {
    let key = |owner: &Owner| match owner.set() {
        Some(set) => Key::new([ROOT, PARKED, "set", set.as_str()]),
        None => Key::new([ROOT, PARKED, "by-hand"]),
    };
    difference(&state.parked, &next.parked, |owner, parked| {
        groups.first.push(match parked {
            None => Write::Delete { key: key(owner) },
            Some(Parked { plan, reason }) => {
                let (set, plan, reason) = (owner.set().cloned(), plan.clone(), reason.clone());
                record::put(key(owner), &ParkedRecord { set, plan, reason })
            }
        });
    });
    difference(&state.gone, &next.gone, |subject, evidence| {
        groups.first.push(match evidence {
            None => Write::Delete { key: gone_key(subject) },
            Some(evidence) => put_gone(subject, evidence),
        });
    });
}

fn gone_key(subject: &Subject) -> Key {
    match subject {
        Subject::Set(name) => Key::new([ROOT, GONE, "set", name.as_str()]),
        Subject::Application(name) => Key::new([ROOT, GONE, APPLICATION, name.as_str()]),
    }
}

/// Keeps the proof that somebody took a resource away.
#[must_use]
pub(super) fn put_gone(subject: &Subject, evidence: &Evidence) -> Write {
    let (set, application) = match subject.clone() {
        Subject::Set(name) => (Some(name), None),
        Subject::Application(name) => (None, Some(name)),
    };
    let Evidence { actor, reason, commit } = evidence.clone();
    record::put(gone_key(subject), &GoneRecord { set, application, actor, reason, commit })
}

fn places(
    store: &dyn Store,
    state: &FleetState,
    next: &FleetState,
    groups: &mut Groups,
) -> Result<(), FleetStoreError> {
    let mut failed = None;
    let mut push = |place: &Place, write: Result<Write, FleetStoreError>| match write {
        Ok(write) => groups.places.entry(place.clone()).or_default().push(write),
        Err(error) => failed = Some(error),
    };
    changed(&state.applications, &next.applications, |place, _, entry| {
        let key = place_key(APPLICATION, place);
        push(
            place,
            match entry {
                None => Ok(Write::Delete { key }),
                Some(entry) => pack(store, entry.desired.body())
                    .map(|body| record::put(key, &application_record(place, entry, body))),
            },
        );
    });
    changed(&state.tombstones, &next.tombstones, |place, _, buried| {
        let key = place_key(TOMBSTONE, place);
        push(
            place,
            match buried {
                None => Ok(Write::Delete { key }),
                Some(buried) => pack(store, buried.desired.body()).map(|body| {
                    let (cluster, set) = (place.cluster.clone(), buried.owner.set().cloned());
                    let tombstone = buried.tombstone.clone();
                    record::put(key, &TombstoneRecord { cluster, set, tombstone, body })
                }),
            },
        );
    });
    failed.map_or(Ok(()), Err)
}

fn application_record(place: &Place, entry: &InForce, body: Body) -> ApplicationRecord {
    ApplicationRecord {
        name: place.name.clone(),
        cluster: place.cluster.clone(),
        set: entry.owner.set().cloned(),
        element: entry.element.clone(),
        generator: entry.generator,
        on_removal: entry.on_removal,
        parked: entry.parked,
        version: entry.desired.version(),
        body,
    }
}

/// Each record goes with what it tells of.
fn acts(acts: &[NewRecord], groups: &mut Groups) {
    for (act, write) in acts.iter().zip(ledger::writes_for(acts)) {
        let place = act.application.clone().zip(act.cluster.clone());
        let place = place.map(|(name, cluster)| Place { name, cluster });
        match place.and_then(|place| groups.places.get_mut(&place)) {
            Some(group) => group.push(write),
            None => groups.first.push(write),
        }
    }
}

fn written(
    store: &dyn Store,
    documents: &Documents,
    next: &Documents,
    groups: &mut Groups,
) -> Result<(), FleetStoreError> {
    let mut failed = None;
    let mut push = |write: Result<Write, FleetStoreError>| match write {
        Ok(write) => groups.last.push(write),
        Err(error) => failed = Some(error),
    };
    changed(&documents.git, &next.git, |key, _, document| {
        push(match document {
            None => Ok(Write::Delete { key: resource_key(GIT, key) }),
            Some(document) => put_document(store, GIT, key, &document.file, &document.resource),
        });
    });
    changed(&documents.stored, &next.stored, |key, _, resource| {
        push(match resource {
            None => Ok(delete_stored(key)),
            Some(resource) => put_stored(store, key, resource),
        });
    });
    if (&documents.origin, documents.commit) != (&next.origin, next.commit) {
        groups.last.push(match &next.origin {
            None => Write::Delete { key: source_key() },
            Some(GitOrigin { url, path }) => {
                let (url, path, commit) = (url.clone(), path.clone(), next.commit);
                record::put(source_key(), &SourceRecord { url, path, commit })
            }
        });
    }
    failed.map_or(Ok(()), Err)
}

/// Keeps a resource that a person applied. Blocks when it is large.
pub(super) fn put_stored(
    store: &dyn Store,
    key: &ResourceKey,
    resource: &document::Resource,
) -> Result<Write, FleetStoreError> {
    put_document(store, STORED, key, "", resource)
}

#[must_use]
pub(super) fn delete_stored(key: &ResourceKey) -> Write {
    Write::Delete { key: resource_key(STORED, key) }
}

fn put_document(
    store: &dyn Store,
    kind: &str,
    key: &ResourceKey,
    file: &str,
    resource: &document::Resource,
) -> Result<Write, FleetStoreError> {
    let body = pack(store, &canonical::to_bytes(&resource.to_value()))?;
    let file = file.to_owned();
    Ok(record::put(resource_key(kind, key), &DocumentRecord { file, body }))
}

#[must_use]
pub(super) fn put_pause(name: &ApplicationName, pause: &Pause) -> Write {
    record::put(Key::new([ROOT, PAUSE, name.as_str()]), pause)
}

#[must_use]
pub(super) fn delete_pause(name: &ApplicationName) -> Write {
    Write::Delete { key: Key::new([ROOT, PAUSE, name.as_str()]) }
}

fn pack(store: &dyn Store, canonical: &[u8]) -> Result<Body, FleetStoreError> {
    if canonical.len() > INLINE_BYTES {
        return Ok(Body::Blob(store.put_blob(canonical)?));
    }
    Ok(Body::Inline(serde_json::from_slice(canonical).expect("canonical bytes are JSON")))
}

/// Blobs that `before` named and `after` does not. To be forgotten once `after` is durable.
#[must_use]
pub(super) fn unused_blobs(
    before: (&FleetState, &Documents),
    after: (&FleetState, &Documents),
) -> BTreeSet<Digest> {
    let mut dropped = BTreeSet::new();
    let mut note = |desired: &VersionedApplication| {
        if desired.body().len() > INLINE_BYTES {
            dropped.insert(desired.version());
        }
    };
    changed(&before.0.applications, &after.0.applications, |_, old, _| {
        old.into_iter().for_each(|entry| note(&entry.desired));
    });
    changed(&before.0.tombstones, &after.0.tombstones, |_, old, _| {
        old.into_iter().for_each(|buried| note(&buried.desired));
    });
    let mut documents = BTreeSet::new();
    changed(&before.1.git, &after.1.git, |_, old, _| {
        documents.extend(old.and_then(|document| blob_of(&document.resource)));
    });
    changed(&before.1.stored, &after.1.stored, |_, old, _| {
        documents.extend(old.and_then(|resource| blob_of(resource)));
    });
    dropped.extend(documents);
    if !dropped.is_empty() {
        let (state, documents) = after;
        let entries = state.applications.values().map(|entry| entry.desired.version());
        let buried = state.tombstones.values().map(|buried| buried.desired.version());
        for version in entries.chain(buried) {
            dropped.remove(&version);
        }
        let git = documents.git.values().filter_map(|document| blob_of(&document.resource));
        let stored = documents.stored.values().filter_map(|resource| blob_of(resource));
        for digest in git.chain(stored) {
            dropped.remove(&digest);
        }
    }
    dropped
}

fn blob_of(resource: &document::Resource) -> Option<Digest> {
    let body = canonical::to_bytes(&resource.to_value());
    (body.len() > INLINE_BYTES).then(|| Digest::of(&body))
}

fn difference<K: Ord, V: PartialEq>(
    before: &BTreeMap<K, V>,
    after: &BTreeMap<K, V>,
    mut visit: impl FnMut(&K, Option<&V>),
) {
    for key in before.keys().filter(|key| !after.contains_key(key)) {
        visit(key, None);
    }
    for (key, new) in after.iter().filter(|(key, new)| before.get(key) != Some(new)) {
        visit(key, Some(new));
    }
}
