//! Who may do what.

use expect_test::{Expect, expect};
use serde_json::{Value, json};

use super::*;
use crate::store::{ObjectKey, ResourceId};

const GROUP: &str = "rbac.authorization.k8s.io";

fn put(store: &mut Store, plural: &str, namespace: &str, name: &str, mut value: Value) {
    value["metadata"] = json!({"name": name, "namespace": namespace});
    store.put(&ResourceId::new(GROUP, plural), ObjectKey::new(namespace, name), value);
}

/// The roles of a new cluster, and a service account of `shop` that may read pods there.
fn store() -> Store {
    let mut store = Store::default();
    for (resource, value) in bootstrap() {
        let name = value["metadata"]["name"].as_str().unwrap().to_owned();
        store.put(&resource, ObjectKey::new("", &name), value);
    }
    let rules = json!([
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]},
        {"apiGroups": ["apps"], "resources": ["*/scale"], "verbs": ["*"]},
        {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["mine"], "verbs": ["get"]},
        {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get"]},
    ]);
    put(&mut store, "roles", "shop", "reader", json!({"rules": rules}));
    let subjects =
        json!([{"kind": "ServiceAccount", "name": "bot"}, {"kind": "User", "name": "bob"}]);
    let role = json!({"kind": "Role", "name": "reader"});
    put(&mut store, "rolebindings", "shop", "rb", json!({"roleRef": role, "subjects": subjects}));
    store
}

fn bot() -> User {
    User::service_account("shop", "bot")
}

fn nobody() -> User {
    User { name: "system:anonymous".to_owned(), groups: vec!["system:unauthenticated".to_owned()] }
}

/// `group/resource/subresource`, namespace and name.
fn action<'a>(verb: &'a str, what: &'a str, namespace: &'a str, name: &'a str) -> Attributes<'a> {
    let mut parts = what.split('/');
    let mut part = || parts.next().unwrap_or_default();
    let (group, resource, subresource) = (part(), part(), part());
    Attributes { verb, group, resource, subresource, namespace, name, ..Attributes::default() }
}

fn path<'a>(verb: &'a str, path: &'a str) -> Attributes<'a> {
    Attributes { verb, path, ..Attributes::default() }
}

#[test]
fn masters_may_do_everything_in_an_empty_store() {
    let store = Store::default();
    let admin = User::admin();
    assert_eq!(check(&store, &admin, &action("delete", "apps/deployments", "shop", "web")), Ok(()));
    assert_eq!(check(&store, &admin, &path("get", "/metrics")), Ok(()));
    assert!(check(&store, &bot(), &path("get", "/version")).is_err());
}

#[test]
fn a_binding_allows_what_its_role_lists_in_its_namespace() {
    let store = store();
    let may = |action: &Attributes<'_>| check(&store, &bot(), action).is_ok();
    assert!(may(&action("list", "/pods", "shop", "")));
    assert!(!may(&action("list", "/pods", "other", "")));
    assert!(!may(&action("list", "/pods", "", "")));
    assert!(!may(&action("get", "/pods/log", "shop", "a")));
    assert!(may(&action("patch", "apps/deployments/scale", "shop", "web")));
    assert!(!may(&action("patch", "apps/deployments", "shop", "web")));
    assert!(may(&action("get", "/secrets", "shop", "mine")));
    assert!(!may(&action("get", "/secrets", "shop", "other")));
    assert!(!may(&action("list", "/secrets", "shop", "")));
    assert!(may(&action("get", "/namespaces", "", "shop")));
    assert!(may(&path("get", "/version")));
    assert!(may(&path("get", "/openapi/v3")));
    assert!(!may(&path("get", "/metrics")));
    let other = User::service_account("other", "bot");
    assert!(check(&store, &other, &action("list", "/pods", "shop", "")).is_err());
}

#[test]
fn everyone_may_ask_for_the_version_and_nobody_else_for_the_apis() {
    let store = store();
    assert!(check(&store, &nobody(), &path("get", "/version")).is_ok());
    assert!(check(&store, &nobody(), &path("get", "/apis")).is_err());
    assert!(check(&store, &bot(), &path("get", "/apis")).is_ok());
}

