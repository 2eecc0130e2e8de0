//! The files of a commit, read from the object database.
//!
//! There is no host path in it, so nothing in a repository can name one. Objects are asked for
//! their size before they are read.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gix::ObjectId;
use gix::objs::tree::EntryKind as GitKind;
use model::tree::{EntryKind, FileTree, RepoPath, TreeEntry, TreeError};

use crate::error::chain;
use crate::resolve::{self, Child, Node, Nodes, is_forbidden, is_usable};

/// The longest text of a link, as on Linux.
const MAX_LINK_BYTES: u64 = 4096;
/// A directory of more bytes is hostile; this is about 200,000 names.
const MAX_DIRECTORY_BYTES: u64 = 16 * 1024 * 1024;

/// A tree at a commit. It stays readable while the mirror goes on.
pub struct GitTree {
    /// One thread reads at a time: the handle keeps its caches.
    repository: Mutex<gix::Repository>,
    root: ObjectId,
    /// Set when an object cannot be read, so that the mirror looks after itself.
    damaged: Arc<AtomicBool>,
}

impl GitTree {
    pub(crate) fn new(
        repository: gix::Repository,
        root: ObjectId,
        damaged: Arc<AtomicBool>,
    ) -> Self {
        Self { repository: Mutex::new(repository), root, damaged }
    }

    /// The id of what is at `path`: equal ids mean equal content, in any repository. What links
    /// inside of it lead to outside of it is not part of it.
    pub fn path_digest(&self, path: &RepoPath) -> Result<String, TreeError> {
        let reader = self.reader();
        match resolve::resolve(&reader, path)? {
            Node::Directory(id) | Node::File(id) => Ok(id.to_string()),
            Node::Submodule | Node::Link(_) => Err(TreeError::NotADirectory { path: path.clone() }),
        }
    }

    fn reader(&self) -> Reader<'_> {
        Reader {
            repository: self.repository.lock().unwrap_or_else(PoisonError::into_inner),
            root: self.root,
            damaged: &self.damaged,
        }
    }
}

impl FileTree for GitTree {
    fn read(&self, path: &RepoPath, limit: u64) -> Result<Vec<u8>, TreeError> {
        let reader = self.reader();
        match resolve::resolve(&reader, path)? {
            Node::File(id) => reader.object(path, id, limit),
            _ => Err(TreeError::NotAFile { path: path.clone() }),
        }
    }

    fn list(&self, path: &RepoPath) -> Result<Vec<TreeEntry>, TreeError> {
        let reader = self.reader();
        let Node::Directory(id) = resolve::resolve(&reader, path)? else {
            return Err(TreeError::NotADirectory { path: path.clone() });
        };
        let entries = reader.directory(path, id)?;
        let mut entries: Vec<_> = entries
            .into_iter()
            .map(|entry| TreeEntry { name: entry.name, kind: entry.kind })
            .collect();
        entries.sort();
        Ok(entries)
    }
}

struct Entry {
    name: String,
    kind: EntryKind,
    id: ObjectId,
}

/// A tree while it is being read.
struct Reader<'a> {
    repository: MutexGuard<'a, gix::Repository>,
    root: ObjectId,
    damaged: &'a AtomicBool,
}

impl Reader<'_> {
    /// An object of at most `limit` bytes.
    fn object(&self, path: &RepoPath, id: ObjectId, limit: u64) -> Result<Vec<u8>, TreeError> {
        let broken = |error: gix::Error| {
            self.damaged.store(true, Ordering::Relaxed);
            TreeError::Broken { path: path.clone(), message: chain(&error) }
        };
        let bytes = self.repository.find_header(id).map_err(broken)?.size();
        if bytes > limit {
            return Err(TreeError::TooLarge { path: path.clone(), bytes, limit });
        }
        Ok(self.repository.find_object(id).map_err(broken)?.detach().data)
    }

    /// The entries of a directory, all of them usable. One that is not makes the directory
    /// unreadable: to leave it out could mean to remove what it declares from clusters.
    fn directory(&self, path: &RepoPath, id: ObjectId) -> Result<Vec<Entry>, TreeError> {
        let data = self.object(path, id, MAX_DIRECTORY_BYTES)?;
        let broken = |message: String| TreeError::Broken { path: path.clone(), message };
        let mut entries: Vec<Entry> = Vec::new();
        for entry in gix::objs::TreeRefIter::from_bytes(&data, gix::hash::Kind::Sha1) {
            let entry = entry.map_err(|error| broken(error.to_string()))?;
            let shown = || entry.filename.to_string();
            let name = std::str::from_utf8(entry.filename).unwrap_or_default();
            if is_forbidden(name) && std::str::from_utf8(entry.filename).is_ok() {
                return Err(broken(format!(
                    "it has an entry named {:?}, which Git forbids",
                    shown()
                )));
            }
            if name.is_empty() || !is_usable(name) {
                return Err(broken(format!(
                    "the name {:?} is not UTF-8 or holds a control character or a backslash; rename it",
                    shown()
                )));
            }
            let kind = match entry.mode.kind() {
                GitKind::Tree => EntryKind::Directory,
                GitKind::Blob | GitKind::BlobExecutable => EntryKind::File,
                GitKind::Link => EntryKind::Symlink,
                GitKind::Commit => EntryKind::Submodule,
            };
            entries.push(Entry { name: name.to_owned(), kind, id: entry.oid.to_owned() });
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        if let Some(pair) = entries.windows(2).find(|pair| pair[0].name == pair[1].name) {
            return Err(broken(format!("it has two entries named {:?}", pair[0].name)));
        }
        Ok(entries)
    }
}

impl Nodes for Reader<'_> {
    type Directory = ObjectId;
    type File = ObjectId;

    fn root(&self) -> ObjectId {
        self.root
    }

    fn child(&self, directory: &ObjectId, path: &RepoPath, name: &str) -> Child<Self> {
        let entries = self.directory(path, *directory)?;
        let Ok(at) = entries.binary_search_by(|entry| entry.name.as_str().cmp(name)) else {
            return Ok(None);
        };
        let Entry { id, kind, .. } = entries[at];
        Ok(Some(match kind {
            EntryKind::Directory => Node::Directory(id),
            EntryKind::File => Node::File(id),
            EntryKind::Submodule => Node::Submodule,
            EntryKind::Symlink => {
                let link = path.join(name).unwrap_or_default();
                let odd = || TreeError::Link { link: link.clone() };
                let text = match self.object(&link, id, MAX_LINK_BYTES) {
                    Err(TreeError::TooLarge { .. }) => return Err(odd()),
                    text => text?,
                };
                Node::Link(String::from_utf8(text).map_err(|_not_utf8| odd())?)
            }
        }))
    }
}
