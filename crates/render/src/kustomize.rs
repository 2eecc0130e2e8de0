//! Kustomize by its official binary, on what a scan of every reachable kustomization let through.
//!
//! The scan (`scan`) writes the files that the build may read into a scratch directory; overrides
//! of the application become a further kustomization on top (`overlay`). The repository's own
//! files are never edited.

mod overlay;
mod scan;

use model::application::KustomizeSource;
use model::tree::{FileTree, RepoPath};

use crate::documents::Documents;
use crate::error::RenderError;
use crate::redact::Redactor;
use crate::sandbox::{Isolation, Run, RunError};
use crate::scratch::Scratch;
use crate::{Limits, Rendered};

/// The names under which kustomize looks for a kustomization.
pub(crate) const FILE_NAMES: [&str; 3] =
    ["kustomization.yaml", "kustomization.yml", "Kustomization"];

pub(crate) fn render(
    program: &std::path::Path,
    isolation: &Isolation,
    source: &KustomizeSource,
    path: &RepoPath,
    tree: &dyn FileTree,
    mut scratch: Scratch,
    limits: &Limits,
) -> Result<Rendered, RenderError> {
    let components = overlay::components(source, path)?;
    scan::materialise(tree, path, &components, &mut scratch)?;
    let target = if *source == KustomizeSource::default() {
        scratch.repo(path)
    } else {
        let overlay = overlay::write(source, path, tree, &mut scratch)?;
        overlay.parent().map_or(overlay.clone(), std::path::Path::to_path_buf)
    };
    let run = Run {
        tool: "kustomize",
        program,
        arguments: vec![
            "build".into(),
            // The scan has proven that nothing leaves the repository; bases beside it are normal.
            "--load-restrictor=LoadRestrictionsNone".into(),
            "--".into(),
            target.into(),
        ],
        environment: Vec::new(),
        scratch: &scratch,
    };
    let output = isolation.run(&run, limits).map_err(|error| match error {
        RunError::Other(error) => error,
        RunError::Failed(failed) => {
            Redactor::new(&scratch).tool_failed("kustomize", failed, &scratch)
        }
    })?;
    drop(scratch);
    let mut documents = Documents::new(limits);
    documents.add_text("the output of kustomize", &output)?;
    documents.finish()
}
