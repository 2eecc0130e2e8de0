//! Why a command failed, with what to do about it and the exit code.
//!
//! The modules below have their own errors; this joins them at the top. Messages are printed by
//! [`crate::report`] alone.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use thiserror::Error;

use crate::client::{CallError, ConnectError, ContextError};
use crate::demo::DemoError;

#[derive(Debug, Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Context(#[from] ContextError),
    #[error(transparent)]
    Connect(#[from] Box<ConnectError>),
    #[error(transparent)]
    Call(#[from] CallError),
    #[error(transparent)]
    Demo(Box<DemoError>),
    #[error("cannot write the output")]
    Output(#[from] io::Error),
    #[error("cannot read {path}", path = path.display())]
    Input { path: PathBuf, source: io::Error },
    #[error("cannot start the input and output of this process")]
    Start(#[source] io::Error),
    /// The words do not fit together in a way that clap cannot see.
    #[error("{message}")]
    Usage { message: String },
    /// The work was done as far as it could be; the message says what is left.
    #[error("{message}")]
    Unfinished { message: String, hint: Option<String> },
    /// More would be removed than may go without a person's word (law L3).
    #[error("{message}")]
    OverBudget { message: String, hint: String },
}

impl From<DemoError> for Failure {
    fn from(error: DemoError) -> Self {
        Self::Demo(Box::new(error))
    }
}

impl Failure {
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::Usage { message: message.into() }
    }

    pub(crate) fn hints(&self) -> Vec<String> {
        match self {
            Self::Context(error) => error.hints(),
            Self::Connect(error) => error.hints(),
            Self::Call(error) => error.hints(),
            Self::Demo(error) => error.hints(),
            Self::Usage { .. } => vec!["`muster help`, or --help after any command".to_owned()],
            Self::Unfinished { hint, .. } => hint.iter().cloned().collect(),
            Self::OverBudget { hint, .. } => vec![hint.clone()],
            Self::Output(_) | Self::Input { .. } | Self::Start(_) => Vec::new(),
        }
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Usage { .. } | Self::OverBudget { .. } => ExitCode::from(2),
            _ => ExitCode::FAILURE,
        }
    }

    /// Whether whoever read the output went away. A connection that broke is another matter.
    pub(crate) fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }

    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, Self::Call(CallError::NotFound { .. } | CallError::Missing { .. }))
    }

    /// Whether the way to the hub failed, not the hub.
    pub(crate) fn is_connection(&self) -> bool {
        matches!(self, Self::Connect(_))
    }

    /// Whether the same request may succeed later: the hub is restarting, or the way to it broke.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Connect(error) => error.is_passing(),
            Self::Call(error) => error.is_passing(),
            _ => false,
        }
    }
}
