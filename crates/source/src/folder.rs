//! A folder on this machine in place of a repository, for commands that work offline.
//!
//! Never for what another party controls: a folder can change while it is read.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use model::tree::{EntryKind, FileTree, RepoPath, TreeEntry, TreeError};

use crate::error::{SourceError, chain};
use crate::resolve::{self, Child, Node, Nodes, is_forbidden, is_usable};
use crate::tree::GitTree;

/// The files in a folder as they are now: also those whose names begin with a dot, without `.git`,
/// and without what is neither a file, a directory nor a link.
pub struct FolderTree {
    root: PathBuf,
}

impl FolderTree {
    pub fn open(folder: &Path) -> Result<Self, SourceError> {
        let root = folder.canonicalize().map_err(|error| local(folder, error.to_string()))?;
        if !root.is_dir() {
            return Err(local(folder, "is not a folder".to_owned()));
        }
        Ok(Self { root })
    }
}

/// A folder as a tree. The top of a Git work tree (or a bare repository) is read at `revision`,
/// by default at `HEAD`: what is not committed is not seen, as a hub would not see it either. Any
/// other folder is read as it is.
pub fn open_local(folder: &Path, revision: Option<&str>) -> Result<Arc<dyn FileTree>, SourceError> {
    let bare = folder.join("HEAD").is_file() && folder.join("objects").is_dir();
    if !folder.join(".git").exists() && !bare {
        return match revision {
            None => Ok(Arc::new(FolderTree::open(folder)?)),
            Some(revision) => {
                let rule = "is not the top of a Git repository, so it has no revision";
                Err(local(folder, format!("{rule} {revision:?}")))
            }
        };
    }
    let repository = gix::open_opts(folder, gix::open::Options::isolated())
        .map_err(|error| local(folder, chain(&error)))?;
    let revision = revision.unwrap_or("HEAD");
    let root = repository
        .rev_parse_single(revision)
        .and_then(|id| id.object()?.peel_to_tree())
        .map_err(|error| local(folder, format!("has no {revision:?}: {}", chain(&error))))?
        .id;
    Ok(Arc::new(GitTree::new(repository.clone(), root, Arc::new(AtomicBool::new(false)))))
}

fn local(folder: &Path, detail: String) -> SourceError {
    SourceError::Local { path: folder.to_owned(), detail }
}

fn broken(path: &RepoPath, message: impl ToString) -> TreeError {
    TreeError::Broken { path: path.clone(), message: message.to_string() }
}

impl FileTree for FolderTree {
    fn read(&self, path: &RepoPath, limit: u64) -> Result<Vec<u8>, TreeError> {
        let Node::File(file) = resolve::resolve(self, path)? else {
            return Err(TreeError::NotAFile { path: path.clone() });
        };
        let bytes = fs::metadata(&file).map_err(|error| broken(path, error))?.len();
        if bytes > limit {
            return Err(TreeError::TooLarge { path: path.clone(), bytes, limit });
        }
        fs::read(&file).map_err(|error| broken(path, error))
    }

    fn list(&self, path: &RepoPath) -> Result<Vec<TreeEntry>, TreeError> {
        let Node::Directory(directory) = resolve::resolve(self, path)? else {
            return Err(TreeError::NotADirectory { path: path.clone() });
        };
        let mut entries = Vec::new();
        for entry in fs::read_dir(&directory).map_err(|error| broken(path, error))? {
            let entry = entry.map_err(|error| broken(path, error))?;
            let name = entry.file_name().into_string().unwrap_or_default();
            if is_forbidden(&name) && !name.is_empty() {
                continue;
            }
            if name.is_empty() || !is_usable(&name) {
                let name = entry.file_name();
                let rule = "is not UTF-8 or holds a control character or a backslash; rename it";
                return Err(broken(path, format!("the name {name:?} {rule}")));
            }
            let kind = entry.file_type().map_err(|error| broken(path, error))?;
            let kind = if kind.is_dir() {
                EntryKind::Directory
            } else if kind.is_file() {
                EntryKind::File
            } else if kind.is_symlink() {
                EntryKind::Symlink
            } else {
                continue;
            };
            entries.push(TreeEntry { name, kind });
        }
        entries.sort();
        Ok(entries)
    }
}

impl Nodes for FolderTree {
    type Directory = PathBuf;
    type File = PathBuf;

    fn root(&self) -> PathBuf {
        self.root.clone()
    }

    fn child(&self, directory: &PathBuf, path: &RepoPath, name: &str) -> Child<Self> {
        if is_forbidden(name) {
            return Ok(None);
        }
        let child = directory.join(name);
        let kind = match fs::symlink_metadata(&child) {
            Ok(metadata) => metadata.file_type(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(broken(path, error)),
        };
        if kind.is_dir() {
            return Ok(Some(Node::Directory(child)));
        }
        if kind.is_file() {
            return Ok(Some(Node::File(child)));
        }
        if !kind.is_symlink() {
            return Ok(None);
        }
        let target = fs::read_link(&child).map_err(|error| broken(path, error))?;
        let odd = |_not_utf8| TreeError::Link { link: path.join(name).unwrap_or_default() };
        target.into_os_string().into_string().map(|text| Some(Node::Link(text))).map_err(odd)
    }
}
