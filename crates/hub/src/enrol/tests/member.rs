//! Renewal, revocation, labels, and a store that was lost.

use model::name::ClusterName;

use super::*;

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
async fn a_certificate_is_taken_back_when_it_is_newer_than_a_restored_store() {
    let hub = hub();
    let name = cluster("eu-1");
    let (first, _) = hub.joined("eu-1").await;
    let second = hub.enrolment.renew(&name, first.serial, &key(), at(15 * DAY)).await.unwrap();
    let shown = |issued_at| Shown { serial: Serial::random().unwrap(), issued_at };
    // One that is as old as the newest that is known may be a copy of what was forgotten.
    for day in [0, 10, 15] {
        let old = refusal(hub.enrolment.catch_up(&name, shown(at(day * DAY)), at(31 * DAY)).await);
        assert!(matches!(old, Refusal::UnknownSerial { .. }), "{day}: {old}");
    }
    let newer = shown(at(30 * DAY));
    let taken = hub.enrolment.catch_up(&name, newer, at(31 * DAY)).await.unwrap();
    assert_eq!(taken.current.map(|current| current.serial), Some(newer.serial));
    assert_eq!(hub.count("CertificateTakenBack"), 1);
    hub.enrolment.open(&name, newer.serial, at(32 * DAY)).await.unwrap();
    for before in [first.serial, second.serial] {
        let old = refusal(hub.enrolment.open(&name, before, at(33 * DAY)).await);
        assert!(matches!(old, Refusal::Superseded { .. }), "{old}");
    }
    hub.enrolment.renew(&name, newer.serial, &key(), at(45 * DAY)).await.unwrap();
    hub.enrolment.revoke(&name, "operator/ada", "lost", at(46 * DAY)).await.unwrap();
    let revoked = refusal(hub.enrolment.catch_up(&name, shown(at(47 * DAY)), at(47 * DAY)).await);
    assert!(matches!(revoked, Refusal::Revoked { .. }), "{revoked}");
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
