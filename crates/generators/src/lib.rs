//! Generators and templates: application sets and a snapshot of the world to applications.
//!
//! Pure: no I/O, no clock, no randomness. The caller fetches repositories and says what they hold
//! ([`Repositories`]); the same input gives the same bytes (law L8), in whatever order clusters
//! and sets come. The hub, `muster expand` and the benchmarks call the same functions.
//!
//! - [`expand`] takes everything; [`expand_set`] one set; [`references`] says what to fetch first.
//! - One bad element never hides its neighbours: it is [`Verdict::Held`] and a problem (law L2).
//! - [`SetExpansion::complete`] is false when a generator did not see all of its input. Then
//!   nothing of the set may be removed. A generator that has seen everything and found nothing is
//!   complete; whether so many removals are meant is for the deletion budget to ask (law L3).
//!
//! # Parameters
//!
//! | generator | parameters |
//! |---|---|
//! | `list` | the keys of the element |
//! | `clusters` | `name`, `nameNormalized`, `server`, `project`, `metadata.labels`, `metadata.annotations`; `values` |
//! | `git` with `directories` | `path.path`, `path.basename`, `path.basenameNormalized`, `path.segments`; `values` |
//! | `git` with `files` | the keys of the file; `path.…` of its directory, `path.filename`, `path.filenameNormalized`; `values` |
//! | `branches`, `tags` | `ref.kind`, `ref.name`, `ref.normalized`, `ref.sha`, `ref.short_sha`, `ref.version`; `values` |
//! | `scmProvider`, `pullRequest` | as Argo CD names them, `number` as a number and `labels` as a list; `values` |
//! | `plugin` | what it answers, with `generator.input.parameters`; `values` |
//! | `clusterDecisionResource` | those of `clusters` and the keys of the decision; `values` |
//! | `matrix` | those of all its children; a key that two give must have one value, maps are joined |
//! | `join` | those of both sides; what only an absent side has is null |
//! | `merge` | those of its first child, with those of later ones laid over them |
//!
//! `as: key` beside a generator without children puts its own parameters and `values` below the key.
//!
//! Where text is wanted, the map `path` is its own `path.path`: `{{path}}` prints it, and helpers
//! and comparisons take it. In a matrix the strings of a child (`repoURL`, `revision`, paths,
//! `elementsYaml`, strings in `elements`, values of selectors) are templates over the parameters of
//! the children before it, at any depth. A selector beside a generator sees all parameters that
//! are in scope there, flattened to dotted names and text.
//!
//! # Helpers
//!
//! Strict Handlebars without HTML escapes, partials, decorators or files. A missing parameter is
//! an error, except as an argument of `default`, `required`, `if`, `unless`, `and`, `or`, `not`.
//! Map keys are not templated. A string that is only `{{{json expr}}}` becomes the value itself.
//!
//! | helper | gives |
//! |---|---|
//! | `default value… fallback` | the first that is there and neither null nor empty |
//! | `required value message` | the value, or the message as an error |
//! | `lower`, `upper`, `trim` | text |
//! | `replace text from to`, `regexReplace text pattern to` | text with every match replaced |
//! | `trunc text length` | the first characters, the last ones when the length is negative |
//! | `indent text width` | spaces before every line but the first |
//! | `slugify text [length]`, `normalize text` | text as a DNS label, as a Kubernetes name |
//! | `sha256 text` | the digest in hexadecimal digits |
//! | `split text separator`, `join list separator`, `first list`, `last list` | lists and text |
//! | `toYaml`, `toJson`, `json`, `fromYaml` | documents, with sorted keys |
//! | `lookup map key` | an entry by a key that a path cannot spell |
//! | `eq`, `ne`, `lt`, `lte`, `gt`, `gte`, `and`, `or`, `not`, `has`, `startsWith`, `endsWith` | true or false; also as blocks |
//! | `semverCompare constraint version` | whether the version meets the constraint |
//! | `#if`, `#unless`, `#each`, `#with`, `{{{{raw}}}}` | blocks |

mod application;
mod compat;
mod dependencies;
mod expand;
mod explain;
mod fleet;
mod generator;
mod incremental;
mod layers;
mod parameters;
mod patch;
mod project;
mod provider;
mod references;
mod set;
mod template;
mod translate;

use std::collections::BTreeMap;
use std::sync::Arc;

use model::argo::{ClusterSecret, Decisions};
use model::cluster::Cluster;
use model::provider::{Answer, Request};
use model::tree::FileTree;
use thiserror::Error;

