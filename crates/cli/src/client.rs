//! How a command reaches the hub: the context file, the connection, the calls and their errors.
//!
//! The generated client stays behind this module's [`Hub`] as far as errors go: whatever goes wrong
//! on the way becomes a message with a hint.

mod call;
mod connect;
mod context;
mod watch;

pub(crate) use call::{CallError, Hub, values};
pub(crate) use connect::ConnectError;
pub(crate) use context::ContextError;
pub(crate) use watch::{RETRY, Watch};

use std::path::PathBuf;
use std::time::Duration;

use crate::duration;

/// Where the hub is and how long it may take; the same for every command.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct Options {
    /// Where the hub is and who asks [default: ~/.config/muster/context.yaml]
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "MUSTER_CONTEXT",
        hide_env_values = true
    )]
    pub(crate) context_file: Option<PathBuf>,
    /// How long the hub may take to answer one request
    #[arg(
        long, global = true, value_name = "DURATION", default_value = "30s",
        value_parser = duration::parse
    )]
    pub(crate) request_timeout: Duration,
}
