//! The decisions of enrolment. No I/O, clock or randomness: what is needed comes in.
//!
//! `join` decides on tokens and on those who come with one, `member` on clusters that belong to the
//! fleet. Here is what both need.

mod join;
mod member;

pub(super) use join::{
    Claim, Claimed, MIN_TOKEN_TTL, claim, claimed_name, create_token, known_token, revoke_token,
};
pub use join::{MAX_TOKEN_TTL, NewToken, TokenScope};
pub use member::{KubeSystem, LabelChange};
pub(super) use member::{
    adopt, approve, bind_kube_system, catch_up, may_stay, open, relabel, renew, revoke,
};

use model::name::ClusterName;
use model::status::Timestamp;

use super::Refusal;
use super::record::{ClusterRecord, ClusterState, Credential, MAX_PAST, Misuse, spki_key};
use crate::ledger::{NewRecord, writes_for};
use crate::store::Transaction;

/// Misuse is recorded at most once in this time: it must not fill the ledger or the disk.
const MISUSE_PAUSE_MS: i64 = 60_000;

/// What is to be written, and what comes out of it. With nothing to write the outcome stands alone;
/// a refusal may be recorded, too.
#[derive(Debug)]
pub(super) struct Decided<T> {
    pub(super) transaction: Transaction,
    pub(super) outcome: Result<T, Refusal>,
}

impl<T> Decided<T> {
    fn only(outcome: Result<T, Refusal>) -> Self {
        Self { transaction: Transaction::new(), outcome }
    }
}

fn refused<T>(refusal: Refusal) -> Decided<T> {
    Decided::only(Err(refusal))
}

/// Adds ledger entries to a transaction.
fn with_ledger(mut transaction: Transaction, entries: &[NewRecord]) -> Transaction {
    transaction.writes.extend(writes_for(entries));
    transaction
}

/// Who acts, why, and when.
#[derive(Debug, Clone, Copy)]
pub(super) struct Act<'a> {
    pub(super) actor: &'a str,
    pub(super) reason: &'a str,
    pub(super) now: Timestamp,
}

impl Act<'_> {
    fn entry(&self, action: &str, cluster: Option<&ClusterName>, message: String) -> NewRecord {
        NewRecord {
            at: self.now,
            actor: self.actor.to_owned(),
            action: action.to_owned(),
            application: None,
            cluster: cluster.cloned(),
            commit: None,
            message,
            reason: self.reason.to_owned(),
        }
    }
}

/// An entry about what a cluster did itself.
fn by_cluster(cluster: &ClusterName, now: Timestamp, action: &str, message: String) -> NewRecord {
    let actor = format!("cluster/{cluster}");
    Act { actor: &actor, reason: "", now }.entry(action, Some(cluster), message)
}

/// What is to be signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) cluster: ClusterName,
    pub(super) credential: Credential,
}

impl Misuse {
    /// The count after one more, or none when the last was recorded a moment ago.
    fn again(self, now: Timestamp) -> Option<Self> {
        let due = self.last_at.is_none_or(|last| {
            // A clock that went back must not silence it for long.
            now.0 >= last.0 + MISUSE_PAUSE_MS || now < last
        });
        due.then(|| Self { recorded: self.recorded.saturating_add(1), last_at: Some(now) })
    }
}

/// Forgets who had these keys: the credentials are older than those that are remembered.
fn forget(transaction: Transaction, credentials: Vec<Credential>) -> Transaction {
    let spkis = credentials.into_iter().filter_map(|credential| credential.spki);
    spkis.fold(transaction, |transaction, spki| transaction.delete(spki_key(&spki)))
}

impl ClusterRecord {
    /// Makes `credential` the only valid one. Gives those that are no longer remembered.
    fn succeed(&mut self, credential: Credential) -> Vec<Credential> {
        let replaced = [self.current.replace(credential), self.next.take()];
        self.past.extend(replaced.into_iter().flatten());
        self.trim()
    }

    fn trim(&mut self) -> Vec<Credential> {
        let surplus = self.past.len().saturating_sub(MAX_PAST);
        self.past.drain(..surplus).collect()
    }

    /// The one that is used for the first time becomes the current one.
    fn activate(&mut self) -> Vec<Credential> {
        match self.next.take() {
            Some(next) => self.succeed(next),
            None => Vec::new(),
        }
    }

    fn active(&self) -> Result<(), Refusal> {
        let cluster = self.name.clone();
        match self.state {
            ClusterState::Active { .. } => Ok(()),
            ClusterState::Pending { .. } => Err(Refusal::NotApproved { cluster }),
            ClusterState::Revoked { .. } => Err(Refusal::Revoked { cluster }),
        }
    }
}
