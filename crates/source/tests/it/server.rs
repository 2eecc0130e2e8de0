//! A small HTTP server on loopback in front of `git http-backend`, which can misbehave.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use source::RepoUrl;

use crate::fixture::git_command;

/// What the server does with the next requests.
#[derive(Debug, Clone)]
pub(crate) enum Mode {
    Serve,
    /// As a server from before protocol version 2.
    Old,
    /// Answers with this status and a short text.
    Status(u16),
    /// Answers 200 with a web page.
    Html,
    /// Ends every pack after so many bytes.
    CutPack(usize),
    /// Changes one byte in the middle of every pack.
    FlipPack,
    /// Answers nothing until the client goes away.
    Silent,
    /// Serves only who shows this `Authorization`.
    Protected(String),
    /// Sends every request for `/from` to this base URL.
    Redirect {
        from: String,
        to: String,
    },
}

#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) authorization: Option<String>,
}

struct Shared {
    root: PathBuf,
    mode: Mutex<Mode>,
    requests: Mutex<Vec<Request>>,
    tls: Option<Arc<rustls::ServerConfig>>,
}

/// Stops when dropped.
pub(crate) struct Server {
    address: std::net::SocketAddr,
    scheme: &'static str,
    shared: Arc<Shared>,
    stopped: Arc<Mutex<bool>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub(crate) fn new(root: PathBuf) -> Self {
        Self::start(root, "http", None)
    }

    /// An HTTPS server and the PEM of the CA that vouches for it.
    pub(crate) fn https(root: PathBuf) -> (Self, Vec<u8>) {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        let server = Self::start(root, "https", Some(Arc::new(config)));
        (server, certificate.pem().into_bytes())
    }

    fn start(root: PathBuf, scheme: &'static str, tls: Option<Arc<rustls::ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (mode, requests) = (Mutex::new(Mode::Serve), Mutex::default());
        let shared = Arc::new(Shared { root, mode, requests, tls });
        let stopped = Arc::new(Mutex::new(false));
        let thread = std::thread::spawn({
            let (shared, stopped) = (Arc::clone(&shared), Arc::clone(&stopped));
            move || {
                for stream in listener.incoming() {
                    if *stopped.lock().unwrap() {
                        break;
                    }
                    let shared = Arc::clone(&shared);
                    // A client that went away is its own business.
                    std::thread::spawn(move || serve(stream.unwrap(), &shared).ok());
                }
            }
        });
        Self { address, scheme, shared, stopped, thread: Some(thread) }
    }

    pub(crate) fn base(&self) -> String {
        format!("{}://localhost:{}", self.scheme, self.address.port())
    }

    pub(crate) fn url(&self, path: &str) -> RepoUrl {
        RepoUrl::parse(&format!("{}{path}", self.base())).unwrap()
    }

    pub(crate) fn set(&self, mode: Mode) {
        *self.shared.mode.lock().unwrap() = mode;
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.shared.requests.lock().unwrap().clone()
    }

    /// How many packs were asked for.
    pub(crate) fn posts(&self) -> usize {
        self.requests().iter().filter(|request| request.method == "POST").count()
    }

    pub(crate) fn stop(&mut self) {
        *self.stopped.lock().unwrap() = true;
        // Wakes the listener.
        drop(TcpStream::connect(self.address));
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

fn serve(stream: TcpStream, shared: &Shared) -> std::io::Result<()> {
    match &shared.tls {
        None => answer(stream, shared),
        Some(config) => {
            let connection = rustls::ServerConnection::new(Arc::clone(config)).unwrap();
            answer(rustls::StreamOwned::new(connection, stream), shared)
        }
    }
}

fn answer(stream: impl Read + Write, shared: &Shared) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    stream.read_line(&mut line)?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (mut length, mut authorization, mut protocol, mut kind) = (0, None, None, String::new());
    loop {
        let mut header = String::new();
        stream.read_line(&mut header)?;
        let Some((name, value)) = header.trim().split_once(':') else { break };
        let value = value.trim().to_owned();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().unwrap(),
            "content-type" => kind = value,
            "authorization" => authorization = Some(value),
            "git-protocol" => protocol = Some(value),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    let (method, path) = (method.to_owned(), target.to_owned());
    let request = Request { method, path, authorization };
    shared.requests.lock().unwrap().push(request.clone());
    let mode = shared.mode.lock().unwrap().clone();
    let reply = reply(shared, &mode, &request, protocol, &kind, &body);
    match reply {
        Some(reply) => stream.get_mut().write_all(&reply)?,
        // Until the client closes the connection.
        None => drop(stream.read(&mut [0])),
    }
    stream.get_mut().flush()
}

fn plain(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n{headers}\r\n"
    );
    [head.as_bytes(), body].concat()
}

fn reply(
    shared: &Shared,
    mode: &Mode,
    request: &Request,
    protocol: Option<String>,
    kind: &str,
    body: &[u8],
) -> Option<Vec<u8>> {
    let text = "Content-Type: text/plain\r\n";
    let served = |protocol| backend(shared, request, protocol, kind, body);
    let is_pack = request.method == "POST";
    Some(match mode {
        Mode::Silent => return None,
        Mode::Status(status) => plain(&format!("{status} Reason"), text, b"no"),
        Mode::Html => {
            let headers = "Content-Type: text/html; charset=utf-8\r\n";
            plain("200 OK", headers, b"<html>Please log in</html>")
        }
        Mode::Old => served(None),
        Mode::Protected(secret) if request.authorization.as_ref() != Some(secret) => {
            plain("401 Unauthorized", text, b"no")
        }
        Mode::Redirect { from, to } if request.path.starts_with(from.as_str()) => {
            let rest = &request.path[from.len()..];
            plain("302 Found", &format!("Location: {to}{rest}\r\n"), b"")
        }
        Mode::CutPack(bytes) if is_pack => {
            let mut reply = served(protocol);
            let body = head_length(&reply);
            reply.truncate(body + bytes);
            reply
        }
        Mode::FlipPack if is_pack => {
            let mut reply = served(protocol);
            let middle = usize::midpoint(head_length(&reply), reply.len());
            reply[middle] ^= 0x55;
            reply
        }
        _ => served(protocol),
    })
}

fn head_length(reply: &[u8]) -> usize {
    reply.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4
}

/// One run of git's own HTTP server, which speaks CGI.
fn backend(
    shared: &Shared,
    request: &Request,
    protocol: Option<String>,
    kind: &str,
    body: &[u8],
) -> Vec<u8> {
    let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
    let mut command = git_command(&shared.root);
    command
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", &shared.root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("PATH_INFO", path)
        .env("QUERY_STRING", query)
        .env("REQUEST_METHOD", &request.method)
        .env("CONTENT_TYPE", kind)
        .env("CONTENT_LENGTH", body.len().to_string())
        .env_remove("GIT_PROTOCOL")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    if let Some(protocol) = protocol {
        command.env("HTTP_GIT_PROTOCOL", &protocol).env("GIT_PROTOCOL", protocol);
    }
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(body).ok();
    drop(stdin);
    let output = child.wait_with_output().unwrap().stdout;
    let head = head_length(&output);
    let text = String::from_utf8_lossy(&output[..head - 4]).into_owned();
    let status = text.lines().find_map(|line| line.strip_prefix("Status: ")).unwrap_or("200 OK");
    let headers: Vec<_> = text.lines().filter(|line| !line.starts_with("Status:")).collect();
    plain(status, &format!("{}\r\n", headers.join("\r\n")), &output[head..])
}
