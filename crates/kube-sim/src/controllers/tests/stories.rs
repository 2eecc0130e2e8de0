//! One story each.

use expect_test::expect;
use serde_json::json;

use super::*;

#[test]
fn a_deployment_becomes_available() {
    let sim = Sim::new();
    sim.create("Deployment", workload("web", "nginx:1", 2));
    sim.pass(100);
    assert_eq!(
        sim.conditions("Deployment", "web"),
        ["Available=False MinimumReplicasUnavailable", "Progressing=True ReplicaSetUpdated"]
    );
    sim.pass(900);
    assert_eq!(
        sim.conditions("Deployment", "web"),
        ["Available=True MinimumReplicasAvailable", "Progressing=True NewReplicaSetAvailable"]
    );
    let mut status = sim.status("Deployment", "web");
    status.as_object_mut().unwrap().remove("conditions");
    expect![[r#"{"availableReplicas":2,"observedGeneration":1,"readyReplicas":2,"replicas":2,"terminatingReplicas":0,"updatedReplicas":2}"#]]
        .assert_eq(&status.to_string());
    let deployment = sim.get("Deployment", "web").unwrap();
    assert_eq!(deployment["metadata"]["annotations"]["deployment.kubernetes.io/revision"], "1");
    let set = &sim.all("ReplicaSet")[0];
    let hash = &set["metadata"]["labels"]["pod-template-hash"];
    assert_eq!(set["metadata"]["name"], format!("web-{}", hash.as_str().unwrap()));
    assert_eq!(set["metadata"]["ownerReferences"][0]["uid"], deployment["metadata"]["uid"]);
    for pod in sim.all("Pod") {
        assert_eq!(pod["metadata"]["labels"]["pod-template-hash"], *hash);
        assert_eq!(pod["metadata"]["ownerReferences"][0]["name"], set["metadata"]["name"]);
        assert!(pod["spec"]["nodeName"].is_string() && pod["status"]["podIP"].is_string());
    }
    assert!(sim.is_idle());
}

#[test]
fn a_bad_image_stops_a_rollout_and_a_rollback_ends_it() {
    let sim = Sim::new();
    let mut web = workload("web", "nginx:1", 2);
    web["spec"]["progressDeadlineSeconds"] = json!(60);
    sim.create("Deployment", web);
    sim.pass(2_000);
    sim.change("Deployment", ("default", "web"), |web| set_image(web, "nginx:does-not-exist"));
    sim.pass(350);
    assert!(sim.pods().contains("ErrImagePull"), "{}", sim.pods());
    sim.pass(20_000);
    assert_eq!(sim.pods().matches("Pending ready=false restarts=0 ImagePullBackOff").count(), 1);
    assert_eq!(sim.pods().matches("Running ready=true").count(), 2);
    assert_eq!(
        sim.conditions("Deployment", "web"),
        ["Available=True MinimumReplicasAvailable", "Progressing=True ReplicaSetUpdated"]
    );
    sim.pass(60_000);
    assert_eq!(
        sim.conditions("Deployment", "web"),
        ["Available=True MinimumReplicasAvailable", "Progressing=False ProgressDeadlineExceeded"]
    );
    assert!(sim.is_idle());
    sim.change("Deployment", ("default", "web"), |web| set_image(web, "nginx:1"));
    sim.pass(2_000);
    assert_eq!(
        sim.conditions("Deployment", "web"),
        ["Available=True MinimumReplicasAvailable", "Progressing=True NewReplicaSetAvailable"]
    );
    let web = sim.get("Deployment", "web").unwrap();
    assert_eq!(web["metadata"]["annotations"]["deployment.kubernetes.io/revision"], "3");
    let mut sizes: Vec<_> =
        sim.all("ReplicaSet").iter().map(|set| set["spec"]["replicas"].as_i64()).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [Some(0), Some(2)]);
}

#[test]
fn a_crashing_container_is_started_again_and_then_rests() {
    let sim = Sim::new();
    sim.create("Deployment", workload("web", "crash:1", 1));
    sim.pass(1_000);
    assert!(
        sim.pods().contains("Running ready=false restarts=1 CrashLoopBackOff"),
        "{}",
        sim.pods()
    );
    sim.pass(700_000);
    assert!(sim.pods().contains("restarts=5 CrashLoopBackOff"), "{}", sim.pods());
    assert!(sim.is_idle());
}

#[test]
fn only_as_many_old_replica_sets_stay_as_wanted() {
    let sim = Sim::new();
    let mut web = workload("web", "nginx:0", 1);
    web["spec"]["revisionHistoryLimit"] = json!(2);
    sim.create("Deployment", web);
    for version in 1..6 {
        sim.pass(2_000);
        let image = format!("nginx:{version}");
        sim.change("Deployment", ("default", "web"), |web| set_image(web, &image));
    }
    sim.pass(5_000);
    assert_eq!(sim.all("ReplicaSet").len(), 3);
}

#[test]
fn a_paused_deployment_scales_and_does_not_roll() {
    let sim = Sim::new();
    sim.create("Deployment", workload("web", "nginx:1", 1));
    sim.pass(2_000);
    sim.change("Deployment", ("default", "web"), |web| {
        web["spec"]["paused"] = json!(true);
        web["spec"]["replicas"] = json!(3);
        set_image(web, "nginx:2");
    });
    sim.pass(2_000);
    assert_eq!((sim.all("ReplicaSet").len(), sim.all("Pod").len()), (1, 3));
    assert!(
        sim.conditions("Deployment", "web")
            .contains(&"Progressing=Unknown DeploymentPaused".to_owned())
    );
    sim.change("Deployment", ("default", "web"), |web| web["spec"]["paused"] = json!(false));
    sim.pass(5_000);
    assert_eq!(sim.status("Deployment", "web")["updatedReplicas"], 3);
    assert!(sim.is_idle());
}

#[test]
fn without_pods_a_deployment_tells_the_same() {
    let sim = Sim::with(Behaviour { pods: false, ..Behaviour::default() });
    let mut web = workload("web", "nginx:1", 2);
    web["spec"]["progressDeadlineSeconds"] = json!(60);
    sim.create("Deployment", web);
    sim.create("StatefulSet", workload("db", "pg:1", 3));
    sim.create("DaemonSet", daemon("log", "log:1"));
    sim.create("Job", job("once", "job:1"));
    sim.pass(100);
    assert_eq!(
        sim.conditions("Deployment", "web"),
        ["Available=False MinimumReplicasUnavailable", "Progressing=True NewReplicaSetCreated"]
    );
    sim.pass(2_000);
    let mut status = sim.status("Deployment", "web");
    status.as_object_mut().unwrap().remove("conditions");
    expect![[r#"{"availableReplicas":2,"observedGeneration":1,"readyReplicas":2,"replicas":2,"terminatingReplicas":0,"updatedReplicas":2}"#]]
        .assert_eq(&status.to_string());
    assert_eq!(sim.status("StatefulSet", "db")["readyReplicas"], 3);
    assert_eq!(sim.status("DaemonSet", "log")["numberReady"], 2);
    assert_eq!(sim.status("Job", "once")["succeeded"], 1);
    sim.change("Deployment", ("default", "web"), |web| set_image(web, "nginx:does-not-exist"));
    sim.pass(61_500);
    assert_eq!(
        sim.conditions("Deployment", "web"),
        ["Available=True MinimumReplicasAvailable", "Progressing=False ProgressDeadlineExceeded"]
    );
    sim.change("Deployment", ("default", "web"), |web| set_image(web, "nginx:1"));
    sim.pass(1_000);
    assert_eq!(
        sim.conditions("Deployment", "web"),
        ["Available=True MinimumReplicasAvailable", "Progressing=True NewReplicaSetAvailable"]
    );
    assert_eq!(sim.all("Pod").len() + sim.all("ReplicaSet").len(), 0);
    assert!(sim.is_idle());
}

#[test]
fn a_stateful_set_is_made_and_replaced_in_order() {
    let sim = Sim::new();
    let mut db = workload("db", "pg:1", 3);
    db["spec"]["serviceName"] = json!("db");
    db["spec"]["volumeClaimTemplates"] = json!([{
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }]);
    sim.create("StatefulSet", db);
    sim.pass(350);
    expect![[r"
        db-0 Running ready=true restarts=0
        db-1 Pending ready=false restarts=0 ContainerCreating
    "]]
    .assert_eq(&sim.pods());
    sim.pass(2_000);
    let first = sim.status("StatefulSet", "db");
    assert_eq!((&first["readyReplicas"], &first["currentReplicas"]), (&json!(3), &json!(3)));
    assert_eq!(first["currentRevision"], first["updateRevision"]);
    let claim = sim.status("PersistentVolumeClaim", "data-db-0");
    assert_eq!((&claim["phase"], &claim["capacity"]["storage"]), (&json!("Bound"), &json!("1Gi")));
    sim.change("StatefulSet", ("default", "db"), |db| set_image(db, "pg:2"));
    sim.pass(100);
    let rolling = sim.status("StatefulSet", "db");
    assert_ne!(rolling["currentRevision"], rolling["updateRevision"]);
    assert_eq!(rolling["currentReplicas"], 2);
    sim.pass(3_000);
    let done = sim.status("StatefulSet", "db");
    assert_eq!(done["currentRevision"], done["updateRevision"]);
    assert_eq!((&done["updatedReplicas"], &done["availableReplicas"]), (&json!(3), &json!(3)));
    assert_eq!(sim.all("ControllerRevision").len(), 2);
    assert!(sim.is_idle());
}

#[test]
fn a_daemon_runs_on_every_node() {
    let sim = Sim::new();
    sim.create("DaemonSet", daemon("log", "log:1"));
    sim.pass(1_000);
    let status = sim.status("DaemonSet", "log");
    expect![[r#"{"currentNumberScheduled":2,"desiredNumberScheduled":2,"numberAvailable":2,"numberMisscheduled":0,"numberReady":2,"observedGeneration":1,"updatedNumberScheduled":2}"#]]
        .assert_eq(&status.to_string());
    sim.create("Node", json!({"metadata": {"name": "node-9"}}));
    sim.change("DaemonSet", ("default", "log"), |log| set_image(log, "log:2"));
    sim.pass(5_000);
    assert_eq!(sim.status("DaemonSet", "log")["updatedNumberScheduled"], 3);
    assert!(sim.is_idle());
}

#[test]
fn jobs_complete_or_fail() {
    let sim = Sim::new();
    sim.create("Job", job("good", "job:1"));
    sim.create("Job", job("broken", "crash:1"));
    sim.pass(1_000);
    assert_eq!(
        sim.conditions("Job", "good"),
        ["SuccessCriteriaMet=True CompletionsReached", "Complete=True CompletionsReached"]
    );
    sim.pass(30_000);
    assert_eq!(
        sim.conditions("Job", "broken"),
        ["FailureTarget=True BackoffLimitExceeded", "Failed=True BackoffLimitExceeded"]
    );
    assert_eq!(sim.status("Job", "broken")["failed"], 2);
    assert!(sim.is_idle());
}

#[test]
fn services_have_addresses_and_endpoints() {
    let sim = Sim::new();
    sim.create("Deployment", workload("web", "nginx:1", 2));
    let service = |name: &str, kind: &str| {
        json!({
            "metadata": {"name": name, "namespace": "default"},
            "spec": {"type": kind, "selector": {"app": "web"}, "ports": [{"port": 80}]},
        })
    };
    sim.create("Service", service("web", "ClusterIP"));
    sim.create("Service", service("lb", "LoadBalancer"));
    sim.pass(2_000);
    let ip = sim.get("Service", "web").unwrap()["spec"]["clusterIP"].clone();
    assert!(ip.as_str().unwrap().starts_with("10.96."), "{ip}");
    assert!(sim.status("Service", "lb")["loadBalancer"]["ingress"][0]["ip"].is_string());
    let slices = sim.all("EndpointSlice");
    assert_eq!(slices.len(), 2);
    for slice in slices {
        assert_eq!(slice["endpoints"].as_array().map(Vec::len), Some(2), "{slice}");
        assert_eq!(slice["endpoints"][0]["conditions"]["ready"], true);
    }
    sim.delete("Service", ("default", "web"), Propagation::Background);
    sim.pass(1_000);
    assert_eq!(sim.all("EndpointSlice").len(), 1);
    assert!(sim.is_idle());
}

#[test]
fn owners_take_their_dependents_along_or_leave_them() {
    for (propagation, left) in
        [(Propagation::Background, 0), (Propagation::Foreground, 0), (Propagation::Orphan, 1)]
    {
        let sim = Sim::new();
        sim.create("Deployment", workload("web", "nginx:1", 2));
        sim.pass(2_000);
        sim.delete("Deployment", ("default", "web"), propagation);
        sim.pass(2_000);
        assert_eq!(sim.get("Deployment", "web"), None);
        assert_eq!(sim.all("ReplicaSet").len(), left, "{propagation:?}");
        assert_eq!(sim.all("Pod").len(), 2 * left, "{propagation:?}");
        if let Some(set) = sim.all("ReplicaSet").first() {
            assert!(set["metadata"]["ownerReferences"].is_null());
        }
        assert!(sim.is_idle());
    }
}

#[test]
fn an_object_whose_owner_never_was_is_removed() {
    let sim = Sim::new();
    sim.create("ConfigMap", json!({"metadata": {"name": "a", "namespace": "default",
        "ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "b", "uid": "gone"}]}}));
    sim.pass(100);
    assert_eq!(sim.get("ConfigMap", "a"), None);
}

#[test]
fn a_namespace_goes_with_its_contents_and_says_what_holds_it() {
    let sim = Sim::new();
    sim.create("Namespace", json!({"metadata": {"name": "shop"}}));
    sim.pass(10);
    let in_shop = |kind: &str| {
        sim.all(kind).into_iter().filter(|v| v["metadata"]["namespace"] == "shop").count()
    };
    assert_eq!((in_shop("ServiceAccount"), in_shop("ConfigMap")), (1, 1));
    let mut web = workload("web", "nginx:1", 2);
    web["metadata"]["namespace"] = json!("shop");
    sim.create("Deployment", web);
    sim.create(
        "ConfigMap",
        json!({"metadata": {"name": "held", "namespace": "shop",
        "finalizers": ["example.com/hold"]}}),
    );
    sim.pass(2_000);
    sim.delete("Namespace", ("", "shop"), Propagation::Background);
    sim.pass(4_900);
    assert_eq!(
        (in_shop("Pod"), sim.status("Namespace", "shop")["phase"].clone()),
        (2, json!("Terminating"))
    );
    sim.pass(200);
    assert_eq!((in_shop("Pod"), in_shop("ConfigMap")), (0, 1));
    let conditions = sim.status("Namespace", "shop")["conditions"].clone();
    let messages: Vec<_> =
        conditions.as_array().unwrap()[3..].iter().map(|c| c["message"].clone()).collect();
    assert_eq!(
        messages,
        [
            "Some resources are remaining: configmaps. has 1 resource instances",
            "Some content in the namespace has finalizers remaining: example.com/hold in 1 resource instances",
        ]
    );
    sim.change("ConfigMap", ("shop", "held"), |held| {
        held["metadata"].as_object_mut().unwrap().remove("finalizers");
    });
    sim.pass(10);
    assert_eq!(sim.get("Namespace", "shop"), None);
    assert!(sim.is_idle());
}

#[test]
fn a_claim_in_use_waits_for_its_pod() {
    let sim = Sim::new();
    sim.create("PersistentVolumeClaim", json!({
        "metadata": {"name": "data", "namespace": "default"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }));
    sim.create(
        "Pod",
        json!({
            "metadata": {"name": "p", "namespace": "default"},
            "spec": {
                "containers": [{"name": "c", "image": "x"}],
                "volumes": [{"name": "d", "persistentVolumeClaim": {"claimName": "data"}}],
            },
        }),
    );
    sim.pass(1_000);
    assert_eq!(sim.status("PersistentVolumeClaim", "data")["phase"], "Bound");
    sim.delete("PersistentVolumeClaim", ("default", "data"), Propagation::Background);
    sim.pass(1_000);
    assert!(sim.get("PersistentVolumeClaim", "data").is_some());
    sim.delete("Pod", ("default", "p"), Propagation::Background);
    sim.pass(1_000);
    assert_eq!(sim.get("PersistentVolumeClaim", "data"), None);
    assert_eq!(sim.all("PersistentVolume").len(), 0);
    assert!(sim.is_idle());
}

#[test]
fn events_tell_the_story_and_are_bounded() {
    let sim = Sim::new();
    sim.create("Deployment", workload("web", "nginx:1", 1));
    sim.pass(1_000);
    let mut reasons: Vec<String> =
        sim.all("Event").iter().map(|e| e["reason"].as_str().unwrap().to_owned()).collect();
    reasons.sort();
    assert_eq!(
        reasons,
        ["Created", "Pulled", "ScalingReplicaSet", "Scheduled", "Started", "SuccessfulCreate"]
    );
    sim.change("Deployment", ("default", "web"), |web| web["spec"]["replicas"] = json!(90));
    sim.pass(5_000);
    assert_eq!(sim.status("Deployment", "web")["readyReplicas"], 90);
    assert!(sim.all("Event").len() <= 128);
}

fn widgets() -> Value {
    json!({
        "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com", "scope": "Namespaced",
            "names": {"plural": "widgets", "kind": "Widget"},
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object"}},
            }],
        },
    })
}

#[test]
fn a_definition_is_served_after_a_moment_and_takes_its_objects_along() {
    let sim = Sim::new();
    let id = ResourceId::new("example.com", "widgets");
    let served = || sim.cluster.state().registry.versions(&id).is_some();
    sim.create("CustomResourceDefinition", widgets());
    sim.pass(20);
    assert!(!served());
    sim.pass(20);
    assert!(served());
    assert_eq!(
        sim.conditions("CustomResourceDefinition", "widgets.example.com"),
        ["NamesAccepted=True NoConflicts", "Established=True InitialNamesAccepted"]
    );
    let status = sim.status("CustomResourceDefinition", "widgets.example.com");
    assert_eq!(status["acceptedNames"]["listKind"], "WidgetList");
    assert_eq!(status["storedVersions"], json!(["v1"]));
    sim.create("Widget", json!({"metadata": {"name": "a", "namespace": "default"}}));
    sim.create(
        "Widget",
        json!({"metadata": {"name": "b", "namespace": "default",
        "finalizers": ["example.com/hold"]}}),
    );
    let place = ("", "widgets.example.com");
    sim.delete("CustomResourceDefinition", place, Propagation::Background);
    sim.pass(10);
    assert_eq!(sim.all("Widget").len(), 1);
    sim.change("Widget", ("default", "b"), |widget| {
        widget["metadata"].as_object_mut().unwrap().remove("finalizers");
    });
    sim.pass(10);
    assert_eq!(sim.get("CustomResourceDefinition", "widgets.example.com"), None);
    assert!(!served());
    assert!(sim.is_idle());
}

#[test]
fn a_cluster_from_a_snapshot_goes_on_where_the_other_was() {
    let sim = Sim::new();
    sim.create("Deployment", workload("web", "nginx:1", 2));
    sim.pass(1_000);
    sim.change("Deployment", ("default", "web"), |web| set_image(web, "nginx:2"));
    sim.pass(100);
    assert_eq!(sim.status("Deployment", "web")["updatedReplicas"], 1);
    let (clock, hand) = Clock::manual(BEGIN + 60_000);
    let options = Options { seed: 8, clock, behaviour: Behaviour::default() };
    let cluster = Cluster::from_snapshot(options, &sim.cluster.snapshot());
    let copy = Sim { cluster, hand };
    copy.pass(5_000);
    assert_eq!(copy.status("Deployment", "web")["updatedReplicas"], 2);
    assert_eq!(copy.status("Deployment", "web")["replicas"], 2);
    assert!(copy.is_idle());
    copy.delete("Deployment", ("default", "web"), Propagation::Background);
    copy.pass(1_000);
    assert_eq!((copy.all("ReplicaSet").len(), copy.all("Pod").len()), (0, 0));
}

#[test]
fn budgets_autoscalers_and_ingresses_have_a_status() {
    let sim = Sim::new();
    sim.create("Deployment", workload("web", "nginx:1", 3));
    sim.create(
        "PodDisruptionBudget",
        json!({
            "metadata": {"name": "web", "namespace": "default"},
            "spec": {"minAvailable": "50%", "selector": {"matchLabels": {"app": "web"}}},
        }),
    );
    sim.create(
        "HorizontalPodAutoscaler",
        json!({
            "metadata": {"name": "web", "namespace": "default"},
            "spec": {"maxReplicas": 5, "scaleTargetRef":
                {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}},
        }),
    );
    sim.create(
        "Ingress",
        json!({
            "metadata": {"name": "web", "namespace": "default"},
            "spec": {"defaultBackend": {"service": {"name": "web", "port": {"number": 80}}}},
        }),
    );
    sim.pass(2_000);
    let budget = sim.status("PodDisruptionBudget", "web");
    assert_eq!((&budget["desiredHealthy"], &budget["disruptionsAllowed"]), (&json!(2), &json!(1)));
    assert_eq!(sim.status("HorizontalPodAutoscaler", "web")["currentReplicas"], 3);
    assert!(sim.status("Ingress", "web")["loadBalancer"]["ingress"].is_array());
    assert!(sim.is_idle());
}
