//! One bare, shallow repository on disk, and the promise that what it marks is complete.
//!
//! A commit is here when `refs/muster/<commit>` exists. That reference is written last, after
//! every object of the commit's tree was found, so a crash or a cut transfer leaves at worst
//! objects that nothing refers to. A mirror that cannot be read is replaced by a new one once that
//! one is filled; the old one is kept beside it, for whoever wants to know what happened.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use gix::ObjectId;
use gix::objs::tree::EntryKind;
use gix::refs::transaction::PreviousValue;

use crate::error::chain;
use crate::remote::MAX_HAVES;

const NAMESPACE: &str = "refs/muster/";

pub(crate) struct Mirror {
    path: PathBuf,
    repository: Option<gix::ThreadSafeRepository>,
    /// What an earlier process left behind was removed.
    swept: bool,
    damaged: Arc<AtomicBool>,
}

/// Why a mirror cannot serve, in words.
pub(crate) type Damage = String;

impl Mirror {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, repository: None, swept: false, damaged: Arc::default() }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn damaged(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.damaged)
    }

    /// Opens the repository; creates it when the folder is not there.
    pub(crate) fn open(&mut self) -> Result<gix::Repository, Damage> {
        if self.repository.is_none() {
            let opened = if self.path.exists() { open(&self.path) } else { create(&self.path) };
            let repository = opened?;
            if !self.swept {
                sweep(&self.path);
                self.swept = true;
            }
            self.repository = Some(repository.into_sync());
        }
        Ok(self.repository.as_ref().expect("opened above").to_thread_local())
    }

    /// Opens it anew: gix sizes its tables by the packs it finds when it opens.
    pub(crate) fn reopen(&mut self) -> Result<gix::Repository, Damage> {
        self.repository = None;
        self.open()
    }

    /// Empty or filled, the folder for a replacement of this mirror.
    pub(crate) fn replacement(&self) -> Result<Self, Damage> {
        let path = self.path.with_extension("new");
        remove(&path)?;
        Ok(Self::new(path))
    }

    /// Puts a filled replacement into the place of this mirror.
    pub(crate) fn replace(&mut self, mut by: Self) -> Result<(), Damage> {
        by.repository = None;
        self.repository = None;
        if self.path.exists() {
            let aside = self.path.with_extension("corrupt");
            remove(&aside)?;
            fs::rename(&self.path, &aside).map_err(|error| error.to_string())?;
            tracing::warn!(mirror = %self.path.display(), "a damaged mirror was moved aside");
        }
        fs::rename(&by.path, &self.path).map_err(|error| error.to_string())?;
        // Trees of the old mirror must not accuse the new one.
        self.damaged = Arc::default();
        Ok(())
    }
}

fn open(path: &Path) -> Result<gix::Repository, Damage> {
    gix::open_opts(path, options()).map_err(|error| chain(&error))
}

fn create(path: &Path) -> Result<gix::Repository, Damage> {
    gix::ThreadSafeRepository::init_opts(
        path,
        gix::create::Kind::Bare,
        gix::create::Options { destination_must_be_empty: Some(true), ..Default::default() },
        options(),
    )
    .map(|repository| repository.to_thread_local())
    .map_err(|error| chain(&error))
}

/// Nothing outside of the mirror changes how it behaves.
fn options() -> gix::open::Options {
    gix::open::Options::isolated().open_path_as_is(true)
}

/// Removes locks and half-written packs of a process that was killed: nobody else will, and a lock
/// would stop every later fetch. What cannot be removed shows up again as that failure.
fn sweep(path: &Path) {
    let leftovers = [("", ".lock"), (NAMESPACE, ".lock"), ("objects/pack", "")];
    for (folder, ending) in leftovers {
        let Ok(entries) = fs::read_dir(path.join(folder)) else { continue };
        for entry in entries.filter_map(Result::ok) {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let lock = !ending.is_empty() && name.ends_with(ending);
            if lock || (ending.is_empty() && name.starts_with(".tmp")) {
                tracing::info!(file = %entry.path().display(), "removing what a killed process left");
                fs::remove_file(entry.path()).ok();
            }
        }
    }
}

