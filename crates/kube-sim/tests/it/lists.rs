//! Lists: pages, selectors, versions, forms.

use serde_json::{Value, json};

use crate::client::{MERGE, Sim};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";
/// Leaves out what the cluster itself makes.
const OURS: &str = "labelSelector=app";

async fn with_maps(names: &[&str]) -> Sim {
    let sim = Sim::new();
    for name in names {
        let body = json!({"metadata": {"name": name, "labels": {"app": name}}, "data": {"k": "v"}});
        sim.post(MAPS, &body).await.expect(201);
    }
    sim
}

fn names(list: &Value) -> Vec<&str> {
    let items = list["items"].as_array().expect("a list has items").iter();
    items.map(|item| item["metadata"]["name"].as_str().expect("it has a name")).collect()
}

#[tokio::test]
async fn pages_are_of_one_version() {
    let sim = with_maps(&["a", "b", "c", "d"]).await;
    let first = sim.get(&format!("{MAPS}?limit=2&{OURS}")).await.expect(200);
    assert_eq!(names(&first.json), ["a", "b"]);
    assert_eq!(first.json["kind"], "ConfigMapList");
    let whole = sim.get("/api/v1/namespaces?limit=1").await.expect(200);
    assert_eq!(whole.json["metadata"]["remainingItemCount"], 3);
    sim.delete(&format!("{MAPS}/c")).await.expect(200);
    sim.patch(&format!("{MAPS}/d"), MERGE, &json!({"data": {"k": "new"}})).await.expect(200);
    let token = first.json["metadata"]["continue"].as_str().unwrap();
    let second = sim.get(&format!("{MAPS}?limit=2&{OURS}&continue={token}")).await.expect(200);
    assert_eq!(names(&second.json), ["c", "d"]);
    assert_eq!(second.json["items"][1]["data"]["k"], "v");
    assert_eq!(second.version(), first.version());
    assert_eq!(second.json["metadata"].get("continue"), None);

    sim.cluster.compact();
    let gone = sim.get(&format!("{MAPS}?limit=2&{OURS}&continue={token}")).await.expect(410);
    assert_eq!(gone.json["reason"], "Expired");
    let rest = gone.json["metadata"]["continue"].as_str().unwrap();
    let rest = sim.get(&format!("{MAPS}?limit=2&{OURS}&continue={rest}")).await.expect(200);
    assert_eq!(names(&rest.json), ["d"]);
    sim.get(&format!("{MAPS}?continue=foo")).await.expect(400);
}

#[tokio::test]
async fn versions_of_a_list() {
    let sim = with_maps(&["a", "b"]).await;
    let before = sim.get(&format!("{MAPS}?{OURS}")).await.expect(200);
    let at = before.version().to_owned();
    sim.delete(&format!("{MAPS}/a")).await.expect(200);
    let exact = format!("{MAPS}?{OURS}&resourceVersionMatch=Exact&resourceVersion={at}");
    assert_eq!(names(&sim.get(&exact).await.expect(200).json), ["a", "b"]);
    let newer = format!("{MAPS}?{OURS}&resourceVersionMatch=NotOlderThan&resourceVersion={at}");
    assert_eq!(names(&sim.get(&newer).await.expect(200).json), ["b"]);
    assert_eq!(
        names(&sim.get(&format!("{MAPS}?{OURS}&resourceVersion=0&limit=1")).await.json),
        ["b"]
    );
    sim.cluster.compact();
    sim.post(MAPS, &json!({"metadata": {"name": "z"}})).await.expect(201);
    let gone = sim.get(&exact).await.expect(410);
    assert_eq!(gone.message(), "The resourceVersion for the provided list is too old.");
    let future = sim.get(&format!("{MAPS}?resourceVersion=999999")).await.expect(504);
    assert_eq!(future.json["details"]["causes"][0]["reason"], "ResourceVersionTooLarge");
    assert_eq!(future.json["details"]["retryAfterSeconds"], 1);
    for (query, code) in [
        ("resourceVersion=foo", 400),
        ("resourceVersionMatch=Exact", 422),
        ("resourceVersionMatch=Exact&resourceVersion=0", 422),
        ("resourceVersionMatch=Foo&resourceVersion=1", 422),
        ("sendInitialEvents=true", 422),
        ("limit=x", 400),
        ("labelSelector=a%3D%3D%3Db", 400),
        ("fieldSelector=foo%3Db", 400),
    ] {
        sim.get(&format!("{MAPS}?{query}")).await.expect(code);
    }
}

#[tokio::test]
async fn selectors_choose() {
    let sim = with_maps(&["a", "b", "c"]).await;
    for (query, expected) in [
        ("labelSelector=app%3Da", vec!["a"]),
        ("labelSelector=app+in+(a,c)", vec!["a", "c"]),
        ("labelSelector=app,app!%3Da", vec!["b", "c"]),
        ("fieldSelector=metadata.name%3Db", vec!["b"]),
        ("labelSelector=app&fieldSelector=metadata.name!%3Db", vec!["a", "c"]),
        ("fieldSelector=metadata.namespace%3Dother", vec![]),
    ] {
        let list = sim.get(&format!("{MAPS}?{query}")).await.expect(200);
        assert_eq!(names(&list.json), expected, "{query}");
    }
    let secrets = "/api/v1/namespaces/default/secrets";
    for (name, kind) in [("a", "Opaque"), ("b", "example.com/x")] {
        sim.post(secrets, &json!({"metadata": {"name": name}, "type": kind})).await.expect(201);
    }
    let chosen =
        sim.get(&format!("{secrets}?fieldSelector=type%3Dexample.com/x")).await.expect(200);
    assert_eq!(names(&chosen.json), ["b"]);
}

#[tokio::test]
async fn metadata_and_tables() {
    let sim = with_maps(&["a"]).await;
    let list = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
    let answer = sim.send("GET", &format!("{MAPS}?{OURS}"), &[("accept", list)], "").await;
    assert_eq!(answer.json["kind"], "PartialObjectMetadataList");
    assert_eq!(answer.json["items"][0]["kind"], "PartialObjectMetadata");
    assert_eq!(answer.json["items"][0].get("data"), None);
    assert!(answer.json["items"][0]["metadata"]["managedFields"].is_array());
    let one = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
    let answer = sim.send("GET", &format!("{MAPS}/a"), &[("accept", one)], "").await.expect(200);
    assert_eq!(answer.json["apiVersion"], "meta.k8s.io/v1");
    sim.send("GET", MAPS, &[("accept", one)], "").await.expect(406);
    let table = "application/json;as=Table;g=meta.k8s.io;v=v1,application/json";
    let answer = sim.send("GET", &format!("{MAPS}?{OURS}"), &[("accept", table)], "").await;
    assert_eq!(answer.json["kind"], "Table");
    assert_eq!(answer.json["columnDefinitions"][0]["name"], "Name");
    assert_eq!(answer.json["rows"][0]["cells"][0], "a");
    assert_eq!(answer.json["rows"][0]["object"]["kind"], "PartialObjectMetadata");
}

#[tokio::test]
async fn a_collection_is_deleted_by_selector() {
    let sim = with_maps(&["a", "b"]).await;
    let gone = sim.delete(&format!("{MAPS}?labelSelector=app%3Da")).await.expect(200);
    assert_eq!(names(&gone.json), ["a"]);
    let left = sim.get(&format!("{MAPS}?{OURS}")).await.expect(200);
    assert_eq!(names(&left.json), ["b"]);
}
