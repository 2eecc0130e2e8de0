//! Tokens, and clusters that come with one.

use std::time::Duration;

use model::canonical::Digest;
use model::name::ClusterName;
use model::selector::Labels;
use model::status::Timestamp;
use model::token::TokenId;

use super::{Act, Decided, Order, by_cluster, forget, refused, with_ledger};
use crate::enrol::record::{
    ClusterRecord, ClusterState, Credential, EnrolmentRecord, KeyRecord, Misuse, TokenRecord,
    cluster_key, spki_key, token_key,
};
use crate::enrol::{Refusal, labels};
use crate::pki::{Lifetime, Serial};
use crate::store::Transaction;
use crate::store::record::Versioned;

pub(in crate::enrol) const MIN_TOKEN_TTL: Duration = Duration::from_secs(1);
/// A token that lies around for longer is found by others.
pub const MAX_TOKEN_TTL: Duration = Duration::from_secs(24 * 3_600);
/// How long the key that claimed a token may ask again, when the answer was lost or the hub was
/// killed between its commit and its answer.
const REPEATABLE_MS: i64 = 600_000;

/// What a token enrols.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenScope {
    /// This cluster, once.
    Cluster(ClusterName),
    /// Any number of clusters, each under a name of its own that must be free.
    Reusable,
}

/// A token that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewToken {
    pub scope: TokenScope,
    /// At most [`MAX_TOKEN_TTL`]; an hour is a good default.
    pub ttl: Duration,
    pub labels: Labels,
    pub manual_approval: bool,
}

pub(in crate::enrol) fn create_token(
    new: &NewToken,
    (id, secret_hash): (TokenId, Digest),
    existing: Option<&Versioned<ClusterRecord>>,
    act: Act<'_>,
) -> Decided<Timestamp> {
    if new.ttl < MIN_TOKEN_TTL || new.ttl > MAX_TOKEN_TTL {
        return refused(Refusal::TokenTtl);
    }
    if let Err(error) = labels::check(&new.labels) {
        return refused(error.into());
    }
    if let Some(cluster) = existing.filter(|cluster| !cluster.value.is_revoked()) {
        return refused(Refusal::ClusterExists { cluster: cluster.value.name.clone() });
    }
    let ttl = i64::try_from(new.ttl.as_millis()).unwrap_or(i64::MAX);
    let expires_at = Timestamp(act.now.0.saturating_add(ttl));
    let cluster = match &new.scope {
        TokenScope::Cluster(cluster) => Some(cluster.clone()),
        TokenScope::Reusable => None,
    };
    let message = match &cluster {
        Some(cluster) => format!("join token {id} for {cluster}"),
        None => format!("reusable join token {id}"),
    };
    let entry = act.entry("TokenCreated", cluster.as_ref(), message);
    let record = TokenRecord {
        secret_hash,
        cluster,
        manual_approval: new.manual_approval,
        labels: new.labels.clone(),
        created_at: act.now,
        created_by: act.actor.to_owned(),
        expires_at,
        claimed_by: None,
        revoked: false,
        misuse: Misuse::default(),
        id,
    };
    let transaction = Transaction::new().replace(token_key(&record.id), None, &record);
    Decided { transaction: with_ledger(transaction, &[entry]), outcome: Ok(expires_at) }
}

pub(in crate::enrol) fn revoke_token(token: &Versioned<TokenRecord>, act: Act<'_>) -> Decided<()> {
    if token.value.revoked {
        return Decided::only(Ok(()));
    }
    let next = TokenRecord { revoked: true, ..token.value.clone() };
    let message = format!("join token {} was revoked", next.id);
    let entry = act.entry("TokenRevoked", next.cluster.as_ref(), message);
    let transaction = Transaction::new().replace(token_key(&next.id), Some(token), &next);
    Decided { transaction: with_ledger(transaction, &[entry]), outcome: Ok(()) }
}

