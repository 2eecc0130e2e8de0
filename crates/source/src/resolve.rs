//! Walking a path through directories and links. Pure: the tree and the folder share it.
//!
//! One component at a time, from real directory to real directory, so that `..` in a link means
//! what it means on a file system. Comparing texts is not enough: `a/../b` is not `b` when `a`
//! is a link.

use std::collections::VecDeque;

use model::tree::{RepoPath, TreeError};

/// Enough for any honest layout; a loop ends here.
const MAX_LINKS: usize = 10;

/// What a name in a directory is.
#[derive(Debug, Clone)]
pub(crate) enum Node<D, F> {
    Directory(D),
    File(F),
    /// With the text of the link.
    Link(String),
    Submodule,
}

/// Somewhere that has directories.
pub(crate) trait Nodes: Sized {
    type Directory: Clone;
    type File;

    fn root(&self) -> Self::Directory;

    /// What `name` is in `directory`, which lies at `path` and is real; `None` when it is nothing.
    fn child(&self, directory: &Self::Directory, path: &RepoPath, name: &str) -> Child<Self>;
}

/// What is under a name, if anything is.
pub(crate) type Child<N> =
    Result<Option<Node<<N as Nodes>::Directory, <N as Nodes>::File>>, TreeError>;

/// Where a path really leads; never a link.
pub(crate) fn resolve<N: Nodes>(
    nodes: &N,
    path: &RepoPath,
) -> Result<Node<N::Directory, N::File>, TreeError> {
    let missing = || TreeError::NotFound { path: path.clone() };
    let mut pending: VecDeque<String> = path.components().map(str::to_owned).collect();
    // The real directories from the root down to where we stand, each with its name.
    let mut stack: Vec<(String, N::Directory)> = Vec::new();
    let mut link: Option<RepoPath> = None;
    let mut links = 0;
    while let Some(name) = pending.pop_front() {
        match name.as_str() {
            "" | "." => continue,
            ".." => {
                // Only the text of a link can hold it: paths have none.
                let leaves = || TreeError::Link { link: link.clone().unwrap_or_default() };
                stack.pop().ok_or_else(leaves)?;
                continue;
            }
            _ => {}
        }
        let at = position(&stack, link.as_ref())?;
        let directory =
            stack.last().map_or_else(|| nodes.root(), |(_, directory)| directory.clone());
        match nodes.child(&directory, &at, &name)?.ok_or_else(missing)? {
            Node::Directory(child) => stack.push((name, child)),
            Node::Link(target) => {
                let here = at.join(&name).map_err(|_odd_name| missing())?;
                links += 1;
                if links > MAX_LINKS || target.starts_with('/') || target.is_empty() {
                    return Err(TreeError::Link { link: here });
                }
                link = Some(here);
                for component in target.split('/').rev() {
                    pending.push_front(component.to_owned());
                }
            }
            leaf if pending.iter().all(|name| name.is_empty() || name == ".") => return Ok(leaf),
            Node::File(_) | Node::Submodule => return Err(missing()),
        }
    }
    let directory = stack.pop().map_or_else(|| nodes.root(), |(_, directory)| directory);
    Ok(Node::Directory(directory))
}

/// The path of the directory we stand in. A link may have led to names that no path can hold.
fn position<D>(stack: &[(String, D)], link: Option<&RepoPath>) -> Result<RepoPath, TreeError> {
    let names: Vec<_> = stack.iter().map(|(name, _)| name.as_str()).collect();
    RepoPath::parse(&names.join("/"))
        .map_err(|_odd_name| TreeError::Link { link: link.cloned().unwrap_or_default() })
}

/// Names that Git itself forbids in a tree, and that would do harm in a folder.
pub(crate) fn is_forbidden(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    matches!(lower.as_str(), "" | "." | ".." | ".git" | "git~1") || name.contains(['/', '\0'])
}

