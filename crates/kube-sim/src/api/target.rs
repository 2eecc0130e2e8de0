//! What a path names. Pure.

use std::borrow::Cow;

/// A path below `/api/v1` or `/apis/GROUP/VERSION` that names a resource.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) group: String,
    pub(crate) version: String,
    /// Empty for all namespaces and for what lives in none.
    pub(crate) namespace: String,
    pub(crate) plural: String,
    /// Empty for the collection.
    pub(crate) name: String,
    pub(crate) subresource: String,
    /// The old form of a watch, `/api/v1/watch/…`.
    pub(crate) watch: bool,
}

impl Target {
    /// `None` when the path does not have the form of a resource's.
    #[must_use]
    pub(crate) fn parse(path: &str) -> Option<Self> {
        let mut parts: Vec<String> =
            path.trim_matches('/').split('/').map(|part| decode(part).into_owned()).collect();
        let (group, version, rest) = match parts.first()?.as_str() {
            "api" if parts.len() > 2 => (String::new(), parts[1].clone(), parts.split_off(2)),
            "apis" if parts.len() > 3 => (parts[1].clone(), parts[2].clone(), parts.split_off(3)),
            _ => return None,
        };
        let mut rest = rest.into_iter().peekable();
        let watch = rest.next_if(|part| part == "watch").is_some();
        let mut target = Self { group, version, watch, ..Self::default() };
        let parts: Vec<_> = rest.collect();
        // A namespace is itself a resource: `namespaces/N`, `namespaces/N/status`.
        let own = matches!(parts.get(2).map(String::as_str), None | Some("status" | "finalize"));
        let parts = if parts.first().is_some_and(|part| part == "namespaces") && !own {
            target.namespace.clone_from(&parts[1]);
            &parts[2..]
        } else {
            &parts[..]
        };
        if parts.len() > 3 || parts.iter().any(String::is_empty) {
            return None;
        }
        let part = |index: usize| parts.get(index).cloned().unwrap_or_default();
        (target.plural, target.name, target.subresource) = (part(0), part(1), part(2));
        Some(target)
    }
}

/// Decodes `%XX`. What is not valid stays as it is: it then names nothing.
#[must_use]
pub(crate) fn decode(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = bytes.get(at + 1..at + 3).and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) if bytes[at] == b'%' => {
                decoded.push(byte);
                at += 3;
            }
            _ => {
                decoded.push(bytes[at]);
                at += 1;
            }
        }
    }
    Cow::Owned(String::from_utf8_lossy(&decoded).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(path: &str) -> String {
        Target::parse(path).map_or("-".to_owned(), |t| {
            format!(
                "{}|{}|{}|{}|{}|{}",
                t.group, t.version, t.namespace, t.plural, t.name, t.subresource
            )
        })
    }

    #[test]
    fn paths_name_resources() {
        assert_eq!(parsed("/api/v1/pods"), "|v1||pods||");
        assert_eq!(parsed("/api/v1/namespaces"), "|v1||namespaces||");
        assert_eq!(parsed("/api/v1/namespaces/a"), "|v1||namespaces|a|");
        assert_eq!(parsed("/api/v1/namespaces/a/status"), "|v1||namespaces|a|status");
        assert_eq!(parsed("/api/v1/namespaces/a/pods"), "|v1|a|pods||");
        assert_eq!(parsed("/api/v1/namespaces/a/pods/b/status"), "|v1|a|pods|b|status");
        assert_eq!(parsed("/apis/apps/v1/namespaces/a/deployments/b"), "apps|v1|a|deployments|b|");
        assert_eq!(parsed("/apis/x.dev/v1/foos/a%3Ab"), "x.dev|v1||foos|a:b|");
        assert_eq!(parsed("/apis/apps/v1"), "-");
        assert_eq!(parsed("/api/v1/namespaces/a/pods/b/c/d"), "-");
        assert_eq!(parsed("/"), "-");
        assert!(Target::parse("/api/v1/watch/pods").unwrap().watch);
    }

    #[test]
    fn decoding_never_fails() {
        assert_eq!(decode("a%2Fb%zz%"), "a/b%zz%");
        assert_eq!(decode("%C3%A4"), "ä");
    }
}
