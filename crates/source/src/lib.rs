//! Git: from a URL and a revision to a commit, and from a commit to files.
//!
//! The only crate that imports gix. Its calls block: async callers run them on a blocking thread,
//! never on a thread that drives a runtime (each connection brings its own small runtime).
//!
//! - [`Mirrors`] holds one bare, shallow mirror per repository. A tree is read from the object
//!   database; nothing is ever checked out, no hook, filter or submodule is ever run.
//! - [`RepoUrl`] is the only way to name a repository, and never shows a secret.
//! - [`open_local`] reads a folder instead, for people at a terminal.
//!
//! A failure leaves a mirror as it was, and says what failed: [`SourceError`] keeps "there is no
//! such branch" apart from "the server does not answer", because only the first one is a fact.

mod credentials;
mod error;
mod folder;
mod mirror;
mod mirrors;
mod refs;
mod remote;
mod resolve;
mod revision;
mod settings;
mod transport;
mod tree;
mod url;

pub use credentials::{Credentials, CredentialsError, Secret};
pub use error::{Class, SourceError};
pub use folder::{FolderTree, open_local};
pub use mirrors::{CommitInfo, Limits, Mirrors, Survey, UrlPolicy};
pub use refs::{Refs, local_refs};
pub use settings::{CredentialSettings, GitSettings, SettingsError};
pub use tree::GitTree;
pub use url::{RepoUrl, Scheme, UrlError};