#[test]
fn a_refusal_says_it_as_the_real_server_does() {
    #[track_caller]
    fn refused(action: &Attributes<'_>, expected: Expect) {
        let refusal = check(&store(), &nobody(), action).unwrap_err();
        let details = refusal.to_json()["details"].clone();
        expected.assert_eq(&format!("{}\n{details}", refusal.message));
    }
    refused(
        &action("list", "/pods", "shop", ""),
        expect![[r#"
            pods is forbidden: User "system:anonymous" cannot list resource "pods" in API group "" in the namespace "shop"
            {"kind":"pods"}"#]],
    );
    refused(
        &action("get", "apps/deployments/scale", "shop", "web"),
        expect![[r#"
            deployments.apps "web" is forbidden: User "system:anonymous" cannot get resource "deployments/scale" in API group "apps" in the namespace "shop"
            {"group":"apps","kind":"deployments","name":"web"}"#]],
    );
    refused(
        &action("list", "/nodes", "", ""),
        expect![[r#"
            nodes is forbidden: User "system:anonymous" cannot list resource "nodes" in API group "" at the cluster scope
            {"kind":"nodes"}"#]],
    );
    refused(
        &path("get", "/metrics"),
        expect![[r#"
            forbidden: User "system:anonymous" cannot get path "/metrics"
            {}"#]],
    );
}

fn ask(user: &User, group: &str, plural: &str, body: Value) -> Value {
    let answer = review::answer(
        &store(),
        user,
        &action("create", &format!("{group}/{plural}"), "", ""),
        &body,
        0,
    );
    answer.expect("it is a review").expect("it is a proper question")["status"].take()
}

#[test]
fn an_access_review_says_why() {
    let pods = json!({"verb": "get", "resource": "pods", "namespace": "shop"});
    let can = |user: &User, attributes: &Value| {
        let body = json!({"spec": {"resourceAttributes": attributes}});
        ask(user, "authorization.k8s.io", "selfsubjectaccessreviews", body)
    };
    let reason = "RBAC: allowed by RoleBinding \"rb/shop\" of Role \"reader\" to ServiceAccount \"bot/shop\"";
    assert_eq!(can(&bot(), &pods), json!({"allowed": true, "reason": reason}));
    assert_eq!(can(&User::admin(), &pods), json!({"allowed": true}));
    assert_eq!(can(&nobody(), &pods), json!({"allowed": false}));
    let body = json!({"spec": {"user": "bob", "resourceAttributes": pods}});
    let bob = ask(&nobody(), "authorization.k8s.io", "subjectaccessreviews", body);
    assert_eq!(bob["allowed"], true);
}

#[test]
fn a_rules_review_lists_what_holds() {
    let body = json!({"spec": {"namespace": "shop"}});
    let status = ask(&bot(), "authorization.k8s.io", "selfsubjectrulesreviews", body.clone());
    let rules = status["resourceRules"].as_array().unwrap();
    assert!(
        rules
            .contains(&json!({"verbs": ["get", "list"], "apiGroups": [""], "resources": ["pods"]}))
    );
    let status = ask(&User::admin(), "authorization.k8s.io", "selfsubjectrulesreviews", body);
    assert_eq!(
        status["resourceRules"][0],
        json!({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]})
    );
    assert_eq!(status["nonResourceRules"][0], json!({"verbs": ["*"], "nonResourceURLs": ["*"]}));
}

#[test]
fn whoami_names_the_user() {
    let status = ask(&bot(), "authentication.k8s.io", "selfsubjectreviews", json!({}));
    assert_eq!(status["userInfo"]["username"], "system:serviceaccount:shop:bot");
}

#[test]
fn a_question_without_content_is_refused() {
    let body = json!({"kind": "SelfSubjectAccessReview", "spec": {}});
    let ask =
        |what: &str| review::answer(&store(), &bot(), &action("create", what, "", ""), &body, 0);
    let answer = ask("authorization.k8s.io/selfsubjectaccessreviews").unwrap();
    assert_eq!(answer.unwrap_err().code, 422);
    assert!(ask("apps/deployments").is_none());
}
