//! The configurations: client, client with a pin, server. All speak TLS 1.3 and HTTP/2 only.

use std::sync::{Arc, OnceLock};

use rustls::client::Resumption;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::version::TLS13;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::pin::PinnedVerifier;
use super::{ReloadableCert, SpkiPin, TlsError, provider};

const HTTP2: &[u8] = b"h2";

/// What one side proves itself with: the leaf first, then its issuers; and the leaf's key.
#[derive(Debug)]
pub struct Identity {
    pub chain: Vec<CertificateDer<'static>>,
    pub key: PrivateKeyDer<'static>,
}

impl Clone for Identity {
    fn clone(&self) -> Self {
        Self { chain: self.chain.clone(), key: self.key.clone_key() }
    }
}

/// What a server asks of its clients.
#[derive(Debug, Clone)]
pub enum ClientAuth {
    /// No certificate is asked for.
    None,
    /// A client may come without a certificate (to enrol); one that shows a bad one is refused.
    Optional(RootCertStore),
    Required(RootCertStore),
}

/// A store with exactly these trust anchors; at least one.
pub fn root_store<'a>(
    certificates: impl IntoIterator<Item = &'a CertificateDer<'a>>,
) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots.add(certificate.clone().into_owned()).map_err(TlsError::Root)?;
    }
    if roots.is_empty() { Err(TlsError::NoRoots) } else { Ok(roots) }
}

/// A client that trusts `roots` for the server's name, and shows `identity` when it has one.
pub fn client_config(
    roots: RootCertStore,
    identity: Option<ReloadableCert>,
) -> Result<ClientConfig, TlsError> {
    let builder = client_builder()?.with_root_certificates(roots);
    Ok(finish_client(match identity {
        Some(identity) => builder.with_client_cert_resolver(Arc::new(identity)),
        None => builder.with_no_client_auth(),
    }))
}

/// A client that trusts one root by the hash of its key and shows no certificate. The root is in
/// `accepted` once a handshake has succeeded.
pub fn client_config_pinned(
    pin: SpkiPin,
    accepted: Arc<OnceLock<CertificateDer<'static>>>,
) -> Result<ClientConfig, TlsError> {
    let verifier = PinnedVerifier { pin, accepted, provider: provider() };
    let builder =
        client_builder()?.dangerous().with_custom_certificate_verifier(Arc::new(verifier));
    Ok(finish_client(builder.with_no_client_auth()))
}

type ClientBuilder = rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>;

fn client_builder() -> Result<ClientBuilder, TlsError> {
    ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])
        .map_err(TlsError::Settings)
}

fn finish_client(mut config: ClientConfig) -> ClientConfig {
    config.alpn_protocols = vec![HTTP2.to_vec()];
    config.resumption = Resumption::disabled();
    config
}

/// A server that shows `certificate`, which may be replaced at any time.
pub fn server_config(
    certificate: ReloadableCert,
    client_auth: ClientAuth,
) -> Result<ServerConfig, TlsError> {
    let builder = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])
        .map_err(TlsError::Settings)?;
    let verifier = |roots: RootCertStore| {
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider())
    };
    let builder = match client_auth {
        ClientAuth::None => builder.with_no_client_auth(),
        ClientAuth::Optional(roots) => builder.with_client_cert_verifier(
            verifier(roots).allow_unauthenticated().build().map_err(TlsError::ClientVerifier)?,
        ),
        ClientAuth::Required(roots) => builder
            .with_client_cert_verifier(verifier(roots).build().map_err(TlsError::ClientVerifier)?),
    };
    let mut config = builder.with_cert_resolver(Arc::new(certificate));
    config.alpn_protocols = vec![HTTP2.to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}
