//! Where inventories live: ConfigMaps in the agent's namespace, one or more per application.
//!
//! They are written by server-side apply with the version that was read, so that a second agent
//! cannot overwrite silently. A damaged one is an error for its application alone: that
//! application is then not pruned, and the others go on.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use model::canonical::Digest;
use model::name::ApplicationName;
use serde::Deserialize;
use serde_json::json;
use thiserror::Error;

use super::{Inventory, InventoryError};
use crate::kubernetes::answer::{Refusal, RefusalKind};
use crate::kubernetes::client::Cluster;
use crate::kubernetes::discovery::or_empty;

/// Selects the inventories of one agent; its value is the agent's inventory id.
const LABEL: &str = "muster.dev/inventory";
/// The application, in full: names of ConfigMaps are shorter.
const ANNOTATION: &str = "muster.dev/inventory-of";
const MANAGER: &str = "muster-inventory";
const DATA_KEY: &str = "objects.gz";
/// The most compressed bytes in one ConfigMap: 1 MiB is allowed in all, a third of it goes to
/// base64 and some to metadata.
const MAX_PART_BYTES: usize = 600_000;
/// The most text that one part may unpack to: 100,000 objects of 150 bytes.
const MAX_TEXT_BYTES: u64 = 16 << 20;
/// ConfigMaps per page when all are read at the start.
const PAGE: usize = 50;

#[derive(Debug, Error)]
pub enum StoreError {
    #[error("the inventory of {application} could not be written: {refusal}")]
    Write { application: ApplicationName, refusal: Refusal },
    #[error("the inventories in namespace {namespace} could not be read: {refusal}")]
    Read { namespace: String, refusal: Refusal },
}

/// The ConfigMaps that hold an inventory: the resource version of each part.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parts {
    versions: Vec<String>,
    /// The digest of the text that is stored, so that nothing is written twice.
    stored: Option<Digest>,
}

/// An inventory as it was found.
#[derive(Debug)]
pub struct Stored {
    pub inventory: Result<Inventory, InventoryError>,
    pub parts: Parts,
}

#[derive(Clone)]
pub struct InventoryStore {
    cluster: Cluster,
    namespace: Arc<str>,
    part_of: Arc<str>,
}

#[derive(Deserialize)]
struct ConfigMapList {
    metadata: ListMetadata,
    #[serde(default, deserialize_with = "or_empty")]
    items: Vec<ConfigMap>,
}

#[derive(Deserialize)]
struct ListMetadata {
    #[serde(default)]
    r#continue: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ConfigMap {
    metadata: Metadata,
    #[serde(default)]
    binary_data: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    #[serde(default)]
    name: String,
    #[serde(default)]
    resource_version: String,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

impl InventoryStore {
    #[must_use]
    pub fn new(cluster: Cluster, namespace: &str, part_of: &str) -> Self {
        Self { cluster, namespace: namespace.into(), part_of: part_of.into() }
    }

    /// Reads all inventories of this agent.
    ///
    /// # Errors
    /// When they cannot be listed.
    pub async fn load(&self) -> Result<BTreeMap<ApplicationName, Stored>, StoreError> {
        let mut found: BTreeMap<ApplicationName, Stored> = BTreeMap::new();
        let mut page = String::new();
        loop {
            let list = self.list(&page).await?;
            for map in list.items {
                let name = map.metadata.annotations.get(ANNOTATION).map(|name| name.parse());
                let Some(Ok(name)) = name else {
                    tracing::warn!(name = map.metadata.name, "an inventory names no application");
                    continue;
                };
                add_part(found.entry(name).or_insert_with(empty), &map);
            }
            page = list.metadata.r#continue;
            if page.is_empty() {
                return Ok(found);
            }
        }
    }

    async fn list(&self, page: &str) -> Result<ConfigMapList, StoreError> {
        let mut path =
            format!("{}?labelSelector={LABEL}%3D{}&limit={PAGE}", self.path(""), self.part_of);
        if !page.is_empty() {
            path.push_str("&continue=");
            path.push_str(&crate::kubernetes::client::percent_encode(page));
        }
        let read = |refusal| StoreError::Read { namespace: self.namespace.to_string(), refusal };
        let body = self.cluster.get(&path, None).await.map_err(read)?;
        serde_json::from_slice(&body)
            .map_err(|error| read(Refusal::unreachable(&error.to_string())))
    }

