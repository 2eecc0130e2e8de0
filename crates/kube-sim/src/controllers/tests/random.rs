//! Random sequences of what people do to workloads: in the end everything is at rest, nothing is left
//! behind, and every status says what the spec wants.

use proptest::prelude::*;
use serde_json::json;

use super::*;

#[derive(Debug, Clone)]
enum Act {
    Create(usize, u32),
    Scale(usize, u32),
    Image(usize, u8),
    Delete(usize, u8),
    Pause(usize, bool),
    KillPod(usize),
    Wait(u64),
}

/// The workloads that acts are about: their kinds, by number.
const KINDS: [&str; 6] =
    ["Deployment", "Deployment", "StatefulSet", "DaemonSet", "Job", "Deployment"];

fn act() -> impl Strategy<Value = Act> {
    let which = 0..KINDS.len();
    prop_oneof![
        3 => (which.clone(), 0..5u32).prop_map(|(n, size)| Act::Create(n, size)),
        2 => (which.clone(), 0..5u32).prop_map(|(n, size)| Act::Scale(n, size)),
        3 => (which.clone(), 0..4u8).prop_map(|(n, image)| Act::Image(n, image)),
        1 => (which.clone(), 0..3u8).prop_map(|(n, how)| Act::Delete(n, how)),
        1 => (which.clone(), any::<bool>()).prop_map(|(n, on)| Act::Pause(n, on)),
        1 => (0..20usize).prop_map(Act::KillPod),
        3 => (0..1_500u64).prop_map(Act::Wait),
    ]
}

fn name(n: usize) -> String {
    format!("w{n}")
}

fn image(n: usize, image: u8) -> &'static str {
    // A StatefulSet waits for ever at a pod that is not ready, here as in a real cluster.
    match (KINDS[n], image) {
        ("Deployment", 0) => "app:does-not-exist",
        ("Deployment", 1) => "crash:1",
        (_, 0 | 2) => "app:1",
        _ => "app:2",
    }
}

fn perform(sim: &Sim, act: &Act) {
    let place = |n: usize| ("default", name(n));
    match act {
        Act::Create(n, size) if sim.get(KINDS[*n], &name(*n)).is_none() => {
            let value = match KINDS[*n] {
                "DaemonSet" => daemon(&name(*n), "app:1"),
                "Job" => job(&name(*n), "app:1"),
                _ => workload(&name(*n), "app:1", *size),
            };
            sim.create(KINDS[*n], value);
        }
        Act::Scale(n, size) if matches!(KINDS[*n], "Deployment" | "StatefulSet") => {
            with(sim, *n, |value| value["spec"]["replicas"] = json!(size));
        }
        Act::Image(n, version) if KINDS[*n] != "Job" => {
            with(sim, *n, |value| set_image(value, image(*n, *version)));
        }
        Act::Pause(n, on) if KINDS[*n] == "Deployment" => {
            with(sim, *n, |value| value["spec"]["paused"] = json!(on));
        }
        Act::Delete(n, how) => {
            let (namespace, name) = place(*n);
            let how = [Propagation::Background, Propagation::Foreground][usize::from(*how % 2)];
            sim.delete(KINDS[*n], (namespace, &name), how);
        }
        Act::KillPod(n) => {
            let pods = sim.all("Pod");
            if let Some(pod) = pods.get(*n) {
                let name = pod["metadata"]["name"].as_str().unwrap();
                sim.delete("Pod", ("default", name), Propagation::Background);
            }
        }
        Act::Wait(ms) => sim.pass(*ms),
        _ => {}
    }
}

fn with(sim: &Sim, n: usize, change: impl FnOnce(&mut Value)) {
    let name = name(n);
    if sim.get(KINDS[n], &name).is_some() {
        sim.change(KINDS[n], ("default", &name), change);
    }
}

/// Good images, nothing paused, and time.
fn settle(sim: &Sim) {
    for (n, kind) in KINDS.iter().enumerate() {
        if *kind == "Deployment" {
            with(sim, n, |value| {
                value["spec"]["paused"] = json!(false);
                set_image(value, "app:9");
            });
        }
    }
    sim.pass(3_600_000);
}

fn check(sim: &Sim) {
    assert!(sim.is_idle(), "something is still queued");
    let pods = sim.all("Pod");
    let owners: Vec<Value> = ["ReplicaSet", "StatefulSet", "DaemonSet", "Job"]
        .iter()
        .flat_map(|kind| sim.all(kind))
        .map(|owner| owner["metadata"]["uid"].clone())
        .collect();
    for pod in &pods {
        let owner = &pod["metadata"]["ownerReferences"][0]["uid"];
        assert!(owners.contains(owner), "an orphaned pod: {}", pod["metadata"]["name"]);
    }
    for (n, kind) in KINDS.iter().enumerate() {
        let Some(value) = sim.get(kind, &name(n)) else { continue };
        let (spec, status) = (&value["spec"], &value["status"]);
        let count = |field: &str| status[field].as_i64().unwrap_or(0);
        let wanted = spec["replicas"].as_i64().unwrap_or(0);
        match *kind {
            "Deployment" => {
                let fields = ["replicas", "updatedReplicas", "readyReplicas", "availableReplicas"];
                assert!(fields.iter().all(|field| count(field) == wanted), "{n} {wanted} {status}");
            }
            "StatefulSet" => {
                assert_eq!((count("readyReplicas"), count("updatedReplicas")), (wanted, wanted));
            }
            "DaemonSet" => assert_eq!(count("numberAvailable"), 2, "{status}"),
            _ => assert_eq!(count("succeeded"), 1, "{status}"),
        }
        assert_eq!(
            count("observedGeneration").max(1),
            value["metadata"]["generation"].as_i64().unwrap()
        );
    }
    let total: i64 =
        sim.all("ReplicaSet").iter().map(|set| set["spec"]["replicas"].as_i64().unwrap()).sum();
    let wanted: i64 =
        sim.all("Deployment").iter().map(|d| d["spec"]["replicas"].as_i64().unwrap()).sum();
    assert_eq!(total, wanted);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    #[test]
    fn all_comes_to_rest(acts in proptest::collection::vec(act(), 1..25), pods in any::<bool>()) {
        let sim = Sim::with(Behaviour { pods, ..Behaviour::default() });
        for act in &acts {
            perform(&sim, act);
        }
        settle(&sim);
        if pods {
            check(&sim);
        } else {
            prop_assert!(sim.is_idle());
        }
    }
}