/// A name that a [`RepoPath`] can hold.
pub(crate) fn is_usable(name: &str) -> bool {
    !name.chars().any(|c| c.is_control() || c == '\\')
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use proptest::prelude::*;

    /// Paths to link texts or files; directories are implied.
    struct Fake(BTreeMap<String, Option<String>>);

    impl Nodes for Fake {
        type Directory = String;
        type File = String;

        fn root(&self) -> String {
            String::new()
        }

        fn child(&self, directory: &String, _path: &RepoPath, name: &str) -> Child<Self> {
            let path = format!("{directory}{name}");
            let below = format!("{path}/");
            Ok(match self.0.get(&path) {
                Some(Some(target)) => Some(Node::Link(target.clone())),
                Some(None) => Some(Node::File(path)),
                None if self.0.keys().any(|key| key.starts_with(&below)) => {
                    Some(Node::Directory(below))
                }
                None => None,
            })
        }
    }

    fn fake(entries: &[(&str, Option<&str>)]) -> Fake {
        let own =
            |(path, target): &(&str, Option<&str>)| ((*path).to_owned(), target.map(str::to_owned));
        Fake(entries.iter().map(own).collect())
    }

    fn at(fake: &Fake, path: &str) -> Result<String, TreeError> {
        Ok(match resolve(fake, &RepoPath::parse(path).unwrap())? {
            Node::Directory(path) | Node::File(path) => path,
            Node::Link(_) | Node::Submodule => unreachable!("resolved"),
        })
    }

    #[test]
    fn links_lead_to_real_places() {
        let tree = fake(&[
            ("a/b/file", None),
            ("a/up", Some("../c")),
            ("c/other", None),
            ("c/back", Some("../a/up/../a/b")),
            ("l", Some("a/b/./file")),
            ("top", Some(".")),
        ]);
        assert_eq!(at(&tree, "l"), Ok("a/b/file".into()));
        assert_eq!(at(&tree, "a/up/other"), Ok("c/other".into()));
        // `up/..` is the parent of c, not of up.
        assert_eq!(at(&tree, "c/back/file"), Ok("a/b/file".into()));
        assert_eq!(at(&tree, "top/top/l"), Ok("a/b/file".into()));
        assert_eq!(at(&tree, "."), Ok(String::new()));
        let missing =
            |path: &str| Err(TreeError::NotFound { path: RepoPath::parse(path).unwrap() });
        assert_eq!(at(&tree, "l/x"), missing("l/x"));
        assert_eq!(at(&tree, "none"), missing("none"));
    }

    #[test]
    fn links_that_leave_or_never_end_are_named() {
        let tree = fake(&[
            ("d/out", Some("../../x")),
            ("abs", Some("/etc/passwd")),
            ("loop", Some("loop")),
            ("ping", Some("pong")),
            ("pong", Some("ping")),
            ("empty", Some("")),
            ("via", Some("d/out")),
            ("sneak", Some("d/../../x")),
            ("x", None),
        ]);
        let link = |path: &str| Err(TreeError::Link { link: RepoPath::parse(path).unwrap() });
        assert_eq!(at(&tree, "d/out"), link("d/out"));
        assert_eq!(at(&tree, "abs"), link("abs"));
        assert_eq!(at(&tree, "loop"), link("loop"));
        assert_eq!(at(&tree, "empty"), link("empty"));
        assert_eq!(at(&tree, "via"), link("d/out"));
        assert_eq!(at(&tree, "sneak"), link("sneak"));
        assert!(matches!(at(&tree, "ping"), Err(TreeError::Link { .. })));
    }

    #[test]
    fn ten_links_are_followed_and_eleven_are_not() {
        let chain = |length: usize| {
            let mut entries = vec![("l0".to_owned(), None)];
            entries.extend((1..=length).map(|n| (format!("l{n}"), Some(format!("l{}", n - 1)))));
            Fake(entries.into_iter().collect())
        };
        assert_eq!(at(&chain(10), "l10"), Ok("l0".into()));
        assert!(matches!(at(&chain(11), "l11"), Err(TreeError::Link { .. })));
    }

    proptest! {
        #[test]
        fn no_path_and_no_link_leaves_the_root(
            links in proptest::collection::btree_map("[a-c](/[a-c]){0,2}", "(\\.\\.|[a-c]|\\.|)(/(\\.\\.|[a-c])){0,4}", 0..6),
            path in "[a-c](/[a-c]){0,4}",
        ) {
            let tree = Fake(links.into_iter().map(|(at, to)| (at, Some(to)))
                .chain([("f/file".to_owned(), None)]).collect());
            if let Ok(place) = at(&tree, &path) {
                prop_assert!(!place.split('/').any(|component| component == ".."));
            }
        }
    }
}
