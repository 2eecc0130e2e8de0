//! A directory of plain manifests, read in this process: no child, no scratch directory.

use globset::{GlobBuilder, GlobMatcher};
use model::application::DirectorySource;
use model::tree::{EntryKind, FileTree, RepoPath, TreeError};

use crate::documents::{Documents, over_limit};
use crate::error::RenderError;
use crate::{Limits, Rendered};

/// A file that says so is no manifest; the marker is Argo CD's.
const SKIP_MARKER: &[u8] = b"+argocd:skip-file-rendering";

pub(crate) fn render(
    source: &DirectorySource,
    path: &RepoPath,
    tree: &dyn FileTree,
    limits: &Limits,
) -> Result<Rendered, RenderError> {
    let filter = Filter::new(source)?;
    let mut files = Vec::new();
    let mut seen = 0;
    collect(tree, path, "", source.recurse, limits, &mut seen, &mut |relative, file| {
        if filter.takes(relative) {
            files.push((relative.to_owned(), file));
        }
    })?;
    // By path as a whole, so that the order does not depend on how directories are walked.
    files.sort();
    let mut documents = Documents::new(limits);
    let mut total = 0;
    for (_, file) in files {
        let text = tree.read(&file, limits.output_bytes as u64)?;
        total += text.len();
        if total > limits.output_bytes {
            let what = format!("the manifests below {path}, up to {file},");
            return Err(over_limit(what, total, limits.output_bytes));
        }
        if !text.windows(SKIP_MARKER.len()).any(|window| window == SKIP_MARKER) {
            documents.add_text(file.as_str(), &text)?;
        }
    }
    documents.finish()
}

/// Calls `found` with each file and its path relative to the application's.
fn collect(
    tree: &dyn FileTree,
    directory: &RepoPath,
    prefix: &str,
    recurse: bool,
    limits: &Limits,
    seen: &mut usize,
    found: &mut dyn FnMut(&str, RepoPath),
) -> Result<(), RenderError> {
    for entry in tree.list(directory)? {
        *seen += 1;
        if *seen > limits.tree_files {
            return Err(RenderError::Limit {
                what: format!("the directory {directory} brings the application to"),
                amount: format!("{seen} files"),
                limit: format!("{} files", limits.tree_files),
            });
        }
        let Ok(path) = directory.join(&entry.name) else { continue };
        let relative = format!("{prefix}{}", entry.name);
        match entry.kind {
            EntryKind::Directory if recurse => {
                let prefix = format!("{relative}/");
                collect(tree, &path, &prefix, recurse, limits, seen, found)?;
            }
            EntryKind::File => found(&relative, path),
            // A link to a directory is not walked: it may lead round in a circle. One that
            // leaves the repository is an error even when nobody would read it.
            EntryKind::Symlink => match tree.read(&path, limits.output_bytes as u64) {
                Ok(_) | Err(TreeError::TooLarge { .. }) => found(&relative, path),
                Err(TreeError::NotAFile { .. } | TreeError::NotFound { .. }) => {}
                Err(error) => return Err(error.into()),
            },
            EntryKind::Directory | EntryKind::Submodule => {}
        }
    }
    Ok(())
}

/// Which files are manifests. The globs are Argo CD's: on the path relative to the application's,
/// `*` also matches `/`, `{a,b}` is either.
struct Filter {
    include: Option<GlobMatcher>,
    exclude: Option<GlobMatcher>,
}

impl Filter {
    fn new(source: &DirectorySource) -> Result<Self, RenderError> {
        Ok(Self {
            include: glob("include", &source.include)?,
            exclude: glob("exclude", &source.exclude)?,
        })
    }

    fn takes(&self, relative: &str) -> bool {
        [".yaml", ".yml", ".json"].iter().any(|extension| relative.ends_with(extension))
            && self.include.as_ref().is_none_or(|glob| glob.is_match(relative))
            && !self.exclude.as_ref().is_some_and(|glob| glob.is_match(relative))
    }
}

fn glob(field: &str, pattern: &str) -> Result<Option<GlobMatcher>, RenderError> {
    if pattern.is_empty() {
        return Ok(None);
    }
    let glob = GlobBuilder::new(pattern).literal_separator(false).backslash_escape(true).build();
    let place = || format!("source.directory.{field}");
    glob.map(|glob| Some(glob.compile_matcher())).map_err(|error| {
        RenderError::refused(place(), format!("{pattern:?} is not a glob: {}", error.kind()))
    })
}
