//! Who may do what: Roles and bindings of the store, evaluated for one request.
//!
//! Pure functions on a [`Store`]. They decide and word the refusal; the dispatcher asks them before
//! it does anything. Aggregation of ClusterRoles is not computed: a role has the rules it lists.

mod bootstrap;
mod review;
mod rules;

#[cfg(test)]
mod tests;

pub(crate) use bootstrap::bootstrap;

use serde_json::Value;

use self::rules::{Grant, granted};
use super::Attributes;
use super::status::Status;
use crate::cluster::{State, User};
use crate::store::Store;

/// Who may do everything, whatever the store says; so a cluster cannot lock its owner out.
const MASTERS: &str = "system:masters";

/// Refuses with 403 what the user may not do, in the words of a real server.
///
/// # Errors
/// When no binding allows it.
pub(crate) fn authorize(
    state: &State,
    user: &User,
    attributes: &Attributes<'_>,
) -> Result<(), Status> {
    check(&state.store, user, attributes)
}

/// The answer to a POST of a review (`SelfSubjectAccessReview` and its like), which are served but
/// not stored; `None` when the resource is none of them.
pub(crate) fn review(
    state: &State,
    user: &User,
    attributes: &Attributes<'_>,
    body: &Value,
) -> Option<Result<Value, Status>> {
    review::answer(&state.store, user, attributes, body, state.clock.wall_ms())
}

fn check(store: &Store, user: &User, action: &Attributes<'_>) -> Result<(), Status> {
    if is_master(user) || granted(store, user, action).is_some() {
        return Ok(());
    }
    Err(forbidden(user, action))
}

/// Why the action is allowed: an empty text for `system:masters`; `None` when it is not.
fn reason(store: &Store, user: &User, action: &Attributes<'_>) -> Option<String> {
    if is_master(user) {
        return Some(String::new());
    }
    granted(store, user, action).as_ref().map(Grant::reason)
}

fn is_master(user: &User) -> bool {
    user.groups.iter().any(|group| group == MASTERS)
}

/// A namespace is in itself, as far as permissions go: so `get namespaces/x` can be allowed by a
/// RoleBinding in `x`.
fn namespace_of<'a>(action: &Attributes<'a>) -> &'a str {
    match (action.group, action.resource, action.name) {
        ("", "namespaces", name) if !name.is_empty() => name,
        _ => action.namespace,
    }
}

fn forbidden(user: &User, action: &Attributes<'_>) -> Status {
    let (who, Attributes { verb, group, resource, name, .. }) = (&user.name, action);
    if resource.is_empty() {
        let text = format!("forbidden: User \"{who}\" cannot {verb} path \"{}\"", action.path);
        return Status::new(403, "Forbidden", text);
    }
    let mut what = (*resource).to_owned();
    if !group.is_empty() {
        what = format!("{what}.{group}");
    }
    if !name.is_empty() {
        what = format!("{what} \"{name}\"");
    }
    let full = match action.subresource {
        "" => (*resource).to_owned(),
        subresource => format!("{resource}/{subresource}"),
    };
    let scope = match namespace_of(action) {
        "" => "at the cluster scope".to_owned(),
        namespace => format!("in the namespace \"{namespace}\""),
    };
    let text = format!(
        "{what} is forbidden: User \"{who}\" cannot {verb} resource \"{full}\" in API group \
         \"{group}\" {scope}"
    );
    Status {
        name: (*name).to_owned(),
        group: (*group).to_owned(),
        kind: (*resource).to_owned(),
        ..Status::new(403, "Forbidden", text)
    }
}
