//! What a cluster costs: thousands of them share a process.

use kube_sim::Cluster;
use kube_sim::controllers::Behaviour;
use serde_json::json;

use crate::client::Sim;

/// The memory of this process that is in use, in kB.
fn resident_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("this is Linux");
    let line =
        status.lines().find(|line| line.starts_with("VmRSS:")).expect("a process has memory");
    line.split_whitespace().nth(1).and_then(|kb| kb.parse().ok()).expect("a number of kB")
}

#[tokio::test]
async fn small_objects_are_small() {
    let sim = Sim::with(Behaviour { pods: false, ..Behaviour::default() });
    let before = sim.cluster.stats();
    let maps = "/api/v1/namespaces/default/configmaps";
    let deployments = "/apis/apps/v1/namespaces/default/deployments";
    for at in 0..500 {
        let map = json!({"metadata": {"name": format!("m{at}")}, "data": {"key": "value"}});
        sim.post(maps, &map).await.expect(201);
        let deployment = json!({"metadata": {"name": format!("d{at}")}, "spec": {
            "selector": {"matchLabels": {"a": "b"}}, "template": {
                "metadata": {"labels": {"a": "b"}},
                "spec": {"containers": [{"name": "c", "image": "i"}]}}}});
        sim.post(deployments, &deployment).await.expect(201);
    }
    let after = sim.cluster.stats();
    assert_eq!(after.objects - before.objects, 1_000);
    let each = (after.bytes - before.bytes) / 1_000;
    // The JSON is most of it: keys, labels and two map entries are some hundred bytes more.
    assert!(each < 3_000, "{each} bytes");
}

#[tokio::test]
async fn clusters_of_a_snapshot_share_it() {
    let sim = Sim::new();
    let snapshot = sim.cluster.snapshot();
    let make = |seed: u64| {
        let (clock, _) = runtime::clock::Clock::manual(0);
        let options = kube_sim::Options { seed, clock, behaviour: Behaviour::default() };
        Cluster::from_snapshot(options, &snapshot)
    };
    let first = make(7);
    let before = resident_kb();
    let clusters: Vec<_> = (0..200).map(make).collect();
    let each = (resident_kb().saturating_sub(before)) / 200;
    // Other tests of this process use memory at the same time: the bound is what was promised, and
    // what was measured alone is a tenth of it.
    assert!(each < 2_000, "{each} kB");
    let objects = clusters[0].stats().objects;
    assert_eq!(objects, first.stats().objects);
}