    /// Writes an inventory if it differs from what is stored.
    ///
    /// # Errors
    /// When a part cannot be written; what was written before stays valid, since reading merges.
    pub async fn write(
        &self,
        application: &ApplicationName,
        inventory: &Inventory,
        parts: &mut Parts,
    ) -> Result<(), StoreError> {
        let text = inventory.encode();
        let digest = Digest::of(text.as_bytes());
        if parts.stored == Some(digest) {
            return Ok(());
        }
        let chunks = split(inventory, &text);
        for (index, chunk) in chunks.iter().enumerate() {
            let known = parts.versions.get(index).cloned().unwrap_or_default();
            let version = self.write_part(application, index, chunk, &known).await;
            let version = version.map_err(|refusal| StoreError::Write {
                application: application.clone(),
                refusal,
            })?;
            match parts.versions.get_mut(index) {
                Some(known) => *known = version,
                None => parts.versions.push(version),
            }
        }
        while parts.versions.len() > chunks.len() {
            self.delete_part(application, parts.versions.len() - 1).await?;
            parts.versions.pop();
        }
        parts.stored = Some(digest);
        Ok(())
    }

    /// Removes the inventory of an application that is gone.
    ///
    /// # Errors
    /// When a part cannot be deleted.
    pub async fn remove(
        &self,
        application: &ApplicationName,
        parts: &mut Parts,
    ) -> Result<(), StoreError> {
        parts.stored = None;
        while !parts.versions.is_empty() {
            self.delete_part(application, parts.versions.len() - 1).await?;
            parts.versions.pop();
        }
        Ok(())
    }

    async fn write_part(
        &self,
        application: &ApplicationName,
        index: usize,
        text: &str,
        known: &str,
    ) -> Result<String, Refusal> {
        let data = STANDARD.encode(compress(text));
        let body = |version: &str| {
            let mut metadata = json!({
                "name": part_name(application, index),
                "namespace": &*self.namespace,
                "labels": {LABEL: &*self.part_of},
                "annotations": {ANNOTATION: application.as_str()},
            });
            if !version.is_empty() {
                metadata["resourceVersion"] = version.into();
            }
            let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata,
                "binaryData": {DATA_KEY: data}});
            bytes::Bytes::from(map.to_string())
        };
        let path = self.path(&part_name(application, index));
        let answer = match self.cluster.apply_own(&path, MANAGER, body(known)).await {
            // Somebody touched it: only this agent knows what is in the cluster, so its view wins,
            // and the write says so.
            Err(refusal) if refusal.kind == RefusalKind::Race => {
                tracing::warn!(%application, "somebody else wrote the inventory; it is restored");
                self.cluster.apply_own(&path, MANAGER, body("")).await?
            }
            other => other?,
        };
        #[derive(Deserialize)]
        struct Answer {
            metadata: Metadata,
        }
        serde_json::from_slice::<Answer>(&answer)
            .map(|answer| answer.metadata.resource_version)
            .map_err(|error| Refusal::unreachable(&error.to_string()))
    }

    async fn delete_part(
        &self,
        application: &ApplicationName,
        index: usize,
    ) -> Result<(), StoreError> {
        let path = self.path(&part_name(application, index));
        self.cluster
            .delete_own(&path)
            .await
            .map_err(|refusal| StoreError::Write { application: application.clone(), refusal })
    }

    fn path(&self, name: &str) -> String {
        match name {
            "" => format!("/api/v1/namespaces/{}/configmaps", self.namespace),
            name => format!("/api/v1/namespaces/{}/configmaps/{name}", self.namespace),
        }
    }
}

fn empty() -> Stored {
    Stored { inventory: Ok(Inventory::default()), parts: Parts::default() }
}