/// A claim, as far as its sender chose it, and what is new for it.
#[derive(Debug, Clone)]
pub(in crate::enrol) struct Claim {
    pub(in crate::enrol) id: TokenId,
    pub(in crate::enrol) secret_hash: Digest,
    pub(in crate::enrol) spki: Digest,
    pub(in crate::enrol) proposed: Option<ClusterName>,
    /// For the certificate, if there is to be one.
    pub(in crate::enrol) serial: Serial,
    pub(in crate::enrol) lifetime: Lifetime,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::enrol) enum Claimed {
    Sign(Order),
    Pending(ClusterName),
}

/// The token of a claim, when the claim knows its secret.
pub(in crate::enrol) fn known_token<'a>(
    token: Option<&'a Versioned<TokenRecord>>,
    claim: &Claim,
) -> Result<&'a Versioned<TokenRecord>, Refusal> {
    // A comparison is made in either case, so that an unknown token takes no less time.
    let hash = token.map_or(Digest::from_bytes([0; 32]), |token| token.value.secret_hash);
    let same = equal_in_constant_time(&hash, &claim.secret_hash);
    match token {
        None => Err(Refusal::UnknownToken { id: claim.id.clone() }),
        Some(_) if !same => Err(Refusal::WrongSecret { id: claim.id.clone() }),
        Some(token) => Ok(token),
    }
}

fn equal_in_constant_time(a: &Digest, b: &Digest) -> bool {
    let differences = a.as_bytes().iter().zip(b.as_bytes()).map(|(a, b)| a ^ b);
    std::hint::black_box(differences.fold(0, |all, difference| all | difference)) == 0
}

/// Which cluster a claim is about.
pub(in crate::enrol) fn claimed_name(
    token: &TokenRecord,
    claim: &Claim,
) -> Result<ClusterName, Refusal> {
    match (&token.cluster, &claim.proposed) {
        (Some(bound), _) => Ok(bound.clone()),
        (None, Some(proposed)) => Ok(proposed.clone()),
        (None, None) => Err(Refusal::NameMissing),
    }
}

/// Decides on a claim whose secret is right. `owner` is who had the key before.
pub(in crate::enrol) fn claim(
    token: &Versioned<TokenRecord>,
    cluster: Option<&Versioned<ClusterRecord>>,
    owner: Option<&Versioned<KeyRecord>>,
    claim: &Claim,
    now: Timestamp,
) -> Decided<Claimed> {
    let id = || claim.id.clone();
    if token.value.revoked {
        return refused(Refusal::TokenRevoked { id: id() });
    }
    let repeated = |cluster: &&Versioned<ClusterRecord>| {
        let enrolment = cluster.value.enrolment.as_ref();
        enrolment.is_some_and(|by| by.token == claim.id && by.spki == claim.spki)
    };
    if let Some(cluster) = cluster.filter(repeated) {
        return Decided::only(repeat(&cluster.value, id(), now));
    }
    if let Some(first) = token.value.claimed_by {
        if first == claim.spki {
            return refused(Refusal::TokenUsed { id: id() });
        }
        return replay(token, now);
    }
    if now >= token.value.expires_at {
        return refused(Refusal::TokenExpired { id: id() });
    }
    if let Some(owner) = owner {
        return refused(Refusal::KeyUsed { cluster: owner.value.cluster.clone() });
    }
    let name = match claimed_name(&token.value, claim) {
        Ok(name) => name,
        Err(refusal) => return refused(refusal),
    };
    let again = cluster.filter(|cluster| may_return(&cluster.value, &token.value));
    if cluster.is_some() && again.is_none() {
        return refused(Refusal::ClusterExists { cluster: name });
    }
    first_claim(token, again, name, claim, now)
}

/// Only a token that a person made for this very name, after it was revoked, brings it back.
fn may_return(cluster: &ClusterRecord, token: &TokenRecord) -> bool {
    match cluster.state {
        ClusterState::Revoked { since } => token.cluster.is_some() && token.created_at >= since,
        ClusterState::Pending { .. } | ClusterState::Active { .. } => false,
    }
}

