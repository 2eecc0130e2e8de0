//! What a repository holds at a revision, listed once for each place that is asked for.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use model::problem::Reason;
use model::tree::{EntryKind, FileTree, RepoPath, TreeEntry};

use super::{Evaluator, Fault};
use crate::RepoReference;

/// The most entries that one walk looks at.
const MAX_ENTRIES: usize = 1_000_000;
/// The deepest directory that is entered, as deep as a path may be.
const MAX_DEPTH: usize = 127;

/// The trees that were read, and what was listed of them.
#[derive(Default)]
pub(super) struct Trees {
    trees: HashMap<RepoReference, Result<Arc<dyn FileTree>, Fault>>,
    walks: HashMap<(RepoReference, Walk), Rc<Vec<Found>>>,
}

/// What is looked for below a directory.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Walk {
    /// The components of the directory; links are not followed to it.
    pub(super) start: Vec<String>,
    /// How many levels below it are looked at.
    pub(super) levels: usize,
    /// Whether names that begin with a dot are seen.
    pub(super) hidden: bool,
    pub(super) files: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    /// The components joined by slashes.
    pub(super) path: String,
    pub(super) kind: EntryKind,
}

impl Evaluator<'_> {
    pub(super) fn tree(&mut self, reference: &RepoReference) -> Result<Arc<dyn FileTree>, Fault> {
        if let Some(known) = self.trees.trees.get(reference) {
            return known.clone();
        }
        let tree = self.world.repositories.tree(&reference.repo_url, &reference.revision);
        let tree = tree.map_err(|unavailable| {
            self.missing.insert(reference.clone());
            let message = format!("{reference} cannot be read: {}", unavailable.message);
            Fault::new(Reason::SourceUnavailable, message)
        });
        self.trees.trees.insert(reference.clone(), tree.clone());
        tree
    }

    /// What lies below a directory, directories before what is in them, names in order. Nothing
    /// when the directory is not there.
    pub(super) fn walk(
        &mut self,
        reference: &RepoReference,
        walk: Walk,
    ) -> Result<Rc<Vec<Found>>, Fault> {
        let key = (reference.clone(), walk);
        if let Some(known) = self.trees.walks.get(&key) {
            return Ok(Rc::clone(known));
        }
        let tree = self.tree(reference)?;
        let found = Rc::new(walked(&*tree, &key.1).map_err(|message| {
            Fault::new(Reason::SourceUnavailable, format!("{reference}: {message}"))
        })?);
        self.trees.walks.insert(key, Rc::clone(&found));
        Ok(found)
    }
}

fn walked(tree: &dyn FileTree, walk: &Walk) -> Result<Vec<Found>, String> {
    let mut start = RepoPath::root();
    for name in &walk.start {
        let entries = list(tree, &start)?;
        let is_there = entries.iter().any(|e| e.name == *name && e.kind == EntryKind::Directory);
        if !is_there || (!walk.hidden && name.starts_with('.')) {
            return Ok(Vec::new());
        }
        start = start.join(name).map_err(|error| error.to_string())?;
    }
    let mut found = Vec::new();
    let mut seen = 0;
    below(tree, walk, &start, walk.levels.min(MAX_DEPTH), &mut found, &mut seen)?;
    Ok(found)
}

fn below(
    tree: &dyn FileTree,
    walk: &Walk,
    directory: &RepoPath,
    levels: usize,
    found: &mut Vec<Found>,
    seen: &mut usize,
) -> Result<(), String> {
    if levels == 0 {
        return Ok(());
    }
    for TreeEntry { name, kind } in list(tree, directory)? {
        *seen += 1;
        if *seen > MAX_ENTRIES {
            return Err(format!(
                "more than {MAX_ENTRIES} entries lie below {directory}; begin the pattern with the \
                 directory to look in"
            ));
        }
        let is_directory = kind == EntryKind::Directory;
        // A submodule is a directory where it is checked out.
        let is_wanted = walk.files || is_directory || kind == EntryKind::Submodule;
        if !is_wanted || (!walk.hidden && name.starts_with('.')) {
            continue;
        }
        let slash = if directory.is_root() { "" } else { "/" };
        found.push(Found { path: format!("{}{slash}{name}", directory.as_str()), kind });
        if is_directory && let Ok(inner) = directory.join(&name) {
            below(tree, walk, &inner, levels - 1, found, seen)?;
        }
    }
    Ok(())
}

fn list(tree: &dyn FileTree, directory: &RepoPath) -> Result<Vec<TreeEntry>, String> {
    tree.list(directory).map_err(|error| format!("{directory} cannot be listed: {error}"))
}
