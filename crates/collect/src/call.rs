//! One question to a service, and how its answer goes on.

use std::time::Duration;

use reqwest::Url;
use serde_json::{Map, Value};

use crate::failure::{Failure, FailureKind};
use crate::wire::Kind;

#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub kind: Kind,
    pub url: Url,
    pub paging: Paging,
    /// The answer can never be another one: it is about a commit.
    pub lasting: bool,
    /// A request with a body is a POST.
    pub body: Option<Body>,
    /// Another time limit than the usual one.
    pub timeout: Option<Duration>,
}

#[derive(Debug, Clone)]
pub(crate) struct Body {
    pub json: Map<String, Value>,
    /// For AWS: the service, and the operation.
    pub aws: Option<(&'static str, &'static str)>,
}

/// How a service says that there is more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Paging {
    /// There is one page.
    Single,
    /// `page=N`, with whatever the headers say: `X-Next-Page`, `Link`, a total. Where they say
    /// nothing, a page that is not full is the last one; an empty one is, where the service is free
    /// to make pages smaller than asked for.
    Numbered { per_page: usize, short_ends: bool },
    /// The body gives a number for the parameter `start`.
    Start,
    /// The body gives the next address.
    Link,
    /// The body gives a text for this field of the request's body.
    Token(&'static str),
    /// `$skip=N`; a page that is not full is the last one.
    Skip { per_page: usize },
    /// `X-MS-ContinuationToken`, for the parameter `continuationToken`.
    Continuation,
}

impl Call {
    pub(crate) fn get(kind: Kind, url: Url) -> Self {
        Self { kind, url, paging: Paging::Single, lasting: false, body: None, timeout: None }
    }

    pub(crate) fn paged(self, paging: Paging) -> Self {
        Self { paging, ..self }
    }

    pub(crate) fn lasting(self, lasting: bool) -> Self {
        Self { lasting, ..self }
    }

    pub(crate) fn with(mut self, key: &str, value: &str) -> Self {
        self.url.query_pairs_mut().append_pair(key, value);
        self
    }

    /// What tells this question from others of the same crawler.
    pub(crate) fn key(&self) -> String {
        match &self.body {
            None => self.url.to_string(),
            Some(Body { json, aws }) => {
                let target = aws.map(|(_, target)| target).unwrap_or_default();
                format!("{} {target} {}", self.url, Value::Object(json.clone()))
            }
        }
    }
}

/// An address below another one. Names come from services and documents: one that would lead
/// elsewhere is an error.
pub(crate) fn below<'a>(
    base: &Url,
    segments: impl IntoIterator<Item = &'a str>,
) -> Result<Url, Failure> {
    let wrong = |what: &str| Failure::new(FailureKind::Request, what);
    let mut url = base.clone();
    let mut path =
        url.path_segments_mut().map_err(|()| wrong("the address of a service has no path"))?;
    path.pop_if_empty();
    for segment in segments {
        if matches!(segment, "" | "." | "..") || segment.contains(['\0', '\n', '\r']) {
            return Err(wrong("a name is empty, or is `.` or `..`, and cannot be in an address"));
        }
        path.push(segment);
    }
    drop(path);
    Ok(url)
}

/// A base address as it is written in a document.
pub(crate) fn base(text: &str) -> Result<Url, Failure> {
    let wrong = |what: &str| {
        let what = format!("the address of the service {what}; write `https://host/path`");
        Failure::new(FailureKind::Request, what)
    };
    let mut url = Url::parse(text.trim()).map_err(|_malformed| wrong("is no URL"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
        return Err(wrong("is not of the kind that can be asked"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("holds a user or a password"));
    }
    url.set_query(None);
    url.set_fragment(None);
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn join(segments: &[&str]) -> Option<String> {
        let base = Url::parse("https://git.example.com/api/").unwrap();
        below(&base, segments.iter().copied()).ok().map(|url| url.to_string())
    }

    #[test]
    fn names_stay_within_their_segment() {
        let url = |tail: &str| Some(format!("https://git.example.com/api/{tail}"));
        assert_eq!(join(&["a", "b c"]), url("a/b%20c"));
        assert_eq!(join(&["group/sub", "x?y#z"]), url("group%2Fsub/x%3Fy%23z"));
        assert_eq!(join(&["%2e%2e"]), url("%252e%252e"));
        for bad in ["", ".", "..", "a\nb"] {
            assert_eq!(join(&["a", bad]), None, "{bad:?}");
        }
    }

    #[test]
    fn a_base_is_an_address_without_a_password() {
        assert!(base("https://git.example.com/x?y#z").is_ok_and(|url| url.path() == "/x"));
        for bad in ["git.example.com", "file:///etc", "https://user:pw@host/", "", "http://"] {
            assert!(base(bad).is_err(), "{bad}");
        }
    }
}
