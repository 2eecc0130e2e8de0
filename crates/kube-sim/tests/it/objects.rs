//! Writing and reading single objects, and how requests are refused.

use serde_json::{Value, json};

use crate::client::{APPLY, Answer, JSON, MERGE, Sim};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";

fn map(name: &str, data: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data})
}

#[tokio::test]
async fn an_object_lives_and_dies() {
    let sim = Sim::new();
    let made = sim.post(MAPS, &map("a", &json!({"x": "1"}))).await.expect(201);
    let metadata = &made.json["metadata"];
    assert_eq!(metadata["namespace"], "default");
    assert_eq!(metadata["creationTimestamp"], "2026-01-01T00:00:00Z");
    assert_eq!(metadata["managedFields"][0]["manager"], "it");
    assert_eq!(metadata["managedFields"][0]["operation"], "Update");
    assert_eq!(sim.get(&format!("{MAPS}/a")).await.expect(200).json, made.json);

    let again = sim.post(MAPS, &map("a", &json!({}))).await.expect(409);
    assert_eq!(again.json["reason"], "AlreadyExists");
    assert_eq!(again.message(), "configmaps \"a\" already exists");

    let changed = sim.put(&format!("{MAPS}/a"), &map("a", &json!({"x": "2"}))).await.expect(200);
    assert_ne!(changed.version(), made.version());
    let same = sim.put(&format!("{MAPS}/a"), &map("a", &json!({"x": "2"}))).await.expect(200);
    assert_eq!(same.version(), changed.version());

    let gone = sim.delete(&format!("{MAPS}/a")).await.expect(200);
    assert_eq!(gone.json["status"], "Success");
    assert_eq!(gone.json["details"]["uid"], metadata["uid"]);
    let missing = sim.delete(&format!("{MAPS}/a")).await.expect(404);
    assert_eq!(missing.json["details"], json!({"name": "a", "kind": "configmaps"}));
}

#[tokio::test]
async fn paths_are_refused_as_the_real_server_does() {
    let sim = Sim::new();
    let unknown = sim.get("/apis/nope.dev/v1/foos").await.expect(404);
    assert_eq!(unknown.text, "404 page not found\n");
    assert!(unknown.headers["content-type"].to_str().unwrap().starts_with("text/plain"));
    for path in ["/api/v1/namespaces/default/foos/a", "/apis/apps/v2/foos", "/api/v1/configmaps/a"]
    {
        let missing = sim.get(path).await.expect(404);
        assert_eq!(missing.json["reason"], "NotFound", "{path}");
        assert_eq!(missing.json["details"], json!({}), "{path}");
    }
    sim.put(MAPS, &map("a", &json!({}))).await.expect(405);
    sim.post(&format!("{MAPS}/a"), &map("a", &json!({}))).await.expect(405);
    sim.post("/api/v1/configmaps", &map("a", &json!({}))).await.expect(405);
    sim.delete("/api/v1/configmaps").await.expect(405);
    let generated =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "a-"}});
    sim.patch(&format!("{MAPS}?fieldManager=x"), APPLY, &generated).await.expect(405);
    sim.get(&format!("{MAPS}/a/status")).await.expect(404);
    assert_eq!(sim.get("/healthz").await.expect(200).text, "ok");
    assert_eq!(sim.get("/version").await.expect(200).json["minor"], "36");
    sim.send("GET", MAPS, &[("accept", "application/cbor")], "").await.expect(406);
}