/// Adds one ConfigMap to what is known of its application. Parts are a union: a part that a
/// crashed write left behind can only name objects that are then found to be gone.
fn add_part(stored: &mut Stored, map: &ConfigMap) {
    let index: usize = match map.metadata.name.rsplit_once('.') {
        Some((_, index)) => index.parse().unwrap_or(0),
        None => 0,
    };
    let versions = &mut stored.parts.versions;
    if versions.len() <= index {
        versions.resize(index + 1, String::new());
    }
    versions[index].clone_from(&map.metadata.resource_version);
    let part = map
        .binary_data
        .get(DATA_KEY)
        .and_then(|data| STANDARD.decode(data).ok())
        .and_then(|data| decompress(&data))
        .ok_or(InventoryError::Format)
        .and_then(|text| Inventory::decode(&text));
    match (&mut stored.inventory, part) {
        (Ok(inventory), Ok(part)) => inventory.merge(part),
        (inventory @ Ok(_), Err(error)) => *inventory = Err(error),
        (Err(_), _) => {}
    }
    if versions.len() == 1 {
        if let Ok(inventory) = &stored.inventory {
            stored.parts.stored = Some(Digest::of(inventory.encode().as_bytes()));
        }
    } else {
        stored.parts.stored = None;
    }
}

/// `muster-inventory-<digest>`, with `.<n>` from the second part on.
fn part_name(application: &ApplicationName, index: usize) -> String {
    let digest = Digest::of(application.as_str().as_bytes()).to_string();
    match index {
        0 => format!("muster-inventory-{}", &digest[..24]),
        index => format!("muster-inventory-{}.{index}", &digest[..24]),
    }
}

/// The texts of the parts: as few as fit.
fn split(inventory: &Inventory, text: &str) -> Vec<String> {
    let compressed = compress(text).len();
    if compressed <= MAX_PART_BYTES {
        return vec![text.to_owned()];
    }
    // Twice as many as the average asks for: a part may compress worse than the whole.
    let parts = compressed.div_ceil(MAX_PART_BYTES) * 2;
    let per_part = inventory.entries.len().div_ceil(parts).max(1);
    let entries: Vec<_> = inventory.entries.iter().collect();
    entries
        .chunks(per_part)
        .map(|chunk| {
            let entries = chunk.iter().map(|(k, e)| ((*k).clone(), (*e).clone())).collect();
            Inventory { entries }.encode()
        })
        .collect()
}

fn compress(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).expect("writing into memory does not fail");
    encoder.finish().expect("writing into memory does not fail")
}

fn decompress(data: &[u8]) -> Option<String> {
    let mut text = String::new();
    GzDecoder::new(data).take(MAX_TEXT_BYTES).read_to_string(&mut text).ok()?;
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::Entry;
    use crate::reconcile::payload::Class;
    use model::manifest::ObjectKey;

    fn inventory(count: usize) -> Inventory {
        let entries = (0..count).map(|index| {
            let key = ObjectKey {
                group: String::new(),
                kind: "ConfigMap".to_owned(),
                namespace: "n".to_owned(),
                // Digests do not compress, as uids and hashes do not.
                name: Digest::of(&index.to_be_bytes()).to_string(),
            };
            let mut entry = Entry::new("v1", Class::Normal);
            entry.uid = Digest::of(&(index + 1).to_be_bytes()).to_string();
            (key, entry)
        });
        Inventory { entries: entries.collect() }
    }

    fn map(application: &ApplicationName, index: usize, text: &str) -> ConfigMap {
        ConfigMap {
            metadata: Metadata {
                name: part_name(application, index),
                resource_version: format!("{}", 100 + index),
                annotations: BTreeMap::new(),
            },
            binary_data: BTreeMap::from([(DATA_KEY.to_owned(), STANDARD.encode(compress(text)))]),
        }
    }

    #[test]
    fn a_large_inventory_is_split_and_read_back_whole() {
        let application = ApplicationName::new("web").unwrap();
        let whole = inventory(20_000);
        let chunks = split(&whole, &whole.encode());
        assert!(chunks.len() > 1);
        assert!(chunks.iter().all(|chunk| compress(chunk).len() <= MAX_PART_BYTES));
        let mut stored = empty();
        for (index, chunk) in chunks.iter().enumerate().rev() {
            add_part(&mut stored, &map(&application, index, chunk));
        }
        assert_eq!(stored.inventory, Ok(whole));
        assert_eq!(stored.parts.versions.len(), chunks.len());
        assert_eq!(stored.parts.versions[1], "101");
    }

    #[test]
    fn one_damaged_part_spoils_the_whole() {
        let application = ApplicationName::new("web").unwrap();
        let mut stored = empty();
        add_part(&mut stored, &map(&application, 0, &inventory(1).encode()));
        assert!(stored.parts.stored.is_some());
        add_part(&mut stored, &map(&application, 1, "no inventory"));
        assert_eq!(stored.inventory, Err(InventoryError::Format));
    }
}
