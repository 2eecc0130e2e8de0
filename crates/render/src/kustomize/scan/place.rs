//! A path in a kustomization: where it was written, where it leads, and that it stays inside.

use model::suggest;
use model::tree::RepoPath;
use serde_json::{Map, Value};

use crate::error::RenderError;

/// Where a path was found, for messages and to resolve it.
pub(super) struct Place<'a> {
    pub(super) directory: &'a RepoPath,
    pub(super) file: &'a str,
    pub(super) field: String,
}

impl Place<'_> {
    pub(super) fn refuse(&self, rule: impl Into<String>) -> RenderError {
        RenderError::refused(format!("{}, {}", self.file, self.field), rule)
    }

    pub(super) fn item(&self, index: usize, name: &str) -> Self {
        let field = format!("{}[{index}]{name}", self.field);
        Self { directory: self.directory, file: self.file, field }
    }

    pub(super) fn sub(&self, name: &str) -> Self {
        let field = format!("{}.{name}", self.field);
        Self { directory: self.directory, file: self.file, field }
    }
}

pub(super) fn resolve(place: &Place<'_>, text: &str) -> Result<RepoPath, RenderError> {
    if is_remote(text) {
        return Err(place.refuse(
            "it names something outside of the repository, which would change without a commit; \
             copy it into the repository",
        ));
    }
    place.directory.join(text).map_err(|error| place.refuse(error.to_string()))
}

/// What kustomize would fetch, and what it might one day.
fn is_remote(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let user = text.split(['/', ':']).next().unwrap_or_default();
    lower.contains("://")
        || ["git::", "http:", "https:", "ssh:", "github.com/", "github.com:"]
            .iter()
            .any(|prefix| lower.starts_with(prefix))
        || (user.contains('@') && text.contains(':'))
        || lower.contains("?ref=")
        || lower.contains("?version=")
}

/// Fields must be known by their exact name, or something unchecked could be read from them.
pub(super) fn only_fields(
    place: &Place<'_>,
    map: &Map<String, Value>,
    known: &[&str],
) -> Result<(), RenderError> {
    match map.keys().find(|field| !known.contains(&field.as_str())) {
        Some(field) => Err(place.refuse(suggest::unknown("field", field, known))),
        None => Ok(()),
    }
}

/// The way from a directory to a path; it begins with a dot.
pub(super) fn relative(from: &RepoPath, to: &RepoPath) -> String {
    let (from, to): (Vec<_>, Vec<_>) = (from.components().collect(), to.components().collect());
    let shared = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    let up = vec![".."; from.len() - shared];
    let way = up.into_iter().chain(to[shared..].iter().copied()).collect::<Vec<_>>().join("/");
    match way.is_empty() {
        true => ".".to_owned(),
        false if way.starts_with("..") => way,
        false => format!("./{way}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ways_begin_with_a_dot() {
        let way = |from: &str, to: &str| {
            relative(&RepoPath::parse(from).unwrap(), &RepoPath::parse(to).unwrap())
        };
        assert_eq!(way("a/b", "a/b/c.yaml"), "./c.yaml");
        assert_eq!(way("a/b", "a/c"), "../c");
        assert_eq!(way("a/b", "a"), "..");
        assert_eq!(way("a", "a"), ".");
        assert_eq!(way(".", "github.com/x"), "./github.com/x");
    }

    #[test]
    fn what_kustomize_would_fetch_is_remote() {
        for remote in [
            "https://example.com/x.yaml",
            "HTTPS://example.com/x",
            "github.com/a/b",
            "git@example.com:a/b",
            "git::https://x/y",
            "ssh://git@x/y",
            "a/b?ref=main",
            "file:///etc",
        ] {
            assert!(is_remote(remote), "{remote}");
        }
        for local in ["../base", "a@b.yaml", "config/https.yaml", "github.community/x"] {
            assert!(!is_remote(local), "{local}");
        }
    }
}
