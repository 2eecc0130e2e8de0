//! A tree of files and options to manifests: plain YAML, Kustomize, Helm; in apply order.
//!
//! Blocking, without network and clock; called from a thread that may block. Knows no Git, no
//! cluster and no application but the one it renders. Plain directories are read in this process.
//! Kustomize and Helm are their official binaries, started one at a time, so that a spoke's memory
//! has one bound; without a binary, only the applications that need it fail.
//!
//! Rendering is deterministic: the same tree, application, facts and tools give the same manifests
//! and the same digest (law L8), unless a chart uses Helm's random or time functions.
//!
//! # What the sandbox of a tool does
//! - It sees files that we wrote into a fresh directory, as regular files without links: for
//!   Kustomize what its checked kustomizations name, for Helm the chart and its values.
//! - It gets no environment but ours: own `HOME`, `XDG_*` and `TMPDIR`, an empty `PATH` (no git, no
//!   plugins, no shell), proxies that lead nowhere; no standard input.
//! - It has no network where the kernel allows an unprivileged user namespace and `unshare` is
//!   installed. Tests on such a machine show it.
//! - Its time, output, memory (data segment), CPU seconds, open files and file size are bounded; at
//!   the end its whole process group is killed. On other systems than Linux only time and output.
//!
//! # What it does not do
//! It runs as the same user and sees the same file system: what keeps a tool from reading other
//! files is the check of its input, not the kernel. Where namespaces are not allowed (most pods),
//! the network is there, and what keeps a tool off it is the check of its input, the missing
//! programs and the proxies. It has no seccomp filter. Run the spoke with a read-only root, without
//! privileges and with a network policy.
//!
//! Objects keep the namespace that they were written with: which kinds have namespaces, only a
//! cluster knows.

mod detect;
mod directory;
mod documents;
mod error;
mod helm;
mod kustomize;
mod redact;
mod sandbox;
mod scratch;
mod tools;

use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use model::canonical::{self, Digest};
use model::desired::DesiredApplication;
use model::manifest::Manifest;
use model::tree::{FileTree, RepoPath};
use serde_json::json;

pub use error::{ErrorClass, RenderError};
pub use tools::Tools;

use detect::SourceKind;
use sandbox::Isolation;
use scratch::Scratch;

/// Counts up when the same input may give other manifests or another verdict.
const POLICY_VERSION: u32 = 1;

/// What a chart may ask about the cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClusterFacts {
    /// As the API server says it: `v1.36.3`.
    pub kube_version: String,
    /// Sorted: `apps/v1`, `apps/v1/Deployment`.
    pub api_versions: Vec<String>,
}

/// What one rendering may cost.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes that are read as manifests, that a tool may print, and of all objects together.
    pub output_bytes: usize,
    /// Documents in one text, and objects of an application.
    pub documents: usize,
    /// Files that are looked at or copied for one application.
    pub tree_files: usize,
    /// Bytes copied for one application.
    pub tree_bytes: usize,
    /// How long a tool may run.
    pub time: Duration,
    /// Memory of a tool (its data segment). Both start in 128 MiB; peaks of 168 MB were measured.
    pub memory_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            output_bytes: 32 << 20,
            documents: 10_000,
            tree_files: 20_000,
            tree_bytes: 128 << 20,
            time: Duration::from_secs(90),
            memory_bytes: 1 << 30,
        }
    }
}

/// One application to render, at the commit that `tree` shows.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    pub application: &'a DesiredApplication,
    pub tree: &'a dyn FileTree,
    pub cluster: &'a ClusterFacts,
}

/// The objects of an application.
#[derive(Debug, Clone, PartialEq)]
pub struct Rendered {
    /// In apply order.
    pub manifests: Vec<Manifest>,
    /// Of the digests of the canonical objects, in order: equal exactly when the objects are.
    pub digest: Digest,
}

