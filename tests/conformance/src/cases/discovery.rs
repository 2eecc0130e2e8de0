//! Discovery: what is served, in the old shape and the aggregated one, and what kubectl reads first.

use crate::case::{Section, section};
use crate::client::{Answer, Request};
use crate::run::Run;
use anyhow::{Context, Result, ensure};
use expect_test::expect;
use serde_json::{Value, json};

pub(super) fn section() -> Section {
    section!("discovery";
        the_core_group_in_the_old_shape,
        the_groups_in_the_old_shape,
        the_resources_of_a_version_in_the_old_shape,
        scale_has_a_kind_of_another_group,
        the_core_group_aggregated,
        the_groups_aggregated,
        aggregated_discovery_is_asked_for_with_a_second_choice,
        aggregated_discovery_has_an_etag,
        an_older_aggregated_version_is_a_406,
        the_version_of_the_server,
        the_server_is_ready_and_alive,
        open_api_lists_a_hashed_address_for_each_version,
        open_api_of_a_version_has_the_schema_of_its_kinds,
        every_answer_has_an_audit_id,
        custom_resources_are_not_protobuf: "protobuf",
        built_in_kinds_are_served_as_protobuf: "protobuf",
        a_protobuf_wish_with_json_as_a_second_choice_is_answered,
    )
}

const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

fn find<'a>(list: &'a Value, key: &str, name: &str) -> Option<&'a Value> {
    list.as_array()?.iter().find(|item| item[key] == name)
}

