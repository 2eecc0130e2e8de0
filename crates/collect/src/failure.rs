//! Why a service gave no answer, or not all of it.

use std::fmt;
use std::time::Duration;

use thiserror::Error;

/// What went wrong, for people; and its kind, for counters and tests.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct Failure {
    pub kind: FailureKind,
    /// What was asked, what came instead, and what to do. No secret, no query and no body is in it.
    pub message: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailureKind {
    /// The request itself cannot be asked: a bad address, a pattern that is none.
    Request,
    /// The address is not on the allow-list, or the name leads to one that is refused.
    Refused,
    /// A secret or a ConfigMap is missing or cannot be used.
    Secret,
    /// 401 or 403: the token is wrong, has expired, or may not see this.
    Unauthorized,
    /// 404: what was asked for is not there, or not visible.
    NotFound,
    /// The service asks to wait, or our own budget is spent.
    RateLimited,
    /// 5xx, or another status that is not an answer.
    Status,
    /// A redirect, which is how services send strangers to their login page.
    Redirect,
    /// No connection, a broken one, or a certificate that is not trusted.
    Network,
    Timeout,
    /// Not JSON by its content type: a web page, mostly.
    ContentType,
    /// JSON of another shape than the service's documents say, or none at all.
    Shape,
    /// More bytes, pages or items than allowed.
    TooMuch,
    /// The pages do not fit together: repeated items, a wrong total, no end.
    Pages,
    /// The service says itself that it left something out.
    Withheld,
}

impl FailureKind {
    /// Whether the next question of the same crawl would fail for the same reason.
    pub(crate) fn ends_crawl(self) -> bool {
        !matches!(self, Self::NotFound | Self::Shape | Self::TooMuch | Self::Pages)
    }
}

impl Failure {
    pub(crate) fn new(kind: FailureKind, message: impl fmt::Display) -> Self {
        Self { kind, message: message.to_string() }
    }
}

/// A duration as people say it.
pub(crate) fn spoken(duration: Duration) -> String {
    match duration.as_secs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7_200 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3_600),
    }
}
