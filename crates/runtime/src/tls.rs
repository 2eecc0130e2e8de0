//! TLS 1.3 with ring, in the few shapes that a hub and its clients need.
//!
//! Pure configuration: no sockets and no timeouts here; who accepts or connects bounds the
//! handshake. Session resumption is off on both sides: a resumed session would skip the check of
//! the certificate, and so outlive its expiry.

mod certificate;
mod config;
mod pem;
mod pin;
mod reload;

#[cfg(test)]
mod tests;

pub use certificate::{CertificateError, SpkiPin, SpkiPinError, peer_uri_san, spki_pin};
pub use config::{
    ClientAuth, Identity, client_config, client_config_pinned, root_store, server_config,
};
pub use pem::{
    PemError, certificate_to_pem, certificates_from_pem, load_certificates, load_private_key,
    private_key_from_pem,
};
pub use pin::PinError;
pub use reload::ReloadableCert;

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};
use thiserror::Error;

/// Why a TLS configuration cannot be made.
#[derive(Debug, Error)]
pub enum TlsError {
    #[error("the certificate and key of this side do not fit together or cannot be used")]
    Identity(#[source] rustls::Error),
    #[error("a CA certificate cannot be used as a trust anchor")]
    Root(#[source] rustls::Error),
    #[error("there is no CA certificate to trust")]
    NoRoots,
    #[error("the TLS settings are not supported")]
    Settings(#[source] rustls::Error),
    #[error("the check of client certificates cannot be set up")]
    ClientVerifier(#[source] rustls::server::VerifierBuilderError),
}

/// Makes ring the process-wide crypto provider. Call it first in `main`: libraries that make their
/// own TLS configuration would otherwise panic on first use. A second call changes nothing.
pub fn install_provider() {
    // The error says only that a provider is installed already.
    let _already = ring::default_provider().install_default();
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}
