//! Where a path of this tree is in another one.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::{Component, Path, PathBuf};

use super::files::is_document_file;

/// Another tree of the same shape, such as a checkout of the main branch.
#[derive(Debug, Clone)]
pub(super) struct Counterpart {
    here: PathBuf,
    there: PathBuf,
}

impl Counterpart {
    /// # Errors
    /// When the other tree is not a folder.
    pub(super) fn new(there: &Path) -> std::io::Result<Self> {
        fs::read_dir(there)?;
        let here = env::current_dir()?;
        Ok(Self { here, there: there.to_owned() })
    }

    /// The same path there, whether or not anything is there; `None` for a path that leaves the
    /// current folder, which has no counterpart.
    pub(super) fn of(&self, path: &Path) -> Option<PathBuf> {
        let path = path.strip_prefix(&self.here).unwrap_or(path);
        let mut inner = PathBuf::new();
        for component in path.components() {
            match component {
                Component::CurDir => {}
                Component::Normal(name) => inner.push(name),
                Component::ParentDir => {
                    if !inner.pop() {
                        return None;
                    }
                }
                Component::RootDir | Component::Prefix(_) => return None,
            }
        }
        // `join("")` would add a slash that messages show.
        Some(if inner.as_os_str().is_empty() { self.there.clone() } else { self.there.join(inner) })
    }

    /// Files that are there beside `path` and not here any more: what a pattern such as `sets/*.yaml`
    /// cannot name, because the shell looks here alone.
    pub(super) fn gone_beside(&self, path: &Path) -> BTreeSet<PathBuf> {
        let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        let entries = self.of(folder).and_then(|there| fs::read_dir(there).ok());
        let names = entries.into_iter().flatten().flatten().map(|entry| entry.file_name());
        let gone = names.map(|name| folder.join(name)).filter(|here| !here.exists());
        let gone = gone.filter(|here| is_document_file(here)).filter_map(|here| self.of(&here));
        gone.filter(|there| there.is_file()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_looked_up_as_it_lies_in_this_folder() {
        let tree = Counterpart { here: "/srv/fleet".into(), there: "../main".into() };
        let of = |path: &str| tree.of(Path::new(path)).map(|path| path.display().to_string());
        let found = |path: &str| Some(path.to_owned());
        assert_eq!(of("sets/a.yaml"), found("../main/sets/a.yaml"));
        assert_eq!(of("./sets/../a.yaml"), found("../main/a.yaml"));
        assert_eq!(of("."), found("../main"));
        assert_eq!(of("/srv/fleet/sets"), found("../main/sets"));
        assert_eq!(of("../clusters.yaml"), None);
        assert_eq!(of("/etc/clusters.yaml"), None);
    }
}
