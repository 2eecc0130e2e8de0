//! The hub's one port: TCP and TLS with deadlines, and who is on the other end.
//!
//! A client may come without a certificate, to enrol; whoever shows one is named by it, and the
//! name is parsed here, once per connection. No handler trusts a name inside a message.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use model::identity::Identity;
use model::name::ClusterName;
use runtime::supervise::Supervisor;
use runtime::tls::peer_uri_san;
use rustls_pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tonic::transport::server::Connected;
use tonic::{Request, Status};

use crate::pki::{self, Serial, Shown};

/// How long a client may take for its handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Handshakes at the same time. One costs 0.2 ms of a core and about 20 KiB, so a flood of silent
/// connections is bounded to a few megabytes; beyond it the kernel's queue waits.
const HANDSHAKES: usize = 512;
/// Connections between the handshake and the HTTP/2 server, which takes them at once.
const ACCEPTED: usize = 64;

/// Who is on the other end.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    /// Absent when the client showed no certificate.
    pub(crate) certified: Option<Certified>,
}

#[derive(Debug, Clone)]
pub(crate) struct Certified {
    pub(crate) identity: Identity,
    pub(crate) shown: Shown,
}

/// A connection whose handshake is done.
pub(crate) struct Connection {
    stream: TlsStream<TcpStream>,
    peer: Peer,
}

impl Connected for Connection {
    type ConnectInfo = Peer;
    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Accepts until shutdown. Connections come out of the channel; one that fails disturbs no other.
pub(crate) fn accept(
    listener: TcpListener,
    tls: rustls::ServerConfig,
    supervisor: &Supervisor,
) -> mpsc::Receiver<io::Result<Connection>> {
    let (sender, receiver) = mpsc::channel(ACCEPTED);
    let acceptor = TlsAcceptor::from(Arc::new(tls));
    let tasks = supervisor.clone();
    supervisor.spawn_essential("listener", async move {
        let permits = Arc::new(Semaphore::new(HANDSHAKES));
        let shutdown = tasks.token();
        loop {
            let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return };
            // Cancel-safe: accept and the token lose nothing when dropped.
            let accepted = tokio::select! {
                () = shutdown.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            let (tcp, address) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of file descriptors, or a client that is gone already: never fatal.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let (acceptor, sender) = (acceptor.clone(), sender.clone());
            tasks.spawn("handshake", async move {
                let connection = handshake(acceptor, tcp).await;
                drop(permit);
                match connection {
                    Ok(connection) => drop(sender.send(Ok(connection)).await),
                    Err(error) => tracing::debug!(%address, %error, "no TLS session"),
                }
            });
        }
    });
    receiver
}

async fn handshake(acceptor: TlsAcceptor, tcp: TcpStream) -> io::Result<Connection> {
    tcp.set_nodelay(true)?;
    let stream = tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(tcp)).await??;
    let leaf = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
    let certified = leaf.map(certified).transpose()?;
    Ok(Connection { stream, peer: Peer { certified } })
}

/// The chain was verified by the handshake; the name in the leaf is ours to check.
fn certified(leaf: &CertificateDer<'_>) -> io::Result<Certified> {
    let refuse = |message: String| io::Error::new(io::ErrorKind::PermissionDenied, message);
    let uri = peer_uri_san(leaf).map_err(|error| refuse(error.to_string()))?;
    let identity = Identity::parse(&uri).map_err(|error| refuse(error.to_string()))?;
    let serial = Serial::of_certificate(leaf);
    let serial = serial.ok_or_else(|| refuse("the certificate's serial is not ours".to_owned()))?;
    let issued_at = pki::issued_at(leaf);
    let issued_at = issued_at.ok_or_else(|| refuse("the certificate has no dates".to_owned()))?;
    Ok(Certified { identity, shown: Shown { serial, issued_at } })
}

fn certificate_of<T>(request: &Request<T>) -> Result<&Certified, Status> {
    let peer = request.extensions().get::<Peer>();
    let certified = peer.and_then(|peer| peer.certified.as_ref());
    certified.ok_or_else(|| Status::unauthenticated("this needs a client certificate"))
}

/// The cluster whose certificate this is, and what it says of itself.
pub(crate) fn cluster_of<T>(
    request: &Request<T>,
    fleet: &str,
) -> Result<(ClusterName, Shown), Status> {
    let Certified { identity, shown } = certificate_of(request)?;
    match identity.cluster(fleet) {
        Some(cluster) => Ok((cluster.clone(), *shown)),
        None => Err(Status::permission_denied("this needs a cluster's certificate")),
    }
}

/// The person whose certificate this is, as written in records.
pub(crate) fn operator_of<T>(request: &Request<T>, fleet: &str) -> Result<String, Status> {
    match certificate_of(request)?.identity.operator(fleet) {
        Some(operator) => Ok(format!("operator/{operator}")),
        None => Err(Status::permission_denied("this needs an operator's certificate")),
    }
}
