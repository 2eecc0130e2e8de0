//! Clusters that belong to the fleet: their certificates, labels and end.

use model::selector::Labels;
use model::status::Timestamp;

use super::{Act, Decided, Order, by_cluster, forget, refused, with_ledger};
use crate::enrol::record::{
    ClusterRecord, ClusterState, Credential, KeyRecord, Misuse, Standing, cluster_key, spki_key,
};
use crate::enrol::{Refusal, labels};
use crate::ledger::NewRecord;
use crate::pki::{Lifetime, Serial, Shown};
use crate::store::Transaction;
use crate::store::record::{Versioned, put};

/// How long after an approval: the spoke asks again from time to time, and may have been stopped.
const APPROVED_MS: i64 = 24 * 3_600_000;

/// Whether a stream that was opened with this certificate may stay open. A certificate that was
/// replaced meanwhile is fine here: the session's term fences it.
pub(in crate::enrol) fn may_stay(cluster: &ClusterRecord, serial: Serial) -> Result<(), Refusal> {
    cluster.active()?;
    match cluster.credential(serial) {
        Standing::Unknown => Err(Refusal::UnknownSerial { cluster: cluster.name.clone(), serial }),
        Standing::Current | Standing::Next | Standing::Past => Ok(()),
    }
}

/// Whether a certificate may be used now. Its first use makes it the current one.
pub(in crate::enrol) fn open(
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

/// Takes a certificate that the record does not know, when the authority made it after all those
/// that it does know: then the store was restored from before a renewal. An older one stays
/// refused: it was forgotten after it was replaced, and who shows it has a copy.
pub(in crate::enrol) fn catch_up(
    cluster: &Versioned<ClusterRecord>,
    shown: Shown,
    now: Timestamp,
) -> Decided<ClusterRecord> {
    let Shown { serial, issued_at } = shown;
    let record = &cluster.value;
    let known = record.current.iter().chain(&record.next).chain(&record.past);
    let newest = known.map(|credential| credential.issued_at).max();
    let is_unknown = matches!(record.credential(serial), Standing::Unknown);
    let current = record.current.as_ref().filter(|_| newest.is_some_and(|at| issued_at > at));
    let (Some(current), true, true) = (current, is_unknown, record.is_active()) else {
        return open(cluster, serial, now);
    };
    let lifetime = current.lifetime;
    let mut next = record.clone();
    let forgotten = next.succeed(Credential { serial, spki: None, issued_at, lifetime });
    let key = cluster_key(&record.name);
    let transaction = Transaction::new().replace(key, Some(cluster), &next);
    let message = format!("certificate {serial} is newer than this store, which was restored");
    let entry = by_cluster(&record.name, now, "CertificateTakenBack", message);
    let transaction = with_ledger(forget(transaction, forgotten), &[entry]);
    Decided { transaction, outcome: Ok(next) }
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
pub(in crate::enrol) fn renew(
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

pub(in crate::enrol) fn approve(
    cluster: &Versioned<ClusterRecord>,
    act: Act<'_>,
) -> Decided<ClusterRecord> {
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
pub(in crate::enrol) fn revoke(
    cluster: &Versioned<ClusterRecord>,
    act: Act<'_>,
) -> Decided<ClusterRecord> {
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

pub(in crate::enrol) fn relabel(
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

pub(in crate::enrol) fn bind_kube_system(
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
pub(in crate::enrol) fn adopt(
    existing: Option<&Versioned<ClusterRecord>>,
    brought: ClusterRecord,
    serial: Serial,
    now: Timestamp,
) -> Decided<ClusterRecord> {
    if let Some(existing) = existing {
        return Decided::only(Ok(existing.value.clone()));
    }
    let name = brought.name.clone();
    let mut known = [&brought.current, &brought.next].into_iter().flatten();
    let known = known.find(|credential| credential.serial == serial).cloned();
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
