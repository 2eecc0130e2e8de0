//! Who sends a request: a bearer token, and whom its owner pretends to be.

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};

use crate::api::status::Status;
use crate::api::{Attributes, rbac};
use crate::cluster::{Cluster, User};

const IMPERSONATE_USER: &str = "impersonate-user";
const IMPERSONATE_GROUP: &str = "impersonate-group";

/// A token that nobody can guess. Not from the cluster's seed: the port is open to all users of the
/// machine.
pub(super) fn new_token() -> String {
    let bytes: [u8; 16] = rand::random();
    bytes.iter().fold("admin-".to_owned(), |text, byte| format!("{text}{byte:02x}"))
}

/// Who sends the request.
///
/// # Errors
/// 401 for a token that nobody has, 403 for an impersonation that is not allowed.
pub(super) fn authenticate(
    cluster: &Cluster,
    admin_token: &str,
    headers: &HeaderMap,
) -> Result<User, Status> {
    let user = match bearer(headers) {
        None => anonymous(),
        Some(token) if token == admin_token => User::admin(),
        Some(token) => match cluster.authenticate(token) {
            Some(user) => user,
            None => return Err(Status::new(401, "Unauthorized", "Unauthorized")),
        },
    };
    impersonate(cluster, user, headers)
}

fn anonymous() -> User {
    User { name: "system:anonymous".to_owned(), groups: vec!["system:unauthenticated".to_owned()] }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// `kubectl --as`: another name for the request, if the user may take it.
fn impersonate(cluster: &Cluster, user: User, headers: &HeaderMap) -> Result<User, Status> {
    let text = |value: &HeaderValue| value.to_str().unwrap_or_default().to_owned();
    let Some(name) = headers.get(IMPERSONATE_USER).map(text) else {
        if headers.contains_key(IMPERSONATE_GROUP) {
            let why = "requested impersonation without impersonating a user";
            return Err(Status::new(500, "InternalError", why));
        }
        return Ok(user);
    };
    let groups: Vec<_> = headers.get_all(IMPERSONATE_GROUP).iter().map(text).collect();
    let state = cluster.state();
    let may = |resource: &str, namespace: &str, name: &str| {
        let verb = "impersonate";
        let attributes = Attributes { verb, resource, namespace, name, ..Attributes::default() };
        rbac::authorize(&state, &user, &attributes)
    };
    let account = name.strip_prefix("system:serviceaccount:").and_then(|of| of.split_once(':'));
    match account {
        Some((namespace, account)) => may("serviceaccounts", namespace, account)?,
        None => may("users", "", &name)?,
    }
    for group in &groups {
        may("groups", "", group)?;
    }
    let mut taken = match account {
        Some((namespace, account)) if groups.is_empty() => {
            User::service_account(namespace, account)
        }
        _ => User { name, groups },
    };
    let everyone = match &*taken.name {
        "system:anonymous" => "system:unauthenticated",
        _ => "system:authenticated",
    };
    if !taken.groups.iter().any(|group| group == everyone) {
        taken.groups.push(everyone.to_owned());
    }
    Ok(taken)
}
