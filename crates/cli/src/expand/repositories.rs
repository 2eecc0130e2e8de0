//! Folders in the place of repositories.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use generators::{Refs, Repositories, Unavailable};
use model::tree::FileTree;

/// One `--repo URL=DIR[@REV]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Folder {
    pub(super) url: String,
    pub(super) folder: PathBuf,
    pub(super) revision: Option<String>,
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
pub(super) struct Folders {
    folders: Vec<Folder>,
    /// Argo CD takes `x` and `x.git` for two repositories, so sets of that dialect find a folder by
    /// the same text only.
    is_textual: bool,
}

impl Folders {
    pub(super) fn new(folders: Vec<Folder>, is_textual: bool) -> Self {
        Self { folders, is_textual }
    }

    /// Of several folders for one repository, the one whose revision is asked for, or the first.
    fn find(&self, url: &str, revision: &str) -> Option<&Folder> {
        let equal = |folder: &&Folder| folder.url == url;
        let alike = |folder: &&Folder| !self.is_textual && trimmed(&folder.url) == trimmed(url);
        let found: Vec<&Folder> = match self.folders.iter().any(|folder| equal(&folder)) {
            true => self.folders.iter().filter(equal).collect(),
            false => self.folders.iter().filter(alike).collect(),
        };
        let asked = found.iter().find(|folder| folder.revision.as_deref() == Some(revision));
        asked.or(found.first()).copied()
    }
}

fn trimmed(url: &str) -> &str {
    let url = url.trim_end_matches('/');
    url.strip_suffix(".git").unwrap_or(url)
}

impl Repositories for Folders {
    fn tree(&self, repo_url: &str, revision: &str) -> Result<Arc<dyn FileTree>, Unavailable> {
        let Folder { folder, revision, .. } =
            self.find(repo_url, revision).ok_or_else(|| none(repo_url))?;
        source::open_local(folder, revision.as_deref()).map_err(|error| unreadable(&error))
    }

    fn refs(&self, repo_url: &str) -> Result<Arc<Refs>, Unavailable> {
        let Folder { folder, .. } = self.find(repo_url, "").ok_or_else(|| none(repo_url))?;
        let source::Refs { branches, tags } =
            source::local_refs(folder).map_err(|error| unreadable(&error))?;
        Ok(Arc::new(Refs { branches, tags }))
    }
}

fn none(repo_url: &str) -> Unavailable {
    let message = format!("no folder is given for it; add --repo {repo_url}=DIR");
    Unavailable { message }
}

fn unreadable(error: &(dyn std::error::Error + 'static)) -> Unavailable {
    Unavailable { message: runtime::error::chain(error) }
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
        let given = ["r.git=one@v1", "r.git=two@v2", "s/=three"].map(|text| text.parse().unwrap());
        let found = |is_textual, url, revision| {
            let folders = Folders::new(given.to_vec(), is_textual);
            folders.find(url, revision).map(|folder| folder.folder.display().to_string())
        };
        let folder = |name: &str| Some(name.to_owned());
        assert_eq!(found(false, "r", "v2"), folder("two"));
        assert_eq!(found(false, "r.git", "main"), folder("one"));
        assert_eq!(found(false, "s", "main"), folder("three"));
        assert_eq!(found(false, "other", "v1"), None);
        assert_eq!(found(true, "r", "v2"), None);
        assert_eq!(found(true, "r.git", "v2"), folder("two"));
    }
}
