//! Folders in the place of repositories.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use generators::{Repositories, Unavailable};
use model::tree::FileTree;

/// One `--repo URL=DIR[@REV]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Folder {
    url: String,
    folder: PathBuf,
    revision: Option<String>,
}

impl FromStr for Folder {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let rule = "write URL=DIR or URL=DIR@REV";
        let (url, place) = text.split_once('=').ok_or(rule)?;
        if url.is_empty() || place.is_empty() {
            return Err(rule.to_owned());
        }
        let (folder, revision) = match split_revision(place) {
            Some((_, "")) => return Err(format!("the revision after @ is empty; {rule}")),
            Some((folder, revision)) => (folder, Some(revision.to_owned())),
            None => (place, None),
        };
        Ok(Self { url: url.to_owned(), folder: folder.into(), revision })
    }
}

/// Folders may have an `@` in their names, and so may branches: what exists decides.
fn split_revision(place: &str) -> Option<(&str, &str)> {
    if Path::new(place).is_dir() {
        return None;
    }
    let mut splits = place.match_indices('@').map(|(at, _)| (&place[..at], &place[at + 1..]));
    let existing = splits.clone().find(|(folder, _)| Path::new(folder).is_dir());
    existing.or_else(|| splits.next_back())
}

/// The folders that a person named. Without a revision of its own, a folder stands for any.
#[derive(Debug)]
pub(super) struct Folders(Vec<Folder>);

impl Folders {
    pub(super) fn new(folders: Vec<Folder>) -> Self {
        Self(folders)
    }

    /// Of several folders for one repository, the one whose revision is asked for, or the first.
    fn find(&self, url: &str, revision: &str) -> Option<&Folder> {
        let same = |folder: &&Folder| trimmed(&folder.url) == trimmed(url);
        let mut folders = self.0.iter().filter(same);
        let first = folders.clone().next();
        folders.find(|folder| folder.revision.as_deref() == Some(revision)).or(first)
    }
}

fn trimmed(url: &str) -> &str {
    let url = url.trim_end_matches('/');
    url.strip_suffix(".git").unwrap_or(url)
}

impl Repositories for Folders {
    fn tree(&self, repo_url: &str, revision: &str) -> Result<Arc<dyn FileTree>, Unavailable> {
        let Some(Folder { folder, revision, .. }) = self.find(repo_url, revision) else {
            let message = format!("no folder is given for it; add --repo {repo_url}=DIR");
            return Err(Unavailable { message });
        };
        source::open_local(folder, revision.as_deref())
            .map_err(|error| Unavailable { message: runtime::error::chain(&error) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_split_where_it_exists() {
        let dir = tempfile::tempdir().unwrap();
        let odd = dir.path().join("a@b");
        std::fs::create_dir(&odd).unwrap();
        let odd = odd.display();
        let parsed = |text: String| {
            let Folder { url, folder, revision } = text.parse().unwrap();
            (url, folder.display().to_string(), revision)
        };
        let url = || "https://git.example/x".to_owned();
        assert_eq!(parsed(format!("{}={odd}", url())), (url(), odd.to_string(), None));
        assert_eq!(
            parsed(format!("{}={odd}@feature/a@b", url())),
            (url(), odd.to_string(), Some("feature/a@b".to_owned()))
        );
        for wrong in ["", "x", "=x", "x=", "x=missing@"] {
            assert!(wrong.parse::<Folder>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_folder_of_the_revision_is_taken() {
        let folders =
            Folders::new(vec!["r.git=one@v1".parse().unwrap(), "r/=two@v2".parse().unwrap()]);
        let found = |url, revision| folders.find(url, revision).map(|folder| folder.folder.clone());
        assert_eq!(found("r", "v2"), Some("two".into()));
        assert_eq!(found("r.git", "main"), Some("one".into()));
        assert_eq!(found("other", "v1"), None);
    }
}
