//! The decisions of enrolment. No I/O, clock or randomness: what is needed comes in.

use std::time::Duration;

use model::canonical::Digest;
use model::name::ClusterName;
use model::selector::Labels;
use model::status::Timestamp;
use model::token::TokenId;

use super::record::{
    ClusterRecord, ClusterState, Credential, EnrolmentRecord, KeyRecord, MAX_PAST, Misuse,
    Standing, TokenRecord, cluster_key, spki_key, token_key,
};
use super::{Refusal, labels};
use crate::ledger::{NewRecord, writes_for};
use crate::pki::{Lifetime, Serial};
use crate::store::Transaction;
use crate::store::record::{Versioned, put};

pub(super) const MIN_TOKEN_TTL: Duration = Duration::from_secs(1);
/// A token that lies around for longer is found by others.
pub const MAX_TOKEN_TTL: Duration = Duration::from_secs(24 * 3_600);
/// How long the key that claimed a token may ask again, when the answer was lost or the hub was
/// killed between its commit and its answer.
const REPEATABLE_MS: i64 = 600_000;
/// How long after an approval: the spoke asks again from time to time, and may have been stopped.
const APPROVED_MS: i64 = 24 * 3_600_000;
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

pub(super) fn create_token(
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

/// A claim, as far as its sender chose it, and what is new for it.
#[derive(Debug, Clone)]
pub(super) struct Claim {
    pub(super) id: TokenId,
    pub(super) secret_hash: Digest,
    pub(super) spki: Digest,
    pub(super) proposed: Option<ClusterName>,
    /// For the certificate, if there is to be one.
    pub(super) serial: Serial,
    pub(super) lifetime: Lifetime,
}

/// What is to be signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) cluster: ClusterName,
    pub(super) credential: Credential,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Claimed {
    Sign(Order),
    Pending(ClusterName),
}

/// The token of a claim, when the claim knows its secret.
pub(super) fn known_token<'a>(
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
pub(super) fn claimed_name(token: &TokenRecord, claim: &Claim) -> Result<ClusterName, Refusal> {
    match (&token.cluster, &claim.proposed) {
        (Some(bound), _) => Ok(bound.clone()),
        (None, Some(proposed)) => Ok(proposed.clone()),
        (None, None) => Err(Refusal::NameMissing),
    }
}

/// Decides on a claim whose secret is right. `owner` is who had the key before.
pub(super) fn claim(
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
    let enrolment = EnrolmentRecord {
        token: claim.id.clone(),
        spki: claim.spki,
        repeatable_until: Timestamp(now.0.saturating_add(REPEATABLE_MS)),
    };
    let before = again.map(|again| &again.value);
    let mut cluster = ClusterRecord {
        name: name.clone(),
        labels: match before {
            Some(before) if token.value.labels.is_empty() => before.labels.clone(),
            _ => token.value.labels.clone(),
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
    };
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

/// Whether a stream that was opened with this certificate may stay open. A certificate that was
/// replaced meanwhile is fine here: the session's term fences it.
pub(super) fn may_stay(cluster: &ClusterRecord, serial: Serial) -> Result<(), Refusal> {
    cluster.active()?;
    match cluster.credential(serial) {
        Standing::Unknown => Err(Refusal::UnknownSerial { cluster: cluster.name.clone(), serial }),
        Standing::Current | Standing::Next | Standing::Past => Ok(()),
    }
}

/// Whether a certificate may be used now. Its first use makes it the current one.
pub(super) fn open(
    cluster: &Versioned<ClusterRecord>,
    serial: Serial,
    now: Timestamp,
) -> Decided<ClusterRecord> {
    let record = &cluster.value;
    if let Err(refusal) = record.active() {
        return refused(refusal);
    }
    match record.credential(serial) {
        Standing::Current => Decided::only(Ok(record.clone())),
        Standing::Next => {
            let mut next = record.clone();
            let forgotten = next.activate();
            let key = cluster_key(&record.name);
            let transaction = Transaction::new().replace(key, Some(cluster), &next);
            let message = format!("certificate {serial} is in use");
            let entry = by_cluster(&record.name, now, "CertificateActivated", message);
            let transaction = with_ledger(forget(transaction, forgotten), &[entry]);
            Decided { transaction, outcome: Ok(next) }
        }
        Standing::Past => superseded(cluster, serial, now),
        Standing::Unknown => {
            refused(Refusal::UnknownSerial { cluster: record.name.clone(), serial })
        }
    }
}

/// A certificate that was replaced is used again: recorded, and refused.
fn superseded<T>(cluster: &Versioned<ClusterRecord>, serial: Serial, now: Timestamp) -> Decided<T> {
    let name = cluster.value.name.clone();
    let mut transaction = Transaction::new();
    if let Some(misuse) = cluster.value.misuse.again(now) {
        let message = format!("certificate {serial} was replaced and is used again");
        let entry = Act { actor: "hub", reason: "", now };
        let entry = entry.entry("CertificateCloned", Some(&name), message);
        let next = ClusterRecord { misuse, ..cluster.value.clone() };
        transaction = transaction.replace(cluster_key(&name), Some(cluster), &next);
        transaction = with_ledger(transaction, &[entry]);
    }
    Decided { transaction, outcome: Err(Refusal::Superseded { cluster: name, serial }) }
}

/// Decides on a new certificate for the cluster that shows `serial`. `new` is for the key of the
/// request; `owner` is who had that key before.
pub(super) fn renew(
    cluster: &Versioned<ClusterRecord>,
    serial: Serial,
    owner: Option<&Versioned<KeyRecord>>,
    new: Credential,
    now: Timestamp,
) -> Decided<Order> {
    let name = cluster.value.name.clone();
    if let Err(refusal) = cluster.value.active() {
        return refused(refusal);
    }
    let mut record = cluster.value.clone();
    let mut forgotten = match record.credential(serial) {
        Standing::Current => Vec::new(),
        Standing::Next => record.activate(),
        Standing::Past => return superseded(cluster, serial, now),
        Standing::Unknown => return refused(Refusal::UnknownSerial { cluster: name, serial }),
    };
    if record.current.as_ref().is_some_and(|current| current.spki == new.spki) {
        return refused(Refusal::SameKey);
    }
    // The answer to the same request was lost.
    if let Some(next) = record.next.as_ref().filter(|next| next.spki == new.spki) {
        return Decided::only(Ok(Order { cluster: name, credential: next.clone() }));
    }
    if let Some(owner) = owner {
        return refused(Refusal::KeyUsed { cluster: owner.value.cluster.clone() });
    }
    // One that was issued and never used is void: its answer was lost together with its key.
    record.past.extend(record.next.replace(new.clone()));
    forgotten.extend(record.trim());
    let mut transaction = Transaction::new().replace(cluster_key(&name), Some(cluster), &record);
    if let Some(spki) = new.spki {
        let owner = KeyRecord { cluster: name.clone() };
        transaction = transaction.replace(spki_key(&spki), None, &owner);
    }
    let message = format!("certificate {} follows {serial}", new.serial);
    let entry = by_cluster(&name, now, "CertificateRenewed", message);
    let transaction = with_ledger(forget(transaction, forgotten), &[entry]);
    Decided { transaction, outcome: Ok(Order { cluster: name, credential: new }) }
}

pub(super) fn approve(cluster: &Versioned<ClusterRecord>, act: Act<'_>) -> Decided<ClusterRecord> {
    let mut next = cluster.value.clone();
    let name = next.name.clone();
    match next.state {
        ClusterState::Pending { .. } => {}
        ClusterState::Revoked { .. } => return refused(Refusal::Revoked { cluster: name }),
        ClusterState::Active { .. } => return refused(Refusal::NotPending { cluster: name }),
    }
    next.state = ClusterState::Active { since: act.now };
    if let Some(enrolment) = &mut next.enrolment {
        enrolment.repeatable_until = Timestamp(act.now.0.saturating_add(APPROVED_MS));
    }
    // Its life begins now, not when it was asked for.
    if let Some(current) = &mut next.current {
        current.issued_at = act.now;
    }
    let entry = act.entry("ClusterApproved", Some(&name), format!("{name} may join"));
    changed(cluster, next, entry)
}

/// Nothing that was issued to it is worth anything from now on. Its record stays.
pub(super) fn revoke(cluster: &Versioned<ClusterRecord>, act: Act<'_>) -> Decided<ClusterRecord> {
    if cluster.value.is_revoked() {
        return Decided::only(Ok(cluster.value.clone()));
    }
    let state = ClusterState::Revoked { since: act.now };
    let next = ClusterRecord { state, ..cluster.value.clone() };
    let name = &cluster.value.name;
    let entry = act.entry("ClusterRevoked", Some(name), format!("{name} was revoked"));
    changed(cluster, next, entry)
}

/// Labels that are set, and those that go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LabelChange {
    pub set: Labels,
    pub remove: Vec<String>,
}

pub(super) fn relabel(
    cluster: &Versioned<ClusterRecord>,
    change: &LabelChange,
    act: Act<'_>,
) -> Decided<ClusterRecord> {
    let mut next = cluster.value.clone();
    next.labels.extend(change.set.clone());
    next.labels.retain(|key, _| !change.remove.contains(key));
    if let Err(error) = labels::check(&next.labels) {
        return refused(error.into());
    }
    if next == cluster.value {
        return Decided::only(Ok(next));
    }
    let set = change.set.iter().map(|(key, value)| format!("{key}={value}"));
    let removed = change.remove.iter().map(|key| format!("{key}-"));
    let message = set.chain(removed).collect::<Vec<_>>().join(" ");
    let entry = act.entry("ClusterLabelled", Some(&next.name), message);
    changed(cluster, next, entry)
}

fn changed(
    before: &Versioned<ClusterRecord>,
    next: ClusterRecord,
    entry: NewRecord,
) -> Decided<ClusterRecord> {
    let transaction = Transaction::new().replace(cluster_key(&next.name), Some(before), &next);
    Decided { transaction: with_ledger(transaction, &[entry]), outcome: Ok(next) }
}

pub(super) fn revoke_token(token: &Versioned<TokenRecord>, act: Act<'_>) -> Decided<()> {
    if token.value.revoked {
        return Decided::only(Ok(()));
    }
    let next = TokenRecord { revoked: true, ..token.value.clone() };
    let message = format!("join token {} was revoked", next.id);
    let entry = act.entry("TokenRevoked", next.cluster.as_ref(), message);
    let transaction = Transaction::new().replace(token_key(&next.id), Some(token), &next);
    Decided { transaction: with_ledger(transaction, &[entry]), outcome: Ok(()) }
}

/// What the identifier of a Kubernetes cluster says about a spoke.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KubeSystem {
    /// It is the first, and known from now on.
    Bound,
    Same,
    /// The spoke runs in another cluster than before: copied, or restored elsewhere.
    Differs {
        known: String,
    },
}

pub(super) fn bind_kube_system(
    cluster: &Versioned<ClusterRecord>,
    uid: &str,
    now: Timestamp,
) -> Decided<KubeSystem> {
    match &cluster.value.kube_system_uid {
        Some(known) if known == uid => Decided::only(Ok(KubeSystem::Same)),
        Some(known) => Decided::only(Ok(KubeSystem::Differs { known: known.clone() })),
        None => {
            let name = cluster.value.name.clone();
            let kube_system_uid = Some(uid.to_owned());
            let next = ClusterRecord { kube_system_uid, ..cluster.value.clone() };
            let message = format!("runs in the Kubernetes cluster {uid}");
            let entry = by_cluster(&name, now, "ClusterIdentified", message);
            let Decided { transaction, .. } = changed(cluster, next, entry);
            Decided { transaction, outcome: Ok(KubeSystem::Bound) }
        }
    }
}

/// Takes a cluster back whose record was lost with the store. The authority has signed both its
/// certificate and the record that it brings.
pub(super) fn adopt(
    existing: Option<&Versioned<ClusterRecord>>,
    brought: ClusterRecord,
    serial: Serial,
    now: Timestamp,
) -> Decided<ClusterRecord> {
    if let Some(existing) = existing {
        return Decided::only(Ok(existing.value.clone()));
    }
    let name = brought.name.clone();
    let known = [&brought.current, &brought.next].into_iter().flatten();
    let known = known.cloned().find(|credential| credential.serial == serial);
    let lifetime = brought.current.as_ref().map_or_else(Lifetime::default, |c| c.lifetime);
    let unknown = Credential { serial, spki: None, issued_at: now, lifetime };
    let cluster = ClusterRecord {
        state: ClusterState::Active { since: now },
        enrolment: None,
        current: Some(known.unwrap_or(unknown)),
        next: None,
        past: Vec::new(),
        misuse: Misuse::default(),
        ..brought
    };
    let mut transaction = Transaction::new().replace(cluster_key(&name), None, &cluster);
    let spki = cluster.current.as_ref().and_then(|current| current.spki);
    if let Some(spki) = spki {
        let owner = KeyRecord { cluster: name.clone() };
        // Whoever has it in a store that knew nothing of this cluster is the one who is wrong.
        transaction = transaction.write(put(spki_key(&spki), &owner));
    }
    let message = format!("taken back from its signed record, certificate {serial}");
    let entry = by_cluster(&name, now, "ClusterAdopted", message);
    Decided { transaction: with_ledger(transaction, &[entry]), outcome: Ok(cluster) }
}
