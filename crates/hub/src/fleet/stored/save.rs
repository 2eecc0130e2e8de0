//! From one state to the next: the writes of a difference, in transactions that fit.

use std::collections::{BTreeMap, BTreeSet};

use generators::RepoReference;
use model::canonical::{self, Digest};
use model::desired::VersionedApplication;
use model::document;
use model::id::CommitId;
use model::name::ApplicationName;

use super::records::{
    ApplicationRecord, Body, DocumentRecord, GoneRecord, ParkedRecord, RevisionRecord,
    SourceRecord, TombstoneRecord,
};
use super::{
    APPLICATION, FleetStoreError, GIT, GONE, INLINE_BYTES, PARKED, PAUSE, Pause, ROOT, STORED,
    TOMBSTONE, place_key, resource_key, revision_key, source_key,
};
use crate::fleet::documents::{Documents, GitOrigin, ResourceKey};
use crate::fleet::state::{Evidence, FleetState, InForce, Owner, Parked, Place, Subject, changed};
use crate::ledger::{self, NewRecord};
use crate::store::record;
use crate::store::{Key, Store, Transaction, Write};

/// What one transaction of ours holds, with room to the store's own limits.
const BATCH_WRITES: usize = crate::store::MAX_WRITES * 3 / 4;
const BATCH_BYTES: usize = crate::store::MAX_TRANSACTION_BYTES / 2;

/// A change of everything that a plan decides on.
pub(in crate::fleet) struct Change<'a> {
    pub(in crate::fleet) before: (&'a FleetState, &'a Documents),
    pub(in crate::fleet) after: (&'a FleetState, &'a Documents),
    pub(in crate::fleet) commits: &'a [(RepoReference, CommitId)],
    pub(in crate::fleet) forgotten: &'a [RepoReference],
    pub(in crate::fleet) acts: &'a [NewRecord],
}

/// Writes the blobs of a change and gives the transactions that make it durable, to be carried out
/// in this order. None when nothing has changed. Blocks.
pub(in crate::fleet) fn transactions(
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
    groups.last.extend(revisions(change));
    Ok(groups.packed())
}

/// One write for each revision, whatever came in since the last transaction: a repository may have
/// been looked at twice, and what was forgotten may be needed again. The last commit is what counts.
fn revisions(change: &Change<'_>) -> impl Iterator<Item = Write> {
    let mut writes = BTreeMap::new();
    for reference in change.forgotten {
        let key = revision_key(reference);
        writes.insert(key.clone(), Write::Delete { key });
    }
    for (reference, commit) in change.commits {
        let RepoReference { repo_url: url, revision } = reference.clone();
        let value = RevisionRecord { url, revision, commit: *commit };
        let key = revision_key(reference);
        writes.insert(key.clone(), record::put(key, &value));
    }
    writes.into_values()
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
pub(in crate::fleet) fn put_gone(subject: &Subject, evidence: &Evidence) -> Write {
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
    // Before those of Git: a document that changes hands is never in neither place.
    changed(&documents.stored, &next.stored, |key, _, resource| {
        push(match resource {
            None => Ok(delete_stored(key)),
            Some(resource) => put_stored(store, key, resource),
        });
    });
    changed(&documents.git, &next.git, |key, _, document| {
        push(match document {
            None => Ok(Write::Delete { key: resource_key(GIT, key) }),
            Some(document) => put_document(store, GIT, key, &document.file, &document.resource),
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
pub(in crate::fleet) fn put_stored(
    store: &dyn Store,
    key: &ResourceKey,
    resource: &document::Resource,
) -> Result<Write, FleetStoreError> {
    put_document(store, STORED, key, "", resource)
}

#[must_use]
pub(in crate::fleet) fn delete_stored(key: &ResourceKey) -> Write {
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
pub(in crate::fleet) fn put_pause(name: &ApplicationName, pause: &Pause) -> Write {
    record::put(Key::new([ROOT, PAUSE, name.as_str()]), pause)
}

#[must_use]
pub(in crate::fleet) fn delete_pause(name: &ApplicationName) -> Write {
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
pub(in crate::fleet) fn unused_blobs(
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
