//! Values in Secrets of the agent's namespace: what must survive the pod and is nobody else's.
//!
//! A value of any size is compressed and cut into pieces. Pieces of one generation are written
//! before the head that names them, so a reader sees the old value or the new one, never a mixture.

use std::collections::BTreeMap;
use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use model::canonical::Digest;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The field manager of the agent's own objects.
const MANAGER: &str = "muster-spoke";
/// Below the 1 MiB of a Secret, with room for base64 and metadata.
const PIECE_BYTES: usize = 600 << 10;
/// What a value may weigh after decompression: ten times the largest state we plan for.
const MAX_BYTES: u64 = 256 << 20;

#[derive(Debug, Error)]
pub enum SecretError {
    #[error("cannot read the Secret {name}")]
    Read {
        name: String,
        #[source]
        source: kube::Error,
    },
    #[error("cannot write the Secret {name}")]
    Write {
        name: String,
        #[source]
        source: kube::Error,
    },
    #[error("the Secret {name} is damaged: {what}")]
    Damaged { name: String, what: &'static str },
}

/// A named value.
#[derive(Clone)]
pub struct SecretValue {
    api: Api<Secret>,
    name: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    generation: u64,
    pieces: usize,
    digest: Digest,
}

impl SecretValue {
    #[must_use]
    pub fn new(client: Client, namespace: &str, name: &str) -> Self {
        Self { api: Api::namespaced(client, namespace), name: name.to_owned() }
    }

    /// The value; `None` when it was never written.
    ///
    /// # Errors
    /// When the API server cannot be asked, or what it holds is not what was written.
    pub async fn load(&self) -> Result<Option<Vec<u8>>, SecretError> {
        let Some(head) = self.head().await? else { return Ok(None) };
        let mut packed = Vec::new();
        for index in 0..head.pieces {
            let name = self.piece_name(head.generation, index);
            let data = self.get(&name).await?;
            let Some(mut data) = data else { return Err(self.damaged("a piece is missing")) };
            let piece = data.remove("piece").ok_or_else(|| self.damaged("a piece is empty"))?;
            packed.extend_from_slice(&piece);
        }
        if Digest::of(&packed) != head.digest {
            return Err(self.damaged("its digest is another"));
        }
        let mut value = Vec::new();
        let read = GzDecoder::new(packed.as_slice()).take(MAX_BYTES).read_to_end(&mut value);
        read.map_err(|_| self.damaged("it cannot be decompressed"))?;
        Ok(Some(value))
    }

    /// Writes the value; when this returns, the API server has it.
    ///
    /// # Errors
    /// When the API server refuses or cannot be reached; the old value is then still whole.
    pub async fn save(&self, value: &[u8]) -> Result<(), SecretError> {
        let packed = compress(value);
        let generation = self.head().await?.map_or(0, |head| head.generation + 1);
        let pieces: Vec<_> = packed.chunks(PIECE_BYTES).collect();
        for (index, piece) in pieces.iter().enumerate() {
            self.put(&self.piece_name(generation, index), "piece", piece.to_vec()).await?;
        }
        let head = Head { generation, pieces: pieces.len(), digest: Digest::of(&packed) };
        let head = serde_json::to_vec(&head).expect("a head is expressible in JSON");
        self.put(&self.name, "head", head).await
    }

    async fn head(&self) -> Result<Option<Head>, SecretError> {
        let Some(mut data) = self.get(&self.name).await? else { return Ok(None) };
        let head = data.remove("head").ok_or_else(|| self.damaged("it has no head"))?;
        serde_json::from_slice(&head).map(Some).map_err(|_| self.damaged("its head is not ours"))
    }

    /// Two sets of pieces take turns, so nothing has to be cleaned up.
    fn piece_name(&self, generation: u64, index: usize) -> String {
        let turn = if generation.is_multiple_of(2) { "a" } else { "b" };
        format!("{}-{turn}{index}", self.name)
    }

    async fn get(&self, name: &str) -> Result<Option<BTreeMap<String, Vec<u8>>>, SecretError> {
        let secret = self.api.get_opt(name).await;
        let secret =
            secret.map_err(|source| SecretError::Read { name: name.to_owned(), source })?;
        let unwrap = |data: BTreeMap<String, ByteString>| {
            data.into_iter().map(|(key, ByteString(value))| (key, value)).collect()
        };
        Ok(secret.map(|secret| secret.data.map(unwrap).unwrap_or_default()))
    }

    async fn put(&self, name: &str, key: &str, value: Vec<u8>) -> Result<(), SecretError> {
        let mut secret = Secret {
            data: Some(BTreeMap::from([(key.to_owned(), ByteString(value))])),
            type_: Some("muster.dev/state".to_owned()),
            ..Secret::default()
        };
        secret.metadata.name = Some(name.to_owned());
        let params = PatchParams::apply(MANAGER).force();
        let written = self.api.patch(name, &params, &Patch::Apply(&secret)).await;
        written.map(drop).map_err(|source| SecretError::Write { name: name.to_owned(), source })
    }

    fn damaged(&self, what: &'static str) -> SecretError {
        SecretError::Damaged { name: self.name.clone(), what }
    }
}

fn compress(value: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(value).expect("memory takes every write");
    encoder.finish().expect("memory takes every write")
}
