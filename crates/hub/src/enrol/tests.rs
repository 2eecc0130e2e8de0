//! The attacks and accidents that enrolment must survive, through the service on a real store.

use std::sync::Barrier;
use std::time::Duration;

use model::name::ClusterName;
use model::selector::Labels;
use model::status::Timestamp;
use proptest::prelude::*;
use rcgen::KeyPair;
use runtime::tls::{certificates_from_pem, peer_uri_san};

use super::*;
use crate::ledger::{Filter, Ledger};
use crate::pki::tests::{authority, cluster, csr};
use crate::pki::{Lifetime, Pki, Serial};
use crate::store::memory::MemoryStore;
use crate::store::{Prefix, Store};
use std::sync::Arc;

const NOW: i64 = 1_800_000_000_000;
const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

fn at(offset: i64) -> Timestamp {
    Timestamp(NOW + offset)
}

struct Hub {
    enrolment: Enrolment,
    store: Arc<MemoryStore>,
    pki: Arc<Pki>,
    _dir: tempfile::TempDir,
}

fn hub() -> Hub {
    let (pki, dir) = authority(at(0));
    let pki = Arc::new(pki);
    let store = Arc::new(MemoryStore::new());
    let lifetime = Lifetime::default();
    let enrolment = Enrolment::new(store.clone(), pki.clone(), lifetime);
    Hub { enrolment, store, pki, _dir: dir }
}

fn for_cluster(name: &str) -> NewToken {
    NewToken {
        scope: TokenScope::Cluster(cluster(name)),
        ttl: Duration::from_secs(3_600),
        labels: Labels::from([("env".to_owned(), "prod".to_owned())]),
        manual_approval: false,
    }
}

fn reusable() -> NewToken {
    NewToken { scope: TokenScope::Reusable, ..for_cluster("unused") }
}

fn key() -> Vec<u8> {
    csr(&KeyPair::generate().unwrap())
}

impl Hub {
    async fn token(&self, new: NewToken) -> String {
        self.token_at(new, at(0)).await
    }

    async fn token_at(&self, new: NewToken, now: Timestamp) -> String {
        let created = self.enrolment.create_token(&new, "operator/ada", "tests", now).await;
        created.unwrap().token.reveal()
    }

    async fn join_as(
        &self,
        token: &str,
        csr: &[u8],
        name: Option<&str>,
        now: Timestamp,
    ) -> Result<Joined, EnrolError> {
        let proposed_name = name.map(cluster);
        self.enrolment.join(&JoinRequest { token, csr, proposed_name }, now).await
    }

    async fn join(&self, token: &str, csr: &[u8], now: Timestamp) -> Result<Joined, EnrolError> {
        self.join_as(token, csr, None, now).await
    }

    async fn refused(&self, token: &str, csr: &[u8], now: Timestamp) -> Refusal {
        refusal(self.join(token, csr, now).await)
    }

    /// A cluster that has joined at `NOW`, with its key.
    async fn joined(&self, name: &str) -> (JoinedIdentity, Vec<u8>) {
        let (token, key) = (self.token(for_cluster(name)).await, key());
        (identity(self.join(&token, &key, at(0)).await), key)
    }

    fn actions(&self) -> Vec<String> {
        let ledger = Ledger::new(self.store.clone());
        let records = ledger.recent(&Filter::default(), 1_000).unwrap();
        records.into_iter().rev().map(|record| record.action).collect()
    }

    fn count(&self, action: &str) -> usize {
        self.actions().iter().filter(|found| *found == action).count()
    }
}

fn refusal<T: std::fmt::Debug>(result: Result<T, EnrolError>) -> Refusal {
    match result {
        Err(EnrolError::Refused(refusal)) => refusal,
        other => panic!("not refused: {other:?}"),
    }
}

fn identity(result: Result<Joined, EnrolError>) -> JoinedIdentity {
    match result {
        Ok(Joined::Identity(identity)) => identity,
        other => panic!("no identity: {other:?}"),
    }
}

