//! What is kept about tokens, clusters and keys, and where.

use model::canonical::Digest;
use model::name::ClusterName;
use model::selector::Labels;
use model::status::Timestamp;
use model::token::TokenId;
use serde::{Deserialize, Serialize};

use crate::pki::{Lifetime, Serial};
use crate::store::record::Stored;
use crate::store::{Key, Prefix};

/// Credentials that were replaced and are remembered, so that their use is recognised.
pub(super) const MAX_PAST: usize = 8;

#[must_use]
pub(super) fn token_key(id: &TokenId) -> Key {
    Key::new(["token", id.as_str()])
}

#[must_use]
pub(super) fn tokens() -> Prefix {
    Prefix::new(["token"])
}

/// Where the record of a cluster is kept; watch it to learn of a revocation.
#[must_use]
pub fn cluster_key(cluster: &ClusterName) -> Key {
    Key::new(["cluster", cluster.as_str()])
}

#[must_use]
pub fn clusters() -> Prefix {
    Prefix::new(["cluster"])
}

#[must_use]
pub(super) fn spki_key(spki: &Digest) -> Key {
    Key::new(["cluster-key", &spki.to_string()])
}

/// A join token, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TokenRecord {
    pub id: TokenId,
    pub secret_hash: Digest,
    /// The one cluster that it enrols; none for a reusable token, whose holder names the cluster.
    pub cluster: Option<ClusterName>,
    pub manual_approval: bool,
    /// The labels of the clusters that it enrols.
    pub labels: Labels,
    pub created_at: Timestamp,
    pub created_by: String,
    pub expires_at: Timestamp,
    /// The key that a token for one cluster was used with.
    pub claimed_by: Option<Digest>,
    pub revoked: bool,
    pub misuse: Misuse,
}

impl Stored for TokenRecord {
    const TAG: &'static str = "token.v1";
}

/// How often something was tried that must not be, and when that was last recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Misuse {
    pub recorded: u32,
    pub last_at: Option<Timestamp>,
}

/// A cluster of the fleet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClusterRecord {
    pub name: ClusterName,
    /// Only people set them.
    pub labels: Labels,
    pub annotations: Labels,
    pub created_at: Timestamp,
    pub state: ClusterState,
    /// How it came in; none when it was adopted from its signed record.
    pub enrolment: Option<EnrolmentRecord>,
    /// What it is known by. While it is pending, nothing was signed for it yet.
    pub current: Option<Credential>,
    /// Issued at a renewal and not used yet.
    pub next: Option<Credential>,
    /// Replaced, the newest last; at most eight.
    pub past: Vec<Credential>,
    /// Which Kubernetes cluster it was when it first said hello.
    pub kube_system_uid: Option<String>,
    pub misuse: Misuse,
}

impl Stored for ClusterRecord {
    const TAG: &'static str = "cluster.v1";
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum ClusterState {
    /// A person must approve. Entered by a claim, left by approval or revocation.
    Pending { since: Timestamp },
    /// Entered by a claim or an approval, left by revocation.
    Active { since: Timestamp },
    /// Left only by a new token for the same name.
    Revoked { since: Timestamp },
}

/// Which token and key a cluster came in with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EnrolmentRecord {
    pub token: TokenId,
    pub spki: Digest,
    /// Until when the same key may ask for its certificate again.
    pub repeatable_until: Timestamp,
}

/// A certificate, as far as it matters to us.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Credential {
    pub serial: Serial,
    /// Unknown only for a cluster that was adopted with a certificate newer than its record.
    pub spki: Option<Digest>,
    pub issued_at: Timestamp,
    pub lifetime: Lifetime,
}

impl Credential {
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        self.lifetime.after(self.issued_at)
    }
}

impl ClusterRecord {
    #[must_use]
    pub fn is_active(&self) -> bool {
        matches!(self.state, ClusterState::Active { .. })
    }

    #[must_use]
    pub fn is_revoked(&self) -> bool {
        matches!(self.state, ClusterState::Revoked { .. })
    }

    #[must_use]
    pub fn is_pending(&self) -> bool {
        matches!(self.state, ClusterState::Pending { .. })
    }

    /// When its newest certificate ends.
    #[must_use]
    pub fn certificate_expires(&self) -> Option<Timestamp> {
        let newest = self.next.as_ref().or(self.current.as_ref());
        newest.filter(|_| !self.is_pending()).map(Credential::expires_at)
    }

    /// Which of its certificates has this serial.
    pub(super) fn credential(&self, serial: Serial) -> Standing {
        let has = |credential: Option<&Credential>| {
            credential.is_some_and(|credential| credential.serial == serial)
        };
        if has(self.current.as_ref()) {
            Standing::Current
        } else if has(self.next.as_ref()) {
            Standing::Next
        } else if self.past.iter().any(|past| past.serial == serial) {
            Standing::Past
        } else {
            Standing::Unknown
        }
    }
}

/// What a serial number means to a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    Current,
    Next,
    Past,
    Unknown,
}

/// Whose key this is. A key is never taken twice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct KeyRecord {
    pub(super) cluster: ClusterName,
}

impl Stored for KeyRecord {
    const TAG: &'static str = "cluster-key.v1";
}
