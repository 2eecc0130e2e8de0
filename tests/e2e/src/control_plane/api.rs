//! Just enough of an HTTPS client to ask an API server, far cheaper than starting kubectl.
//!
//! It speaks HTTP/1.0 with one connection per call, so that an answer ends where the connection ends.

use super::pki::Pki;
use anyhow::{Context, Result, bail};
use rustls::ClientConfig;
use rustls::RootCertStore;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, IpAddr, PrivateKeyDer, ServerName};
use serde_json::Value;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

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

    async fn exchange(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Answer> {
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
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        parse(&answer).context("the answer is not HTTP")
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
