//! The branches and tags of a repository: of a server, as it lists them, and of a folder.

use std::collections::BTreeMap;
use std::path::Path;

use crate::error::{SourceError, chain};
use crate::revision::RemoteRef;
use crate::url::RepoUrl;

/// The most branches and tags of a repository together. The largest known ones have about 50,000;
/// all of them are in memory.
const MAX_REFS: usize = 100_000;

/// What to ask a server for so that [`Refs::of_server`] sees all.
pub(crate) const PREFIXES: [&str; 2] = ["refs/heads/", "refs/tags/"];

/// Branches and tags by name, each with the id of its commit in 40 hexadecimal digits. An annotated
/// tag stands for what it was made of. Of a folder, a branch that was only fetched from `origin`, as
/// in a pipeline's clone, counts as well: `origin` is what a hub reads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Refs {
    pub branches: BTreeMap<String, String>,
    pub tags: BTreeMap<String, String>,
}

impl Refs {
    /// All that a server listed. A list without any name is refused: a server in trouble that shows
    /// an empty repository must not look as if every branch were gone (law L2).
    ///
    /// Whether a tag leads to a commit cannot be seen in a list. Names that Git itself forbids, and
    /// those that are not UTF-8, are left out.
    pub(crate) fn of_server(url: &RepoUrl, listed: &[RemoteRef]) -> Result<Self, SourceError> {
        let mut refs = Self::default();
        for RemoteRef { name, target } in listed {
            let legal = gix::validate::reference::name(name.as_str().into()).is_ok();
            if !legal || name.contains(char::REPLACEMENT_CHARACTER) {
                continue;
            }
            match split(name) {
                Some(("heads", name)) => refs.branches.insert(name.to_owned(), target.to_string()),
                Some(("tags", name)) => refs.tags.insert(name.to_owned(), target.to_string()),
                _ => None,
            };
        }
        match refs.branches.len() + refs.tags.len() {
            0 => Err(SourceError::NoRefs { url: url.clone() }),
            count if count > MAX_REFS => {
                Err(SourceError::TooManyRefs { url: url.clone(), count, limit: MAX_REFS })
            }
            _ => Ok(refs),
        }
    }
}

/// Lists the branches and tags of a Git work tree or a bare repository.
pub fn local_refs(folder: &Path) -> Result<Refs, SourceError> {
    let local = |detail| SourceError::Local { path: folder.to_owned(), detail };
    let broken = |error: gix::Error| local(chain(&error));
    let repository = gix::open_opts(folder, gix::open::Options::isolated()).map_err(|_none| {
        local("is not the top of a Git repository, so it has no branches".to_owned())
    })?;
    let references = repository.references().map_err(broken)?;
    let mut refs = Refs::default();
    for reference in references.all().map_err(broken)? {
        let mut reference = reference.map_err(broken)?;
        let name = reference.name().as_bstr().to_string();
        let (names, name) = match split(&name) {
            Some(("heads", name)) => (&mut refs.branches, name),
            Some(("tags", name)) => (&mut refs.tags, name),
            Some(("remotes", name)) => match name.strip_prefix("origin/") {
                Some(name) if name != "HEAD" => (&mut refs.branches, name),
                _ => continue,
            },
            _ => continue,
        };
        // A tag may stand for a file, which is no revision.
        let Ok(commit) = reference.peel_to_commit() else { continue };
        // `refs/heads` comes before `refs/remotes`.
        names.entry(name.to_owned()).or_insert_with(|| commit.id.to_string());
    }
    Ok(refs)
}

/// `heads` and `main` of `refs/heads/main`.
fn split(name: &str) -> Option<(&str, &str)> {
    name.strip_prefix("refs/")?.split_once('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(names: impl IntoIterator<Item = String>) -> Result<Refs, SourceError> {
        let target = gix::ObjectId::from([7; 20]);
        let refs: Vec<_> = names.into_iter().map(|name| RemoteRef { name, target }).collect();
        Refs::of_server(&RepoUrl::parse("https://git.example/a").unwrap(), &refs)
    }

    #[test]
    fn branches_and_tags_are_told_from_the_rest() {
        let names = [
            "HEAD",
            "refs/heads/main",
            "refs/heads/feature/a",
            "refs/tags/v1",
            "refs/pull/7/head",
            "refs/heads/a..b",
            "refs/heads/with space",
            "refs/heads/\u{fffd}",
            "refs/heads/",
            "refs/heads",
        ];
        let refs = listed(names.map(str::to_owned)).unwrap();
        let names = |map: &BTreeMap<String, String>| map.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&refs.branches), ["feature/a", "main"]);
        assert_eq!(names(&refs.tags), ["v1"]);
        assert_eq!(refs.tags["v1"], "07".repeat(20));
    }

    #[test]
    fn no_names_and_too_many_are_no_list() {
        for none in [vec![], vec!["HEAD".to_owned(), "refs/pull/7/head".to_owned()]] {
            let error = listed(none).unwrap_err();
            assert!(matches!(error, SourceError::NoRefs { .. }), "{error}");
        }
        let many = (0..=MAX_REFS).map(|number| format!("refs/tags/{number}"));
        let error = listed(many).unwrap_err();
        assert!(matches!(error, SourceError::TooManyRefs { .. }), "{error}");
    }
}
