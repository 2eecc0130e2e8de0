//! A small HTTP/1.1 server: it answers with whatever a function says, keeps what it was asked, and
//! can break off in the middle.

use std::collections::hash_map::DefaultHasher;
use std::fmt::Write as _;
use std::hash::{Hash as _, Hasher as _};
use std::sync::{Arc, Mutex};

use runtime::supervise::Supervisor;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::{CancellationToken, DropGuard};

/// A request as it arrived.
#[derive(Debug, Clone, Default)]
pub(crate) struct Asked {
    pub method: String,
    /// As it was sent, escapes and all.
    pub path: String,
    pub query: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
    /// How many requests came before it, since the last `reset`.
    pub number: usize,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(key, _)| key == name);
        found.map_or("", |(_, value)| value)
    }

    /// The value of a parameter, as it was sent.
    pub(crate) fn parameter(&self, name: &str) -> &str {
        let mut pairs = self.query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(key, _)| *key == name).map_or("", |(_, value)| value)
    }
}

/// What is sent back.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
    /// Promises this many bytes more than it sends.
    pub missing: usize,
    /// Closes the connection without a word.
    pub silent: bool,
    /// Is never "not modified".
    pub plain: bool,
}

impl Answer {
    pub(crate) fn new(status: u16, content_type: &str, body: impl Into<String>) -> Self {
        let headers = vec![("content-type".to_owned(), content_type.to_owned())];
        Self { status, headers, body: body.into(), missing: 0, silent: false, plain: false }
    }

    pub(crate) fn json(body: impl Into<String>) -> Self {
        Self::new(200, "application/json; charset=utf-8", body)
    }

    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub(crate) fn status(self, status: u16) -> Self {
        Self { status, ..self }
    }
}

type Handler = Box<dyn FnMut(&Asked) -> Answer + Send>;

pub(crate) struct Server {
    /// `http://127.0.0.1:PORT`
    pub base: String,
    state: Arc<Mutex<State>>,
    _stop: DropGuard,
}

struct State {
    asked: Vec<Asked>,
    handler: Handler,
    base: String,
}

impl Server {
    /// `BASE` in a body or header stands for the server's address.
    pub(crate) async fn start(handler: impl FnMut(&Asked) -> Answer + Send + 'static) -> Self {
        Self::listen(handler, None, "http").await
    }

    pub(crate) async fn start_tls(
        handler: impl FnMut(&Asked) -> Answer + Send + 'static,
        acceptor: TlsAcceptor,
    ) -> Self {
        Self::listen(handler, Some(acceptor), "https").await
    }

    async fn listen(
        handler: impl FnMut(&Asked) -> Answer + Send + 'static,
        acceptor: Option<TlsAcceptor>,
        scheme: &str,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("{scheme}://127.0.0.1:{}", listener.local_addr().unwrap().port());
        let state = Arc::new(Mutex::new(State {
            asked: Vec::new(),
            handler: Box::new(handler),
            base: base.clone(),
        }));
        let stop = CancellationToken::new();
        let tasks = Supervisor::new(stop.clone());
        let (inner, token, connections) = (Arc::clone(&state), stop.clone(), tasks.clone());
        tasks.spawn("server", async move {
            loop {
                let accepted = tokio::select! {
                    accepted = listener.accept() => accepted,
                    () = token.cancelled() => return,
                };
                let (stream, _) = accepted.unwrap();
                let (state, acceptor) = (Arc::clone(&inner), acceptor.clone());
                connections.spawn("connection", async move {
                    match acceptor {
                        None => serve(stream, &state).await,
                        Some(acceptor) => {
                            if let Ok(stream) = acceptor.accept(stream).await {
                                serve(stream, &state).await;
                            }
                        }
                    }
                });
            }
        });
        Self { base, state, _stop: stop.drop_guard() }
    }

    /// What was asked since the last call.
    pub(crate) fn reset(&self) -> Vec<Asked> {
        std::mem::take(&mut self.state.lock().unwrap().asked)
    }

    pub(crate) fn answer_with(&self, handler: impl FnMut(&Asked) -> Answer + Send + 'static) {
        self.state.lock().unwrap().handler = Box::new(handler);
    }
}

/// One request per connection.
async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, state: &Mutex<State>) {
    let Some(asked) = read(&mut stream).await else { return };
    let answer = answer(asked, &mut state.lock().unwrap());
    if answer.silent {
        return;
    }
    let length = answer.body.len() + answer.missing;
    let mut text = format!("HTTP/1.1 {} X\r\nconnection: close\r\n", answer.status);
    if !matches!(answer.status, 204 | 304) {
        write!(text, "content-length: {length}\r\n").unwrap();
    }
    for (name, value) in &answer.headers {
        write!(text, "{name}: {value}\r\n").unwrap();
    }
    text.push_str("\r\n");
    if !matches!(answer.status, 204 | 304) {
        text.push_str(&answer.body);
    }
    // A client that has gone is its own business.
    let _sent = stream.write_all(text.as_bytes()).await;
    let _closed = stream.shutdown().await;
}

async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Option<Asked> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        let count = stream.read(&mut buffer).await.ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&buffer[..count]);
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = head.lines();
    let mut words = lines.next()?.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let headers: Vec<_> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let mut asked = Asked {
        method,
        path: path.to_owned(),
        query: query.to_owned(),
        headers,
        ..Asked::default()
    };
    let length: usize = asked.header("content-length").parse().unwrap_or(0);
    let mut body = bytes.split_off(end + 4);
    while body.len() < length {
        let count = stream.read(&mut buffer).await.ok().filter(|count| *count > 0)?;
        body.extend_from_slice(&buffer[..count]);
    }
    asked.body = String::from_utf8_lossy(&body).into_owned();
    Some(asked)
}

fn answer(mut asked: Asked, state: &mut State) -> Answer {
    asked.number = state.asked.len();
    let mut answer = (state.handler)(&asked);
    answer.body = answer.body.replace("BASE", &state.base);
    for (_, value) in &mut answer.headers {
        *value = value.replace("BASE", &state.base);
    }
    if !answer.plain && answer.status == 200 && asked.method == "GET" {
        let mut hasher = DefaultHasher::new();
        answer.body.hash(&mut hasher);
        let tag = format!("\"{:x}\"", hasher.finish());
        if asked.header("if-none-match") == tag {
            answer.status = 304;
        }
        answer = answer.with("etag", tag);
    }
    state.asked.push(asked);
    answer
}
