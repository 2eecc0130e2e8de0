//! Copies a chart and the charts that it depends on into the scratch directory.

use std::collections::BTreeSet;

use model::tree::{EntryKind, FileTree, RepoPath, TreeError};
use model::yaml;
use serde_json::Value;

use crate::detect::is_file;
use crate::documents::read_error;
use crate::error::RenderError;
use crate::scratch::Scratch;

/// The largest `Chart.yaml` in bytes.
const MAX_CHART_YAML: usize = 1 << 20;
/// How deep charts in the same repository may depend on each other.
const MAX_DEPENDENCY_DEPTH: usize = 16;

/// Copies the chart in `path`; it lies at the same path in the scratch directory.
pub(super) fn copy(
    tree: &dyn FileTree,
    path: &RepoPath,
    scratch: &mut Scratch,
) -> Result<(), RenderError> {
    copy_chart(tree, path, path, scratch, 0)
}

fn copy_chart(
    tree: &dyn FileTree,
    from: &RepoPath,
    to: &RepoPath,
    scratch: &mut Scratch,
    depth: usize,
) -> Result<(), RenderError> {
    let chart_yaml = file(from, "Chart.yaml")?;
    let Some(chart) = read_yaml(tree, &chart_yaml)? else {
        let rule = "no Chart.yaml is there, so it is not a Helm chart";
        return Err(RenderError::refused(from.to_string(), rule));
    };
    // Charts of version 1 name their dependencies in a file of their own.
    let requirements = read_yaml(tree, &file(from, "requirements.yaml")?)?;
    copy_directory(tree, from, to, scratch)?;
    let vendored = vendored(tree, from)?;
    for (owner, document) in
        [("Chart.yaml", Some(&chart)), ("requirements.yaml", requirements.as_ref())]
    {
        let dependencies = document.and_then(|document| document.get("dependencies"));
        for dependency in dependencies.and_then(Value::as_array).into_iter().flatten() {
            let text =
                |field: &str| dependency.get(field).and_then(Value::as_str).unwrap_or_default();
            let (name, repository) = (text("name"), text("repository"));
            if vendored.has(name) {
                continue;
            }
            let place = format!("{}, dependency {name:?}", file(from, owner)?);
            let Some(local) = repository.strip_prefix("file://") else {
                return Err(RenderError::refused(
                    place,
                    format!(
                        "it is not in {}; run `helm dependency update {from}` and commit what it puts there, \
                     since nothing is fetched while rendering",
                        file(from, "charts")?
                    ),
                ));
            };
            let local = from
                .join(local)
                .map_err(|error| RenderError::refused(&place, error.to_string()))?;
            if depth == MAX_DEPENDENCY_DEPTH {
                return Err(RenderError::refused(place, "charts depend on each other in a circle"));
            }
            let charts = file(to, "charts")?;
            copy_chart(tree, &local, &file(&charts, name)?, scratch, depth + 1)?;
        }
    }
    Ok(())
}

/// The whole directory, as regular files. Links are followed by the tree, inside only.
fn copy_directory(
    tree: &dyn FileTree,
    from: &RepoPath,
    to: &RepoPath,
    scratch: &mut Scratch,
) -> Result<(), RenderError> {
    let limit = scratch.limits().tree_bytes as u64;
    for entry in tree.list(from)? {
        let (source, target) = (file(from, &entry.name)?, file(to, &entry.name)?);
        match entry.kind {
            EntryKind::File => scratch.write_repo(&target, &tree.read(&source, limit)?)?,
            EntryKind::Directory => copy_directory(tree, &source, &target, scratch)?,
            EntryKind::Symlink => match tree.read(&source, limit) {
                Ok(text) => scratch.write_repo(&target, &text)?,
                Err(TreeError::NotAFile { .. }) => copy_directory(tree, &source, &target, scratch)?,
                Err(error) => return Err(error.into()),
            },
            EntryKind::Submodule => {}
        }
    }
    Ok(())
}

/// The charts in `charts/`: archives `name-1.2.3.tgz`, and directories by the name in their
/// `Chart.yaml`.
struct Vendored {
    archives: Vec<String>,
    directories: BTreeSet<String>,
}

impl Vendored {
    fn has(&self, name: &str) -> bool {
        let is_version = |rest: &str| rest.starts_with(|c: char| c.is_ascii_digit() || c == 'v');
        self.directories.contains(name)
            || self.archives.iter().any(|archive| {
                archive
                    .strip_prefix(name)
                    .and_then(|rest| rest.strip_prefix('-'))
                    .is_some_and(is_version)
            })
    }
}

fn vendored(tree: &dyn FileTree, chart: &RepoPath) -> Result<Vendored, RenderError> {
    let directory = file(chart, "charts")?;
    let mut vendored = Vendored { archives: Vec::new(), directories: BTreeSet::new() };
    let entries = match tree.list(&directory) {
        Ok(entries) => entries,
        Err(TreeError::NotFound { .. }) => return Ok(vendored),
        Err(error) => return Err(error.into()),
    };
    for entry in entries {
        if is_file(&entry) && entry.name.ends_with(".tgz") {
            vendored.archives.push(entry.name);
        } else if let Some(chart) =
            read_yaml(tree, &file(&file(&directory, &entry.name)?, "Chart.yaml")?)?
        {
            let name = chart.get("name").and_then(Value::as_str).unwrap_or_default();
            vendored.directories.insert(name.to_owned());
        }
    }
    Ok(vendored)
}

/// A YAML file, or nothing when it is not there.
fn read_yaml(tree: &dyn FileTree, path: &RepoPath) -> Result<Option<Value>, RenderError> {
    match tree.read(path, MAX_CHART_YAML as u64) {
        Ok(text) => yaml::read_one(&text, MAX_CHART_YAML)
            .map(Some)
            .map_err(|error| read_error(path.as_str(), error)),
        Err(
            TreeError::NotFound { .. }
            | TreeError::NotADirectory { .. }
            | TreeError::NotAFile { .. },
        ) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn file(directory: &RepoPath, name: &str) -> Result<RepoPath, RenderError> {
    let place = || format!("{directory}, {name:?}");
    directory.join(name).map_err(|error| RenderError::refused(place(), error.to_string()))
}
