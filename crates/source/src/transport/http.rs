//! Git over HTTP with our own client under gix's protocol.
//!
//! gix offers a client as well. Ours keeps the kind of every failure, looks at the credentials
//! again for every request, follows a redirect only on the same host (forges send `/r` to
//! `/r.git` there) and gives every read a time limit.

use std::any::Any;
use std::io::{self, BufReader, Read, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use gix::protocol::transport::Protocol;
use gix::protocol::transport::client::blocking_io::http::{
    GetResponse, Http, PostBodyDataKind, PostResponse, Transport,
};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION};
use reqwest::{Client, Method, Response, StatusCode, Url};

use super::wire::{Failure, Wire};
use crate::credentials::{Credentials, Secret};
use crate::url::RepoUrl;

/// A forge needs one redirect; more is a loop.
const MAX_REDIRECTS: usize = 3;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The HTTP client of a process. Connections are not kept: each belongs to its own small runtime.
pub(crate) fn client(trusted_pems: &[Vec<u8>]) -> Result<Client, Failure> {
    // reqwest needs a provider for the process; the error says only that there is one already.
    let _already = rustls::crypto::ring::default_provider().install_default();
    let failure = |what: &str, error: &reqwest::Error| Failure::Untrusted {
        detail: format!("{what}: {}", chain(error)),
    };
    let mut builder = Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_max_idle_per_host(0)
        .referer(false);
    for pem in trusted_pems {
        let certificates = reqwest::Certificate::from_pem_bundle(pem)
            .map_err(|error| failure("a trusted certificate cannot be read", &error))?;
        builder = builder.tls_certs_merge(certificates);
    }
    builder.build().map_err(|error| failure("TLS cannot be set up", &error))
}

pub(super) fn transport(
    url: &RepoUrl,
    credentials: Arc<Credentials>,
    client: Client,
    wire: Arc<Wire>,
) -> Result<Transport<GitHttp>, Failure> {
    let base = url.to_string();
    let parsed = gix::url::parse(base.as_str())
        .map_err(|error| Failure::Unreachable { detail: crate::error::chain(&error) })?;
    let http = GitHttp { wire, client, credentials, base };
    Ok(Transport::new_http(http, parsed, Protocol::V2, false))
}

/// What gix asks for HTTP.
pub(super) struct GitHttp {
    wire: Arc<Wire>,
    client: Client,
    credentials: Arc<Credentials>,
    /// Where the repository is, after redirects.
    base: String,
}

impl GitHttp {
    fn exchange(
        &self,
        method: Method,
        tail: &str,
        headers: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Arc<Mutex<Exchange>> {
        let headers = headers.into_iter().filter_map(|line| parse_header(line.as_ref())).collect();
        Arc::new(Mutex::new(Exchange {
            wire: Arc::clone(&self.wire),
            client: self.client.clone(),
            credentials: Arc::clone(&self.credentials),
            method,
            base: self.base.clone(),
            tail: tail.to_owned(),
            headers,
            body: Vec::new(),
            response: None,
            header_lines: Bytes::new(),
            chunk: Bytes::new(),
        }))
    }
}

fn parse_header(line: &str) -> Option<(HeaderName, HeaderValue)> {
    let (name, value) = line.split_once(':')?;
    Some((name.trim().parse().ok()?, value.trim().parse().ok()?))
}

impl Http for GitHttp {
    type Headers = BufReader<HeaderReader>;
    type ResponseBody = BufReader<BodyReader>;
    type PostBody = BodyWriter;

    fn get(
        &mut self,
        url: &str,
        base_url: &str,
        headers: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> gix::Result<GetResponse<Self::Headers, Self::ResponseBody>> {
        let tail = url.strip_prefix(base_url).unwrap_or_default();
        let exchange = self.exchange(Method::GET, tail, headers);
        lock(&exchange).start().map_err(gix::Error::from_error)?;
        self.base.clone_from(&lock(&exchange).base);
        Ok(GetResponse {
            headers: BufReader::new(HeaderReader(Arc::clone(&exchange))),
            body: BufReader::new(BodyReader(exchange)),
        })
    }

    fn post(
        &mut self,
        url: &str,
        base_url: &str,
        headers: impl IntoIterator<Item = impl AsRef<str>>,
        _kind: PostBodyDataKind,
    ) -> gix::Result<PostResponse<Self::Headers, Self::ResponseBody, Self::PostBody>> {
        let tail = url.strip_prefix(base_url).unwrap_or_default();
        let exchange = self.exchange(Method::POST, tail, headers);
        Ok(PostResponse {
            post_body: BodyWriter(Arc::clone(&exchange)),
            headers: BufReader::new(HeaderReader(Arc::clone(&exchange))),
            body: BufReader::new(BodyReader(exchange)),
        })
    }

    /// Our settings come with the connection; gix's own, made from Git configuration, are not used.
    fn configure(&mut self, _config: &dyn Any) -> gix::Result {
        Ok(())
    }
}

/// One request and its answer. It is sent when the first byte of the answer is asked for: by then
/// gix has written the whole body, which is small (wants and haves).
pub(super) struct Exchange {
    wire: Arc<Wire>,
    client: Client,
    credentials: Arc<Credentials>,
    method: Method,
    base: String,
    tail: String,
    headers: HeaderMap,
    body: Vec<u8>,
    response: Option<Response>,
    header_lines: Bytes,
    chunk: Bytes,
}

impl Exchange {
    /// Sends the request unless it was sent, and looks at the answer's head.
    fn start(&mut self) -> io::Result<()> {
        if self.response.is_some() {
            return Ok(());
        }
        let response = self.send().map_err(|failure| self.wire.fail(failure))?;
        let line = format!("content-type: {}\n", content_type(&response));
        self.header_lines = Bytes::from(line);
        self.response = Some(response);
        Ok(())
    }

