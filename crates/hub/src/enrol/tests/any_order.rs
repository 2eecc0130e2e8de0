//! Random steps: whatever happens, identities never mix.

use model::name::ClusterName;
use proptest::prelude::*;

use super::*;

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
