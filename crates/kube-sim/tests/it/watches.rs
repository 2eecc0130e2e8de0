//! Watches: what they send, and how they end.

use std::time::Duration;

use kube_sim::api::faults::{Fault, Rule};
use serde_json::{Value, json};

use crate::client::{MERGE, Sim};

const SECRETS: &str = "/api/v1/namespaces/default/secrets";

async fn make(sim: &Sim, name: &str, label: &str) -> Value {
    let body = json!({"metadata": {"name": name, "labels": {"app": label}}});
    sim.post(SECRETS, &body).await.expect(201).json
}

#[tokio::test(start_paused = true)]
async fn a_watch_sends_what_happens_from_its_version_on() {
    let sim = Sim::new();
    make(&sim, "a", "x").await;
    let from = sim.get(SECRETS).await.expect(200).version().to_owned();
    make(&sim, "b", "x").await;
    let mut watch = sim.watch(&format!("{SECRETS}?watch=1&resourceVersion={from}")).await;
    assert_eq!(watch.short().await, "ADDED b");
    assert!(watch.is_quiet().await);
    sim.patch(&format!("{SECRETS}/a"), MERGE, &json!({"data": {"k": "dg=="}})).await.expect(200);
    assert_eq!(watch.short().await, "MODIFIED a");
    // What changes nothing is no event.
    sim.patch(&format!("{SECRETS}/a"), MERGE, &json!({"data": {"k": "dg=="}})).await.expect(200);
    sim.delete(&format!("{SECRETS}/b")).await.expect(200);
    let event = watch.next().await.unwrap();
    assert_eq!(
        (&event["type"], &event["object"]["metadata"]["name"]),
        (&json!("DELETED"), &json!("b"))
    );
    assert_eq!(event["object"]["metadata"]["resourceVersion"], sim.get(SECRETS).await.version());
    let mut all = sim.watch(&format!("{SECRETS}?watch=1")).await;
    assert_eq!(all.short().await, "ADDED a");
    assert_eq!(sim.cluster.stats().open_watches, 2);
    drop((watch, all));
    assert_eq!(sim.cluster.stats().open_watches, 0);
}

#[tokio::test(start_paused = true)]
async fn what_leaves_the_selector_is_shown_as_deleted() {
    let sim = Sim::new();
    let mut watch = sim.watch(&format!("{SECRETS}?watch=1&labelSelector=app%3Dx")).await;
    make(&sim, "other", "y").await;
    make(&sim, "a", "x").await;
    assert_eq!(watch.short().await, "ADDED a");
    let labels = |app: &str| json!({"metadata": {"labels": {"app": app}}});
    sim.patch(&format!("{SECRETS}/a"), MERGE, &labels("y")).await.expect(200);
    let left = watch.next().await.unwrap();
    assert_eq!(left["type"], "DELETED");
    assert_eq!(left["object"]["metadata"]["labels"]["app"], "x");
    sim.patch(&format!("{SECRETS}/a"), MERGE, &labels("x")).await.expect(200);
    assert_eq!(watch.short().await, "ADDED a");
}

#[tokio::test(start_paused = true)]
async fn a_streamed_list_ends_with_a_bookmark() {
    let sim = Sim::new();
    make(&sim, "a", "x").await;
    let query = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan\
                 &allowWatchBookmarks=true";
    let mut watch = sim.watch(&format!("{SECRETS}?{query}")).await;
    assert_eq!(watch.short().await, "ADDED a");
    let mark = watch.next().await.unwrap();
    assert_eq!(mark["type"], "BOOKMARK");
    assert_eq!(mark["object"]["kind"], "Secret");
    assert_eq!(
        mark["object"]["metadata"]["annotations"],
        json!({"k8s.io/initial-events-end": "true"})
    );
    let refused = sim.get(&format!("{SECRETS}?watch=1&sendInitialEvents=true")).await.expect(422);
    assert!(refused.message().contains("sendInitialEvents requires setting resourceVersionMatch"));
    sim.get(&format!("{SECRETS}?watch=1&resourceVersionMatch=NotOlderThan")).await.expect(422);
}

