//! Connections: accepted, TLS with a deadline, HTTP until the other side or the shutdown ends it.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use runtime::supervise::Supervisor;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tokio_util::task::TaskTracker;

use super::auth;
use crate::api::answer::refusal;
use crate::api::{self, body::Body};
use crate::cluster::Cluster;

/// How long a client may take for its handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Open connections of one server. A client holds one or two; beyond it the kernel's queue waits.
const CONNECTIONS: usize = 256;
/// What is left of a request after the shutdown: watches end at once, and other requests take
/// microseconds unless a fault delays them.
const GRACE: Duration = Duration::from_secs(1);

/// What each connection needs.
#[derive(Clone)]
pub(super) struct Served {
    pub(super) cluster: Cluster,
    pub(super) admin_token: Arc<str>,
    pub(super) stop: CancellationToken,
    pub(super) tasks: Supervisor,
}

/// Accepts until the stop, then waits for the connections.
pub(super) async fn accept(listener: TcpListener, acceptor: TlsAcceptor, served: Served) {
    let permits = Arc::new(Semaphore::new(CONNECTIONS));
    let open = TaskTracker::new();
    loop {
        // Cancel-safe: a permit or a connection that was not taken is not lost by being dropped.
        let accepted = tokio::select! {
            () = served.stop.cancelled() => break,
            accepted = next(&listener, &permits) => accepted,
        };
        let Ok((tcp, permit)) = accepted else {
            // Out of file descriptors, or a client that is gone already: never fatal.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let (acceptor, served) = (acceptor.clone(), served.clone());
        let tasks = served.tasks.clone();
        let connection = open.track_future(async move {
            converse(tcp, acceptor, served).await;
            drop(permit);
        });
        tasks.spawn("kube-sim connection", connection);
    }
    drop(listener);
    open.close();
    open.wait().await;
}

type Permit = tokio::sync::OwnedSemaphorePermit;

async fn next(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> std::io::Result<(TcpStream, Permit)> {
    let permit = Arc::clone(permits).acquire_owned().await.map_err(std::io::Error::other)?;
    let (tcp, _) = listener.accept().await?;
    Ok((tcp, permit))
}

async fn converse(tcp: TcpStream, acceptor: TlsAcceptor, served: Served) {
    let stop = served.stop.clone();
    // A request is small and waits for its answer: no delay to fill a packet.
    drop(tcp.set_nodelay(true));
    let handshake = tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(tcp));
    // Cancel-safe: what is dropped is a connection that is to end anyway.
    let stream = tokio::select! {
        () = stop.cancelled() => return,
        stream = handshake => stream,
    };
    let Ok(Ok(stream)) = stream else { return };
    let mut server = auto::Builder::new(Tasks(served.tasks.clone()));
    server.http1().timer(TokioTimer::new());
    server.http2().timer(TokioTimer::new());
    let service = service_fn(move |request| answer(served.clone(), request));
    let connection = server.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    // Cancel-safe: the connection is polled on by its pin.
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            match tokio::time::timeout(GRACE, connection).await {
                Ok(ended) => ended,
                Err(_late) => return,
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection to a simulated cluster broke");
    }
}

async fn answer(
    served: Served,
    request: Request<Incoming>,
) -> Result<Response<Ending>, Infallible> {
    let user = auth::authenticate(&served.cluster, &served.admin_token, request.headers());
    let response = match user {
        Ok(user) => api::handle(served.cluster, user, request).await,
        Err(status) => refusal(&status),
    };
    let stopped = Box::pin(served.stop.cancelled_owned());
    Ok(response.map(|body| Ending { body, stopped }))
}

/// A body that ends with the server: otherwise a watch would hold its connection open.
struct Ending {
    body: Body,
    stopped: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl http_body::Body for Ending {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match Pin::new(&mut self.body).poll_frame(context) {
            // Only a body that waits is cut: what is known is sent to its end.
            Poll::Pending => self.stopped.as_mut().poll(context).map(|()| None),
            ready => ready,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// HTTP/2 answers each stream in a task of its own.
#[derive(Clone)]
struct Tasks(Supervisor);

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Tasks {
    fn execute(&self, future: F) {
        self.0.spawn("kube-sim stream", future);
    }
}
