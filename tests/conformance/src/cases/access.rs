//! Who may do what: tokens, refusals, and the questions about them.

use super::given::{MAP_A, MAPS, map};
use crate::case::{Section, section};
use crate::client::{Request, Target};
use crate::run::Run;
use anyhow::{Result, ensure};
use e2e::deadline;
use expect_test::expect;
use serde_json::{Value, json};
use std::time::Duration;

pub(super) fn section() -> Section {
    section!("access";
        a_token_request_gives_a_token,
        a_service_account_without_a_role_is_forbidden,
        every_verb_is_refused_by_its_own_name,
        a_refusal_names_group_subresource_and_scope,
        a_role_allows_what_it_says,
        a_cluster_role_in_a_namespace_allows_there_only,
        a_cluster_role_binding_allows_everywhere,
        names_narrow_a_rule,
        a_bad_token_is_a_401,
        without_credentials_one_is_anonymous,
        anybody_may_see_version_and_health,
        a_review_of_oneself_says_what_is_allowed,
        a_rights_list_of_oneself,
        the_server_says_who_one_is,
        the_aggregated_edit_role_allows_deployments,
        a_user_cannot_give_more_than_he_has: "escalation",
    )
}

/// The same namespace as the ServiceAccount `worker` of it.
async fn worker(run: &Run) -> Result<Run> {
    let accounts = "/api/v1/namespaces/{ns}/serviceaccounts";
    let body =
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "worker"}});
    run.post(accounts, body).await?.is(201)?;
    let token = token(run).await?;
    Ok(run.with_target(|target| target.with_token(&token)))
}

async fn token(run: &Run) -> Result<String> {
    let body = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
        "spec": {"expirationSeconds": 3600}});
    let path = "/api/v1/namespaces/{ns}/serviceaccounts/worker/token";
    let answer = run.post(path, body).await?.is(201)?.json();
    Ok(answer["status"]["token"].as_str().unwrap_or_default().to_owned())
}

const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";

/// Gives the worker a role of the namespace with one rule.
async fn allow(run: &Run, rule: Value) -> Result<()> {
    let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
        "metadata": {"name": "worker"}, "rules": [rule]});
    run.post(&format!("{RBAC}/namespaces/{{ns}}/roles"), role).await?.is(201)?;
    bind(run, "Role", "worker").await
}

