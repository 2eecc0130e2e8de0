//! The reviews: objects that are questions about permissions, answered and never stored. This is
//! what `kubectl auth can-i` and `kubectl auth whoami` ask.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::rules::{Rule, rules_of};
use super::{is_master, reason};
use crate::api::Attributes;
use crate::api::status::{Cause, Status};
use crate::cluster::User;
use crate::store::Store;

/// The object that the client receives (201); `None` when the resource is no review.
pub(super) fn answer(
    store: &Store,
    user: &User,
    attributes: &Attributes<'_>,
    body: &Value,
    now_ms: i64,
) -> Option<Result<Value, Status>> {
    let answer = match (attributes.group, attributes.resource) {
        ("authentication.k8s.io", "selfsubjectreviews") => Ok(whoami(user, body, now_ms)),
        ("authorization.k8s.io", "selfsubjectaccessreviews") => access(store, user, body, ""),
        ("authorization.k8s.io", "subjectaccessreviews") => access_of(store, body, ""),
        ("authorization.k8s.io", "localsubjectaccessreviews") => {
            access_of(store, body, attributes.namespace)
        }
        ("authorization.k8s.io", "selfsubjectrulesreviews") => rules(store, user, body),
        _ => return None,
    };
    Some(answer)
}

fn whoami(user: &User, body: &Value, now_ms: i64) -> Value {
    let now = Timestamp::from_second(now_ms.div_euclid(1_000)).unwrap_or_default();
    let mut answer = body.clone();
    answer["metadata"] = json!({"creationTimestamp": now.to_string()});
    answer["status"] = json!({"userInfo": {"username": user.name, "groups": user.groups}});
    answer
}

/// The user is named in the question.
fn access_of(store: &Store, body: &Value, namespace: &str) -> Result<Value, Status> {
    let spec = &body["spec"];
    let name = spec["user"].as_str().unwrap_or_default().to_owned();
    let groups = spec["groups"].as_array().map(Vec::as_slice).unwrap_or_default();
    let groups: Vec<_> = groups.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    if name.is_empty() && groups.is_empty() {
        let message = "at least one of user or group must be specified";
        return Err(invalid("SubjectAccessReview", "spec.user", message));
    }
    access(store, &User { name, groups }, body, namespace)
}

fn access(store: &Store, user: &User, body: &Value, namespace: &str) -> Result<Value, Status> {
    let spec = &body["spec"];
    let resource = spec.get("resourceAttributes").filter(|value| !value.is_null());
    let path = spec.get("nonResourceAttributes").filter(|value| !value.is_null());
    let action = match (resource, path) {
        (Some(asked), None) => Attributes {
            verb: text(asked, "verb"),
            group: text(asked, "group"),
            resource: text(asked, "resource"),
            subresource: text(asked, "subresource"),
            namespace: if namespace.is_empty() { text(asked, "namespace") } else { namespace },
            name: text(asked, "name"),
            ..Attributes::default()
        },
        (None, Some(asked)) => Attributes {
            verb: text(asked, "verb"),
            path: text(asked, "path"),
            ..Attributes::default()
        },
        (Some(_), Some(_)) => {
            let message = "cannot be specified in combination with resourceAttributes";
            return Err(invalid(text(body, "kind"), "spec.nonResourceAttributes", message));
        }
        (None, None) => {
            let message = "exactly one of nonResourceAttributes or resourceAttributes must be \
                           specified";
            return Err(invalid(text(body, "kind"), "spec.resourceAttributes", message));
        }
    };
    let status = match reason(store, user, &action) {
        None => json!({"allowed": false}),
        Some(reason) if reason.is_empty() => json!({"allowed": true}),
        Some(reason) => json!({"allowed": true, "reason": reason}),
    };
    Ok(answered(body, status))
}

fn rules(store: &Store, user: &User, body: &Value) -> Result<Value, Status> {
    let namespace = text(&body["spec"], "namespace");
    if namespace.is_empty() {
        return Err(Status::new(400, "BadRequest", "no namespace on request"));
    }
    let mut rules = rules_of(store, user, namespace);
    if is_master(user) {
        let all = || vec!["*".to_owned()];
        let resources =
            Rule { verbs: all(), api_groups: all(), resources: all(), ..Rule::default() };
        let paths = Rule { verbs: all(), non_resource_urls: all(), ..Rule::default() };
        rules.splice(0..0, [resources, paths]);
    }
    let (paths, resources): (Vec<_>, Vec<_>) =
        rules.into_iter().partition(|rule| !rule.non_resource_urls.is_empty());
    let status = json!({
        "resourceRules": resources, "nonResourceRules": paths, "incomplete": false,
    });
    Ok(answered(body, status))
}

fn answered(body: &Value, status: Value) -> Value {
    let mut answer = body.clone();
    answer["metadata"] = json!({});
    answer["status"] = status;
    answer
}

fn invalid(kind: &str, field: &str, detail: &str) -> Status {
    let message = format!("Invalid value: null: {detail}");
    Status {
        group: "authorization.k8s.io".to_owned(),
        kind: kind.to_owned(),
        causes: vec![Cause {
            reason: "FieldValueInvalid".to_owned(),
            message: message.clone(),
            field: field.to_owned(),
        }],
        ..Status::new(
            422,
            "Invalid",
            format!("{kind}.authorization.k8s.io \"\" is invalid: {field}: {message}"),
        )
    }
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}
