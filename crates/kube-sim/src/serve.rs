//! A cluster over HTTPS, for kubectl and every other client that is no Rust code of this process.
//!
//! [`Tls`] is a certificate authority of its own, made in memory; one serves any number of clusters.
//! [`serve`] answers one cluster's requests on one listener, HTTP/1.1 and HTTP/2, until the
//! supervisor's token or [`Server::stop`] ends it: then watches end as a real server's do, and the
//! port is free again.
//!
//! Tasks: one that accepts, one per connection, and one per HTTP/2 stream; all are the
//! supervisor's. They share nothing but the cluster's lock. It must not be reachable from other
//! machines: the caller binds the listener, to a loopback address.

mod auth;
mod connection;
mod kubeconfig;
mod tls;

#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use runtime::supervise::{Supervisor, TaskHandle};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use self::tls::{Tls, TlsError};
use crate::cluster::Cluster;

/// A cluster that is served. Dropping it changes nothing; [`Server::stop`] ends it.
pub struct Server {
    address: SocketAddr,
    ca_pem: Arc<str>,
    admin_token: Arc<str>,
    stop: CancellationToken,
    task: TaskHandle,
}

/// Serves `cluster` on `listener`. Controllers are driven by the caller ([`Cluster::drive`]).
///
/// # Errors
/// When the listener has no address.
pub fn serve(
    cluster: &Cluster,
    listener: TcpListener,
    tls: &Tls,
    supervisor: &Supervisor,
) -> io::Result<Server> {
    let address = listener.local_addr()?;
    let admin_token: Arc<str> = auth::new_token().into();
    let stop = supervisor.token().child_token();
    let served = connection::Served {
        cluster: cluster.clone(),
        admin_token: Arc::clone(&admin_token),
        stop: stop.clone(),
        tasks: supervisor.clone(),
    };
    let task = supervisor
        .spawn(format!("kube-sim {address}"), connection::accept(listener, tls.acceptor(), served));
    Ok(Server { address, ca_pem: tls.ca_pem(), admin_token, stop, task })
}

impl Server {
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Such as `https://127.0.0.1:6443`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// The certificate to trust, in PEM.
    #[must_use]
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// The bearer token of a member of `system:masters`.
    #[must_use]
    pub fn admin_token(&self) -> &str {
        &self.admin_token
    }

    /// A kubeconfig with one context, of the administrator.
    #[must_use]
    pub fn kubeconfig(&self, context: &str) -> String {
        self.kubeconfig_with(context, &self.admin_token)
    }

    /// A kubeconfig with one context, of whoever has the token.
    #[must_use]
    pub fn kubeconfig_with(&self, context: &str, token: &str) -> String {
        kubeconfig::render(context, &self.url(), &self.ca_pem, token)
    }

    /// Stops accepting, ends watches, and waits until the port is free and requests are answered.
    pub async fn stop(&self) {
        self.stop.cancel();
        self.task.finished().await;
    }
}
