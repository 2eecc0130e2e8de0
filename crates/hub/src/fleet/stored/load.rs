//! From the store to the state. What cannot be read is an error, never an absence.

use std::sync::Arc;

use generators::RepoReference;
use model::canonical::{self, Digest};
use model::desired::VersionedApplication;
use model::document;
use model::name::ApplicationName;
use serde_json::Value;

use super::records::{
    ApplicationRecord, Body, DocumentRecord, GoneRecord, ParkedRecord, RevisionRecord,
    SourceRecord, TombstoneRecord,
};
use super::{
    APPLICATION, FleetStoreError, GIT, GONE, Kept, PARKED, PAUSE, Pause, REVISION, STORED,
    TOMBSTONE, below, source_key,
};
use crate::fleet::documents::{Documents, GitDocument, GitOrigin, ResourceKey};
use crate::fleet::state::{Buried, Evidence, FleetState, InForce, Owner, Parked, Place, Subject};
use crate::store::record;
use crate::store::{Key, Store};

/// Reads everything. Blocks.
pub(in crate::fleet) fn load(store: &dyn Store) -> Result<Kept, FleetStoreError> {
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