#[tokio::test(start_paused = true)]
async fn bookmarks_come_by_the_clock_and_at_the_end() {
    let sim = Sim::new();
    let query = "watch=1&allowWatchBookmarks=true&timeoutSeconds=100";
    let mut watch = sim.watch(&format!("{SECRETS}?{query}")).await;
    assert!(watch.is_quiet().await);
    sim.clock.advance(Duration::from_secs(61));
    make(&sim, "a", "x").await;
    assert_eq!(watch.short().await, "ADDED a");
    assert_eq!(watch.short().await, "BOOKMARK");
    let last = watch.next().await.unwrap();
    assert_eq!(last["type"], "BOOKMARK");
    assert_eq!(
        last["object"]["metadata"],
        json!({"resourceVersion": sim.get(SECRETS).await.version()})
    );
    assert_eq!(watch.short().await, "end");
}

#[tokio::test(start_paused = true)]
async fn a_watcher_that_fell_behind_is_told_and_ended() {
    let sim = Sim::new();
    make(&sim, "a", "x").await;
    let from = sim.get(SECRETS).await.expect(200).version().to_owned();
    let mut slow = sim.watch(&format!("{SECRETS}?watch=1&resourceVersion={from}")).await;
    for at in 0..1_100 {
        let body = json!({"data": {"k": format!("{:04}", at)}});
        sim.patch(&format!("{SECRETS}/a"), MERGE, &body).await.expect(200);
    }
    let event = slow.next().await.unwrap();
    assert_eq!(event["type"], "ERROR");
    assert_eq!(
        (&event["object"]["code"], &event["object"]["reason"]),
        (&json!(410), &json!("Expired"))
    );
    let message = event["object"]["message"].as_str().unwrap();
    assert!(message.starts_with(&format!("too old resource version: {from} (")), "{message}");
    assert_eq!(slow.short().await, "end");
    let mut future = sim.watch(&format!("{SECRETS}?watch=1&resourceVersion=999999")).await;
    make(&sim, "b", "x").await;
    assert!(future.is_quiet().await);
}

#[tokio::test(start_paused = true)]
async fn metadata_and_tables_are_watched() {
    let sim = Sim::new();
    make(&sim, "a", "x").await;
    let accept = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
    let path = format!("{SECRETS}?watch=1&timeoutSeconds=1");
    let answer = sim.send("GET", &path, &[("accept", accept)], "").await.expect(200);
    assert_eq!(answer.json["object"]["kind"], "PartialObjectMetadata");
    assert_eq!(answer.json["object"].get("type"), None);
    let accept = "application/json;as=Table;g=meta.k8s.io;v=v1";
    let answer = sim.send("GET", &path, &[("accept", accept)], "").await.expect(200);
    assert_eq!(answer.json["object"]["rows"][0]["cells"][0], "a");
}

#[tokio::test(start_paused = true)]
async fn faults_hit_what_they_name() {
    let sim = Sim::new();
    make(&sim, "a", "x").await;
    let rule = |verb: &str, times, fault| Rule {
        verb: verb.to_owned(),
        resource: "secrets".to_owned(),
        times,
        fault,
    };
    sim.cluster.inject(rule("list", 1, Fault::Refuse { code: 429, retry_after_seconds: Some(3) }));
    let refused = sim.get(SECRETS).await.expect(429);
    assert_eq!(refused.headers["retry-after"], "3");
    assert_eq!(refused.json["reason"], "TooManyRequests");
    sim.get(SECRETS).await.expect(200);
    sim.cluster.inject(rule("watch", 1, Fault::Refuse { code: 410, retry_after_seconds: None }));
    let mut gone = sim.watch(&format!("{SECRETS}?watch=1")).await;
    assert_eq!((gone.short().await.as_str(), gone.short().await.as_str()), ("ERROR", "end"));
    sim.cluster.inject(rule("get", 1, Fault::Delay(Duration::from_secs(5))));
    let begin = tokio::time::Instant::now();
    sim.get(&format!("{SECRETS}/a")).await.expect(200);
    assert!(begin.elapsed() >= Duration::from_secs(5));
    let mut cut = sim.watch(&format!("{SECRETS}?watch=1")).await;
    assert_eq!(cut.short().await, "ADDED a");
    sim.cluster.cut_watches();
    assert_eq!(cut.short().await, "end");
    assert_eq!(sim.cluster.stats().requests["get"], 1);
}