#[tokio::test]
async fn bodies_are_refused_as_the_real_server_does() {
    let sim = Sim::new();
    let post = async |body: &str, kind: &str| {
        sim.send("POST", MAPS, &[("content-type", kind)], body.to_owned()).await
    };
    for (body, why) in [
        ("", "couldn't get version/kind; json parse error"),
        ("{\"metadata\":", "couldn't get version/kind; json parse error"),
        ("[]", "the object provided is unrecognized (must be of type ConfigMap)"),
        (
            r#"{"apiVersion":"v1","kind":"Secret","metadata":{"name":"a"}}"#,
            "cannot be handled as a ConfigMap",
        ),
        (
            r#"{"metadata":{"name":"a","namespace":"b"}}"#,
            "the namespace of the provided object does not match",
        ),
    ] {
        let refused = post(body, JSON).await.expect(400);
        assert!(refused.message().contains(why), "{}", refused.message());
        assert_eq!(refused.json.get("details"), None);
    }
    post("{}", "text/plain").await.expect(415);
    let large = vec![b' '; (3 << 20) + 1];
    let large = sim.send("POST", MAPS, &[("content-type", JSON)], large).await.expect(413);
    assert_eq!(large.message(), "Request entity too large: limit is 3145728");
    post(r#"{"metadata":{"name":"a","resourceVersion":"3"}}"#, JSON).await.expect(500);
    let unnamed = post(r#"{"metadata":{}}"#, JSON).await.expect(422);
    assert_eq!(unnamed.json["details"]["causes"][0]["field"], "metadata.name");
    let bad = post(r#"{"metadata":{"name":"A_"}}"#, JSON).await.expect(422);
    assert!(bad.message().starts_with("ConfigMap \"A_\" is invalid: metadata.name: Invalid value: \"A_\": a lowercase RFC 1123 subdomain"), "{}", bad.message());
    let yaml = "metadata:\n  name: w\ndata:\n  a: b\n";
    let made = post(yaml, "application/yaml").await.expect(201);
    assert_eq!(made.json["data"]["a"], "b");
}

#[tokio::test]
async fn repeated_keys_are_warned_of_or_refused() {
    let sim = Sim::new();
    let body = r#"{"metadata":{"name":"x"},"data":{"a":"1","a":"2"}}"#;
    let send = async |query: &str| {
        sim.send("POST", &format!("{MAPS}?dryRun=All{query}"), &[("content-type", JSON)], body)
            .await
    };
    let warned = send("").await.expect(201);
    assert_eq!(warned.warnings(), [r#"299 - "duplicate field \"data.a\"""#]);
    assert_eq!(warned.json["data"]["a"], "2");
    assert_eq!(send("&fieldValidation=Ignore").await.expect(201).warnings(), [""; 0]);
    let refused = send("&fieldValidation=Strict").await.expect(400);
    assert!(refused.message().ends_with(r#"strict decoding error: duplicate field "data.a""#));
    send("&fieldValidation=Foo").await.expect(422);
}

#[tokio::test]
async fn a_dry_run_stores_nothing() {
    let sim = Sim::new();
    let made = sim.post(&format!("{MAPS}?dryRun=All"), &map("a", &json!({}))).await.expect(201);
    assert!(made.json["metadata"]["uid"].is_string() && made.version().is_empty());
    sim.get(&format!("{MAPS}/a")).await.expect(404);
    let made = sim.post(MAPS, &map("a", &json!({}))).await.expect(201);
    let path = format!("{MAPS}/a?dryRun=All");
    let would = sim.patch(&path, MERGE, &json!({"data": {"x": "1"}})).await.expect(200);
    assert_eq!((would.version(), &would.json["data"]["x"]), (made.version(), &json!("1")));
    sim.delete(&path).await.expect(200);
    assert_eq!(sim.get(&format!("{MAPS}/a")).await.expect(200).json, made.json);
}

#[tokio::test]
async fn versions_and_uids_are_held_against_the_live_object() {
    let sim = Sim::new();
    let made = sim.post(MAPS, &map("a", &json!({}))).await.expect(201);
    let path = format!("{MAPS}/a");
    let with = |field: &str, value: &str| {
        let mut body = map("a", &json!({"y": "1"}));
        body["metadata"][field] = json!(value);
        body
    };
    let stale = sim.put(&path, &with("resourceVersion", "1")).await.expect(409);
    assert_eq!(stale.json["details"], json!({"name": "a", "kind": "configmaps"}));
    sim.put(&path, &with("resourceVersion", "foo")).await.expect(500);
    sim.put(&path, &with("uid", "other")).await.expect(409);
    sim.put(&path, &with("resourceVersion", made.version())).await.expect(200);
    let immutable = sim.patch(&path, MERGE, &json!({"metadata": {"uid": "z"}})).await.expect(422);
    assert_eq!(immutable.json["details"]["causes"][0]["field"], "metadata.uid");
    sim.patch(&path, MERGE, &json!({"metadata": {"resourceVersion": "1"}})).await.expect(409);
    let precondition = json!({"preconditions": {"uid": "zz"}}).to_string();
    let refused = sim.send("DELETE", &path, &[], precondition).await.expect(409);
    assert!(refused.message().contains("the UID in the precondition (zz) does not match"));
}

#[tokio::test]
async fn finalizers_hold_an_object() {
    let sim = Sim::new();
    let mut body = map("a", &json!({}));
    body["metadata"]["finalizers"] = json!(["example.com/hold"]);
    sim.post(MAPS, &body).await.expect(201);
    let path = format!("{MAPS}/a");
    let held = sim.delete(&path).await.expect(200);
    assert_eq!(held.json["metadata"]["deletionTimestamp"], "2026-01-01T00:00:00Z");
    assert_eq!(held.json["metadata"]["deletionGracePeriodSeconds"], 0);
    assert_eq!(sim.delete(&path).await.expect(200).version(), held.version());
    let more = json!({"metadata": {"finalizers": ["example.com/hold", "example.com/more"]}});
    let refused = sim.patch(&path, MERGE, &more).await.expect(422);
    assert!(refused.message().contains("no new finalizers can be added"));
    let freed =
        sim.patch(&path, MERGE, &json!({"metadata": {"finalizers": null}})).await.expect(200);
    assert_eq!(freed.version(), held.version());
    sim.get(&path).await.expect(404);
}

#[tokio::test]
async fn namespaces_must_be_there_and_alive() {
    let sim = Sim::new();
    let missing =
        sim.post("/api/v1/namespaces/n/configmaps", &map("a", &json!({}))).await.expect(404);
    assert_eq!(missing.json["details"], json!({"name": "n", "kind": "namespaces"}));
    let namespace = json!({"metadata": {"name": "n"}});
    let made = sim.post("/api/v1/namespaces", &namespace).await.expect(201);
    assert_eq!(made.json["spec"]["finalizers"], json!(["kubernetes"]));
    let dying = sim.delete("/api/v1/namespaces/n").await.expect(200);
    assert_eq!(dying.json["status"]["phase"], "Terminating");
    let refused =
        sim.post("/api/v1/namespaces/n/configmaps", &map("a", &json!({}))).await.expect(403);
    assert_eq!(refused.json["details"]["causes"][0]["reason"], "NamespaceTerminating");
    sim.delete("/api/v1/namespaces/kube-system").await.expect(403);
}

fn deployment(replicas: i64) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": {
        "replicas": replicas, "selector": {"matchLabels": {"a": "b"}}, "template": {
            "metadata": {"labels": {"a": "b"}},
            "spec": {"containers": [{"name": "c", "image": "i"}]}}}})
}

const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";

#[tokio::test]
async fn generations_count_changes_of_the_spec_only() {
    let sim = Sim::new();
    let path = format!("{DEPLOYMENTS}/d");
    let generation = |answer: Answer| answer.expect(200).json["metadata"]["generation"].clone();
    let made = sim.post(DEPLOYMENTS, &deployment(0)).await.expect(201);
    assert_eq!(made.json["metadata"]["generation"], 1);
    let labels = json!({"metadata": {"labels": {"x": "y"}}, "status": {"replicas": 9}});
    let labelled = sim.patch(&path, MERGE, &labels).await.expect(200);
    assert_ne!(labelled.json["status"]["replicas"], 9);
    assert_eq!(generation(labelled), 1);
    assert_eq!(generation(sim.patch(&path, MERGE, &json!({"spec": {"paused": true}})).await), 2);
    let status = json!({"spec": {"replicas": 7}, "status": {"replicas": 9}});
    let status = sim.patch(&format!("{path}/status"), MERGE, &status).await.expect(200);
    assert_eq!(status.json["status"]["replicas"], 9);
    assert_eq!(status.json["spec"]["replicas"], 0);
    assert_eq!(generation(status), 2);
}

#[tokio::test]
async fn scale_changes_replicas_and_says_who() {
    let sim = Sim::new();
    sim.post(DEPLOYMENTS, &deployment(0)).await.expect(201);
    let path = format!("{DEPLOYMENTS}/d/scale");
    let scale = sim.get(&path).await.expect(200);
    assert_eq!(scale.json["kind"], "Scale");
    assert_eq!(scale.json["spec"], json!({}));
    assert_eq!(scale.json["status"]["selector"], "a=b");
    let scaled = sim
        .patch(&format!("{path}?fieldManager=kubectl"), MERGE, &json!({"spec": {"replicas": 2}}))
        .await
        .expect(200);
    assert_eq!(scaled.json["spec"]["replicas"], 2);
    let live = sim.get(&format!("{DEPLOYMENTS}/d")).await.expect(200);
    assert_eq!(live.json["spec"]["replicas"], 2);
    let managed = live.json["metadata"]["managedFields"].as_array().unwrap();
    let entry = managed.iter().find(|entry| entry["subresource"] == "scale").unwrap();
    assert_eq!((&entry["manager"], &entry["operation"]), (&json!("kubectl"), &json!("Update")));
    let stale = json!({"metadata": {"name": "d", "resourceVersion": "1"}, "spec": {"replicas": 1}});
    sim.put(&path, &stale).await.expect(409);
    sim.get(&format!("{DEPLOYMENTS}/nope/scale")).await.expect(404);
}

#[tokio::test]
async fn server_side_apply_has_the_outcomes_of_the_real_server() {
    let sim = Sim::new();
    let path = |query: &str| format!("{MAPS}/a?fieldManager={query}");
    let made = sim.patch(&path("one"), APPLY, &map("a", &json!({"x": "1"}))).await.expect(201);
    let same = sim.patch(&path("one"), APPLY, &map("a", &json!({"x": "1"}))).await.expect(200);
    assert_eq!(same.version(), made.version());
    let conflict = sim.patch(&path("two"), APPLY, &map("a", &json!({"x": "2"}))).await.expect(409);
    assert_eq!(
        conflict.json["details"]["causes"],
        json!([{"reason": "FieldManagerConflict",
        "message": "conflict with \"one\"", "field": ".data.x"}])
    );
    sim.patch(&path("two&force=true"), APPLY, &map("a", &json!({"x": "2"}))).await.expect(200);

    let with = |field: &str, value: &str| {
        let mut body = map("a", &json!({"x": "2"}));
        body["metadata"][field] = json!(value);
        body
    };
    let stale = sim.patch(&path("two"), APPLY, &with("resourceVersion", "1")).await.expect(409);
    assert_eq!(stale.json["details"].get("causes"), None);
    let recreated = sim.patch(&path("two"), APPLY, &with("uid", "z")).await.expect(422);
    assert_eq!(recreated.json["details"]["causes"][0]["field"], "metadata.uid");
    let other = format!("{MAPS}/b?fieldManager=one");
    let mut body = with("uid", "z");
    body["metadata"]["name"] = json!("b");
    let revived = sim.patch(&other, APPLY, &body).await.expect(409);
    assert!(revived.message().contains("uid mismatch"), "{}", revived.message());
    let mut body = with("resourceVersion", "1");
    body["metadata"]["name"] = json!("b");
    sim.patch(&other, APPLY, &body).await.expect(201);

    let unnamed = sim.patch(&format!("{MAPS}/a"), APPLY, &map("a", &json!({}))).await.expect(422);
    assert_eq!(unnamed.json["details"]["kind"], "PatchOptions");
    let wrong = sim.patch(&path("one"), APPLY, &map("b", &json!({}))).await.expect(400);
    let message = "the name of the object (b) does not match the name on the URL (a)";
    assert_eq!(wrong.message(), message);
    let mut managed = map("a", &json!({}));
    managed["metadata"]["managedFields"] = json!([{}]);
    sim.patch(&path("one"), APPLY, &managed).await.expect(400);
    let kind = "application/apply-patch+json";
    sim.patch(&path("one"), kind, &map("a", &json!({}))).await.expect(415);
    let mut unknown = map("a", &json!({}));
    unknown["bogus"] = json!(1);
    let unknown = sim.patch(&path("one"), APPLY, &unknown).await.expect(500);
    assert!(unknown.message().contains(".bogus: field not declared in schema"));
    assert_eq!((unknown.json.get("reason"), unknown.json.get("details")), (None, None));
}

#[tokio::test]
async fn tokens_are_known_again() {
    let sim = Sim::new();
    let accounts = "/api/v1/namespaces/default/serviceaccounts";
    sim.post(accounts, &json!({"metadata": {"name": "robot"}})).await.expect(201);
    let path = format!("{accounts}/robot/token");
    let made = sim.post(&path, &json!({"spec": {"expirationSeconds": 600}})).await.expect(201);
    let token = made.json["status"]["token"].as_str().unwrap();
    let user = sim.cluster.authenticate(token).unwrap();
    assert_eq!(user.name, "system:serviceaccount:default:robot");
    assert_eq!(sim.cluster.authenticate(&format!("{token}x")), None);
    sim.post(&path, &json!({"spec": {"expirationSeconds": 6}})).await.expect(422);
    sim.clock.advance(std::time::Duration::from_secs(600));
    assert_eq!(sim.cluster.authenticate(token), None);
}

const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const WIDGETS: &str = "/apis/x.dev/v1/namespaces/default/widgets";

#[tokio::test]
async fn a_defined_kind_is_served_when_it_is_established() {
    let sim = Sim::new();
    let definition = json!({"metadata": {"name": "widgets.x.dev"}, "spec": {"group": "x.dev",
        "scope": "Namespaced", "names": {"plural": "widgets", "kind": "Widget",
            "singular": "widget", "listKind": "WidgetList"},
        "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {
            "type": "object", "properties": {"spec": {"type": "object", "properties": {
                "size": {"type": "integer", "minimum": 1}}}}}}}]}});
    sim.post(DEFINITIONS, &definition).await.expect(201);
    sim.cluster.tick();
    assert_eq!(sim.get(WIDGETS).await.expect(404).text, "404 page not found\n");
    for _ in 0..5 {
        sim.clock.advance(std::time::Duration::from_millis(30));
        sim.cluster.tick();
    }
    assert_eq!(sim.get(WIDGETS).await.expect(200).json["kind"], "WidgetList");
    let widget = |size: i64| {
        json!({"apiVersion": "x.dev/v1", "kind": "Widget", "metadata": {"name": "w"},
            "spec": {"size": size, "bogus": true}})
    };
    let made = sim.post(WIDGETS, &widget(2)).await.expect(201);
    assert_eq!(made.json["spec"], json!({"size": 2}));
    assert_eq!(made.warnings(), [r#"299 - "unknown field \"spec.bogus\"""#]);
    let path = format!("{WIDGETS}/w");
    let small = sim.patch(&path, MERGE, &json!({"spec": {"size": 0}})).await.expect(422);
    assert_eq!(small.json["details"]["causes"][0]["field"], "spec.size");
    let applied = sim.patch(&format!("{path}?fieldManager=x"), APPLY, &widget(2)).await.expect(500);
    assert!(applied.message().contains(".spec.bogus: field not declared in schema"));
    let strategic = "application/strategic-merge-patch+json";
    sim.patch(&path, strategic, &json!({})).await.expect(415);
    let unversioned = sim.put(&path, &widget(3)).await.expect(422);
    assert_eq!(unversioned.json["details"]["causes"][0]["field"], "metadata.resourceVersion");
}

#[tokio::test(start_paused = true)]
async fn a_driven_cluster_works_without_being_told_and_sleeps_when_idle() {
    let options = kube_sim::Options {
        seed: 1,
        clock: runtime::clock::Clock::system(),
        behaviour: kube_sim::controllers::Behaviour::default(),
    };
    let cluster = kube_sim::Cluster::new(options);
    let (_, clock) = runtime::clock::Clock::manual(0);
    let sim = Sim { cluster: cluster.clone(), clock };
    let drive = cluster.clone().drive();
    let work = async {
        sim.post(DEPLOYMENTS, &deployment(2)).await.expect(201);
        tokio::time::sleep(std::time::Duration::from_secs(60)).await;
        let live = sim.get(&format!("{DEPLOYMENTS}/d")).await.expect(200);
        assert_eq!(live.json["status"]["readyReplicas"], 2, "{}", live.text);
        // Nothing happens in an hour of a cluster that nobody uses.
        let revision = cluster.stats().revision;
        tokio::time::sleep(std::time::Duration::from_secs(3_600)).await;
        assert_eq!(cluster.stats().revision, revision);
    };
    tokio::select! { () = work => {}, () = drive => {} }
}
