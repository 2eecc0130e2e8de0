//! The messages of a session as the state machines use them, and how they cross the wire.
//!
//! `try_from` is the only way in: names are parsed, digests have their length, counts are bounded.
//! An application's body is left as bytes on purpose: one that cannot be read is refused by itself
//! (a per-resource Nack) and does not take the message, and so its neighbours, with it.

use std::collections::BTreeMap;

use model::canonical::Digest;
use model::decision::{DecisionList, DecisionObjectError, DecisionResource, DecisionResourceError};
use model::desired::Tombstone;
use model::id::{Epoch, Nonce, Term};
use model::name::{ApplicationName, ClusterName, NameError};
use model::status::{ApplicationStatus, Incident};
use thiserror::Error;

/// The most entries of one repeated field; a sender cuts longer lists into several messages.
pub const MAX_ENTRIES: usize = 10_000;

/// From a spoke to its hub.
#[derive(Debug, Clone, PartialEq)]
pub enum ToHub {
    Hello(Box<Hello>),
    Versions { accepted: Vec<(ApplicationName, Digest)>, last: bool },
    Ack { nonce: Nonce, rejected: Vec<Rejection> },
    Report(Report),
    Removed { name: ApplicationName, version: Digest, pruned: u32, orphaned: u32 },
    CommandDone { id: String, error: Option<String> },
    Decisions(Decisions),
}

/// From a hub to one of its spokes.
#[derive(Debug, Clone, PartialEq)]
pub enum ToSpoke {
    Welcome(Welcome),
    Refused(Parting),
    Desired { nonce: Nonce, upserts: Vec<Upsert>, tombstones: Vec<Tombstone> },
    SyncComplete { epoch: Epoch, root: Digest },
    Command { id: String, command: Command },
    GoAway(Parting),
    ReportAck { sequence: u64 },
    DecisionsAck { sequence: u64 },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    pub agent_version: String,
    pub capabilities: Vec<String>,
    pub kube_system_uid: String,
    pub instance_id: String,
    pub cluster: ClusterName,
    pub last_epoch: Option<Epoch>,
    pub last_term: Term,
    pub root: Digest,
    pub status_digest: Digest,
    pub record: SignedRecord,
    pub kubernetes_version: String,
    pub tools: BTreeMap<String, String>,
}

/// A cluster's record as the hub signed it; both parts are empty before there is one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SignedRecord {
    pub record: Vec<u8>,
    pub signature: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Welcome {
    pub epoch: Epoch,
    pub term: Term,
    pub in_sync: bool,
    pub send_status: bool,
    /// The hub wants this cluster's decision objects.
    pub send_decisions: bool,
    pub record: SignedRecord,
}

/// Why a stream ends or does not begin, and how long to stay away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parting {
    /// A stable CamelCase word, such as `Superseded` or `Revoked`.
    pub code: String,
    pub message: String,
    pub retry_after_ms: u64,
}

/// One application as it travels; [`model::desired::VersionedApplication::from_body`] reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upsert {
    pub name: ApplicationName,
    pub version: Digest,
    pub body: Vec<u8>,
}

/// A resource that the spoke does not take; its last good version stays in force there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    pub name: ApplicationName,
    pub version: Digest,
    pub code: String,
    pub message: String,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Report {
    pub statuses: Vec<ApplicationStatus>,
    pub incidents: Vec<Incident>,
    pub gone: Vec<ApplicationName>,
    pub full: bool,
    pub sequence: u64,
    pub hold: bool,
    pub held_removals: Vec<ApplicationName>,
}

/// A piece of what the spoke knows of decision objects; all pieces of a sequence together are all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decisions {
    pub sequence: u64,
    /// A resource may be in several pieces.
    pub lists: Vec<(DecisionResource, DecisionList)>,
    pub last: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    Sync { application: ApplicationName },
    ApprovePrune { application: ApplicationName },
    ConfirmRemovals { epoch: Epoch },
    Refresh,
}

/// A message that breaks the contract; the stream is closed.
#[derive(Debug, Error)]
pub enum WireError {
    #[error("the message is empty or of a kind that is not known here")]
    Empty,
    #[error("{field} is missing")]
    Missing { field: &'static str },
    #[error("{field} is {bytes} bytes; a digest has 32")]
    Digest { field: &'static str, bytes: usize },
    #[error("{field} has {entries} entries; at most {MAX_ENTRIES} are taken")]
    TooMany { field: &'static str, entries: usize },
    #[error(transparent)]
    Name(#[from] NameError),
    #[error("a list of decision objects names no resource")]
    DecisionResource(#[from] DecisionResourceError),
    #[error("one of the {resource} is not in the form of a decision object")]
    DecisionObject {
        resource: DecisionResource,
        #[source]
        source: DecisionObjectError,
    },
    #[error("{field} cannot be read")]
    Json {
        field: &'static str,
        #[source]
        source: serde_json::Error,
    },
}
