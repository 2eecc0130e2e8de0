//! A Git server on loopback over real bare repositories, which can be told to misbehave; and a repository to commit to.
//!
//! Smart HTTP is git's own `http-backend`, run as a CGI program per request. [`Mode`] is switched while it runs.

mod backend;
mod repo;

pub use repo::Repo;

use crate::port;
use anyhow::{Context, Result};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::CONTENT_TYPE;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// How the server behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Mode {
    /// As a Git server should.
    Serving,
    /// Nothing listens: connections are refused.
    Down,
    /// 200 with a web page, as a captive portal or a login page answers. The page is one line without an end: git itself
    /// takes it for the reference list of an empty repository, which is the worst that can be made of it.
    Html,
    /// 500 for everything.
    Error500,
}

/// A running server. Dropping it closes the port.
pub struct GitServer {
    folder: PathBuf,
    port: u16,
    shared: Arc<Shared>,
    /// The accept loop, while something listens.
    serving: JoinSet<()>,
}

struct Shared {
    repositories: PathBuf,
    mode: AtomicU8,
    requests: AtomicU64,
}

impl GitServer {
    /// Starts one in `folder`; its repositories are made with [`Repo::create`].
    pub async fn start(folder: &Path) -> Result<Self> {
        let repositories = folder.join("repositories");
        fs::create_dir_all(&repositories)
            .with_context(|| format!("cannot make {}", repositories.display()))?;
        let shared = Shared {
            repositories,
            mode: AtomicU8::new(Mode::Serving as u8),
            requests: AtomicU64::new(0),
        };
        let mut server = Self {
            folder: folder.to_owned(),
            port: port::free()?,
            shared: Arc::new(shared),
            serving: JoinSet::new(),
        };
        server.listen().await?;
        Ok(server)
    }

    /// The address below which the repositories are, without a final slash.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The requests that were received so far, in any mode.
    pub fn requests(&self) -> u64 {
        self.shared.requests.load(Ordering::Relaxed)
    }

    /// Takes effect before it returns, for open connections too.
    pub async fn set_mode(&mut self, mode: Mode) -> Result<()> {
        self.shared.mode.store(mode as u8, Ordering::SeqCst);
        // A connection that is kept alive must not serve in the old mode, or at all when the server is down.
        self.serving.shutdown().await;
        if mode != Mode::Down {
            self.listen().await?;
        }
        Ok(())
    }

    async fn listen(&mut self) -> Result<()> {
        // While nothing listened, somebody's connection may have been given the port for a moment.
        let mut bound = TcpListener::bind((Ipv4Addr::LOCALHOST, self.port)).await;
        for _ in 0..100 {
            if bound.is_ok() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
            bound = TcpListener::bind((Ipv4Addr::LOCALHOST, self.port)).await;
        }
        let listener = bound.with_context(|| format!("cannot listen on port {}", self.port))?;
        self.serving.spawn(accept(listener, Arc::clone(&self.shared)));
        Ok(())
    }
}

/// Owns its connections: when this task is aborted, they are closed.
async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((socket, _)) = listener.accept().await {
        connections.spawn(serve(socket, Arc::clone(&shared)));
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(socket: TcpStream, shared: Arc<Shared>) {
    let service = service_fn(|request| {
        let shared = Arc::clone(&shared);
        async move { Ok::<_, std::convert::Infallible>(answer(&shared, request).await) }
    });
    // A client that goes away in the middle is its own business.
    drop(
        hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(socket), service)
            .await,
    );
}

async fn answer(shared: &Shared, request: Request<Incoming>) -> Response<Full<Bytes>> {
    shared.requests.fetch_add(1, Ordering::Relaxed);
    let mode = shared.mode.load(Ordering::SeqCst);
    if mode == Mode::Html as u8 {
        return page(StatusCode::OK, "<html><body>Please log in</body></html>");
    }
    if mode == Mode::Error500 as u8 {
        return page(
            StatusCode::INTERNAL_SERVER_ERROR,
            "<html><body>Something broke</body></html>",
        );
    }
    let (head, body) = request.into_parts();
    let outcome = match body.collect().await {
        Ok(body) => backend::run(&shared.repositories, &head, &body.to_bytes()).await,
        Err(error) => Err(error.into()),
    };
    outcome.unwrap_or_else(|error| page(StatusCode::BAD_GATEWAY, &format!("{error:#}")))
}

fn page(status: StatusCode, text: &str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text.to_owned())));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static("text/html"));
    response
}