    fn send(&mut self) -> Result<Response, Failure> {
        for _ in 0..=MAX_REDIRECTS {
            let url = format!("{}{}", self.base, separated(&self.base, &self.tail));
            let request = self.request(&url)?;
            let response = self.wire.wait(request.send())?.map_err(send_failure)?;
            match response.status() {
                StatusCode::OK => return self.check_type(response),
                status if status.is_redirection() => {
                    self.base = self.redirected(&url, &response)?;
                }
                status => return Err(status_failure(status)),
            }
        }
        Err(Failure::Redirect { to: "itself, again and again".to_owned() })
    }

    fn request(&self, url: &str) -> Result<reqwest::RequestBuilder, Failure> {
        let request = self.client.request(self.method.clone(), url).headers(self.headers.clone());
        let request =
            if self.method == Method::POST { request.body(self.body.clone()) } else { request };
        let base = RepoUrl::parse(&self.base)
            .map_err(|error| Failure::Unreachable { detail: error.to_string() })?;
        Ok(match self.credentials.find(&base) {
            Some(Secret::Basic { username, password }) => {
                request.basic_auth(username, Some(password))
            }
            Some(Secret::Bearer { token }) => request.bearer_auth(token),
            Some(Secret::SshKey { .. }) | None => request,
        })
    }

    /// The new base, when only the path has changed and only of the first request.
    fn redirected(&self, url: &str, response: &Response) -> Result<String, Failure> {
        let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        let from = Url::parse(url).ok();
        let to = from.as_ref().zip(location).and_then(|(from, to)| from.join(to).ok());
        let Some((from, to)) = from.zip(to) else {
            return Err(Failure::Redirect { to: "nowhere".to_owned() });
        };
        let base = to.as_str().strip_suffix(self.tail.as_str());
        match base {
            Some(base) if from.origin() == to.origin() && self.method == Method::GET => {
                Ok(base.to_owned())
            }
            // Only the place: a login page's query may hold a token.
            _ => Err(Failure::Redirect {
                to: format!("{}{}", to.origin().ascii_serialization(), to.path()),
            }),
        }
    }

    fn check_type(&self, response: Response) -> Result<Response, Failure> {
        let wanted = if self.method == Method::POST { "result" } else { "advertisement" };
        let found = content_type(&response);
        if found == format!("application/x-git-upload-pack-{wanted}") {
            return Ok(response);
        }
        let content_type = match found.split(';').next().unwrap_or_default().trim() {
            "" => "something without a content type".to_owned(),
            "text/html" => "a web page (text/html)".to_owned(),
            other => other.chars().take(80).collect(),
        };
        Err(Failure::NotGit { content_type })
    }

    fn read_body(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.start()?;
        self.fill().map_err(|failure| self.wire.fail(failure))?;
        Ok(take(&mut self.chunk, buffer))
    }

    /// Gets the next piece of the answer when the last one is used up; empty at the end.
    fn fill(&mut self) -> Result<(), Failure> {
        let Some(response) = &mut self.response else { return Ok(()) };
        while self.chunk.is_empty() {
            let next = self.wire.wait(response.chunk())?;
            let Some(chunk) = next.map_err(body_failure)? else { return Ok(()) };
            self.wire.received(chunk.len())?;
            self.chunk = chunk;
        }
        Ok(())
    }
}

/// Exactly one `/` between the base and the tail.
fn separated<'a>(base: &str, tail: &'a str) -> &'a str {
    if base.ends_with('/') { tail.trim_start_matches('/') } else { tail }
}

fn content_type(response: &Response) -> String {
    let value = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    value.unwrap_or_default().to_owned()
}

fn take(from: &mut Bytes, buffer: &mut [u8]) -> usize {
    let count = from.len().min(buffer.len());
    from.copy_to_slice(&mut buffer[..count]);
    count
}

fn status_failure(status: StatusCode) -> Failure {
    let detail = format!("HTTP status {status}");
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Failure::Refused { detail },
        StatusCode::NOT_FOUND | StatusCode::GONE => Failure::NoRepository { detail },
        _ => Failure::Unreachable { detail },
    }
}

fn send_failure(error: reqwest::Error) -> Failure {
    let error = error.without_url();
    let detail = chain(&error);
    // rustls names what is wrong with a certificate; there is no type to look at from here.
    if detail.contains("certificate") {
        Failure::Untrusted { detail }
    } else {
        Failure::Unreachable { detail }
    }
}

fn body_failure(error: reqwest::Error) -> Failure {
    Failure::Cut { detail: chain(&error.without_url()) }
}

/// The messages from the outside in, each once.
fn chain(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut next = std::error::Error::source(error);
    while let Some(source) = next {
        let message = source.to_string();
        if !text.contains(&message) {
            text.push_str(": ");
            text.push_str(&message);
        }
        next = source.source();
    }
    text
}

fn lock(exchange: &Mutex<Exchange>) -> MutexGuard<'_, Exchange> {
    exchange.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) struct HeaderReader(Arc<Mutex<Exchange>>);

impl Read for HeaderReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut exchange = lock(&self.0);
        exchange.start()?;
        Ok(take(&mut exchange.header_lines, buffer))
    }
}

pub(super) struct BodyReader(Arc<Mutex<Exchange>>);

impl Read for BodyReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        lock(&self.0).read_body(buffer)
    }
}

pub(super) struct BodyWriter(Arc<Mutex<Exchange>>);

impl Write for BodyWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        lock(&self.0).body.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