fn remove(path: &Path) -> Result<(), Damage> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.to_string()),
        _ => Ok(()),
    }
}

/// Whether the commit was marked as complete.
pub(crate) fn is_marked(repository: &gix::Repository, commit: ObjectId) -> Result<bool, Damage> {
    let name = format!("{NAMESPACE}{commit}");
    repository
        .try_find_reference(name.as_str())
        .map(|reference| reference.is_some())
        .map_err(|error| chain(&error))
}

/// Marks a commit whose objects were all found.
pub(crate) fn mark(repository: &gix::Repository, commit: ObjectId) -> Result<(), Damage> {
    let name = format!("{NAMESPACE}{commit}");
    repository
        .reference(name.as_str(), commit, PreviousValue::Any, "fetched")
        .map(drop)
        .map_err(|error| chain(&error))
}

/// Some commits that are complete, to spare their objects in the next transfer.
pub(crate) fn marked(repository: &gix::Repository) -> Result<Vec<ObjectId>, Damage> {
    let references = repository.references().map_err(|error| chain(&error))?;
    let marked = references.prefixed(NAMESPACE).map_err(|error| chain(&error))?;
    Ok(marked
        .filter_map(Result::ok)
        .filter_map(|reference| reference.try_id().map(gix::Id::detach))
        .take(MAX_HAVES)
        .collect())
}

/// What a commit is, as far as it is here.
pub(crate) enum Found {
    Complete {
        root: ObjectId,
    },
    /// The object, or one that it needs, is not here.
    Missing,
    /// It is here and is something else, such as a blob.
    NotACommit,
}

/// Looks at a commit and everything below its tree; `read` also reads every object, which finds
/// bytes that have changed on disk.
pub(crate) fn inspect(
    repository: &gix::Repository,
    commit: ObjectId,
    read: bool,
) -> Result<Found, Damage> {
    let Some(object) = repository.try_find_object(commit).map_err(|error| chain(&error))? else {
        return Ok(Found::Missing);
    };
    let Ok(found) = object.try_into_commit() else { return Ok(Found::NotACommit) };
    let root = found.tree_id().map_err(|error| chain(&error))?.detach();
    let mut seen = HashSet::from([root]);
    let mut pending = vec![root];
    while let Some(id) = pending.pop() {
        let Some(tree) = repository.try_find_object(id).map_err(|error| chain(&error))? else {
            return Ok(Found::Missing);
        };
        for entry in gix::objs::TreeRefIter::from_bytes(&tree.data, gix::hash::Kind::Sha1) {
            let entry = entry.map_err(|error| error.to_string())?;
            let id = entry.oid.to_owned();
            match entry.mode.kind() {
                // Another repository's commit, which is never read.
                EntryKind::Commit => {}
                EntryKind::Tree => {
                    if seen.insert(id) {
                        pending.push(id);
                    }
                }
                EntryKind::Blob | EntryKind::BlobExecutable | EntryKind::Link => {
                    if seen.insert(id) && !has(repository, id, read)? {
                        return Ok(Found::Missing);
                    }
                }
            }
        }
    }
    Ok(Found::Complete { root })
}

fn has(repository: &gix::Repository, id: ObjectId, read: bool) -> Result<bool, Damage> {
    if !read {
        return Ok(repository.has_object(id));
    }
    let object = repository.try_find_object(id).map_err(|error| chain(&error))?;
    let Some(object) = object else { return Ok(false) };
    let actual = gix::objs::compute_hash(gix::hash::Kind::Sha1, object.kind, &object.data);
    Ok(actual.is_ok_and(|actual| actual == id))
}

/// Whether a reader has complained since the last look.
pub(crate) fn take_complaint(damaged: &AtomicBool) -> bool {
    damaged.swap(false, Ordering::Relaxed)
}
