//! What kind of source a directory holds, as Argo CD decides it.

use model::application::Source;
use model::tree::{EntryKind, FileTree, RepoPath, TreeEntry};

use crate::error::RenderError;
use crate::kustomize;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SourceKind {
    Directory,
    Kustomize,
    Helm,
}

/// An explicit block decides; without one the files do: `Chart.yaml` is Helm, a kustomization
/// is Kustomize, everything else is a plain directory.
pub(crate) fn kind(
    source: &Source,
    path: &RepoPath,
    tree: &dyn FileTree,
) -> Result<SourceKind, RenderError> {
    let explicit: Vec<_> = [
        (source.helm.is_some(), SourceKind::Helm, "helm"),
        (source.kustomize.is_some(), SourceKind::Kustomize, "kustomize"),
        (source.directory.is_some(), SourceKind::Directory, "directory"),
    ]
    .into_iter()
    .filter(|(is_set, ..)| *is_set)
    .collect();
    match explicit.as_slice() {
        [(_, kind, _)] => return Ok(*kind),
        [] => {}
        several => {
            let names: Vec<_> = several.iter().map(|(.., name)| *name).collect();
            let rule = format!("{} are set together; keep one", names.join(" and "));
            return Err(RenderError::refused("source", rule));
        }
    }
    let entries = tree.list(path)?;
    let has = |name: &str| entries.iter().any(|entry| is_file(entry) && entry.name == name);
    Ok(if has("Chart.yaml") {
        SourceKind::Helm
    } else if kustomize::FILE_NAMES.into_iter().any(has) {
        SourceKind::Kustomize
    } else {
        SourceKind::Directory
    })
}

/// A link may be a file; reading it tells.
pub(crate) fn is_file(entry: &TreeEntry) -> bool {
    matches!(entry.kind, EntryKind::File | EntryKind::Symlink)
}
