//! Tokens of service accounts: made by `serviceaccounts/NAME/token`, and known again.
//!
//! They look like a real server's (three parts with dots, the middle one readable), but the last part
//! only guards against mistakes: a simulated cluster keeps no secrets.

use std::hash::{DefaultHasher, Hasher as _};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::accept::{Shape, negotiate};
use super::answer::Answer;
use super::json;
use super::read::find;
use super::status::{Cause, Status};
use super::{Answered, Ask};
use crate::cluster::{State, User};
use crate::objects::time_text;
use crate::store::{ObjectKey, ResourceId};

const ISSUER: &str = "https://kubernetes.default.svc";
const DEFAULT_SECONDS: i64 = 3_600;

pub(super) fn create(state: &State, ask: &Ask<'_>) -> Answered {
    let (_, yaml) = negotiate(ask.accept(), Shape::Object)?;
    let account = find(state, ask)?;
    let body = match ask.body {
        [] => Value::Null,
        body => json::parse(body).map_err(|why| Status::bad_request(why.to_string()))?.0,
    };
    let seconds = body["spec"]["expirationSeconds"].as_i64().unwrap_or(DEFAULT_SECONDS);
    if seconds < 600 {
        let why =
            format!("Invalid value: {seconds}: may not specify a duration less than 10 minutes");
        let cause = Cause::new("FieldValueInvalid", "spec.expirationSeconds", why);
        let group = "authentication.k8s.io";
        return Err(Status::invalid(group, "TokenRequest", "", vec![cause]));
    }
    let audiences = match &body["spec"]["audiences"] {
        Value::Array(list) if !list.is_empty() => json!(list),
        _ => json!([ISSUER]),
    };
    let now = state.clock.wall_ms();
    let expires = now + seconds.saturating_mul(1_000);
    let key = &account.key;
    let token = sign(&json!({
        "iss": ISSUER, "aud": audiences, "iat": now / 1_000, "exp": expires / 1_000,
        "sub": format!("system:serviceaccount:{}:{}", key.namespace, key.name),
        "kubernetes.io": {"namespace": &*key.namespace,
            "serviceaccount": {"name": &*key.name, "uid": &*account.uid}},
    }));
    let answer = json!({
        "kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1",
        "metadata": {"name": &*key.name, "namespace": &*key.namespace, "uid": &*account.uid,
            "creationTimestamp": state.now_text()},
        "spec": {"audiences": audiences, "expirationSeconds": seconds, "boundObjectRef": null},
        "status": {"token": token, "expirationTimestamp": time_text(expires)},
    });
    Ok(Answer { code: 201, ..Answer::ok(answer.to_string()) }.into_response(yaml))
}

fn sign(claims: &Value) -> String {
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#);
    let claims = URL_SAFE_NO_PAD.encode(claims.to_string());
    let signed = format!("{header}.{claims}");
    let check = check(&signed);
    format!("{signed}.{check}")
}

fn check(text: &str) -> String {
    let mut hasher = DefaultHasher::new();
    hasher.write(text.as_bytes());
    URL_SAFE_NO_PAD.encode(hasher.finish().to_be_bytes())
}

/// Whose token this is; `None` when it is none, is over, or its account is gone.
pub(crate) fn authenticate(state: &State, token: &str) -> Option<User> {
    let (signed, given) = token.rsplit_once('.')?;
    if check(signed) != given {
        return None;
    }
    let (_, claims) = signed.split_once('.')?;
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()?;
    if claims["exp"].as_i64()? <= state.clock.wall_ms() / 1_000 {
        return None;
    }
    let account = &claims["kubernetes.io"]["serviceaccount"];
    let namespace = claims["kubernetes.io"]["namespace"].as_str()?;
    let name = account["name"].as_str()?;
    let accounts = ResourceId::new("", "serviceaccounts");
    let found = state.store.get(&accounts, &ObjectKey::new(namespace, name))?;
    (*found.uid == *account["uid"].as_str()?).then(|| User::service_account(namespace, name))
}