#[tokio::test]
async fn a_token_makes_one_cluster_with_the_labels_that_a_person_chose() {
    let hub = hub();
    let token = hub.token(for_cluster("eu-1")).await;
    let joined = identity(hub.join_as(&token, &key(), Some("other"), at(MINUTE)).await);
    assert_eq!((joined.fleet.as_str(), &joined.cluster), ("acme", &cluster("eu-1")));
    let chain = certificates_from_pem(joined.certificate_chain.as_bytes(), "chain").unwrap();
    assert_eq!(peer_uri_san(&chain[0]).unwrap(), "spiffe://acme/cluster/eu-1");
    assert_eq!(Serial::of_certificate(&chain[0]), Some(joined.serial));
    assert_eq!(joined.trust_bundle, hub.pki.trust_bundle());

    let record = hub.enrolment.cluster(&cluster("eu-1")).unwrap().unwrap();
    assert!(record.is_active());
    assert_eq!(record.labels, for_cluster("eu-1").labels);
    assert_eq!(record.certificate_expires(), Some(joined.expires_at));
    assert_eq!(hub.enrolment.cluster(&cluster("other")).unwrap(), None);
    assert_eq!(hub.actions(), ["TokenCreated", "ClusterEnrolled"]);
    hub.enrolment.open(&cluster("eu-1"), joined.serial, at(HOUR)).await.unwrap();
    hub.enrolment.authorize(&cluster("eu-1"), joined.serial).unwrap();
}

#[tokio::test]
async fn nothing_in_the_store_holds_the_secret() {
    let hub = hub();
    let token = hub.token(for_cluster("eu-1")).await;
    hub.join(&token, &key(), at(0)).await.unwrap();
    let secret = token.split('.').nth(2).unwrap();
    for record in hub.store.range(&Prefix::all()).unwrap() {
        let body = String::from_utf8_lossy(&record.body);
        assert!(!body.contains(secret) && !record.key.as_str().contains(secret), "{body}");
    }
}

#[tokio::test]
async fn the_same_key_is_answered_again_for_ten_minutes() {
    let hub = hub();
    let (token, key) = (hub.token(for_cluster("eu-1")).await, key());
    let late = HOUR - SECOND;
    let first = identity(hub.join(&token, &key, at(late)).await);
    // The token has expired meanwhile, which does not matter to who has used it.
    let again = identity(hub.join(&token, &key, at(late + 10 * MINUTE - 1)).await);
    assert_eq!(
        (again.serial, again.expires_at, &again.cluster),
        (first.serial, first.expires_at, &first.cluster)
    );
    let over = hub.refused(&token, &key, at(late + 10 * MINUTE)).await;
    assert!(matches!(over, Refusal::TokenUsed { .. }), "{over}");
    assert_eq!(hub.actions(), ["TokenCreated", "ClusterEnrolled"]);
}

#[tokio::test]
async fn another_key_is_refused_and_recorded_within_bounds() {
    let hub = hub();
    let token = hub.token(for_cluster("eu-1")).await;
    hub.join(&token, &key(), at(0)).await.unwrap();
    for offset in [1, 2, 3, 59 * SECOND, 62 * SECOND, 63 * SECOND, DAY] {
        let refusal = hub.refused(&token, &key(), at(offset)).await;
        assert!(matches!(refusal, Refusal::TokenReplay { .. }), "{refusal}");
        assert_eq!(refusal.answer().0, "TokenUsed");
    }
    assert_eq!(hub.count("TokenReplay"), 3);
    assert_eq!(hub.enrolment.clusters().unwrap().len(), 1);
}