async fn the_core_group_in_the_old_shape(run: &Run) -> Result<()> {
    let mut answer = run.get("/api").await?.json();
    ensure!(answer["serverAddressByClientCIDRs"][0]["serverAddress"].is_string(), "{answer}");
    answer["serverAddressByClientCIDRs"][0]["serverAddress"] = json!("{address}");
    run.expect_value(
        &answer,
        expect![[r#"
        {
          kind: "APIVersions",
          serverAddressByClientCIDRs: [{clientCIDR: "0.0.0.0/0", serverAddress: "{address}"}],
          versions: ["v1"],
        }
    "#]],
    );
    Ok(())
}

async fn the_groups_in_the_old_shape(run: &Run) -> Result<()> {
    let answer = run.get("/apis").await?.json();
    run.expect_value(
        &json!([answer["kind"], answer["apiVersion"]]),
        expect![[r#"["APIGroupList", "v1"]"#]],
    );
    for group in ["apps", "batch", "rbac.authorization.k8s.io", "apiextensions.k8s.io"] {
        let found = find(&answer["groups"], "name", group).context("the group")?;
        run.expect_value(
            found,
            match group {
                "apps" => expect![[r#"
                {
                  name: "apps",
                  preferredVersion: {groupVersion: "apps/v1", version: "v1"},
                  versions: [{groupVersion: "apps/v1", version: "v1"}],
                }
            "#]],
                "batch" => expect![[r#"
                {
                  name: "batch",
                  preferredVersion: {groupVersion: "batch/v1", version: "v1"},
                  versions: [{groupVersion: "batch/v1", version: "v1"}],
                }
            "#]],
                "rbac.authorization.k8s.io" => expect![[r#"
                {
                  name: "rbac.authorization.k8s.io",
                  preferredVersion: {groupVersion: "rbac.authorization.k8s.io/v1", version: "v1"},
                  versions: [{groupVersion: "rbac.authorization.k8s.io/v1", version: "v1"}],
                }
            "#]],
                _ => expect![[r#"
                {
                  name: "apiextensions.k8s.io",
                  preferredVersion: {groupVersion: "apiextensions.k8s.io/v1", version: "v1"},
                  versions: [{groupVersion: "apiextensions.k8s.io/v1", version: "v1"}],
                }
            "#]],
            },
        );
    }
    Ok(())
}

async fn the_resources_of_a_version_in_the_old_shape(run: &Run) -> Result<()> {
    let core = run.get("/api/v1").await?.json();
    run.expect_value(
        &json!([core["kind"], core["groupVersion"]]),
        expect![[r#"["APIResourceList", "v1"]"#]],
    );
    for name in ["configmaps", "namespaces", "namespaces/status", "serviceaccounts/token"] {
        let found = find(&core["resources"], "name", name).context("the resource")?;
        run.expect_value(found, match name {
            "configmaps" => expect![[r#"
                {
                  kind: "ConfigMap",
                  name: "configmaps",
                  namespaced: true,
                  shortNames: ["cm"],
                  singularName: "configmap",
                  verbs: ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"],
                }
            "#]],
            "namespaces" => expect![[r#"
                {
                  kind: "Namespace",
                  name: "namespaces",
                  namespaced: false,
                  shortNames: ["ns"],
                  singularName: "namespace",
                  verbs: ["create", "delete", "get", "list", "patch", "update", "watch"],
                }
            "#]],
            "namespaces/status" => expect![[r#"
                {
                  kind: "Namespace",
                  name: "namespaces/status",
                  namespaced: false,
                  singularName: "",
                  verbs: ["get", "patch", "update"],
                }
            "#]],
            _ => expect![[r#"
                {
                  group: "authentication.k8s.io",
                  kind: "TokenRequest",
                  name: "serviceaccounts/token",
                  namespaced: true,
                  singularName: "",
                  verbs: ["create"],
                  version: "v1",
                }
            "#]],
        });
    }
    let apps = run.get("/apis/apps/v1").await?.json();
    run.expect_value(find(&apps["resources"], "name", "deployments").context("it")?, expect![[r#"
        {
          categories: ["all"],
          kind: "Deployment",
          name: "deployments",
          namespaced: true,
          shortNames: ["deploy"],
          singularName: "deployment",
          verbs: ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"],
        }
    "#]]);
    Ok(())
}

async fn scale_has_a_kind_of_another_group(run: &Run) -> Result<()> {
    let apps = run.get("/apis/apps/v1").await?.json();
    let scale = find(&apps["resources"], "name", "deployments/scale").context("it")?;
    run.expect_value(
        scale,
        expect![[r#"
        {
          group: "autoscaling",
          kind: "Scale",
          name: "deployments/scale",
          namespaced: true,
          singularName: "",
          verbs: ["get", "patch", "update"],
          version: "v1",
        }
    "#]],
    );
    Ok(())
}

async fn aggregated(run: &Run, path: &str) -> Result<Answer> {
    run.send(Request::get(path).accept(AGGREGATED)).await?.is(200)
}

async fn the_core_group_aggregated(run: &Run) -> Result<()> {
    let answer = aggregated(run, "/api").await?;
    run.expect_text(
        answer.header("content-type"),
        expect!["application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"],
    );
    let list = answer.json();
    let version = &list["items"][0]["versions"][0];
    run.expect_value(
        &json!([
            list["kind"],
            list["apiVersion"],
            list["items"][0]["metadata"],
            version["version"],
            version["freshness"]
        ]),
        expect![[r#"["APIGroupDiscoveryList", "apidiscovery.k8s.io/v2", {}, "v1", "Current"]"#]],
    );
    let maps = find(&version["resources"], "resource", "configmaps").context("config maps")?;
    run.expect_value(maps, expect![[r#"
        {
          resource: "configmaps",
          responseKind: {group: "", kind: "ConfigMap", version: ""},
          scope: "Namespaced",
          shortNames: ["cm"],
          singularResource: "configmap",
          verbs: ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"],
        }
    "#]]);
    let namespaces = find(&version["resources"], "resource", "namespaces").context("namespaces")?;
    run.expect_value(namespaces, expect![[r#"
        {
          resource: "namespaces",
          responseKind: {group: "", kind: "Namespace", version: ""},
          scope: "Cluster",
          shortNames: ["ns"],
          singularResource: "namespace",
          subresources: [
            {responseKind: {group: "", kind: "Namespace", version: ""}, subresource: "finalize", verbs: ["update"]},
            {
              responseKind: {group: "", kind: "Namespace", version: ""},
              subresource: "status",
              verbs: ["get", "patch", "update"],
            },
          ],
          verbs: ["create", "delete", "get", "list", "patch", "update", "watch"],
        }
    "#]]);
    Ok(())
}

async fn the_groups_aggregated(run: &Run) -> Result<()> {
    let list = aggregated(run, "/apis").await?.json();
    let apps = list["items"]
        .as_array()
        .and_then(|all| all.iter().find(|group| group["metadata"]["name"] == "apps"));
    let version = &apps.context("apps")?["versions"][0];
    let deployments =
        find(&version["resources"], "resource", "deployments").context("deployments")?;
    run.expect_value(deployments, expect![[r#"
        {
          categories: ["all"],
          resource: "deployments",
          responseKind: {group: "", kind: "Deployment", version: ""},
          scope: "Namespaced",
          shortNames: ["deploy"],
          singularResource: "deployment",
          subresources: [
            {
              responseKind: {group: "autoscaling", kind: "Scale", version: "v1"},
              subresource: "scale",
              verbs: ["get", "patch", "update"],
            },
            {
              responseKind: {group: "", kind: "Deployment", version: ""},
              subresource: "status",
              verbs: ["get", "patch", "update"],
            },
          ],
          verbs: ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"],
        }
    "#]]);
    Ok(())
}

async fn aggregated_discovery_is_asked_for_with_a_second_choice(run: &Run) -> Result<()> {
    let accept = format!("{AGGREGATED},application/json");
    let answer = run.send(Request::get("/apis").accept(&accept)).await?;
    run.expect_value(
        &json!([answer.status, answer.json()["kind"]]),
        expect![[r#"[200, "APIGroupDiscoveryList"]"#]],
    );
    let plain = run.send(Request::get("/apis").accept("application/json")).await?;
    run.expect_value(
        &json!([plain.status, plain.json()["kind"]]),
        expect![[r#"[200, "APIGroupList"]"#]],
    );
    Ok(())
}

async fn aggregated_discovery_has_an_etag(run: &Run) -> Result<()> {
    let first = aggregated(run, "/api").await?;
    let etag = first.header("etag").to_owned();
    ensure!(etag.starts_with('"') && etag.len() > 10, "{etag}");
    ensure!(first.header("vary").contains("Accept"), "Vary: {}", first.header("vary"));
    let request = Request::get("/api").accept(AGGREGATED).header("if-none-match", &etag);
    let second = run.send(request).await?;
    run.expect_value(&json!([second.status, second.body.len()]), expect!["[304, 0]"]);
    Ok(())
}

async fn an_older_aggregated_version_is_a_406(run: &Run) -> Result<()> {
    let accept = "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList";
    let answer = run.send(Request::get("/apis").accept(accept)).await?;
    run.expect_value(&json!(answer.status), expect!["406"]);
    Ok(())
}

async fn the_version_of_the_server(run: &Run) -> Result<()> {
    let version = run.get("/version").await?.is(200)?.json();
    // kube-sim adds a suffix: `version` in its README.
    let git_version = version["gitVersion"].as_str().unwrap_or_default();
    ensure!(git_version.starts_with("v1.36."), "{git_version}");
    let seen = json!({"major": version["major"], "minor": version["minor"],
        "platform": version["platform"].is_string()});
    run.expect_value(&seen, expect![[r#"{major: "1", minor: "36", platform: true}"#]]);
    Ok(())
}

async fn the_server_is_ready_and_alive(run: &Run) -> Result<()> {
    for path in ["/readyz", "/livez", "/healthz"] {
        let answer = run.get(path).await?;
        ensure!(answer.status == 200 && answer.body == "ok", "{path}: {answer:?}");
    }
    Ok(())
}

async fn open_api_lists_a_hashed_address_for_each_version(run: &Run) -> Result<()> {
    let index = run.get("/openapi/v3").await?.is(200)?.json();
    for path in ["api/v1", "apis/apps/v1"] {
        let address = index["paths"][path]["serverRelativeURL"].as_str().unwrap_or_default();
        let (start, hash) = address.split_once("?hash=").context("no hash")?;
        ensure!(start == format!("/openapi/v3/{path}") && hash.len() > 20, "{address}");
        run.get(address).await?.is(200)?;
    }
    Ok(())
}

async fn open_api_of_a_version_has_the_schema_of_its_kinds(run: &Run) -> Result<()> {
    let document = run.get("/openapi/v3/apis/apps/v1").await?.is(200)?.json();
    let path = &document["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"];
    // What kubectl looks for before it trusts fieldValidation.
    let parameters = path["patch"]["parameters"].as_array().cloned().unwrap_or_default();
    let names: Vec<&Value> = parameters.iter().map(|parameter| &parameter["name"]).collect();
    ensure!(names.contains(&&json!("fieldValidation")), "{names:?}");
    run.expect_value(
        &path["patch"]["x-kubernetes-group-version-kind"],
        expect![[r#"{group: "apps", kind: "Deployment", version: "v1"}"#]],
    );
    let schema = &document["components"]["schemas"]["io.k8s.api.apps.v1.Deployment"];
    run.expect_value(
        &schema["x-kubernetes-group-version-kind"],
        expect![[r#"[{group: "apps", kind: "Deployment", version: "v1"}]"#]],
    );
    Ok(())
}

async fn every_answer_has_an_audit_id(run: &Run) -> Result<()> {
    for path in ["/api/v1/namespaces/{ns}", "/api/v1/namespaces/{ns}-nope"] {
        let answer = run.get(path).await?;
        ensure!(answer.header("audit-id").len() == 36, "{path}: {:?}", answer.headers);
    }
    Ok(())
}

const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";

async fn built_in_kinds_are_served_as_protobuf(run: &Run) -> Result<()> {
    let answer = run.send(Request::get("/api/v1/namespaces/{ns}").accept(PROTOBUF)).await?;
    ensure!(answer.body.starts_with(b"k8s\0"), "{answer:?}");
    run.expect_value(
        &json!([answer.status, answer.header("content-type")]),
        expect![[r#"[200, "application/vnd.kubernetes.protobuf"]"#]],
    );
    Ok(())
}

async fn custom_resources_are_not_protobuf(run: &Run) -> Result<()> {
    let crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    let definition = json!({"apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition", "metadata": {"name": "gadgets.{ns}.example.com"},
        "spec": {"group": "{ns}.example.com", "scope": "Namespaced",
            "names": {"kind": "Gadget", "plural": "gadgets"},
            "versions": [{"name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object"}}}]}});
    run.post(crds, definition).await?.is(201)?;
    let path = "/apis/{ns}.example.com/v1/namespaces/{ns}/gadgets";
    run.until("served kind", path, |_| true).await?;
    let answer = run.send(Request::get(path).accept(PROTOBUF)).await?;
    run.expect_value(&json!(answer.status), expect!["406"]);
    Ok(())
}

async fn a_protobuf_wish_with_json_as_a_second_choice_is_answered(run: &Run) -> Result<()> {
    let accept = format!("{PROTOBUF},application/json");
    let answer = run.send(Request::get("/api/v1/namespaces/{ns}").accept(&accept)).await?;
    run.expect_value(&json!(answer.status), expect!["200"]);
    Ok(())
}
