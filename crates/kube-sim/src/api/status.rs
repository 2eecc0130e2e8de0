//! A refusal as a real server puts it: the `Status` object.

use serde_json::{Value, json};

/// One cause in `details.causes`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    pub reason: String,
    pub message: String,
    pub field: String,
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
}

impl Status {
    #[must_use]
    pub fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into(), ..Self::default() }
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
        if !self.reason.is_empty() {
            status["reason"] = json!(self.reason);
            status["details"] = details;
        }
        status
    }
}
