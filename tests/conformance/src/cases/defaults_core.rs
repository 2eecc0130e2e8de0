//! What the server makes of minimal objects that are no workloads.

use crate::case::{Section, section};
use crate::run::Run;
use anyhow::{Result, ensure};
use expect_test::expect;
use serde_json::{Value, json};

pub(super) fn section() -> Section {
    section!("defaults of other kinds";
        a_minimal_service,
        a_headless_service,
        a_load_balancer_gets_node_ports,
        a_service_by_external_name,
        cluster_ips_are_given_once,
        a_minimal_ingress,
        a_minimal_network_policy,
        a_minimal_claim,
        a_minimal_volume,
        a_minimal_storage_class,
        a_minimal_service_account,
        a_minimal_role_and_its_binding,
        a_minimal_namespace,
        a_new_namespace_gets_an_account_and_the_root_certificate,
        a_minimal_lease,
        a_minimal_quota,
        a_minimal_limit_range,
        a_minimal_priority_class,
        endpoints_as_slices,
        the_cluster_begins_with_its_namespaces_and_roles,
    )
}

/// The stored form of a new object, without its managers.
async fn stored(run: &Run, path: &str, body: Value) -> Result<Value> {
    let mut made = run.post(path, body).await?.is(201)?.json();
    if let Some(metadata) = made["metadata"].as_object_mut() {
        metadata.remove("managedFields");
    }
    Ok(made)
}

const SERVICES: &str = "/api/v1/namespaces/{ns}/services";

async fn service(run: &Run, spec: Value) -> Result<Value> {
    let body =
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}, "spec": spec});
    stored(run, SERVICES, body).await
}

