//! A refusal as a real server puts it: the `Status` object.

use serde_json::{Value, json};

use crate::store::ResourceId;

/// One cause in `details.causes`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    pub reason: String,
    pub message: String,
    pub field: String,
}

impl Cause {
    #[must_use]
    pub(crate) fn new(reason: &str, field: &str, message: impl Into<String>) -> Self {
        Self { reason: reason.to_owned(), message: message.into(), field: field.to_owned() }
    }
}

/// Why a request was refused.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    pub code: u16,
    /// Empty where the real server gives none.
    pub reason: &'static str,
    pub message: String,
    /// The resource's name, its group and its plural, as far as the real server tells.
    pub name: String,
    pub group: String,
    pub kind: String,
    pub uid: String,
    pub causes: Vec<Cause>,
    pub retry_after_seconds: Option<u32>,
    /// `metadata.continue`: how to list the rest all the same.
    pub more: String,
}

impl Status {
    #[must_use]
    pub fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into(), ..Self::default() }
    }

    /// 404 for an object.
    #[must_use]
    pub(crate) fn not_found(resource: &ResourceId, name: &str) -> Self {
        let message = format!("{} \"{name}\" not found", qualified(resource));
        Self::new(404, "NotFound", message).about(resource.group(), resource.plural(), name)
    }

    /// 404 for a path, a version or a resource that is not served.
    #[must_use]
    pub(crate) fn not_served() -> Self {
        Self::new(404, "NotFound", "the server could not find the requested resource")
    }

    #[must_use]
    pub(crate) fn method_not_allowed() -> Self {
        let message = "the server does not allow this method on the requested resource";
        Self::new(405, "MethodNotAllowed", message)
    }

    #[must_use]
    pub(crate) fn already_exists(resource: &ResourceId, name: &str) -> Self {
        let message = format!("{} \"{name}\" already exists", qualified(resource));
        Self::new(409, "AlreadyExists", message).about(resource.group(), resource.plural(), name)
    }

    #[must_use]
    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    /// 409 without causes: a race, not a question of ownership.
    #[must_use]
    pub(crate) fn conflict(resource: &ResourceId, name: &str, why: &str) -> Self {
        let message =
            format!("Operation cannot be fulfilled on {} \"{name}\": {why}", qualified(resource));
        Self::new(409, "Conflict", message).about(resource.group(), resource.plural(), name)
    }

    /// The 409 of a write that names a version which is not the latest.
    #[must_use]
    pub(crate) fn modified(resource: &ResourceId, name: &str) -> Self {
        let why = "the object has been modified; please apply your changes to the latest version \
                   and try again";
        Self::conflict(resource, name, why)
    }

    #[must_use]
    pub(crate) fn forbidden(resource: &ResourceId, name: &str, why: &str) -> Self {
        let message = format!("{} \"{name}\" is forbidden: {why}", qualified(resource));
        Self::new(403, "Forbidden", message).about(resource.group(), resource.plural(), name)
    }

    /// 422 with a cause per field. `group` and `kind` are those of the object's type.
    #[must_use]
    pub(crate) fn invalid(group: &str, kind: &str, name: &str, causes: Vec<Cause>) -> Self {
        let dot = if group.is_empty() { "" } else { "." };
        let mut shown: Vec<_> =
            causes.iter().map(|cause| format!("{}: {}", cause.field, cause.message)).collect();
        // Two rules may refuse the same thing; the message says it once.
        shown.dedup();
        let shown = match &shown[..] {
            [one] => one.clone(),
            many => format!("[{}]", many.join(", ")),
        };
        let message = format!("{kind}{dot}{group} \"{name}\" is invalid: {shown}");
        Self { causes, ..Self::new(422, "Invalid", message).about(group, kind, name) }
    }

    fn about(self, group: &str, kind: &str, name: &str) -> Self {
        Self { name: name.to_owned(), group: group.to_owned(), kind: kind.to_owned(), ..self }
    }

    /// A request that was not even read has no details at all, an unknown resource has empty ones.
    fn is_bare(&self) -> bool {
        match self.reason {
            "BadRequest" | "Expired" | "RequestEntityTooLarge" | "Unauthorized" => true,
            "UnsupportedMediaType" => self.message.starts_with("the body of the request"),
            _ => false,
        }
    }

    /// The object as clients receive it.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut details = json!({});
        for (key, text) in
            [("name", &self.name), ("group", &self.group), ("kind", &self.kind), ("uid", &self.uid)]
        {
            if !text.is_empty() {
                details[key] = json!(text);
            }
        }
        if !self.causes.is_empty() {
            let cause = |cause: &Cause| {
                let mut shown = json!({"reason": cause.reason, "message": cause.message});
                if !cause.field.is_empty() {
                    shown["field"] = json!(cause.field);
                }
                shown
            };
            details["causes"] = self.causes.iter().map(cause).collect();
        }
        if let Some(seconds) = self.retry_after_seconds {
            details["retryAfterSeconds"] = json!(seconds);
        }
        let mut status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "code": self.code,
        });
        if !self.more.is_empty() {
            status["metadata"]["continue"] = json!(self.more);
        }
        if !self.reason.is_empty() {
            status["reason"] = json!(self.reason);
            if !self.is_bare() {
                status["details"] = details;
            }
        }
        status
    }
}

/// `deployments.apps`, or `pods`.
pub(crate) fn qualified(resource: &ResourceId) -> String {
    match resource.group() {
        "" => resource.plural().to_owned(),
        group => format!("{}.{group}", resource.plural()),
    }
}
