//! What an API server's refusal means, and who can do something about it. Pure.
//!
//! The shapes were observed on a real kube-apiserver 1.36. Two of them are easily misread: a 500
//! from an apply is usually the user's mistake, and of the two kinds of 409 only the one with
//! causes is about ownership.

use std::time::Duration;

use serde::Deserialize;
use thiserror::Error;

/// The longest text of one cause that is passed on; the API server prints whole templates.
const MAX_CAUSE_CHARS: usize = 240;

/// A request that the API server did not fulfil.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct Refusal {
    pub kind: RefusalKind,
    /// For people; for a Secret it holds reasons and field paths only.
    pub message: String,
    /// What the server asked for with `Retry-After`.
    pub retry_after: Option<Duration>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefusalKind {
    /// The manifest is not valid; sending it again will not help.
    Invalid,
    /// A field that cannot be changed would change; the object has to be replaced by a person.
    Immutable,
    /// Other field managers hold fields with other values.
    Conflict(Vec<ConflictCause>),
    /// Somebody else wrote at the same moment, or a precondition does not hold.
    Race,
    /// The API server does not serve this kind, or not yet.
    KindMissing,
    /// The namespace does not exist.
    NamespaceMissing,
    /// The namespace is being deleted.
    NamespaceTerminating,
    /// The object does not exist.
    NotFound,
    /// The agent's role does not allow it.
    Forbidden,
    /// The version that a list or watch asked for is gone: list anew.
    Expired,
    /// The server asks for patience.
    Throttled,
    /// The server failed, or could not be reached.
    Unavailable,
}

/// One field that somebody else holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConflictCause {
    pub manager: String,
    /// The subresource through which it was written, such as `scale`; empty for none.
    pub subresource: String,
    /// As the API server writes paths: `.spec.replicas`.
    pub field: String,
}

impl RefusalKind {
    /// Whether only a person can make the same request succeed.
    #[must_use]
    pub fn needs_a_person(&self) -> bool {
        matches!(self, Self::Invalid | Self::Immutable | Self::Conflict(_) | Self::Forbidden)
    }
}

