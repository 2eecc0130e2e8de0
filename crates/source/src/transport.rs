//! One connection to a Git server: over HTTP with our own client, or through a program.
//!
//! gix speaks the protocol; the bytes go through here, so that every wait has a limit, every
//! failure has one clear name, and credentials go nowhere else. What failed is noted on the
//! [`Wire`], because on its way through gix an error would lose its kind.

mod http;
mod program;
mod wire;

use std::sync::Arc;

use gix::protocol::transport::client::blocking_io::Transport;

pub(crate) use http::client as http_client;
pub(crate) use wire::{Failure, Wire, WireLimits};

use crate::credentials::{Credentials, Secret};
use crate::url::{RepoUrl, Scheme};

/// An open connection; its wire knows what went wrong.
pub(crate) struct Connection {
    pub(crate) transport: Box<dyn Transport>,
    pub(crate) wire: Arc<Wire>,
}

/// Prepares a connection. Nothing is sent before the transport is used, except that a program is
/// started; when that fails, the transport fails at once and the wire knows why.
pub(crate) fn connect(
    url: &RepoUrl,
    credentials: &Arc<Credentials>,
    http: impl FnOnce() -> Result<reqwest::Client, Failure>,
    wire: Arc<Wire>,
) -> Result<Connection, Failure> {
    let transport: Box<dyn Transport> = match url.scheme() {
        Scheme::Https | Scheme::Http => {
            Box::new(http::transport(url, Arc::clone(credentials), http()?, Arc::clone(&wire))?)
        }
        Scheme::Ssh => {
            let key = match credentials.find(url) {
                Some(Secret::SshKey { key_file, known_hosts_file }) => {
                    Some((key_file.as_path(), known_hosts_file.as_path()))
                }
                _ => None,
            };
            Box::new(program::transport(url, program::ssh(url, key), Arc::clone(&wire))?)
        }
        Scheme::File => Box::new(program::transport(url, program::local(url), Arc::clone(&wire))?),
    };
    Ok(Connection { transport, wire })
}
