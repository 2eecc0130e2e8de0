//! Just enough of an HTTPS client to ask an API server, far cheaper than starting kubectl.
//!
//! It speaks HTTP/1.0 with one connection per call, so that an answer ends where the connection ends.

use super::pki::Pki;
use anyhow::{Context, Result, bail, ensure};
use rustls::ClientConfig;
use rustls::RootCertStore;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, IpAddr, PrivateKeyDer, ServerName};
use serde_json::Value;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A server on loopback that takes longer than this hangs.
const PATIENCE: Duration = Duration::from_secs(10);

/// A client of one API server with the rights of the admin.
#[derive(Clone)]
pub struct Api {
    port: u16,
    tls: TlsConnector,
}

/// Status code and body.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
}

impl Api {
    pub(crate) fn new(port: u16, pki: &Pki) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(pki.ca.as_bytes())?)?;
        let chain = vec![CertificateDer::from_pem_slice(pki.admin.certificate.as_bytes())?];
        let key = PrivateKeyDer::from_pem_slice(pki.admin.key.as_bytes())?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, key)?;
        Ok(Self { port, tls: TlsConnector::from(Arc::new(config)) })
    }

    /// One request. An error is a server that cannot be reached; an answer of any status is an answer.
    pub async fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Answer> {
        tokio::time::timeout(PATIENCE, self.exchange(method, path, body))
            .await
            .with_context(|| format!("{method} {path} took more than {} s", PATIENCE.as_secs()))?
            .with_context(|| format!("{method} {path} on port {}", self.port))
    }

    /// The object at this path; `None` when there is none.
    pub async fn get(&self, path: &str) -> Result<Option<Value>> {
        let answer = self.call("GET", path, None).await?;
        match answer.status {
            200 => Ok(Some(serde_json::from_slice(&answer.body)?)),
            404 => Ok(None),
            status => bail!("GET {path}: {status} {}", String::from_utf8_lossy(&answer.body)),
        }
    }

    /// The events from now on at this path, which ends in `?watch=1` and more; first, one `ADDED` for what is there.
    pub async fn watch(&self, path: &str) -> Result<Watch> {
        let context = || format!("GET {path} on port {}", self.port);
        let stream = self.open("GET", path, None).await.with_context(context)?;
        let mut stream = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            let read = stream.read_line(&mut head).await.with_context(context)?;
            ensure!(read > 0, "GET {path}: the answer ended in its head: {head}");
        }
        ensure!(head.split_whitespace().nth(1) == Some("200"), "GET {path}: {}", head.trim());
        Ok(Watch { stream })
    }

    async fn exchange(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Answer> {
        let mut stream = self.open(method, path, body).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        parse(&answer).context("the answer is not HTTP")
    }

    /// Sends the request on a connection of its own.
    async fn open(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<TlsStream<TcpStream>> {
        let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).await?;
        let name = ServerName::IpAddress(IpAddr::from(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST)));
        let mut stream = self.tls.connect(name, socket).await?;
        let body = body.map(Value::to_string).unwrap_or_default();
        let request = format!(
            "{method} {path} HTTP/1.0\r\nAccept: application/json\r\nContent-Type: {}\r\nContent-Length: {}\r\n\r\n{body}",
            content_type(method),
            body.len()
        );
        stream.write_all(request.as_bytes()).await?;
        Ok(stream)
    }
}

/// A running watch. Dropping it ends it.
pub struct Watch {
    stream: BufReader<TlsStream<TcpStream>>,
}

impl Watch {
    /// The next event, `{"type","object"}`; an error when the server ends the watch.
    pub async fn next(&mut self) -> Result<Value> {
        let mut line = String::new();
        if self.stream.read_line(&mut line).await? == 0 {
            bail!("the API server ended a watch");
        }
        serde_json::from_str(&line).with_context(|| format!("a watch says: {line}"))
    }
}

fn content_type(method: &str) -> &'static str {
    if method == "PATCH" { "application/merge-patch+json" } else { "application/json" }
}

fn parse(answer: &[u8]) -> Option<Answer> {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&answer[..end]).ok()?;
    let status = head.split_whitespace().nth(1)?.parse().ok()?;
    Some(Answer { status, body: answer[end + 4..].to_vec() })
}
