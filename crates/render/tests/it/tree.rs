//! A tree of files in memory, with links, for the tests.

use std::collections::BTreeMap;

use model::tree::{EntryKind, FileTree, RepoPath, TreeEntry, TreeError};

#[derive(Debug, Clone, Default)]
pub(crate) struct MemoryTree {
    files: BTreeMap<RepoPath, Content>,
}

#[derive(Debug, Clone)]
enum Content {
    Text(Vec<u8>),
    Link(String),
}

/// Makes a tree of paths and texts; a text that begins with `-> ` is a link.
pub(crate) fn tree<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> MemoryTree {
    let content = |text: &str| match text.strip_prefix("-> ") {
        Some(target) => Content::Link(target.to_owned()),
        None => Content::Text(text.as_bytes().to_vec()),
    };
    let file = |(path, text)| (RepoPath::parse(path).unwrap(), content(text));
    MemoryTree { files: files.into_iter().map(file).collect() }
}

impl MemoryTree {
    /// Follows links in the whole path, component by component.
    fn resolve(&self, path: &RepoPath, hops: usize) -> Result<RepoPath, TreeError> {
        let mut resolved = RepoPath::root();
        for component in path.components() {
            let next = resolved.join(component).unwrap();
            resolved = match self.files.get(&next) {
                Some(Content::Link(target)) => {
                    let link = || TreeError::Link { link: next.clone() };
                    let target = resolved.join(target).map_err(|_| link())?;
                    if hops == 0 {
                        return Err(link());
                    }
                    self.resolve(&target, hops - 1)?
                }
                _ => next,
            };
        }
        Ok(resolved)
    }

    fn is_directory(&self, path: &RepoPath) -> bool {
        path.is_root()
            || self
                .files
                .keys()
                .any(|file| file.as_str().starts_with(&format!("{}/", path.as_str())))
    }
}

impl FileTree for MemoryTree {
    fn read(&self, path: &RepoPath, limit: u64) -> Result<Vec<u8>, TreeError> {
        let resolved = self.resolve(path, 10)?;
        match self.files.get(&resolved) {
            Some(Content::Text(text)) if text.len() as u64 > limit => {
                Err(TreeError::TooLarge { path: path.clone(), bytes: text.len() as u64, limit })
            }
            Some(Content::Text(text)) => Ok(text.clone()),
            _ if self.is_directory(&resolved) => Err(TreeError::NotAFile { path: path.clone() }),
            _ => Err(TreeError::NotFound { path: path.clone() }),
        }
    }

    fn list(&self, path: &RepoPath) -> Result<Vec<TreeEntry>, TreeError> {
        let resolved = self.resolve(path, 10)?;
        if self.files.contains_key(&resolved) {
            return Err(TreeError::NotADirectory { path: path.clone() });
        }
        if !self.is_directory(&resolved) {
            return Err(TreeError::NotFound { path: path.clone() });
        }
        let depth = resolved.components().count();
        let mut entries: Vec<TreeEntry> = Vec::new();
        for (file, content) in &self.files {
            let components: Vec<_> = file.components().collect();
            if components.len() <= depth || components[..depth].join("/") != resolved.as_str() {
                continue;
            }
            let kind = match content {
                _ if components.len() > depth + 1 => EntryKind::Directory,
                Content::Text(_) => EntryKind::File,
                Content::Link(_) => EntryKind::Symlink,
            };
            entries.push(TreeEntry { name: components[depth].to_owned(), kind });
        }
        entries.sort();
        entries.dedup();
        Ok(entries)
    }
}