pub use dependencies::{Dependencies, Dependency, Record};
pub use expand::{Expansion, GeneratedApplication, Sources, expand, missing};
pub use explain::{Explanation, TemplateField, explain};
pub use incremental::{Incremental, SharedSources};
pub use layers::Layers;
pub use project::Projects;
pub use references::{RepoReference, references};
pub use set::{Element, Generated, SetExpansion, Verdict, expand_set};
pub use translate::{Destinations, Translation, Untranslatable, address, translate};

/// The most elements that one set may give, unless [`Options::max_elements`] says otherwise.
pub const DEFAULT_MAX_ELEMENTS: usize = 50_000;

/// The repositories of the world, as the caller has resolved and fetched them.
pub trait Repositories {
    /// The tree that a repository has at a revision; an empty revision is the default branch.
    ///
    /// Within one expansion the same reference must give the same tree.
    ///
    /// # Errors
    /// When the caller does not have it, or could not read it.
    fn tree(&self, repo_url: &str, revision: &str) -> Result<Arc<dyn FileTree>, Unavailable>;

    /// The branches and tags that a repository has; the same ones within one expansion.
    ///
    /// # Errors
    /// When the caller does not have them, or could not read all of them: a list that is only a part
    /// of it would look as if the rest were gone.
    fn refs(&self, repo_url: &str) -> Result<Arc<Refs>, Unavailable> {
        let message = format!("branches and tags of {repo_url} are not known here");
        Err(Unavailable { message })
    }
}

/// The branches and tags of a repository: the commit of each, by its name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Refs {
    pub branches: BTreeMap<String, String>,
    /// An annotated tag stands for the commit that it names.
    pub tags: BTreeMap<String, String>,
}

/// The services of the world, as the caller has asked them.
pub trait Providers {
    /// What a service answered last; the same request gives the same answer within one expansion.
    ///
    /// # Errors
    /// When the caller has no answer, with the reason.
    fn answer(&self, request: &Request) -> Result<Arc<Answer>, Unavailable>;
}

/// Nobody was asked.
#[derive(Debug, Clone, Copy)]
pub struct NoProviders;

impl Providers for NoProviders {
    fn answer(&self, _: &Request) -> Result<Arc<Answer>, Unavailable> {
        Err(Unavailable { message: "no service was asked".to_owned() })
    }
}

/// Why something cannot be read now. What it gave before stays in force.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct Unavailable {
    pub message: String,
}

/// A snapshot of all that generators look at.
#[derive(Clone, Copy)]
pub struct World<'a> {
    /// `None` when it is not known which clusters there are: then destinations are not checked, and
    /// a `clusters` generator fails. An empty list means that there are none.
    pub clusters: Option<&'a [Cluster]>,
    /// Clusters that only the compat dialect knows, beside `clusters`.
    pub cluster_secrets: &'a [ClusterSecret],
    pub decisions: &'a Decisions,
    pub repositories: &'a dyn Repositories,
    pub providers: &'a dyn Providers,
    pub options: Options,
    /// Where it is noted what is looked at; `None` when nobody wants to know.
    pub record: Option<&'a Record>,
}

/// What a caller may choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// How the compat dialect reads the patterns of `git` files.
    pub git_files_glob: GitFilesGlob,
    /// The most elements that one set may give.
    pub max_elements: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { git_files_glob: GitFilesGlob::Pathspec, max_elements: DEFAULT_MAX_ELEMENTS }
    }
}

/// How the compat dialect reads the patterns of `git` files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GitFilesGlob {
    /// As `git ls-files` does: `*` crosses `/`.
    Pathspec,
    /// `*` stays within a directory, `**` does not, `{a,b}` are alternatives.
    Doublestar,
}

static NO_DECISIONS: Decisions =
    Decisions { objects: Vec::new(), config_maps: Vec::new(), unseen: Vec::new() };

impl<'a> World<'a> {
    /// Clusters and repositories, and nothing else.
    #[must_use]
    pub fn new(clusters: &'a [Cluster], repositories: &'a dyn Repositories) -> Self {
        Self { clusters: Some(clusters), ..Self::without_clusters(repositories) }
    }

    /// As [`World::new`], where it is not known which clusters there are.
    #[must_use]
    pub fn without_clusters(repositories: &'a dyn Repositories) -> Self {
        Self {
            clusters: None,
            cluster_secrets: &[],
            decisions: &NO_DECISIONS,
            repositories,
            providers: &NoProviders,
            options: Options::default(),
            record: None,
        }
    }
}
