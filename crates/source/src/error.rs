//! What can go wrong between a URL and a file.

use std::path::PathBuf;

use model::id::CommitId;
use thiserror::Error;

use crate::transport::Failure;
use crate::url::{RepoUrl, UrlError};

/// Who has to act.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Trying again changes nothing until a person has changed something.
    User,
    /// It may go away by itself.
    Retry,
}

/// Why a repository gave nothing. Whatever it was before is still there: no failure changes a
/// mirror, and a caller keeps its last good state (law L2).
#[derive(Debug, Clone, Error)]
pub enum SourceError {
    #[error(transparent)]
    Url(#[from] UrlError),
    #[error("{url} may not be used: {rule}")]
    Policy { url: RepoUrl, rule: &'static str },
    #[error(
        "{revision:?} cannot be a revision of {url}; write a branch, a tag, a commit of 40 digits, \
         or a version range such as 1.x or \">=1.2 <2\""
    )]
    Revision { url: RepoUrl, revision: String },
    /// The repository was read, and this is not in it.
    #[error("{url} has no {revision:?}: {hint}")]
    NotFound { url: RepoUrl, revision: String, hint: &'static str },
    /// Every repository that anything was pushed to has a name.
    #[error(
        "{url} lists no branch and no tag; if that is so, push a commit, and else ask whoever runs \
         the server"
    )]
    NoRefs { url: RepoUrl },
    #[error("{url} has {count} branches and tags, more than {limit}, the limit for one repository")]
    TooManyRefs { url: RepoUrl, count: usize, limit: usize },
    #[error(
        "{url} names no repository that can be seen: {detail}; check the URL and the credentials"
    )]
    NoRepository { url: RepoUrl, detail: String },
    #[error("{url} refused us: {detail}; check the credentials for this URL")]
    Unauthorized { url: RepoUrl, detail: String },
    #[error(
        "{url} did not prove to be the known host: {detail}; add its host key to the known hosts, \
         or its CA to the trusted certificates"
    )]
    UnknownHost { url: RepoUrl, detail: String },
    #[error("{url} cannot be reached: {detail}")]
    Unavailable { url: RepoUrl, detail: String },
    #[error(
        "{url} answered with {content_type} instead of Git; is it the clone URL, or a login page?"
    )]
    NotGit { url: RepoUrl, content_type: String },
    #[error("{url} redirects to {to}, which is not followed; use that URL if it is the right one")]
    Redirected { url: RepoUrl, to: String },
    #[error("what {url} sent is cut or damaged, and nothing of it was kept: {detail}")]
    Transfer { url: RepoUrl, detail: String },
    #[error("{url} sends more than {limit} bytes, the limit for one transfer")]
    TooLarge { url: RepoUrl, limit: u64 },
    #[error("the commit {commit} of {url} is not a commit but another kind of object")]
    NotACommit { url: RepoUrl, commit: CommitId },
    #[error("the program {program} cannot be started, which is needed for {url}: {detail}")]
    Program { url: RepoUrl, program: &'static str, detail: String },
    #[error("reading {url} was interrupted by the shutdown")]
    Interrupted { url: RepoUrl },
    #[error("the mirror in {path} cannot be written: {detail}", path = path.display())]
    Mirror { path: PathBuf, detail: String },
    #[error("{path}: {detail}", path = path.display())]
    Local { path: PathBuf, detail: String },
}

impl SourceError {
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::Url(_)
            | Self::Policy { .. }
            | Self::Revision { .. }
            | Self::NotFound { .. }
            | Self::NoRepository { .. }
            | Self::Unauthorized { .. }
            | Self::UnknownHost { .. }
            | Self::Redirected { .. }
            | Self::TooLarge { .. }
            | Self::TooManyRefs { .. }
            | Self::NotACommit { .. }
            | Self::Program { .. }
            | Self::Local { .. } => Class::User,
            Self::Unavailable { .. }
            | Self::NotGit { .. }
            | Self::Transfer { .. }
            | Self::NoRefs { .. }
            | Self::Interrupted { .. }
            | Self::Mirror { .. } => Class::Retry,
        }
    }

    /// The failure of a connection, or what gix made of it when the connection itself was fine.
    pub(crate) fn from_transport(
        url: &RepoUrl,
        failure: Option<Failure>,
        error: &gix::Error,
    ) -> Self {
        let url = url.clone();
        match failure {
            None => Self::Transfer { url, detail: chain(error) },
            Some(Failure::Unreachable { detail }) => Self::Unavailable { url, detail },
            Some(Failure::Untrusted { detail }) => Self::UnknownHost { url, detail },
            Some(Failure::Refused { detail }) => Self::Unauthorized { url, detail },
            Some(Failure::NoRepository { detail }) => Self::NoRepository { url, detail },
            Some(Failure::NotGit { content_type }) => Self::NotGit { url, content_type },
            Some(Failure::Redirect { to }) => Self::Redirected { url, to },
            Some(Failure::Cut { detail }) => Self::Transfer { url, detail },
            Some(Failure::TooLarge { limit }) => Self::TooLarge { url, limit },
            Some(Failure::Program { program, detail }) => Self::Program { url, program, detail },
            Some(Failure::Interrupted) => Self::Interrupted { url },
        }
    }
}

/// Whether the reason lies on this machine: the disk is full or cannot be written.
pub(crate) fn is_local(error: &gix::Error) -> bool {
    use std::io::ErrorKind::{PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    error.iter_errors().filter_map(|error| error.downcast_ref::<std::io::Error>()).any(|error| {
        matches!(error.kind(), StorageFull | QuotaExceeded | ReadOnlyFilesystem | PermissionDenied)
    })
}

/// The messages of a gix error from the outside in, each once.
pub(crate) fn chain(error: &gix::Error) -> String {
    let mut text = String::new();
    for message in error.iter_errors().map(ToString::to_string) {
        if !message.is_empty() && !text.contains(&message) {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&message);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_not_the_servers_fault() {
        let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
        assert!(is_local(&gix::Error::from_error(full)));
        let cut = std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
        assert!(!is_local(&gix::Error::from_error(cut)));
    }

    #[test]
    fn an_error_is_small_enough_to_return() {
        assert!(size_of::<SourceError>() <= 64, "{}", size_of::<SourceError>());
    }
}