async fn bind(run: &Run, kind: &str, name: &str) -> Result<()> {
    let binding = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
        "metadata": {"name": "worker"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": "worker", "namespace": "{ns}"}]});
    run.post(&format!("{RBAC}/namespaces/{{ns}}/rolebindings"), binding).await?.is(201)?;
    Ok(())
}

/// Asks until the answer has this status: a role counts a moment after it was written.
async fn soon(run: &Run, request: Request, status: u16) -> Result<crate::client::Answer> {
    let what = format!("{status} for {}", request.line());
    deadline::until(&what, Duration::from_secs(10), async || {
        let answer = run.send(request.clone()).await?;
        Ok((answer.status == status).then_some(answer))
    })
    .await
}

async fn a_token_request_gives_a_token(run: &Run) -> Result<()> {
    worker(run).await?;
    let body = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
        "spec": {"expirationSeconds": 3600}});
    let path = "/api/v1/namespaces/{ns}/serviceaccounts/worker/token";
    let mut answer = run.post(path, body.clone()).await?.is(201)?.json();
    let token = answer["status"]["token"].as_str().unwrap_or_default().to_owned();
    ensure!(token.split('.').count() == 3, "{token}");
    answer["status"]["token"] = json!("{token}");
    if let Some(metadata) = answer["metadata"].as_object_mut() {
        metadata.remove("managedFields");
    }
    ensure!(answer["spec"]["audiences"][0].is_string(), "{answer}");
    answer["spec"]["audiences"] = json!(["{issuer}"]);
    run.expect_value(
        &answer,
        expect![[r#"
        {
          apiVersion: "authentication.k8s.io/v1",
          kind: "TokenRequest",
          metadata: {creationTimestamp: "{time}", name: "worker", namespace: "{ns}", uid: "{uid}"},
          spec: {audiences: ["{issuer}"], boundObjectRef: null, expirationSeconds: 3600},
          status: {expirationTimestamp: "{time}", token: "{token}"},
        }
    "#]],
    );
    let path = "/api/v1/namespaces/{ns}/serviceaccounts/nobody/token";
    run.expect(
        &run.post(path, body).await?,
        expect![[r#"
        404
        {
          apiVersion: "v1",
          code: 404,
          details: {kind: "serviceaccounts", name: "nobody"},
          kind: "Status",
          message: "serviceaccounts \"nobody\" not found",
          metadata: {},
          reason: "NotFound",
          status: "Failure",
        }
    "#]],
    );
    Ok(())
}

async fn a_service_account_without_a_role_is_forbidden(run: &Run) -> Result<()> {
    let worker = worker(run).await?;
    let refused = worker.apply("first", MAP_A, map(json!({"x": "1"}))).await?;
    run.expect(&refused, expect![[r#"
        403
        {
          apiVersion: "v1",
          code: 403,
          details: {kind: "configmaps", name: "a"},
          kind: "Status",
          message: "configmaps \"a\" is forbidden: User \"system:serviceaccount:{ns}:worker\" cannot patch resource \"configmaps\" in API group \"\" in the namespace \"{ns}\"",
          metadata: {},
          reason: "Forbidden",
          status: "Failure",
        }
    "#]]);
    Ok(())
}

async fn every_verb_is_refused_by_its_own_name(run: &Run) -> Result<()> {
    let worker = worker(run).await?;
    let mut seen = Vec::new();
    for request in [
        Request::get(MAP_A),
        Request::get(MAPS),
        Request::get(&format!("{MAPS}?watch=1")),
        Request::post(MAPS, &map(json!({}))),
        Request::put(MAP_A, &map(json!({}))),
        Request::patch(MAP_A, crate::client::MERGE_PATCH, &json!({})),
        Request::delete(MAP_A),
        Request::delete(MAPS),
    ] {
        let refused = worker.send(request).await?.is(403)?.json();
        seen.push(refused["message"].clone());
    }
    run.expect_value(&json!(seen), expect![[r#"
        [
          "configmaps \"a\" is forbidden: User \"system:serviceaccount:{ns}:worker\" cannot get resource \"configmaps\" in API group \"\" in the namespace \"{ns}\"",
          "configmaps is forbidden: User \"system:serviceaccount:{ns}:worker\" cannot list resource \"configmaps\" in API group \"\" in the namespace \"{ns}\"",
          "configmaps is forbidden: User \"system:serviceaccount:{ns}:worker\" cannot watch resource \"configmaps\" in API group \"\" in the namespace \"{ns}\"",
          "configmaps is forbidden: User \"system:serviceaccount:{ns}:worker\" cannot create resource \"configmaps\" in API group \"\" in the namespace \"{ns}\"",
          "configmaps \"a\" is forbidden: User \"system:serviceaccount:{ns}:worker\" cannot update resource \"configmaps\" in API group \"\" in the namespace \"{ns}\"",
          "configmaps \"a\" is forbidden: User \"system:serviceaccount:{ns}:worker\" cannot patch resource \"configmaps\" in API group \"\" in the namespace \"{ns}\"",
          "configmaps \"a\" is forbidden: User \"system:serviceaccount:{ns}:worker\" cannot delete resource \"configmaps\" in API group \"\" in the namespace \"{ns}\"",
          "configmaps is forbidden: User \"system:serviceaccount:{ns}:worker\" cannot deletecollection resource \"configmaps\" in API group \"\" in the namespace \"{ns}\"",
        ]
    "#]]);
    Ok(())
}

async fn a_refusal_names_group_subresource_and_scope(run: &Run) -> Result<()> {
    let worker = worker(run).await?;
    let path = "/apis/apps/v1/namespaces/{ns}/deployments/a/scale";
    run.expect(&worker.get(path).await?, expect![[r#"
        403
        {
          apiVersion: "v1",
          code: 403,
          details: {group: "apps", kind: "deployments", name: "a"},
          kind: "Status",
          message: "deployments.apps \"a\" is forbidden: User \"system:serviceaccount:{ns}:worker\" cannot get resource \"deployments/scale\" in API group \"apps\" in the namespace \"{ns}\"",
          metadata: {},
          reason: "Forbidden",
          status: "Failure",
        }
    "#]]);
    run.expect(&worker.get("/api/v1/nodes").await?, expect![[r#"
        403
        {
          apiVersion: "v1",
          code: 403,
          details: {kind: "nodes"},
          kind: "Status",
          message: "nodes is forbidden: User \"system:serviceaccount:{ns}:worker\" cannot list resource \"nodes\" in API group \"\" at the cluster scope",
          metadata: {},
          reason: "Forbidden",
          status: "Failure",
        }
    "#]]);
    run.expect(&worker.get("/api/v1/namespaces/{ns}").await?, expect![[r#"
        403
        {
          apiVersion: "v1",
          code: 403,
          details: {kind: "namespaces", name: "{ns}"},
          kind: "Status",
          message: "namespaces \"{ns}\" is forbidden: User \"system:serviceaccount:{ns}:worker\" cannot get resource \"namespaces\" in API group \"\" in the namespace \"{ns}\"",
          metadata: {},
          reason: "Forbidden",
          status: "Failure",
        }
    "#]]);
    run.expect(&worker.get("/metrics").await?, expect![[r#"
        403
        {
          apiVersion: "v1",
          code: 403,
          details: {},
          kind: "Status",
          message: "forbidden: User \"system:serviceaccount:{ns}:worker\" cannot get path \"/metrics\"",
          metadata: {},
          reason: "Forbidden",
          status: "Failure",
        }
    "#]]);
    Ok(())
}

async fn a_role_allows_what_it_says(run: &Run) -> Result<()> {
    let worker = worker(run).await?;
    let verbs = json!(["get", "list", "create", "patch"]);
    allow(run, json!({"apiGroups": [""], "resources": ["configmaps"], "verbs": verbs})).await?;
    soon(&worker, Request::get(MAPS), 200).await?;
    worker.apply("first", MAP_A, map(json!({"x": "1"}))).await?.is(201)?;
    worker.delete(MAP_A).await?.is(403)?;
    worker.get("/api/v1/configmaps").await?.is(403)?;
    worker.get("/api/v1/namespaces/{ns}/secrets").await?.is(403)?;
    Ok(())
}

async fn a_cluster_role_in_a_namespace_allows_there_only(run: &Run) -> Result<()> {
    let worker = worker(run).await?;
    bind(run, "ClusterRole", "view").await?;
    soon(&worker, Request::get(MAPS), 200).await?;
    worker.get("/api/v1/namespaces/default/configmaps").await?.is(403)?;
    worker.get("/api/v1/namespaces/{ns}/secrets").await?.is(403)?;
    worker.post(MAPS, map(json!({}))).await?.is(403)?;
    Ok(())
}

async fn a_cluster_role_binding_allows_everywhere(run: &Run) -> Result<()> {
    let worker = worker(run).await?;
    let binding = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
        "metadata": {"name": "{ns}"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole",
            "name": "cluster-admin"},
        "subjects": [{"kind": "ServiceAccount", "name": "worker", "namespace": "{ns}"}]});
    run.post(&format!("{RBAC}/clusterrolebindings"), binding).await?.is(201)?;
    soon(&worker, Request::get("/api/v1/secrets?limit=1"), 200).await?;
    worker.apply("first", MAP_A, map(json!({"x": "1"}))).await?.is(201)?;
    Ok(())
}

async fn names_narrow_a_rule(run: &Run) -> Result<()> {
    let worker = worker(run).await?;
    let rule = json!({"apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["a"],
        "verbs": ["get", "patch", "create"]});
    allow(run, rule).await?;
    run.post(MAPS, map(json!({}))).await?.is(201)?;
    soon(&worker, Request::get(MAP_A), 200).await?;
    worker.get(&format!("{MAPS}/b")).await?.is(403)?;
    worker.get(MAPS).await?.is(403)?;
    // A create has no name in its address, so a rule with names does not allow it.
    worker.post(MAPS, super::given::named("b", json!({}))).await?.is(403)?;
    Ok(())
}

async fn a_bad_token_is_a_401(run: &Run) -> Result<()> {
    let stranger = run.with_target(|target| target.with_token("not-a-token"));
    run.expect(
        &stranger.get(MAP_A).await?,
        expect![[r#"
        401
        {
          apiVersion: "v1",
          code: 401,
          kind: "Status",
          message: "Unauthorized",
          metadata: {},
          reason: "Unauthorized",
          status: "Failure",
        }
    "#]],
    );
    Ok(())
}

async fn without_credentials_one_is_anonymous(run: &Run) -> Result<()> {
    let nobody = run.with_target(Target::anonymous);
    run.expect(&nobody.get(MAP_A).await?, expect![[r#"
        403
        {
          apiVersion: "v1",
          code: 403,
          details: {kind: "configmaps", name: "a"},
          kind: "Status",
          message: "configmaps \"a\" is forbidden: User \"system:anonymous\" cannot get resource \"configmaps\" in API group \"\" in the namespace \"{ns}\"",
          metadata: {},
          reason: "Forbidden",
          status: "Failure",
        }
    "#]]);
    run.expect(
        &nobody.get("/apis").await?,
        expect![[r#"
        403
        {
          apiVersion: "v1",
          code: 403,
          details: {},
          kind: "Status",
          message: "forbidden: User \"system:anonymous\" cannot get path \"/apis\"",
          metadata: {},
          reason: "Forbidden",
          status: "Failure",
        }
    "#]],
    );
    Ok(())
}

async fn anybody_may_see_version_and_health(run: &Run) -> Result<()> {
    let nobody = run.with_target(Target::anonymous);
    for path in ["/version", "/healthz", "/livez", "/readyz"] {
        nobody.get(path).await?.is(200)?;
    }
    Ok(())
}

async fn a_review_of_oneself_says_what_is_allowed(run: &Run) -> Result<()> {
    let worker = worker(run).await?;
    let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    let review = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {"namespace": "{ns}", "verb": "get", "resource": "pods"}}});
    run.expect(
        &run.post(path, review.clone()).await?,
        expect![[r#"
        201
        {
          apiVersion: "authorization.k8s.io/v1",
          kind: "SelfSubjectAccessReview",
          metadata: {},
          spec: {resourceAttributes: {namespace: "{ns}", resource: "pods", verb: "get"}},
          status: {allowed: true},
        }
    "#]],
    );
    let own = worker.post(path, review).await?.is(201)?.json();
    run.expect_value(&own["status"], expect!["{allowed: false}"]);
    Ok(())
}

async fn a_rights_list_of_oneself(run: &Run) -> Result<()> {
    let worker = worker(run).await?;
    allow(run, json!({"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]})).await?;
    soon(&worker, Request::get(MAP_A), 404).await?;
    let path = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews";
    let review = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview",
        "spec": {"namespace": "{ns}"}});
    let answer = worker.post(path, review).await?.is(201)?.json();
    let rules = answer["status"]["resourceRules"].as_array().cloned().unwrap_or_default();
    let ours = rules.iter().find(|rule| rule["resources"] == json!(["configmaps"]));
    run.expect_value(
        &ours.cloned().unwrap_or_default(),
        expect![[r#"{apiGroups: [""], resources: ["configmaps"], verbs: ["get"]}"#]],
    );
    Ok(())
}

async fn the_server_says_who_one_is(run: &Run) -> Result<()> {
    let worker = worker(run).await?;
    let path = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
    let review = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
    let answer = worker.post(path, review).await?.is(201)?.json();
    let user = &answer["status"]["userInfo"];
    run.expect_value(
        &json!([user["username"], user["groups"]]),
        expect![[r#"
        [
          "system:serviceaccount:{ns}:worker",
          ["system:serviceaccounts", "system:serviceaccounts:{ns}", "system:authenticated"],
        ]
    "#]],
    );
    Ok(())
}

async fn the_aggregated_edit_role_allows_deployments(run: &Run) -> Result<()> {
    let worker = worker(run).await?;
    bind(run, "ClusterRole", "edit").await?;
    let path = "/apis/apps/v1/namespaces/{ns}/deployments";
    soon(&worker, Request::get(path), 200).await?;
    let made = worker.post(path, super::given::deployment()).await?;
    made.is(201)?;
    worker.get(&format!("{RBAC}/namespaces/{{ns}}/roles")).await?.is(403)?;
    Ok(())
}

async fn a_user_cannot_give_more_than_he_has(run: &Run) -> Result<()> {
    let worker = worker(run).await?;
    let rule = json!({"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles"],
        "verbs": ["create", "get"]});
    allow(run, rule).await?;
    let roles = format!("{RBAC}/namespaces/{{ns}}/roles");
    soon(&worker, Request::get(&format!("{roles}/worker")), 200).await?;
    let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
        "metadata": {"name": "more"},
        "rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}]});
    let refused = worker.post(&roles, role).await?;
    run.expect(&refused, expect![[r#"
        403
        {
          apiVersion: "v1",
          code: 403,
          details: {group: "rbac.authorization.k8s.io", kind: "roles", name: "more"},
          kind: "Status",
          message: "roles.rbac.authorization.k8s.io \"more\" is forbidden: user \"system:serviceaccount:{ns}:worker\" (groups=[\"system:serviceaccounts\" \"system:serviceaccounts:{ns}\" \"system:authenticated\"]) is attempting to grant RBAC permissions not currently held:\n{APIGroups:[\"\"], Resources:[\"secrets\"], Verbs:[\"get\"]}",
          metadata: {},
          reason: "Forbidden",
          status: "Failure",
        }
    "#]]);
    Ok(())
}
