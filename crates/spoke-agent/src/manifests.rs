//! Where an application's manifests come from: Git through `source`, rendered by `render`.
//!
//! Everything here blocks; the engine calls it through `runtime::supervise::blocking`.

use model::canonical::Digest;
use model::desired::DesiredApplication;
use model::id::CommitId;
use model::tree::{EntryKind, FileTree, RepoPath};
use render::{ClusterFacts, RenderError, Rendered, Renderer, Request};
use runtime::error::chain;
use serde_json::json;
use source::{GitTree, Mirrors, RepoUrl};
use thiserror::Error;

/// Who can do something about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorClass {
    /// Somebody has to change the source or the application.
    User,
    /// Trying again may help.
    Retry,
}

/// Why there are no manifests.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct ManifestsError {
    pub class: ErrorClass,
    pub message: String,
}

pub trait ManifestSource: Send + Sync {
    /// The manifests of an application at its commit.
    ///
    /// # Errors
    /// When the source cannot be read or rendered; nothing is concluded from it (law L2).
    fn manifests(
        &self,
        application: &DesiredApplication,
        facts: &ClusterFacts,
    ) -> Result<Rendered, ManifestsError>;

    /// A digest of everything that the manifests depend on: equal digests mean equal manifests.
    /// `None` when the source cannot tell; then every new version is rendered.
    ///
    /// # Errors
    /// When the source cannot be read.
    fn fingerprint(
        &self,
        application: &DesiredApplication,
        facts: &ClusterFacts,
    ) -> Result<Option<Digest>, ManifestsError> {
        let _ = (application, facts);
        Ok(None)
    }
}

/// The most directory entries that are looked at to prove that a directory stands alone.
const MAX_ENTRIES: usize = 4_096;

/// Names that make a directory something else than plain manifests.
const NOT_PLAIN: [&str; 4] =
    ["Chart.yaml", "kustomization.yaml", "kustomization.yml", "Kustomization"];

/// Manifests from Git repositories.
pub struct GitManifests {
    mirrors: Mirrors,
    renderer: Renderer,
}

impl GitManifests {
    #[must_use]
    pub fn new(mirrors: Mirrors, renderer: Renderer) -> Self {
        Self { mirrors, renderer }
    }

    fn tree(&self, application: &DesiredApplication) -> Result<GitTree, ManifestsError> {
        let url = RepoUrl::parse(&application.source.repo_url)
            .map_err(|error| ManifestsError::user(&error))?;
        self.mirrors.tree(&url, application.revision).map_err(|error| ManifestsError {
            class: match error.class() {
                source::Class::User => ErrorClass::User,
                source::Class::Retry => ErrorClass::Retry,
            },
            message: chain(&error),
        })
    }
}

impl ManifestsError {
    fn user(error: &(dyn std::error::Error + 'static)) -> Self {
        Self { class: ErrorClass::User, message: chain(error) }
    }

    fn render(error: &RenderError) -> Self {
        let class = match error.class() {
            render::ErrorClass::User => ErrorClass::User,
            render::ErrorClass::Retry => ErrorClass::Retry,
        };
        Self { class, message: chain(error) }
    }
}

impl ManifestSource for GitManifests {
    fn manifests(
        &self,
        application: &DesiredApplication,
        facts: &ClusterFacts,
    ) -> Result<Rendered, ManifestsError> {
        let tree = self.tree(application)?;
        let request = Request { application, tree: &tree, cluster: facts };
        self.renderer.render(&request).map_err(|error| ManifestsError::render(&error))
    }

    /// The renderer's key without the commit, the files that it can reach, and what the engine
    /// puts into payloads. Most commits of a repository change no application's fingerprint.
    fn fingerprint(
        &self,
        application: &DesiredApplication,
        facts: &ClusterFacts,
    ) -> Result<Option<Digest>, ManifestsError> {
        let tree = self.tree(application)?;
        let path = RepoPath::parse(&application.source.path)
            .map_err(|error| ManifestsError::user(&error))?;
        let mut timeless = application.clone();
        timeless.revision = CommitId::from_bytes([0; 20]);
        timeless.source.target_revision.clear();
        let request = Request { application: &timeless, tree: &tree, cluster: facts };
        let key =
            self.renderer.cache_key(&request).map_err(|error| ManifestsError::render(&error))?;
        let reach = if stands_alone(application, &tree, &path) { path } else { RepoPath::root() };
        // What cannot be read now is an error of the render, with a better message.
        let Ok(files) = tree.path_digest(&reach) else { return Ok(None) };
        let input = json!({
            "render": key,
            "reach": reach.as_str(),
            "files": files,
            "ignoreDifferences": application.ignore_differences,
            "syncPolicy": application.sync_policy,
        });
        Ok(Some(Digest::of_value(&input)))
    }
}

/// Whether nothing outside of the path can matter: a plain directory without links. Kustomizations
/// and charts may reach any file of the repository.
fn stands_alone(application: &DesiredApplication, tree: &dyn FileTree, path: &RepoPath) -> bool {
    if application.source.helm.is_some() || application.source.kustomize.is_some() {
        return false;
    }
    let mut left = MAX_ENTRIES;
    let mut directories = vec![path.clone()];
    let mut at_the_top = true;
    while let Some(directory) = directories.pop() {
        let Ok(entries) = tree.list(&directory) else { return false };
        for entry in entries {
            let named = at_the_top && NOT_PLAIN.contains(&entry.name.as_str());
            if named || entry.kind == EntryKind::Symlink || left == 0 {
                return false;
            }
            left -= 1;
            if entry.kind == EntryKind::Directory {
                match directory.join(&entry.name) {
                    Ok(inner) => directories.push(inner),
                    Err(_) => return false,
                }
            }
        }
        at_the_top = false;
    }
    true
}
