//! Smart HTTP through git's own `http-backend`, one CGI process per request (RFC 3875).

use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use runtime::supervise::Supervisor;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use crate::schedule::GitMode;

/// Git's answers to small requests are a few kilobytes; beyond this something is wrong.
const MAX_REQUEST: usize = 16 << 20;

/// A running server; dropping it stops its thread.
pub struct GitServer {
    shared: Arc<Shared>,
    port: u16,
    token: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    folder: PathBuf,
    mode: Mutex<GitMode>,
}

impl GitServer {
    /// Serves the repositories in `folder`.
    pub fn start(folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder)?;
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        let shared =
            Arc::new(Shared { folder: folder.to_owned(), mode: Mutex::new(GitMode::Serving) });
        let token = CancellationToken::new();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (serving, stop) = (Arc::clone(&shared), token.clone());
        let thread = thread::Builder::new().name("git-server".to_owned()).spawn(move || {
            runtime.block_on(async {
                // Cancel-safe: the loop is dropped with all its connections.
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = serve(listener, serving) => {}
                }
            });
        })?;
        Ok(Self { shared, port, token, thread: Some(thread) })
    }

    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.shared.folder
    }

    #[must_use]
    pub fn url(&self, repository: &str) -> String {
        format!("http://127.0.0.1:{}/{repository}.git", self.port)
    }

    pub fn set_mode(&self, mode: GitMode) {
        *self.shared.mode.lock().unwrap_or_else(PoisonError::into_inner) = mode;
    }
}

impl Drop for GitServer {
    fn drop(&mut self) {
        self.token.cancel();
        if let Some(thread) = self.thread.take() {
            // Its panic was printed already.
            let _ended = thread.join();
        }
    }
}

async fn serve(listener: std::net::TcpListener, shared: Arc<Shared>) {
    let supervisor = Supervisor::new(CancellationToken::new());
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    while let Ok((socket, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        if shared.mode() != GitMode::Down {
            supervisor.spawn("git client", connection(socket, shared));
        }
    }
}

async fn connection(socket: TcpStream, shared: Arc<Shared>) {
    let service = service_fn(move |request| {
        let shared = Arc::clone(&shared);
        async move { Ok::<_, Infallible>(shared.answer(request).await) }
    });
    let mut http = hyper::server::conn::http1::Builder::new();
    // So that no connection outlives a change of the mode.
    http.keep_alive(false);
    // A client that goes away in the middle is its own business.
    let _gone = http.serve_connection(TokioIo::new(socket), service).await;
}

impl Shared {
    fn mode(&self) -> GitMode {
        *self.mode.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let page = |status, text: &str| {
            let mut page = Response::new(Full::new(Bytes::from(text.to_owned())));
            *page.status_mut() = status;
            page.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html"));
            page
        };
        let mode = self.mode();
        match mode {
            GitMode::Html => return page(StatusCode::OK, "<html><body>Log in</body></html>"),
            GitMode::Error500 => return page(StatusCode::INTERNAL_SERVER_ERROR, "broken"),
            GitMode::Serving | GitMode::Truncated | GitMode::Down => {}
        }
        match self.backend(request).await {
            Ok(mut answer) if mode == GitMode::Truncated => {
                answer.headers_mut().remove(http::header::CONTENT_LENGTH);
                answer.map(|body| Full::new(body.slice(..body.len() / 2)))
            }
            Ok(answer) => answer.map(Full::new),
            Err(error) => page(StatusCode::BAD_GATEWAY, &format!("{error:#}")),
        }
    }

    async fn backend(&self, request: Request<Incoming>) -> Result<Response<Bytes>> {
        let (head, body) = request.into_parts();
        let body = http_body_util::Limited::new(body, MAX_REQUEST).collect().await;
        let body = body.map_err(|error| anyhow::anyhow!(error))?.to_bytes();
        let header = |name: &str| {
            head.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
        };
        let mut child = tokio::process::Command::new("git")
            .arg("http-backend")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_PROJECT_ROOT", &self.folder)
            .env("GIT_HTTP_EXPORT_ALL", "1")
            .env("GIT_PROTOCOL", header("git-protocol"))
            .env("REQUEST_METHOD", head.method.as_str())
            .env("PATH_INFO", head.uri.path())
            .env("QUERY_STRING", head.uri.query().unwrap_or_default())
            .env("CONTENT_TYPE", header("content-type"))
            .env("CONTENT_LENGTH", body.len().to_string())
            .env("HTTP_CONTENT_ENCODING", header("content-encoding"))
            .env("REMOTE_ADDR", "127.0.0.1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("`git` is not in the PATH: the simulator serves a repository with it")?;
        let mut stdin = child.stdin.take().context("stdin is piped")?;
        let input = async {
            // It may answer, and close its input, before it has read everything.
            drop(stdin.write_all(&body).await);
            drop(stdin);
        };
        let ((), output) = tokio::join!(input, child.wait_with_output());
        parse(&output?.stdout)
    }
}

/// The header of a CGI answer, an empty line, and the body.
fn parse(output: &[u8]) -> Result<Response<Bytes>> {
    let end = output.windows(4).position(|window| window == b"\r\n\r\n");
    let end = end.context("git http-backend answered without a header")?;
    let mut response = Response::new(Bytes::copy_from_slice(&output[end + 4..]));
    for line in std::str::from_utf8(&output[..end])?.lines() {
        let (name, value) = line.split_once(": ").context("a header line has a colon")?;
        if name == "Status" {
            let code = value.split_whitespace().next().unwrap_or_default();
            *response.status_mut() = StatusCode::from_bytes(code.as_bytes())?;
        } else {
            let name = HeaderName::from_bytes(name.as_bytes())?;
            response.headers_mut().insert(name, HeaderValue::from_str(value)?);
        }
    }
    Ok(response)
}
