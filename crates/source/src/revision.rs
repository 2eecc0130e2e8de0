//! From a revision that a person wrote to one commit among the references of a repository. Pure.
//!
//! A branch wins over a tag of the same name, and an exact name over a version range: a branch
//! called `v1.x` is meant when someone writes `v1.x`.

mod range;

use gix::ObjectId;
use model::id::CommitId;

use range::Range;

/// A reference on the server, with the object it leads to after annotated tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RemoteRef {
    pub(crate) name: String,
    pub(crate) target: ObjectId,
}

/// What a revision asks for.
#[derive(Debug, Clone)]
pub(crate) enum Revision {
    Commit(CommitId),
    Head,
    Named { name: Option<String>, range: Option<Range> },
}

impl Revision {
    /// `None` when the text can be neither a name nor a range.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text.is_empty() || text == "HEAD" {
            return Some(Self::Head);
        }
        if let Ok(commit) = text.to_ascii_lowercase().parse() {
            return Some(Self::Commit(commit));
        }
        let name = gix::validate::reference::name_partial(text.into()).is_ok();
        let name = name.then(|| text.to_owned());
        let range = Range::parse(text);
        (name.is_some() || range.is_some()).then_some(Self::Named { name, range })
    }

    /// What to ask the server for. Servers may send more.
    pub(crate) fn prefixes(&self) -> Vec<String> {
        let mut prefixes = Vec::new();
        match self {
            Self::Commit(_) => {}
            Self::Head => prefixes.push("HEAD".to_owned()),
            Self::Named { name, range } => {
                prefixes.extend(name.iter().flat_map(|name| full_names(name)));
                prefixes.extend(range.iter().map(|_| "refs/tags/".to_owned()));
            }
        }
        prefixes
    }

    /// The object that the revision names among `refs`.
    pub(crate) fn select(&self, refs: &[RemoteRef]) -> Option<ObjectId> {
        let exactly = |name: &str| refs.iter().find(|r| r.name == name).map(|r| r.target);
        match self {
            Self::Commit(commit) => Some(ObjectId::from(*commit.as_bytes())),
            Self::Head => exactly("HEAD"),
            Self::Named { name, range } => name
                .iter()
                .flat_map(|name| full_names(name))
                .find_map(|name| exactly(&name))
                .or_else(|| range.as_ref().and_then(|range| newest(range, refs))),
        }
    }
}

/// Where a name is looked for, in order.
fn full_names(name: &str) -> Vec<String> {
    let mut names = vec![format!("refs/heads/{name}"), format!("refs/tags/{name}")];
    if name.starts_with("refs/") {
        names.push(name.to_owned());
    }
    names
}

/// The tag with the highest version in the range. Of `1.2.3` and `v1.2.3` the latter is taken, so
/// that the answer does not depend on the server's order.
fn newest(range: &Range, refs: &[RemoteRef]) -> Option<ObjectId> {
    refs.iter()
        .filter_map(|r| Some((range::version(r.name.strip_prefix("refs/tags/")?)?, r)))
        .filter(|(version, _)| range.contains(version))
        .max_by(|(a, a_ref), (b, b_ref)| a.cmp(b).then_with(|| a_ref.name.cmp(&b_ref.name)))
        .map(|(_, r)| r.target)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(digit: u8) -> ObjectId {
        ObjectId::from([digit; 20])
    }

    fn select(text: &str, refs: &[(&str, u8)]) -> Option<u8> {
        let refs: Vec<_> = refs
            .iter()
            .map(|(name, digit)| RemoteRef { name: (*name).to_owned(), target: id(*digit) })
            .collect();
        Revision::parse(text)?.select(&refs).map(|id| id.as_slice()[0])
    }

    const REFS: &[(&str, u8)] = &[
        ("HEAD", 1),
        ("refs/heads/main", 1),
        ("refs/heads/both", 2),
        ("refs/tags/both", 3),
        ("refs/tags/v1.2.0", 4),
        ("refs/tags/1.10.0", 5),
        ("refs/tags/v2.0.0-rc.1", 6),
        ("refs/heads/v3.x", 7),
        ("refs/tags/v3.9.9", 8),
        ("refs/pull/7/head", 9),
    ];

    #[test]
    fn names_heads_and_ranges() {
        for (text, expected) in [
            ("", Some(1)),
            ("HEAD", Some(1)),
            ("main", Some(1)),
            ("refs/heads/main", Some(1)),
            ("both", Some(2)),
            ("refs/tags/both", Some(3)),
            ("v1.x", Some(5)),
            (">=1.2 <1.10", Some(4)),
            ("1.2.0", None),
            ("v1.2.0", Some(4)),
            ("*", Some(8)),
            ("v3.x", Some(7)),
            ("refs/pull/7/head", Some(9)),
            ("mai", None),
            ("none", None),
            ("9.x", None),
        ] {
            assert_eq!(select(text, REFS), expected, "{text}");
        }
    }

    #[test]
    fn equal_versions_are_decided_by_name_and_not_by_order() {
        let one = [("refs/tags/1.2.3", 1), ("refs/tags/v1.2.3", 2)];
        let two = [("refs/tags/v1.2.3", 2), ("refs/tags/1.2.3", 1)];
        assert_eq!((select("1.x", &one), select("1.x", &two)), (Some(2), Some(2)));
    }

    #[test]
    fn a_commit_is_itself_and_texts_that_are_no_revision_are_refused() {
        let commit = "ABCDEF0123456789abcdef0123456789abcdef01";
        assert!(matches!(Revision::parse(commit), Some(Revision::Commit(_))));
        for text in ["-x", "main~1", "a..b", "main@{1}", "a b", "main^", "a\nb", "/a", ":a"] {
            let parsed = Revision::parse(text);
            // A leading dash is a legal name for Git; it is only ever compared, never passed on.
            assert!(parsed.is_none() || text == "-x", "{text}: {parsed:?}");
        }
    }
}