#[tokio::test]
async fn tokens_that_are_no_good_are_told_apart_in_the_log_only() {
    let hub = hub();
    let token = hub.token(for_cluster("eu-1")).await;
    let unknown = self::hub().token(for_cluster("eu-1")).await;
    let unknown = hub.refused(&unknown, &key(), at(0)).await;
    assert!(matches!(unknown, Refusal::UnknownToken { .. }), "{unknown}");
    // The right id with another secret and a right check.
    let id = token.split('.').nth(1).unwrap();
    let ones = id.bytes().map(|char| match char {
        b'a'..=b'z' => char - b'a',
        digit => digit - b'2' + 26,
    });
    let id: [u8; 10] = ones.collect::<Vec<_>>().try_into().unwrap();
    let guess = model::token::JoinToken::from_random(id, [7; 32]).reveal();
    let wrong = hub.refused(&guess, &key(), at(0)).await;
    assert!(matches!(wrong, Refusal::WrongSecret { .. }), "{wrong}");
    assert_eq!(unknown.answer(), wrong.answer());

    let cut = hub.refused(&token[..40], &key(), at(0)).await;
    assert!(matches!(cut, Refusal::Token(model::token::TokenError::Truncated { .. })), "{cut}");
    let expired = hub.refused(&token, &key(), at(HOUR + SECOND)).await;
    assert!(matches!(expired, Refusal::TokenExpired { .. }), "{expired}");
    let exact = hub.refused(&token, &key(), at(HOUR)).await;
    assert!(matches!(exact, Refusal::TokenExpired { .. }), "{exact}");
    let bad = hub.refused(&token, b"no request", at(0)).await;
    assert!(matches!(bad, Refusal::Csr(_)), "{bad}");
    // None of this has used it up.
    hub.join(&token, &key(), at(HOUR - 1)).await.unwrap();
}

