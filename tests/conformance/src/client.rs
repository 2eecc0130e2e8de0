//! A thin HTTPS client: it sends what it is told to and hands back status, headers and body as they came.
//!
//! No client library of Kubernetes, because what such a library sends, sorts and hides is what is compared here.
//! Connections need no task of their own: whoever waits for an answer drives the connection meanwhile.

use crate::kubeconfig::Kubeconfig;
use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use http::{HeaderMap, Method, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use serde_json::Value;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// A server on loopback that says nothing for longer hangs.
const PATIENCE: Duration = Duration::from_secs(20);
pub(crate) const APPLY_PATCH: &str = "application/apply-patch+yaml";
pub(crate) const MERGE_PATCH: &str = "application/merge-patch+json";
pub(crate) const JSON_PATCH: &str = "application/json-patch+json";
pub(crate) const STRATEGIC_PATCH: &str = "application/strategic-merge-patch+json";

/// Where requests go, and as whom.
#[derive(Clone)]
pub(crate) struct Target {
    address: String,
    host: ServerName<'static>,
    /// Presents the user's certificate, if there is one.
    tls: TlsConnector,
    /// Presents none.
    anonymous_tls: TlsConnector,
    token: Option<String>,
}

impl Target {
    pub(crate) fn new(config: &Kubeconfig) -> Result<Self> {
        let (host, _) = config.address.rsplit_once(':').context("the server has no port")?;
        let host = ServerName::try_from(host.to_owned()).context("the server's name")?;
        Ok(Self {
            address: config.address.clone(),
            host,
            tls: connector(config, true)?,
            anonymous_tls: connector(config, false)?,
            token: config.token.clone(),
        })
    }

    /// The same server, as whoever holds this token.
    pub(crate) fn with_token(&self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..self.anonymous() }
    }

    /// The same server, as nobody.
    pub(crate) fn anonymous(&self) -> Self {
        Self { tls: self.anonymous_tls.clone(), token: None, ..self.clone() }
    }

    pub(crate) async fn connect(&self) -> Result<Connection> {
        let socket = TcpStream::connect(&self.address).await?;
        socket.set_nodelay(true)?;
        let stream = self.tls.connect(self.host.clone(), socket).await?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        let driver = Driver { connection: Box::pin(connection), ended: false };
        Ok(Connection { sender, driver, host: self.address.clone(), token: self.token.clone() })
    }
}

fn connector(config: &Kubeconfig, with_identity: bool) -> Result<TlsConnector> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(&config.ca)?)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots);
    let client = match &config.identity {
        Some((certificate, key)) if with_identity => builder.with_client_auth_cert(
            CertificateDer::pem_slice_iter(certificate).collect::<Result<_, _>>()?,
            PrivateKeyDer::from_pem_slice(key)?,
        )?,
        _ => builder.with_no_client_auth(),
    };
    Ok(TlsConnector::from(Arc::new(client)))
}

/// One request.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    method: Method,
    pub(crate) path: String,
    headers: Vec<(&'static str, String)>,
    body: Bytes,
}

impl Request {
    fn new(method: Method, path: &str) -> Self {
        Self { method, path: path.to_owned(), headers: Vec::new(), body: Bytes::new() }
    }

    pub(crate) fn get(path: &str) -> Self {
        Self::new(Method::GET, path)
    }

    pub(crate) fn post(path: &str, body: &Value) -> Self {
        Self::new(Method::POST, path).body(header::CONTENT_TYPE.as_str(), "application/json", body)
    }

    pub(crate) fn put(path: &str, body: &Value) -> Self {
        Self::new(Method::PUT, path).body("content-type", "application/json", body)
    }

    pub(crate) fn delete(path: &str) -> Self {
        Self::new(Method::DELETE, path)
    }

    /// A deletion with `DeleteOptions`.
    pub(crate) fn delete_with(path: &str, options: &Value) -> Self {
        Self::delete(path).body("content-type", "application/json", options)
    }

    pub(crate) fn patch(path: &str, content_type: &str, body: &Value) -> Self {
        Self::new(Method::PATCH, path).body("content-type", content_type, body)
    }

    /// A body that is not JSON, or not valid.
    pub(crate) fn text(mut self, content_type: &str, body: impl Into<String>) -> Self {
        self.headers.retain(|(name, _)| *name != "content-type");
        self.headers.push(("content-type", content_type.to_owned()));
        self.body = body.into().into();
        self
    }

    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    pub(crate) fn accept(self, media_type: &str) -> Self {
        self.header("accept", media_type)
    }

    fn body(mut self, name: &'static str, content_type: &str, body: &Value) -> Self {
        self.headers.push((name, content_type.to_owned()));
        self.body = body.to_string().into();
        self
    }