/// Renders applications.
#[derive(Debug)]
pub struct Renderer {
    tools: Tools,
    limits: Limits,
    scratch: PathBuf,
    isolation: Isolation,
    /// Held while a tool runs.
    one_tool: Mutex<()>,
}

impl Renderer {
    /// `scratch` is a directory that only this renderer uses; what an earlier process left in it
    /// is removed. It is made when a tool first runs.
    #[must_use]
    pub fn new(tools: Tools, limits: Limits, scratch: PathBuf) -> Self {
        Scratch::sweep(&scratch);
        Self { tools, limits, scratch, isolation: Isolation::default(), one_tool: Mutex::new(()) }
    }

    /// Renders an application; blocks for up to the time limit of a tool, and while others run.
    ///
    /// # Errors
    /// When the source is wrong or over a limit, a tool is missing or fails, or the machine is in
    /// the way; [`RenderError::class`] says which.
    pub fn render(&self, request: &Request<'_>) -> Result<Rendered, RenderError> {
        let source = &request.application.source;
        let path = source_path(request)?;
        match detect::kind(source, &path, request.tree)? {
            SourceKind::Directory => {
                let directory = source.directory.clone().unwrap_or_default();
                directory::render(&directory, &path, request.tree, &self.limits)
            }
            SourceKind::Kustomize => {
                let program = self.tools.kustomize()?;
                let options = source.kustomize.clone().unwrap_or_default();
                let _one = self.one_tool();
                let scratch = Scratch::new(&self.scratch, &self.limits)?;
                let (isolation, limits) = (&self.isolation, &self.limits);
                kustomize::render(
                    program,
                    isolation,
                    &options,
                    &path,
                    request.tree,
                    scratch,
                    limits,
                )
            }
            SourceKind::Helm => {
                let program = self.tools.helm()?;
                let options = source.helm.clone().unwrap_or_default();
                let release = helm::Release {
                    application: request.application,
                    source: &options,
                    path: &path,
                    tree: request.tree,
                    cluster: request.cluster,
                };
                let _one = self.one_tool();
                let scratch = Scratch::new(&self.scratch, &self.limits)?;
                helm::render(program, &self.isolation, &release, scratch, &self.limits)
            }
        }
    }

    /// What the result depends on, as one digest: equal keys mean that rendering again gives the
    /// same. The facts of the cluster count for Helm only, so that an installed CRD does not make
    /// everything else render again.
    ///
    /// # Errors
    /// When the source's path is wrong or cannot be read.
    pub fn cache_key(&self, request: &Request<'_>) -> Result<Digest, RenderError> {
        let application = request.application;
        let kind = detect::kind(&application.source, &source_path(request)?, request.tree)?;
        let (tool, facts) = match kind {
            SourceKind::Directory => (None, None),
            SourceKind::Kustomize => (self.tools.kustomize.as_ref(), None),
            SourceKind::Helm => (self.tools.helm.as_ref(), Some(request.cluster)),
        };
        // A binary that was replaced has another size or time.
        let tool = tool.map(|file| {
            let data = file.metadata().ok();
            let time = data.as_ref().and_then(|data| data.modified().ok());
            let time = time.and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
            let time = time.map(|time| time.as_nanos().to_string());
            json!([file.to_string_lossy(), data.map(|data| data.len()), time])
        });
        Ok(Digest::of(&canonical::of(&json!({
            "policy": POLICY_VERSION,
            "limits": format!("{:?}", self.limits),
            "source": application.source,
            "revision": application.revision,
            "name": application.name,
            "namespace": application.namespace,
            "tool": tool,
            "facts": facts.map(|facts| json!([facts.kube_version, facts.api_versions])),
        }))))
    }

    /// The lock guards no data, so that a panic of another holder spoils nothing.
    fn one_tool(&self) -> std::sync::MutexGuard<'_, ()> {
        self.one_tool.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

fn source_path(request: &Request<'_>) -> Result<RepoPath, RenderError> {
    RepoPath::parse(&request.application.source.path)
        .map_err(|source| RenderError::Path { field: "path".to_owned(), source })
}