/// The same key asks again.
fn repeat(cluster: &ClusterRecord, id: TokenId, now: Timestamp) -> Result<Claimed, Refusal> {
    let name = cluster.name.clone();
    match (&cluster.state, &cluster.enrolment, &cluster.current) {
        (ClusterState::Revoked { .. }, ..) => Err(Refusal::Revoked { cluster: name }),
        (ClusterState::Pending { .. }, ..) => Ok(Claimed::Pending(name)),
        (ClusterState::Active { .. }, Some(enrolment), Some(current))
            if now < enrolment.repeatable_until && current.spki == Some(enrolment.spki) =>
        {
            Ok(Claimed::Sign(Order { cluster: name, credential: current.clone() }))
        }
        (ClusterState::Active { .. }, ..) => Err(Refusal::TokenUsed { id }),
    }
}

fn replay(token: &Versioned<TokenRecord>, now: Timestamp) -> Decided<Claimed> {
    let id = token.value.id.clone();
    let Some(cluster) = token.value.cluster.clone() else {
        return refused(Refusal::TokenUsed { id });
    };
    let message = format!("join token {id} for {cluster} was used again with another key");
    let entry = Act { actor: "hub", reason: "", now }.entry("TokenReplay", Some(&cluster), message);
    let mut transaction = Transaction::new();
    if let Some(misuse) = token.value.misuse.again(now) {
        let next = TokenRecord { misuse, ..token.value.clone() };
        transaction = transaction.replace(token_key(&id), Some(token), &next);
        transaction = with_ledger(transaction, &[entry]);
    }
    Decided { transaction, outcome: Err(Refusal::TokenReplay { id, cluster }) }
}

fn first_claim(
    token: &Versioned<TokenRecord>,
    again: Option<&Versioned<ClusterRecord>>,
    name: ClusterName,
    claim: &Claim,
    now: Timestamp,
) -> Decided<Claimed> {
    let credential = Credential {
        serial: claim.serial,
        spki: Some(claim.spki),
        issued_at: now,
        lifetime: claim.lifetime,
    };
    let (state, action) = if token.value.manual_approval {
        (ClusterState::Pending { since: now }, "ClusterPending")
    } else {
        (ClusterState::Active { since: now }, "ClusterEnrolled")
    };
    let before = again.map(|again| &again.value);
    let mut cluster = joined(before, &token.value, &name, claim, state, now);
    let forgotten = cluster.succeed(credential.clone());
    let mut transaction = Transaction::new().replace(cluster_key(&name), again, &cluster).replace(
        spki_key(&claim.spki),
        None,
        &KeyRecord { cluster: name.clone() },
    );
    transaction = forget(transaction, forgotten);
    transaction = if token.value.cluster.is_some() {
        let next = TokenRecord { claimed_by: Some(claim.spki), ..token.value.clone() };
        transaction.replace(token_key(&claim.id), Some(token), &next)
    } else {
        // Not written, so that clusters that join together do not wait for each other; but it must
        // not be revoked meanwhile.
        transaction.when(token_key(&claim.id), token.unchanged())
    };
    let message = format!("with join token {}, key {}", claim.id, claim.spki.short());
    let entry = by_cluster(&name, now, action, message);
    let outcome = if token.value.manual_approval {
        Claimed::Pending(name)
    } else {
        Claimed::Sign(Order { cluster: name, credential })
    };
    Decided { transaction: with_ledger(transaction, &[entry]), outcome: Ok(outcome) }
}

/// The record of a cluster that joins, still with the certificates that it had `before`.
fn joined(
    before: Option<&ClusterRecord>,
    token: &TokenRecord,
    name: &ClusterName,
    claim: &Claim,
    state: ClusterState,
    now: Timestamp,
) -> ClusterRecord {
    let enrolment = EnrolmentRecord {
        token: claim.id.clone(),
        spki: claim.spki,
        repeatable_until: Timestamp(now.0.saturating_add(REPEATABLE_MS)),
    };
    ClusterRecord {
        name: name.clone(),
        labels: match before {
            Some(before) if token.labels.is_empty() => before.labels.clone(),
            _ => token.labels.clone(),
        },
        annotations: before.map(|before| before.annotations.clone()).unwrap_or_default(),
        created_at: before.map_or(now, |before| before.created_at),
        state,
        enrolment: Some(enrolment),
        current: before.and_then(|before| before.current.clone()),
        next: before.and_then(|before| before.next.clone()),
        past: before.map(|before| before.past.clone()).unwrap_or_default(),
        kube_system_uid: None,
        misuse: Misuse::default(),
    }
}
