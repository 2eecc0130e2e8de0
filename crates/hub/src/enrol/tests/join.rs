//! Joining, and everything that must not pass for it.

use std::sync::Barrier;

use runtime::tls::{certificates_from_pem, peer_uri_san};

use super::*;

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
    let runtime = || tokio::runtime::Builder::new_current_thread().build().unwrap();
    let token = runtime().block_on(hub.token(for_cluster("eu-1")));
    let keys: Vec<_> = (0..100).map(|_| key()).collect();
    let start = Barrier::new(keys.len());
    let outcomes: Vec<_> = std::thread::scope(|scope| {
        let claim = |key: &Vec<u8>| {
            start.wait();
            runtime().block_on(hub.join(&token, key, at(0)))
        };
        let threads: Vec<_> = keys.iter().map(|key| scope.spawn(move || claim(key))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let (good, bad): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
    assert_eq!(good.len(), 1);
    for refused in bad {
        let refusal = refusal(refused);
        assert!(matches!(refusal, Refusal::TokenReplay { .. }), "{refusal}");
    }
    let clusters = hub.enrolment.clusters().unwrap();
    assert_eq!(clusters.len(), 1);
    let serial = identity(good.into_iter().next().unwrap()).serial;
    assert_eq!(clusters[0].current.as_ref().unwrap().serial, serial);
    assert_eq!((hub.count("ClusterEnrolled"), hub.count("TokenReplay")), (1, 1));
}

#[test]
fn of_one_key_all_claims_at_once_get_the_same_certificate() {
    let hub = hub();
    let runtime = || tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (token, key) = (runtime().block_on(hub.token(for_cluster("eu-1"))), key());
    let start = Barrier::new(50);
    let serials: Vec<_> = std::thread::scope(|scope| {
        let claim = || {
            start.wait();
            identity(runtime().block_on(hub.join(&token, &key, at(0)))).serial
        };
        let threads: Vec<_> = (0..50).map(|_| scope.spawn(claim)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(serials.iter().all(|serial| *serial == serials[0]));
    assert_eq!(hub.actions(), ["TokenCreated", "ClusterEnrolled"]);
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
async fn a_full_disk_burns_no_token() {
    let hub = hub();
    let (token, key) = (hub.token(for_cluster("eu-1")).await, key());
    let kept: Vec<_> = hub.store.range(&Prefix::all()).unwrap();
    hub.store.break_writes("no space left");
    let error = hub.join(&token, &key, at(0)).await.unwrap_err();
    assert!(matches!(error, EnrolError::Store(_)), "{error}");
    assert_eq!(hub.store.range(&Prefix::all()).unwrap(), kept);
}
