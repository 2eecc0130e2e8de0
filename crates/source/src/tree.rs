//! The files of a commit, read from the object database.
//!
//! There is no host path in it, so nothing in a repository can name one. Objects are asked for
//! their size before they are read.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gix::ObjectId;
use gix::objs::tree::EntryKind as GitKind;
use model::canonical::Digest;
use model::tree::{EntryKind, FileTree, RepoPath, TreeEntry, TreeError};

use crate::error::chain;
use crate::resolve::{self, Child, Node, Nodes, is_forbidden, is_usable};

/// The longest text of a link, as on Linux.
const MAX_LINK_BYTES: u64 = 4096;
/// A directory of more bytes is hostile; this is about 200,000 names.
const MAX_DIRECTORY_BYTES: u64 = 16 * 1024 * 1024;

/// How many names of directories are remembered: walking a tree comes by the upper ones again and
/// again. About 2 MB at most; when there are more, all are forgotten.
const MAX_REMEMBERED: usize = 20_000;

/// A tree at a commit. It stays readable while the mirror goes on.
pub struct GitTree {
    /// One thread reads at a time: the handle keeps its caches.
    state: Mutex<State>,
    root: ObjectId,
    /// Set when an object cannot be read, so that the mirror looks after itself.
    damaged: Arc<AtomicBool>,
}

struct State {
    repository: gix::Repository,
    directories: HashMap<ObjectId, Arc<[Entry]>>,
    remembered: usize,
}

impl GitTree {
    pub(crate) fn new(
        repository: gix::Repository,
        root: ObjectId,
        damaged: Arc<AtomicBool>,
    ) -> Self {
        let state = State { repository, directories: HashMap::new(), remembered: 0 };
        Self { state: Mutex::new(state), root, damaged }
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
            state: RefCell::new(self.state.lock().unwrap_or_else(PoisonError::into_inner)),
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
            .iter()
            .map(|entry| TreeEntry { name: entry.name.clone(), kind: entry.kind })
            .collect();
        entries.sort();
        Ok(entries)
    }

    fn digest(&self, path: &RepoPath) -> Option<Digest> {
        let id = self.path_digest(path).ok()?;
        Some(Digest::of(id.as_bytes()))
    }
}

struct Entry {
    name: String,
    kind: EntryKind,
    id: ObjectId,
}

/// A tree while it is being read.
struct Reader<'a> {
    state: RefCell<MutexGuard<'a, State>>,
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
        let bytes = self.state.borrow().repository.find_header(id).map_err(broken)?.size();
        if bytes > limit {
            return Err(TreeError::TooLarge { path: path.clone(), bytes, limit });
        }
        Ok(self.state.borrow().repository.find_object(id).map_err(broken)?.detach().data)
    }

    fn directory(&self, path: &RepoPath, id: ObjectId) -> Result<Arc<[Entry]>, TreeError> {
        if let Some(entries) = self.state.borrow().directories.get(&id) {
            return Ok(Arc::clone(entries));
        }
        let entries: Arc<[Entry]> = self.parse_directory(path, id)?.into();
        let mut state = self.state.borrow_mut();
        if state.remembered + entries.len() > MAX_REMEMBERED {
            state.directories.clear();
            state.remembered = 0;
        }
        state.remembered += entries.len();
        state.directories.insert(id, Arc::clone(&entries));
        Ok(entries)
    }

    /// The entries of a directory, all of them usable. One that is not makes the directory
    /// unreadable: to leave it out could mean to remove what it declares from clusters.
    fn parse_directory(&self, path: &RepoPath, id: ObjectId) -> Result<Vec<Entry>, TreeError> {
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