async fn a_minimal_service(run: &Run) -> Result<()> {
    let mut made = service(run, json!({"selector": {"app": "a"}, "ports": [{"port": 80}]})).await?;
    let address = made["spec"]["clusterIP"].as_str().unwrap_or_default().to_owned();
    ensure!(address.starts_with("10."), "{address}");
    ensure!(made["spec"]["clusterIPs"] == json!([address]), "{}", made["spec"]);
    made["spec"]["clusterIP"] = json!("{ip}");
    made["spec"]["clusterIPs"] = json!(["{ip}"]);
    run.expect_value(&made, expect![[r#"
        {
          apiVersion: "v1",
          kind: "Service",
          metadata: {creationTimestamp: "{time}", name: "a", namespace: "{ns}", resourceVersion: "{rv}", uid: "{uid}"},
          spec: {
            clusterIP: "{ip}",
            clusterIPs: ["{ip}"],
            internalTrafficPolicy: "Cluster",
            ipFamilies: ["IPv4"],
            ipFamilyPolicy: "SingleStack",
            ports: [{port: 80, protocol: "TCP", targetPort: 80}],
            selector: {app: "a"},
            sessionAffinity: "None",
            type: "ClusterIP",
          },
          status: {loadBalancer: {}},
        }
    "#]]);
    Ok(())
}

async fn a_headless_service(run: &Run) -> Result<()> {
    let made = service(run, json!({"clusterIP": "None", "selector": {"app": "a"}})).await?;
    run.expect_value(
        &made["spec"],
        expect![[r#"
        {
          clusterIP: "None",
          clusterIPs: ["None"],
          internalTrafficPolicy: "Cluster",
          ipFamilies: ["IPv4"],
          ipFamilyPolicy: "SingleStack",
          selector: {app: "a"},
          sessionAffinity: "None",
          type: "ClusterIP",
        }
    "#]],
    );
    Ok(())
}

async fn a_load_balancer_gets_node_ports(run: &Run) -> Result<()> {
    let spec = json!({"type": "LoadBalancer", "selector": {"app": "a"}, "ports": [{"port": 80}]});
    let mut made = service(run, spec).await?;
    let port = made["spec"]["ports"][0]["nodePort"].as_u64().unwrap_or_default();
    ensure!((30000..32768).contains(&port), "{port}");
    made["spec"]["ports"][0]["nodePort"] = json!("{port}");
    made["spec"]["clusterIP"] = json!("{ip}");
    made["spec"]["clusterIPs"] = json!(["{ip}"]);
    run.expect_value(
        &json!([made["spec"], made["status"]]),
        expect![[r#"
        [
          {
            allocateLoadBalancerNodePorts: true,
            clusterIP: "{ip}",
            clusterIPs: ["{ip}"],
            externalTrafficPolicy: "Cluster",
            internalTrafficPolicy: "Cluster",
            ipFamilies: ["IPv4"],
            ipFamilyPolicy: "SingleStack",
            ports: [{nodePort: "{port}", port: 80, protocol: "TCP", targetPort: 80}],
            selector: {app: "a"},
            sessionAffinity: "None",
            type: "LoadBalancer",
          },
          {loadBalancer: {}},
        ]
    "#]],
    );
    Ok(())
}

async fn a_service_by_external_name(run: &Run) -> Result<()> {
    let made =
        service(run, json!({"type": "ExternalName", "externalName": "a.example.com"})).await?;
    run.expect_value(
        &made["spec"],
        expect![[
            r#"{externalName: "a.example.com", sessionAffinity: "None", type: "ExternalName"}"#
        ]],
    );
    Ok(())
}

async fn cluster_ips_are_given_once(run: &Run) -> Result<()> {
    let spec = json!({"ports": [{"port": 80}]});
    let first = service(run, spec.clone()).await?;
    let body =
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "b"}, "spec": spec});
    let second = stored(run, SERVICES, body.clone()).await?;
    ensure!(first["spec"]["clusterIP"] != second["spec"]["clusterIP"], "one address twice");
    // A repeated apply keeps the address.
    let mut applied = body;
    applied["metadata"]["name"] = json!("a");
    let path = format!("{SERVICES}/a?force=true");
    let again = run.apply("first", &path, applied).await?.is(200)?.json();
    ensure!(first["spec"]["clusterIP"] == again["spec"]["clusterIP"], "another address");
    Ok(())
}

async fn a_minimal_ingress(run: &Run) -> Result<()> {
    let body = json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
        "metadata": {"name": "a"}, "spec": {"rules": [{"host": "a.example.com", "http": {"paths": [
            {"path": "/", "pathType": "Prefix",
                "backend": {"service": {"name": "a", "port": {"number": 80}}}}]}}]}});
    let made = stored(run, "/apis/networking.k8s.io/v1/namespaces/{ns}/ingresses", body).await?;
    run.expect_value(&made, expect![[r#"
        {
          apiVersion: "networking.k8s.io/v1",
          kind: "Ingress",
          metadata: {
            creationTimestamp: "{time}",
            generation: 1,
            name: "a",
            namespace: "{ns}",
            resourceVersion: "{rv}",
            uid: "{uid}",
          },
          spec: {
            rules: [
              {
                host: "a.example.com",
                http: {paths: [{backend: {service: {name: "a", port: {number: 80}}}, path: "/", pathType: "Prefix"}]},
              },
            ],
          },
          status: {loadBalancer: {}},
        }
    "#]]);
    Ok(())
}

async fn a_minimal_network_policy(run: &Run) -> Result<()> {
    let body = json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": {"name": "a"},
        "spec": {"podSelector": {}, "ingress": [{"ports": [{"port": 80}]}]}});
    let path = "/apis/networking.k8s.io/v1/namespaces/{ns}/networkpolicies";
    run.expect_value(&stored(run, path, body).await?["spec"], expect![[r#"{ingress: [{ports: [{port: 80, protocol: "TCP"}]}], podSelector: {}, policyTypes: ["Ingress"]}"#]]);
    Ok(())
}

async fn a_minimal_claim(run: &Run) -> Result<()> {
    let body = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "a"},
        "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "",
            "resources": {"requests": {"storage": "1Gi"}}}});
    let made = stored(run, "/api/v1/namespaces/{ns}/persistentvolumeclaims", body).await?;
    run.expect_value(
        &made,
        expect![[r#"
        {
          apiVersion: "v1",
          kind: "PersistentVolumeClaim",
          metadata: {
            creationTimestamp: "{time}",
            finalizers: ["kubernetes.io/pvc-protection"],
            name: "a",
            namespace: "{ns}",
            resourceVersion: "{rv}",
            uid: "{uid}",
          },
          spec: {
            accessModes: ["ReadWriteOnce"],
            resources: {requests: {storage: "1Gi"}},
            storageClassName: "",
            volumeMode: "Filesystem",
          },
          status: {phase: "Pending"},
        }
    "#]],
    );
    Ok(())
}

async fn a_minimal_volume(run: &Run) -> Result<()> {
    let body = json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "{ns}"},
        "spec": {"accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"},
            "storageClassName": "{ns}", "hostPath": {"path": "/a"}}});
    run.expect_value(
        &stored(run, "/api/v1/persistentvolumes", body).await?,
        expect![[r#"
        {
          apiVersion: "v1",
          kind: "PersistentVolume",
          metadata: {
            creationTimestamp: "{time}",
            finalizers: ["kubernetes.io/pv-protection"],
            name: "{ns}",
            resourceVersion: "{rv}",
            uid: "{uid}",
          },
          spec: {
            accessModes: ["ReadWriteOnce"],
            capacity: {storage: "1Gi"},
            hostPath: {path: "/a", type: ""},
            persistentVolumeReclaimPolicy: "Retain",
            storageClassName: "{ns}",
            volumeMode: "Filesystem",
          },
          status: {lastPhaseTransitionTime: "{time}", phase: "Pending"},
        }
    "#]],
    );
    Ok(())
}

async fn a_minimal_storage_class(run: &Run) -> Result<()> {
    let body = json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
        "metadata": {"name": "{ns}"}, "provisioner": "example.com/none"});
    let made = stored(run, "/apis/storage.k8s.io/v1/storageclasses", body).await?;
    run.expect_value(&made, expect![[r#"
        {
          apiVersion: "storage.k8s.io/v1",
          kind: "StorageClass",
          metadata: {creationTimestamp: "{time}", name: "{ns}", resourceVersion: "{rv}", uid: "{uid}"},
          provisioner: "example.com/none",
          reclaimPolicy: "Delete",
          volumeBindingMode: "Immediate",
        }
    "#]]);
    Ok(())
}

async fn a_minimal_service_account(run: &Run) -> Result<()> {
    let body = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "a"}});
    let made = stored(run, "/api/v1/namespaces/{ns}/serviceaccounts", body).await?;
    run.expect_value(&made, expect![[r#"
        {
          apiVersion: "v1",
          kind: "ServiceAccount",
          metadata: {creationTimestamp: "{time}", name: "a", namespace: "{ns}", resourceVersion: "{rv}", uid: "{uid}"},
        }
    "#]]);
    Ok(())
}

async fn a_minimal_role_and_its_binding(run: &Run) -> Result<()> {
    let group = "/apis/rbac.authorization.k8s.io/v1/namespaces/{ns}";
    let body = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
        "metadata": {"name": "a"},
        "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]});
    run.expect_value(&stored(run, &format!("{group}/roles"), body).await?, expect![[r#"
        {
          apiVersion: "rbac.authorization.k8s.io/v1",
          kind: "Role",
          metadata: {creationTimestamp: "{time}", name: "a", namespace: "{ns}", resourceVersion: "{rv}", uid: "{uid}"},
          rules: [{apiGroups: [""], resources: ["pods"], verbs: ["get"]}],
        }
    "#]]);
    let body = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
        "metadata": {"name": "a"}, "roleRef": {"kind": "Role", "name": "a"},
        "subjects": [{"kind": "ServiceAccount", "name": "a"}, {"kind": "User", "name": "u"}]});
    run.expect_value(&stored(run, &format!("{group}/rolebindings"), body).await?, expect![[r#"
        {
          apiVersion: "rbac.authorization.k8s.io/v1",
          kind: "RoleBinding",
          metadata: {creationTimestamp: "{time}", name: "a", namespace: "{ns}", resourceVersion: "{rv}", uid: "{uid}"},
          roleRef: {apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: "a"},
          subjects: [
            {kind: "ServiceAccount", name: "a"},
            {apiGroup: "rbac.authorization.k8s.io", kind: "User", name: "u"},
          ],
        }
    "#]]);
    Ok(())
}

async fn a_minimal_namespace(run: &Run) -> Result<()> {
    let body = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "{ns}-b"}});
    let made = stored(run, "/api/v1/namespaces", body).await?;
    run.expect_value(
        &made,
        expect![[r#"
        {
          apiVersion: "v1",
          kind: "Namespace",
          metadata: {
            creationTimestamp: "{time}",
            labels: {kubernetes.io/metadata.name: "{ns}-b"},
            name: "{ns}-b",
            resourceVersion: "{rv}",
            uid: "{uid}",
          },
          spec: {finalizers: ["kubernetes"]},
          status: {phase: "Active"},
        }
    "#]],
    );
    Ok(())
}

async fn a_new_namespace_gets_an_account_and_the_root_certificate(run: &Run) -> Result<()> {
    let account = "/api/v1/namespaces/{ns}/serviceaccounts/default";
    let mut account = run.until("service account", account, |_| true).await?;
    if let Some(metadata) = account["metadata"].as_object_mut() {
        metadata.remove("managedFields");
    }
    run.expect_value(
        &account,
        expect![[r#"
        {
          apiVersion: "v1",
          kind: "ServiceAccount",
          metadata: {
            creationTimestamp: "{time}",
            name: "default",
            namespace: "{ns}",
            resourceVersion: "{rv}",
            uid: "{uid}",
          },
        }
    "#]],
    );
    let map = "/api/v1/namespaces/{ns}/configmaps/kube-root-ca.crt";
    let map = run.until("root certificate", map, |_| true).await?;
    let keys: Vec<&String> =
        map["data"].as_object().into_iter().flat_map(|data| data.keys()).collect();
    run.expect_value(&json!([keys, map["metadata"]["annotations"]]), expect![[r#"
        [
          ["ca.crt"],
          {
            kubernetes.io/description: "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters.",
          },
        ]
    "#]]);
    Ok(())
}

async fn a_minimal_lease(run: &Run) -> Result<()> {
    let body = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {"name": "a"}, "spec": {"holderIdentity": "me", "leaseDurationSeconds": 15,
            "renewTime": "2026-01-01T00:00:00.123456Z"}});
    let made = stored(run, "/apis/coordination.k8s.io/v1/namespaces/{ns}/leases", body).await?;
    run.expect_value(&made, expect![[r#"
        {
          apiVersion: "coordination.k8s.io/v1",
          kind: "Lease",
          metadata: {creationTimestamp: "{time}", name: "a", namespace: "{ns}", resourceVersion: "{rv}", uid: "{uid}"},
          spec: {holderIdentity: "me", leaseDurationSeconds: 15, renewTime: "{time}"},
        }
    "#]]);
    Ok(())
}

async fn a_minimal_quota(run: &Run) -> Result<()> {
    let body = json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "a"},
        "spec": {"hard": {"pods": "10", "requests.cpu": "1000m"}}});
    let made = stored(run, "/api/v1/namespaces/{ns}/resourcequotas", body).await?;
    run.expect_value(
        &json!([made["spec"], made["status"]]),
        expect![[r#"[{hard: {pods: "10", requests.cpu: "1"}}, {}]"#]],
    );
    Ok(())
}

async fn a_minimal_limit_range(run: &Run) -> Result<()> {
    let body = json!({"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "a"},
        "spec": {"limits": [{"type": "Container", "default": {"cpu": "500m"}}]}});
    let made = stored(run, "/api/v1/namespaces/{ns}/limitranges", body).await?;
    run.expect_value(&made["spec"], expect![[r#"{limits: [{default: {cpu: "500m"}, defaultRequest: {cpu: "500m"}, type: "Container"}]}"#]]);
    Ok(())
}

async fn a_minimal_priority_class(run: &Run) -> Result<()> {
    let body = json!({"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass",
        "metadata": {"name": "{ns}"}, "value": 7});
    let made = stored(run, "/apis/scheduling.k8s.io/v1/priorityclasses", body).await?;
    run.expect_value(&made, expect![[r#"
        {
          apiVersion: "scheduling.k8s.io/v1",
          kind: "PriorityClass",
          metadata: {creationTimestamp: "{time}", generation: 1, name: "{ns}", resourceVersion: "{rv}", uid: "{uid}"},
          preemptionPolicy: "PreemptLowerPriority",
          value: 7,
        }
    "#]]);
    Ok(())
}

async fn endpoints_as_slices(run: &Run) -> Result<()> {
    let body = json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {"name": "a"}, "addressType": "IPv4",
        "endpoints": [{"addresses": ["10.1.1.1"]}], "ports": [{"port": 80}]});
    let made =
        stored(run, "/apis/discovery.k8s.io/v1/namespaces/{ns}/endpointslices", body).await?;
    run.expect_value(
        &made,
        expect![[r#"
        {
          addressType: "IPv4",
          apiVersion: "discovery.k8s.io/v1",
          endpoints: [{addresses: ["10.1.1.1"], conditions: {}}],
          kind: "EndpointSlice",
          metadata: {
            creationTimestamp: "{time}",
            generation: 1,
            name: "a",
            namespace: "{ns}",
            resourceVersion: "{rv}",
            uid: "{uid}",
          },
          ports: [{name: "", port: 80, protocol: "TCP"}],
        }
    "#]],
    );
    Ok(())
}

async fn the_cluster_begins_with_its_namespaces_and_roles(run: &Run) -> Result<()> {
    let mut seen = Vec::new();
    for namespace in ["default", "kube-node-lease", "kube-public", "kube-system"] {
        let answer = run.get(&format!("/api/v1/namespaces/{namespace}")).await?.is(200)?.json();
        seen.push(json!([answer["metadata"]["labels"], answer["spec"], answer["status"]["phase"]]));
    }
    run.expect_value(&json!(seen), expect![[r#"
        [
          [{kubernetes.io/metadata.name: "default"}, {finalizers: ["kubernetes"]}, "Active"],
          [{kubernetes.io/metadata.name: "kube-node-lease"}, {finalizers: ["kubernetes"]}, "Active"],
          [{kubernetes.io/metadata.name: "kube-public"}, {finalizers: ["kubernetes"]}, "Active"],
          [{kubernetes.io/metadata.name: "kube-system"}, {finalizers: ["kubernetes"]}, "Active"],
        ]
    "#]]);
    let roles = "/apis/rbac.authorization.k8s.io/v1/clusterroles";
    for role in ["cluster-admin", "admin", "edit", "view"] {
        run.get(&format!("{roles}/{role}")).await?.is(200)?;
    }
    let admin = run.get(&format!("{roles}/cluster-admin")).await?.json();
    run.expect_value(&admin["rules"], expect![[r#"[{apiGroups: ["*"], resources: ["*"], verbs: ["*"]}, {nonResourceURLs: ["*"], verbs: ["*"]}]"#]]);
    let kubernetes =
        run.get("/api/v1/namespaces/default/services/kubernetes").await?.is(200)?.json();
    run.expect_value(&kubernetes["spec"]["ports"][0]["port"], expect!["443"]);
    Ok(())
}