impl Refusal {
    #[must_use]
    pub fn unreachable(message: &str) -> Self {
        Self {
            kind: RefusalKind::Unavailable,
            message: format!("the API server did not answer: {message}"),
            retry_after: None,
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Status {
    message: String,
    reason: String,
    details: Option<Details>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Details {
    name: String,
    kind: String,
    causes: Vec<Cause>,
    retry_after_seconds: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Cause {
    reason: String,
    message: String,
    field: String,
}

/// What was asked for, so far as the meaning of the answer depends on it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Subject {
    /// Values must not be quoted.
    pub secret: bool,
    /// The object is itself a Namespace, so `namespaces "x" not found` is about the object.
    pub namespace: bool,
}

/// Sorts an answer that is not a success.
#[must_use]
pub fn classify(code: u16, retry_after: Option<u64>, body: &[u8], subject: Subject) -> Refusal {
    let status: Option<Status> = serde_json::from_slice(body).ok();
    let text_answer = status.is_none();
    let status = status.unwrap_or_default();
    let details = status.details.unwrap_or_default();
    let wait = retry_after.unwrap_or(details.retry_after_seconds);
    let retry_after = (wait > 0).then(|| Duration::from_secs(wait));
    let kind = kind_of(code, text_answer, &status.message, &status.reason, &details, subject);
    let message = describe(code, &kind, &status.message, &status.reason, &details.causes, subject);
    Refusal { kind, message, retry_after }
}

fn kind_of(
    code: u16,
    text_answer: bool,
    message: &str,
    reason: &str,
    details: &Details,
    subject: Subject,
) -> RefusalKind {
    let has_cause = |name: &str| details.causes.iter().any(|cause| cause.reason == name);
    match code {
        404 if text_answer => RefusalKind::KindMissing,
        404 if details.name.is_empty() => RefusalKind::KindMissing,
        404 if details.kind == "namespaces" && !subject.namespace => RefusalKind::NamespaceMissing,
        404 => RefusalKind::NotFound,
        409 if has_cause("FieldManagerConflict") => {
            RefusalKind::Conflict(details.causes.iter().map(conflict_cause).collect())
        }
        409 => RefusalKind::Race,
        410 => RefusalKind::Expired,
        504 if has_cause("ResourceVersionTooLarge") => RefusalKind::Expired,
        403 if has_cause("NamespaceTerminating") => RefusalKind::NamespaceTerminating,
        401 | 403 => RefusalKind::Forbidden,
        422 if is_immutable(message, &details.causes) => RefusalKind::Immutable,
        422 if is_recreated(&details.causes) => RefusalKind::Race,
        400 | 413 | 415 | 422 => RefusalKind::Invalid,
        500 if is_typed_patch_error(message) => RefusalKind::Invalid,
        429 => RefusalKind::Throttled,
        _ if reason == "Expired" => RefusalKind::Expired,
        _ => RefusalKind::Unavailable,
    }
}

/// The server's way to say that the manifest does not fit the schema: a 500 without a reason.
fn is_typed_patch_error(message: &str) -> bool {
    message.starts_with("failed to create typed patch object")
        || message.starts_with("failed to convert new object")
}

/// No reason code says so: the text has to be matched.
fn is_immutable(message: &str, causes: &[Cause]) -> bool {
    let says_so = |text: &str| {
        text.contains("immutable")
            || text.contains("may not change once set")
            || text.contains("updates to statefulset spec")
    };
    !is_recreated(causes)
        && (causes.iter().any(|cause| says_so(&cause.message))
            || (causes.is_empty() && says_so(message)))
}

/// An apply that named a uid met another object of that name.
fn is_recreated(causes: &[Cause]) -> bool {
    causes.iter().any(|cause| cause.field == "metadata.uid")
}

/// Reads `conflict with "kubectl" with subresource "scale" using apps/v1`.
fn conflict_cause(cause: &Cause) -> ConflictCause {
    let mut quoted = cause.message.split('"').skip(1).step_by(2);
    let manager = quoted.next().unwrap_or("unknown").to_owned();
    let subresource = match cause.message.contains("with subresource") {
        true => quoted.next().unwrap_or_default().to_owned(),
        false => String::new(),
    };
    ConflictCause { manager, subresource, field: cause.field.clone() }
}

fn describe(
    code: u16,
    kind: &RefusalKind,
    message: &str,
    reason: &str,
    causes: &[Cause],
    subject: Subject,
) -> String {
    if let RefusalKind::Conflict(causes) = kind {
        let list: Vec<_> =
            causes.iter().map(|c| format!("{} is managed by {}", c.field, c.manager)).collect();
        return list.join("; ");
    }
    let reason = if reason.is_empty() { format!("status {code}") } else { reason.to_owned() };
    if subject.secret && *kind == RefusalKind::Invalid {
        return match causes {
            [] => format!("{reason}: {}", typed_path(message)),
            causes => {
                let fields: Vec<_> = causes.iter().map(|cause| cause.field.as_str()).collect();
                format!("{reason}: {}", fields.join(", "))
            }
        };
    }
    let text = match causes {
        [] => shorten(strip_typed_prefix(message)),
        causes => {
            let list: Vec<_> = causes
                .iter()
                .map(|cause| match cause.field.is_empty() {
                    true => shorten(&cause.message),
                    false => format!("{}: {}", cause.field, shorten(&cause.message)),
                })
                .collect();
            list.join("; ")
        }
    };
    match kind {
        RefusalKind::Immutable => format!(
            "{text}; Kubernetes does not allow this change: delete the object, and Muster makes \
             it anew"
        ),
        _ if text.is_empty() => reason,
        _ => text,
    }
}

/// `failed to create typed patch object (/a; /v1, Kind=ConfigMap): .bogus: ...` from `.bogus` on.
fn strip_typed_prefix(message: &str) -> &str {
    match is_typed_patch_error(message) {
        true => message.split_once("): ").map_or(message, |(_, rest)| rest),
        false => message,
    }
}

/// The field path of such a message, without what follows it: that may quote the value.
fn typed_path(message: &str) -> &str {
    let rest = strip_typed_prefix(message);
    match rest.starts_with('.') {
        true => rest.split(": ").next().unwrap_or_default(),
        false => "the values are not valid",
    }
}

/// `Invalid value: <a page of Go syntax>: field is immutable` keeps its end.
fn shorten(text: &str) -> String {
    if text.chars().count() <= MAX_CAUSE_CHARS {
        return text.to_owned();
    }
    let tail = text.rsplit(": ").next().unwrap_or(text);
    tail.chars().take(MAX_CAUSE_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(code: u16, body: &str) -> RefusalKind {
        classify(code, None, body.as_bytes(), Subject::default()).kind
    }

    #[test]
    fn a_500_about_the_schema_is_the_users_mistake_and_any_other_is_not() {
        let body = r#"{"message":"failed to create typed patch object (/a; /v1, Kind=ConfigMap): .bogus: field not declared in schema","code":500}"#;
        let refusal = classify(500, None, body.as_bytes(), Subject::default());
        assert_eq!(refusal.kind, RefusalKind::Invalid);
        assert_eq!(refusal.message, ".bogus: field not declared in schema");
        let body = r#"{"message":"etcdserver: request timed out","code":500}"#;
        assert_eq!(kind(500, body), RefusalKind::Unavailable);
    }

    #[test]
    fn the_two_conflicts_are_told_apart() {
        let owned = r#"{"reason":"Conflict","details":{"causes":[{"reason":"FieldManagerConflict","message":"conflict with \"kubectl\" with subresource \"scale\" using apps/v1","field":".spec.replicas"}]}}"#;
        let RefusalKind::Conflict(causes) = kind(409, owned) else { panic!("not a conflict") };
        assert_eq!(causes[0].manager, "kubectl");
        assert_eq!(causes[0].subresource, "scale");
        assert_eq!(causes[0].field, ".spec.replicas");
        let race = r#"{"reason":"Conflict","details":{"name":"a","kind":"configmaps"}}"#;
        assert_eq!(kind(409, race), RefusalKind::Race);
    }

    #[test]
    fn four_kinds_of_404() {
        assert_eq!(kind(404, "404 page not found\n"), RefusalKind::KindMissing);
        assert_eq!(kind(404, r#"{"reason":"NotFound","details":{}}"#), RefusalKind::KindMissing);
        let namespace = r#"{"message":"namespaces \"nope\" not found","reason":"NotFound","details":{"name":"nope","kind":"namespaces"}}"#;
        assert_eq!(kind(404, namespace), RefusalKind::NamespaceMissing);
        let subject = Subject { namespace: true, secret: false };
        let itself = classify(404, None, namespace.as_bytes(), subject).kind;
        assert_eq!(itself, RefusalKind::NotFound);
        let object = r#"{"reason":"NotFound","details":{"name":"a","kind":"configmaps"}}"#;
        assert_eq!(kind(404, object), RefusalKind::NotFound);
    }

    #[test]
    fn immutable_fields_are_recognised_by_their_texts() {
        for message in [
            "Invalid value: {\"a\":\"b\"}: field is immutable",
            "Forbidden: field is immutable when `immutable` is set",
            "Invalid value: null: may not change once set",
            "Forbidden: updates to statefulset spec for fields other than 'replicas' are forbidden",
        ] {
            let body = serde_json::json!({"reason": "Invalid", "details": {"causes": [
                {"reason": "FieldValueInvalid", "message": message, "field": "spec"}]}});
            assert_eq!(kind(422, &body.to_string()), RefusalKind::Immutable, "{message}");
        }
        let body = r#"{"reason":"Invalid","details":{"causes":[{"reason":"FieldValueInvalid","message":"Invalid value: -1: must be greater than or equal to 0","field":"spec.replicas"}]}}"#;
        assert_eq!(kind(422, body), RefusalKind::Invalid);
        let recreated = r#"{"reason":"Invalid","details":{"causes":[{"reason":"FieldValueInvalid","message":"Invalid value: \"x\": field is immutable","field":"metadata.uid"}]}}"#;
        assert_eq!(kind(422, recreated), RefusalKind::Race);
    }

    #[test]
    fn a_long_go_dump_is_cut_to_its_reason() {
        let message = format!("Invalid value: {}: field is immutable", "core.Pod{".repeat(200));
        let body = serde_json::json!({"reason": "Invalid", "details": {"causes": [
            {"reason": "FieldValueInvalid", "message": message, "field": "spec.template"}]}});
        let refusal = classify(422, None, body.to_string().as_bytes(), Subject::default());
        assert!(refusal.message.starts_with("spec.template: field is immutable;"), "{refusal}");
    }

    #[test]
    fn a_refused_secret_never_quotes_a_value() {
        let secret = Subject { secret: true, namespace: false };
        let body = r#"{"message":"failed to create typed patch object (n/s; /v1, Kind=Secret): .data.password: expected string, got &value.valueUnstructured{Value:\"hunter2\"}","code":500}"#;
        let refusal = classify(500, None, body.as_bytes(), secret);
        assert_eq!(refusal.message, "status 500: .data.password");
        let body = r#"{"reason":"Invalid","details":{"causes":[{"reason":"FieldValueInvalid","message":"Invalid value: \"hunter2\": no","field":"data.password"}]}}"#;
        let refusal = classify(422, None, body.as_bytes(), secret);
        assert_eq!(refusal.message, "Invalid: data.password");
    }

    #[test]
    fn throttling_and_its_wait_are_respected() {
        let refusal = classify(429, Some(3), b"slow down", Subject::default());
        assert_eq!(refusal.kind, RefusalKind::Throttled);
        assert_eq!(refusal.retry_after, Some(Duration::from_secs(3)));
        let body =
            r#"{"reason":"Forbidden","details":{"causes":[{"reason":"NamespaceTerminating"}]}}"#;
        assert_eq!(kind(403, body), RefusalKind::NamespaceTerminating);
        assert_eq!(kind(503, "upstream"), RefusalKind::Unavailable);
    }
}
