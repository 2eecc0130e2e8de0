//! What can go wrong in the demo, each with what to do about it.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

#[derive(Debug, Error)]
pub(crate) enum DemoError {
    #[error("the demo needs git, and there is none on PATH")]
    NoGit,
    #[error("cannot {what} {path}", path = path.display())]
    File { what: &'static str, path: PathBuf, source: io::Error },
    #[error("{path} is not empty", path = path.display())]
    NotEmpty { path: PathBuf },
    #[error("{} is on a disk with {} MB left; the demo needs {}", path.display(), free >> 20, needed >> 20)]
    Full { path: PathBuf, free: u64, needed: u64 },
    #[error("cannot start {program}")]
    Program { program: String, source: io::Error },
    #[error("`git {command}` failed: {said}")]
    Git { command: String, said: String },
    #[error("cannot listen on 127.0.0.1:{port}")]
    Port { port: u16, source: io::Error },
    #[error("{part} stopped: {reason}")]
    Stopped { part: String, reason: String },
    #[error("{what} did not come within {} s; {last}", limit.as_secs())]
    Late { what: String, limit: Duration, last: String },
    #[error("cluster {cluster}: cannot {what}")]
    Cluster { cluster: String, what: String, source: Box<kube::Error> },
    /// What was seen is not what the story tells.
    #[error("{0}")]
    Unexpected(String),
    /// A kubeconfig, or a cluster of it, that the demo does not take.
    #[error("{message}")]
    Refused { message: String, hint: Option<String> },
    #[error("{what}: {reason}")]
    Setup { what: &'static str, reason: String },
}

impl DemoError {
    pub(crate) fn file(
        what: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { what, path, source }
    }

    pub(crate) fn refused(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Refused { message: message.into(), hint: Some(hint.into()) }
    }

    pub(crate) fn hints(&self) -> Vec<String> {
        let hint = match self {
            Self::NoGit => {
                "install it, such as with `apt install git`, `dnf install git` or `apk add git`; \
                 see https://git-scm.com/downloads"
            }
            Self::NotEmpty { .. } => "name a folder that is empty or does not exist yet",
            Self::Port { source, .. } if source.kind() == io::ErrorKind::AddrInUse => {
                "another program listens there; without --port the demo takes a free port"
            }
            Self::File { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
                "--dir DIR puts the demo elsewhere, and so does TMPDIR"
            }
            Self::Full { .. } => "--dir DIR puts the demo elsewhere, and so does TMPDIR",
            Self::Refused { hint: Some(hint), .. } => hint,
            _ => return Vec::new(),
        };
        vec![hint.to_owned()]
    }
}