    /// The request with `{ns}` replaced in its path and body.
    pub(crate) fn in_namespace(mut self, namespace: &str) -> Self {
        self.path = self.path.replace("{ns}", namespace);
        if let Ok(text) = std::str::from_utf8(&self.body)
            && text.contains("{ns}")
        {
            self.body = text.replace("{ns}", namespace).into();
        }
        self
    }

    fn to_http(&self, host: &str, token: Option<&str>) -> Result<http::Request<Full<Bytes>>> {
        let mut request = http::Request::builder()
            .method(self.method.clone())
            .uri(&self.path)
            .header(header::HOST, host);
        if let Some(token) = token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        request.body(Full::new(self.body.clone())).context("building a request")
    }

    /// `PATCH /api/v1/...`, for messages.
    pub(crate) fn line(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

/// What the server said.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// The request, for messages.
    pub(crate) to: String,
}

impl Answer {
    /// The body as JSON; `null` when it is not JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    pub(crate) fn resource_version(&self) -> String {
        self.json()["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_owned()
    }

    pub(crate) fn uid(&self) -> String {
        self.json()["metadata"]["uid"].as_str().unwrap_or_default().to_owned()
    }

    /// An error when the status is another one.
    pub(crate) fn is(self, status: u16) -> Result<Self> {
        let said = String::from_utf8_lossy(&self.body);
        ensure!(self.status == status, "{}: {} instead of {status}: {said}", self.to, self.status);
        Ok(self)
    }
}

type Finished = Pin<Box<dyn Future<Output = hyper::Result<()>> + Send>>;

/// The part of a connection that has to be polled for anything to move.
struct Driver {
    connection: Finished,
    ended: bool,
}

impl Driver {
    /// Waits for `work` and moves bytes meanwhile.
    async fn during<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        if !self.ended {
            // Both are polled again later when they lose: cancel-safe.
            tokio::select! {
                biased;
                done = &mut work => return done,
                _ = &mut self.connection => self.ended = true,
            }
        }
        work.await
    }
}

/// An open connection, for one request after the other.
pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    driver: Driver,
    host: String,
    token: Option<String>,
}

impl Connection {
    /// Whether another request may be sent.
    pub(crate) async fn is_usable(&mut self) -> bool {
        !self.driver.ended && self.driver.during(self.sender.ready()).await.is_ok()
    }

    pub(crate) async fn send(&mut self, request: &Request) -> Result<Answer> {
        let exchange = async {
            let response = self.start(request).await?;
            let (parts, body) = response.into_parts();
            let body = self.driver.during(body.collect()).await?.to_bytes();
            let (status, headers) = (parts.status.as_u16(), parts.headers);
            anyhow::Ok(Answer { status, headers, body, to: request.line() })
        };
        match tokio::time::timeout(PATIENCE, exchange).await {
            Ok(answer) => answer.with_context(|| request.line()),
            Err(_) => bail!("{}: no answer in {} s", request.line(), PATIENCE.as_secs()),
        }
    }

    /// Opens a watch, which keeps the connection for itself.
    pub(crate) async fn watch(mut self, request: &Request) -> Result<Watch> {
        let response = self.start(request).await.with_context(|| request.line())?;
        let status = response.status().as_u16();
        ensure!(status == 200, "{}: {status}", request.line());
        Ok(Watch { body: response.into_body(), driver: self.driver, buffer: Vec::new() })
    }

    async fn start(&mut self, request: &Request) -> Result<http::Response<Incoming>> {
        let request = request.to_http(&self.host, self.token.as_deref())?;
        Ok(self.driver.during(self.sender.send_request(request)).await?)
    }
}

/// A running watch. Dropping it ends it.
pub(crate) struct Watch {
    body: Incoming,
    driver: Driver,
    buffer: Vec<u8>,
}

impl Watch {
    /// The next event, or `None` when the server has ended the watch.
    pub(crate) async fn next(&mut self) -> Result<Option<Value>> {
        let event = tokio::time::timeout(PATIENCE, self.read()).await;
        event.with_context(|| format!("no event in {} s", PATIENCE.as_secs()))?
    }

    /// The next event; an error when there is none.
    pub(crate) async fn event(&mut self) -> Result<Value> {
        self.next().await?.context("the server ended the watch")
    }

    async fn read(&mut self) -> Result<Option<Value>> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                return serde_json::from_slice(&line).map(Some).context("an event is not JSON");
            }
            match self.driver.during(self.body.frame()).await {
                Some(frame) => {
                    if let Ok(data) = frame?.into_data() {
                        self.buffer.extend_from_slice(&data);
                    }
                }
                None => {
                    ensure!(self.buffer.is_empty(), "the watch ended within an event");
                    return Ok(None);
                }
            }
        }
    }
}