#[test]
fn of_a_hundred_claims_at_once_one_is_answered() {
    let hub = hub();
    let block_on =
        |future| tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future);
    let token =
        block_on(Box::pin(hub.token(for_cluster("eu-1")))
            as std::pin::Pin<Box<dyn Future<Output = String>>>);
    let keys: Vec<_> = (0..100).map(|_| key()).collect();
    let start = Barrier::new(keys.len());
    let outcomes: Vec<_> = std::thread::scope(|scope| {
        let claim = |key: &Vec<u8>| {
            start.wait();
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(hub.join(&token, key, at(0)))
        };
        let threads: Vec<_> = keys.iter().map(|key| scope.spawn(move || claim(key))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let (good, bad): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
    assert_eq!(good.len(), 1);
    for refused in bad {
        assert!(matches!(refusal(refused), Refusal::TokenReplay { .. }));
    }
    let clusters = hub.enrolment.clusters().unwrap();
    assert_eq!(clusters.len(), 1);
    let serial = identity(good.into_iter().next().unwrap()).serial;
    assert_eq!(clusters[0].current.as_ref().unwrap().serial, serial);
    assert_eq!((hub.count("ClusterEnrolled"), hub.count("TokenReplay")), (1, 1));
}

#[tokio::test]
async fn a_reusable_token_takes_names_that_are_free() {
    let hub = hub();
    let token = hub.token(reusable()).await;
    let first = key();
    identity(hub.join_as(&token, &first, Some("a"), at(0)).await);
    identity(hub.join_as(&token, &first, Some("a"), at(1)).await);
    identity(hub.join_as(&token, &key(), Some("b"), at(0)).await);
    let taken = refusal(hub.join_as(&token, &key(), Some("a"), at(0)).await);
    assert!(matches!(taken, Refusal::ClusterExists { .. }), "{taken}");
    let nameless = refusal(hub.join_as(&token, &key(), None, at(0)).await);
    assert_eq!(nameless, Refusal::NameMissing);
    let second_name = refusal(hub.join_as(&token, &first, Some("c"), at(0)).await);
    assert_eq!(second_name, Refusal::KeyUsed { cluster: cluster("a") });
    // Not even a revoked name is free.
    hub.enrolment.revoke(&cluster("b"), "operator/ada", "", at(2)).await.unwrap();
    let taken = refusal(hub.join_as(&token, &key(), Some("b"), at(3)).await);
    assert!(matches!(taken, Refusal::ClusterExists { .. }), "{taken}");
    let views = hub.enrolment.tokens(at(0)).unwrap();
    assert_eq!((views[0].uses, views[0].state.as_str(), views[0].reusable), (2, "Unused", true));
}

#[tokio::test]
async fn with_manual_approval_nothing_is_signed_before_a_person_says_so() {
    let hub = hub();
    let new = NewToken { manual_approval: true, ..for_cluster("eu-1") };
    let (token, key, name) = (hub.token(new).await, key(), cluster("eu-1"));
    for offset in [0, MINUTE, DAY] {
        let pending = hub.join(&token, &key, at(offset)).await.unwrap();
        assert!(matches!(&pending, Joined::Pending { cluster, .. } if *cluster == name));
    }
    let record = hub.enrolment.cluster(&name).unwrap().unwrap();
    assert!(record.is_pending());
    let serial = record.current.unwrap().serial;
    let early = refusal(hub.enrolment.open(&name, serial, at(DAY)).await);
    assert_eq!(early, Refusal::NotApproved { cluster: name.clone() });
    let other = hub.refused(&token, &self::key(), at(DAY)).await;
    assert!(matches!(other, Refusal::TokenReplay { .. }), "{other}");

    hub.enrolment.approve(&name, "operator/ada", "looks right", at(2 * DAY)).await.unwrap();
    let twice = refusal(hub.enrolment.approve(&name, "operator/ada", "", at(2 * DAY)).await);
    assert_eq!(twice, Refusal::NotPending { cluster: name.clone() });
    let joined = identity(hub.join(&token, &key, at(2 * DAY + HOUR)).await);
    assert_eq!((joined.serial, joined.expires_at), (serial, at(32 * DAY)));
    hub.enrolment.open(&name, serial, at(2 * DAY + HOUR)).await.unwrap();
}

#[tokio::test]
async fn a_pending_cluster_that_is_revoked_stays_out() {
    let hub = hub();
    let new = NewToken { manual_approval: true, ..for_cluster("eu-1") };
    let (token, key, name) = (hub.token(new).await, key(), cluster("eu-1"));
    hub.join(&token, &key, at(0)).await.unwrap();
    hub.enrolment.revoke(&name, "operator/ada", "not ours", at(1)).await.unwrap();
    assert_eq!(hub.refused(&token, &key, at(2)).await, Refusal::Revoked { cluster: name.clone() });
    let late = refusal(hub.enrolment.approve(&name, "operator/ada", "", at(3)).await);
    assert_eq!(late, Refusal::Revoked { cluster: name });
}

#[tokio::test]
async fn a_renewed_certificate_counts_from_its_first_use() {
    let hub = hub();
    let name = cluster("eu-1");
    let (first, _) = hub.joined("eu-1").await;
    let renewed = hub.enrolment.renew(&name, first.serial, &key(), at(15 * DAY)).await.unwrap();
    assert_ne!(renewed.serial, first.serial);
    assert_eq!((&renewed.cluster, renewed.expires_at), (&name, at(45 * DAY)));

    // Until then the old one is good: the answer may have been lost.
    hub.enrolment.open(&name, first.serial, at(16 * DAY)).await.unwrap();
    hub.enrolment.open(&name, renewed.serial, at(17 * DAY)).await.unwrap();
    hub.enrolment.open(&name, renewed.serial, at(17 * DAY)).await.unwrap();
    for offset in [0, 1, MINUTE + SECOND] {
        let old = refusal(hub.enrolment.open(&name, first.serial, at(17 * DAY + offset)).await);
        assert!(matches!(old, Refusal::Superseded { .. }), "{old}");
    }
    assert_eq!(hub.count("CertificateCloned"), 2);
    assert_eq!(hub.count("CertificateActivated"), 1);
    // The stream that was opened with it is not cut: it is fenced by its term.
    hub.enrolment.authorize(&name, first.serial).unwrap();
    let old = hub.enrolment.renew(&name, first.serial, &key(), at(18 * DAY)).await;
    assert!(matches!(refusal(old), Refusal::Superseded { .. }));
}

#[tokio::test]
async fn a_lost_renewal_is_repeated_and_its_certificate_is_void() {
    let hub = hub();
    let name = cluster("eu-1");
    let (first, first_key) = hub.joined("eu-1").await;
    let same = refusal(hub.enrolment.renew(&name, first.serial, &first_key, at(1)).await);
    assert_eq!(same, Refusal::SameKey);
    let lost_key = key();
    let lost = hub.enrolment.renew(&name, first.serial, &lost_key, at(1)).await.unwrap();
    let again = hub.enrolment.renew(&name, first.serial, &lost_key, at(2)).await.unwrap();
    assert_eq!((again.serial, again.expires_at), (lost.serial, lost.expires_at));
    let second = hub.enrolment.renew(&name, first.serial, &key(), at(3)).await.unwrap();
    let void = refusal(hub.enrolment.open(&name, lost.serial, at(4)).await);
    assert!(matches!(void, Refusal::Superseded { .. }), "{void}");
    // A renewal is a use, too.
    let third = hub.enrolment.renew(&name, second.serial, &key(), at(5)).await.unwrap();
    let old = refusal(hub.enrolment.open(&name, first.serial, at(6)).await);
    assert!(matches!(old, Refusal::Superseded { .. }), "{old}");
    hub.enrolment.open(&name, third.serial, at(7)).await.unwrap();
    let reused = hub.enrolment.renew(&name, third.serial, &lost_key, at(8)).await;
    assert_eq!(refusal(reused), Refusal::KeyUsed { cluster: name });
}

#[tokio::test]
async fn what_is_remembered_of_old_certificates_is_bounded() {
    let hub = hub();
    let name = cluster("eu-1");
    let mut serial = hub.joined("eu-1").await.0.serial;
    for round in 1..=20 {
        serial = hub.enrolment.renew(&name, serial, &key(), at(round)).await.unwrap().serial;
    }
    hub.enrolment.open(&name, serial, at(21)).await.unwrap();
    let record = hub.enrolment.cluster(&name).unwrap().unwrap();
    assert_eq!(record.past.len(), 8);
    assert_eq!(hub.store.range(&Prefix::new(["cluster-key"])).unwrap().len(), 9);
}

#[tokio::test]
async fn a_revoked_cluster_is_out_at_once_and_comes_back_with_a_new_token_only() {
    let hub = hub();
    let name = cluster("eu-1");
    // A second token from before the revocation is worth nothing after it.
    let spare = hub.token(for_cluster("eu-1")).await;
    let (first, first_key) = hub.joined("eu-1").await;
    let exists = hub.enrolment.create_token(&for_cluster("eu-1"), "operator/ada", "", at(0)).await;
    assert_eq!(refusal(exists), Refusal::ClusterExists { cluster: name.clone() });
    let mut watch = hub.enrolment.watch();
    hub.enrolment.revoke(&name, "operator/ada", "stolen", at(MINUTE)).await.unwrap();
    hub.enrolment.revoke(&name, "operator/ada", "stolen", at(MINUTE)).await.unwrap();
    watch.changed().await.unwrap();
    let revoked = Refusal::Revoked { cluster: name.clone() };
    assert_eq!(refusal(hub.enrolment.authorize(&name, first.serial)), revoked);
    assert_eq!(refusal(hub.enrolment.open(&name, first.serial, at(MINUTE)).await), revoked);
    let renew = hub.enrolment.renew(&name, first.serial, &key(), at(MINUTE)).await;
    assert_eq!(refusal(renew), revoked);
    assert_eq!(hub.count("ClusterRevoked"), 1);
    let spare = hub.refused(&spare, &key(), at(2 * MINUTE)).await;
    assert!(matches!(spare, Refusal::ClusterExists { .. }), "{spare}");

    let unlabelled = NewToken { labels: Labels::new(), ..for_cluster("eu-1") };
    let token = hub.token_at(unlabelled, at(3 * MINUTE)).await;
    let old_key = hub.refused(&token, &first_key, at(4 * MINUTE)).await;
    assert_eq!(old_key, Refusal::KeyUsed { cluster: name.clone() });
    let again = identity(hub.join(&token, &key(), at(4 * MINUTE)).await);
    hub.enrolment.open(&name, again.serial, at(5 * MINUTE)).await.unwrap();
    let old = refusal(hub.enrolment.open(&name, first.serial, at(5 * MINUTE)).await);
    assert!(matches!(old, Refusal::Superseded { .. }), "{old}");
    let record = hub.enrolment.cluster(&name).unwrap().unwrap();
    assert_eq!(record.labels, for_cluster("eu-1").labels, "its labels stayed");
}

#[tokio::test]
async fn only_what_was_issued_to_a_cluster_speaks_for_it() {
    let hub = hub();
    let (a, _) = hub.joined("a").await;
    let (b, _) = hub.joined("b").await;
    let other = refusal(hub.enrolment.open(&cluster("a"), b.serial, at(1)).await);
    assert!(matches!(other, Refusal::UnknownSerial { .. }), "{other}");
    assert!(hub.enrolment.authorize(&cluster("b"), a.serial).is_err());
    let renew = hub.enrolment.renew(&cluster("a"), b.serial, &key(), at(1)).await;
    assert!(matches!(refusal(renew), Refusal::UnknownSerial { .. }));
    let unknown = refusal(hub.enrolment.open(&cluster("c"), a.serial, at(1)).await);
    assert_eq!(unknown, Refusal::UnknownCluster { cluster: cluster("c") });
}

#[tokio::test]
async fn labels_change_with_a_record_of_who_and_why() {
    let hub = hub();
    hub.joined("eu-1").await;
    let name = cluster("eu-1");
    let set = |key: &str, value: &str| Labels::from([(key.to_owned(), value.to_owned())]);
    let change = LabelChange { set: set("tier", "1"), remove: vec!["env".to_owned()] };
    let label = async |change: &LabelChange| {
        hub.enrolment.set_labels(&name, change, "operator/ada", "moved", at(1)).await
    };
    assert_eq!(label(&change).await.unwrap().labels, set("tier", "1"));
    label(&change).await.unwrap();
    assert_eq!(hub.count("ClusterLabelled"), 1, "no change, no record");
    let ledger = Ledger::new(hub.store.clone());
    let newest = ledger.recent(&Filter::default(), 1).unwrap().remove(0);
    assert_eq!(
        (newest.actor.as_str(), newest.reason.as_str(), newest.message.as_str()),
        ("operator/ada", "moved", "tier=1 env-")
    );
    let bad = LabelChange { set: set("a b", ""), remove: Vec::new() };
    assert!(matches!(refusal(label(&bad).await), Refusal::Labels(_)));
}

#[tokio::test]
async fn tokens_are_listed_without_their_secret() {
    let hub = hub();
    let used = hub.token_at(for_cluster("a"), at(0)).await;
    hub.join(&used, &key(), at(0)).await.unwrap();
    hub.token_at(for_cluster("b"), at(1)).await;
    let revoked = hub.token_at(for_cluster("c"), at(2)).await;
    let id = revoked.split('.').nth(1).unwrap().parse().unwrap();
    hub.enrolment.revoke_token(&id, "operator/ada", "", at(3)).await.unwrap();
    let refused = hub.refused(&revoked, &key(), at(3)).await;
    assert!(matches!(refused, Refusal::TokenRevoked { .. }), "{refused}");
    let states = |now| {
        let views = hub.enrolment.tokens(now).unwrap();
        views.into_iter().map(|view| (view.state, view.uses)).collect::<Vec<_>>()
    };
    let expected = |state: &str, uses| (state.to_owned(), uses);
    assert_eq!(states(at(4)), [expected("Revoked", 0), expected("Unused", 0), expected("Used", 1)]);
    assert_eq!(states(at(DAY))[1], expected("Expired", 0));
    for ttl in [Duration::ZERO, MAX_TOKEN_TTL + Duration::from_secs(1)] {
        let new = NewToken { ttl, ..for_cluster("d") };
        let refused = hub.enrolment.create_token(&new, "operator/ada", "", at(0)).await;
        assert_eq!(refusal(refused), Refusal::TokenTtl);
    }
}

#[tokio::test]
async fn a_spoke_that_moves_to_another_cluster_is_noticed() {
    let hub = hub();
    hub.joined("eu-1").await;
    let name = cluster("eu-1");
    let bind = async |uid: &str| hub.enrolment.bind_kube_system(&name, uid, at(1)).await.unwrap();
    assert_eq!(bind("u-1").await, KubeSystem::Bound);
    assert_eq!(bind("u-1").await, KubeSystem::Same);
    assert_eq!(bind("u-2").await, KubeSystem::Differs { known: "u-1".to_owned() });
    assert_eq!(bind("u-1").await, KubeSystem::Same);
}

#[tokio::test]
async fn a_hub_that_lost_its_store_knows_a_cluster_by_its_signed_record() {
    let hub = hub();
    let name = cluster("eu-1");
    let (joined, _) = hub.joined("eu-1").await;
    let record = hub.enrolment.cluster(&name).unwrap().unwrap();
    let signed = hub.enrolment.signed_record(&record).unwrap();
    let renewed = hub.enrolment.renew(&name, joined.serial, &key(), at(DAY)).await.unwrap();

    let empty = || {
        let store = Arc::new(MemoryStore::new());
        Enrolment::new(store, hub.pki.clone(), Lifetime::default())
    };
    let adopt =
        async |enrolment: &Enrolment, name: &ClusterName, serial, signed: &SignedCluster| {
            let SignedCluster { record, signature } = signed;
            let adoption = Adoption { cluster: name, serial, record, signature };
            enrolment.adopt(adoption, at(2 * DAY)).await
        };
    let fresh = empty();
    let back = adopt(&fresh, &name, joined.serial, &signed).await.unwrap();
    assert_eq!((&back.labels, back.created_at), (&record.labels, record.created_at));
    assert_eq!(back.current, record.current);
    fresh.open(&name, joined.serial, at(2 * DAY)).await.unwrap();
    fresh.renew(&name, joined.serial, &key(), at(2 * DAY)).await.unwrap();
    // The record may be older than the certificate.
    let fresh = empty();
    adopt(&fresh, &name, renewed.serial, &signed).await.unwrap();
    fresh.open(&name, renewed.serial, at(2 * DAY)).await.unwrap();
    fresh.renew(&name, renewed.serial, &key(), at(2 * DAY)).await.unwrap();
    // A second record changes nothing, and does not bring back what was revoked.
    fresh.revoke(&name, "operator/ada", "", at(2 * DAY)).await.unwrap();
    let again = adopt(&fresh, &name, renewed.serial, &signed).await;
    assert_eq!(refusal(again), Refusal::Revoked { cluster: name.clone() });

    let fresh = empty();
    let mut forged = signed.clone();
    forged.record[20] ^= 1;
    assert!(matches!(
        refusal(adopt(&fresh, &name, joined.serial, &forged).await),
        Refusal::Forged { .. }
    ));
    let other = adopt(&fresh, &cluster("eu-2"), joined.serial, &signed).await;
    assert!(matches!(refusal(other), Refusal::Forged { .. }));
    let nothing = SignedCluster { record: Vec::new(), signature: Vec::new() };
    assert!(adopt(&fresh, &name, joined.serial, &nothing).await.is_err());
    assert_eq!(fresh.clusters().unwrap(), []);
}

#[tokio::test]
async fn a_full_disk_burns_no_token() {
    let hub = hub();
    let (token, key) = (hub.token(for_cluster("eu-1")).await, key());
    let kept: Vec<_> = hub.store.range(&Prefix::all()).unwrap();
    hub.store.break_writes("no space left");
    let error = hub.join(&token, &key, at(0)).await.unwrap_err();
    assert!(matches!(error, EnrolError::Store(_)), "{error}");
    assert_eq!(hub.store.range(&Prefix::all()).unwrap(), kept);
}

#[derive(Debug, Clone)]
enum Step {
    Join { token: usize, key: usize },
    Open { cluster: usize, serial: usize },
    Renew { cluster: usize, serial: usize, key: usize },
    Approve(usize),
    Revoke(usize),
    Token(usize),
    Wait(i64),
}

fn step() -> impl Strategy<Value = Step> {
    let few = 0_usize..3;
    prop_oneof![
        4 => (0_usize..4, 0_usize..6).prop_map(|(token, key)| Step::Join { token, key }),
        4 => (few.clone(), 0_usize..12).prop_map(|(cluster, serial)| Step::Open { cluster, serial }),
        3 => (few.clone(), 0_usize..12, 0_usize..6)
            .prop_map(|(cluster, serial, key)| Step::Renew { cluster, serial, key }),
        1 => few.clone().prop_map(Step::Approve),
        1 => few.clone().prop_map(Step::Revoke),
        2 => few.prop_map(Step::Token),
        1 => (1_i64..2 * HOUR).prop_map(Step::Wait),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    /// Whatever happens in whatever order: a serial opens one cluster only, a revoked cluster none,
    /// and no key ever belongs to two clusters.
    #[test]
    fn identities_never_mix(steps in prop::collection::vec(step(), 1..40)) {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(follow(steps));
    }
}

async fn follow(steps: Vec<Step>) {
    let hub = hub();
    let names = ["a", "b", "c"].map(cluster);
    let keys: Vec<_> = (0..6).map(|_| key()).collect();
    let mut tokens = Vec::new();
    let mut issued: Vec<(ClusterName, Serial)> = Vec::new();
    let mut now = at(0);
    let pick = |list: &[(ClusterName, Serial)], n: usize| list.get(n).map(|(_, serial)| *serial);
    for step in steps {
        match step {
            Step::Token(n) => {
                let new = NewToken { manual_approval: n == 2, ..for_cluster(names[n].as_str()) };
                if let Ok(created) = hub.enrolment.create_token(&new, "o", "", now).await {
                    tokens.push(created.token.reveal());
                }
            }
            Step::Join { token, key } => {
                let Some(token) = tokens.get(token) else { continue };
                if let Ok(Joined::Identity(joined)) = hub.join(token, &keys[key], now).await {
                    issued.push((joined.cluster, joined.serial));
                }
            }
            Step::Renew { cluster, serial, key } => {
                let Some(serial) = pick(&issued, serial) else { continue };
                let name = &names[cluster];
                if let Ok(new) = hub.enrolment.renew(name, serial, &keys[key], now).await {
                    assert!(issued.contains(&(name.clone(), serial)), "renewed by another's");
                    issued.push((new.cluster, new.serial));
                }
            }
            Step::Open { cluster, serial } => {
                let Some(serial) = pick(&issued, serial) else { continue };
                let name = &names[cluster];
                if let Ok(record) = hub.enrolment.open(name, serial, now).await {
                    assert!(issued.contains(&(name.clone(), serial)), "opened by another's");
                    assert!(record.is_active());
                    assert_eq!(record.current.map(|current| current.serial), Some(serial));
                }
            }
            Step::Approve(n) => drop(hub.enrolment.approve(&names[n], "o", "", now).await),
            Step::Revoke(n) => {
                if hub.enrolment.revoke(&names[n], "o", "", now).await.is_ok() {
                    for (_, serial) in &issued {
                        hub.enrolment.authorize(&names[n], *serial).unwrap_err();
                        hub.enrolment.open(&names[n], *serial, now).await.unwrap_err();
                    }
                }
            }
            Step::Wait(ms) => now = Timestamp(now.0 + ms),
        }
        let clusters = hub.enrolment.clusters().unwrap();
        let mut spkis: Vec<_> = clusters
            .iter()
            .flat_map(|c| c.current.iter().chain(&c.next).chain(&c.past))
            .map(|credential| credential.spki.unwrap())
            .collect();
        let count = spkis.len();
        spkis.sort_unstable();
        spkis.dedup();
        assert_eq!(spkis.len(), count, "a key belongs to two certificates");
    }
}
