//! The check of a server by the hash of its root's key, for the first contact of a client.
//!
//! A client that has nothing but a pin trusts exactly one root, and only for the right server
//! name and while everything is valid. It sends nothing secret before that. The root that was
//! accepted is handed to the caller, who uses the ordinary check from then on.

use std::sync::{Arc, OnceLock};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::{DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use thiserror::Error;

use super::certificate::{SpkiPin, parse, pin_of};

/// Why no certificate that the server sent is the pinned root.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PinError {
    #[error(
        "no CA certificate that the server sent has the pin {pin}; the pin names another hub, \
         or something between this machine and the hub answers in its place"
    )]
    NoMatch { pin: SpkiPin },
    #[error("the certificate with the pin {pin} is not a root CA; pin the root of the hub's CA")]
    NotARoot { pin: SpkiPin },
    #[error("the root CA with the pin {pin} is not valid at this time; check both clocks")]
    NotValidNow { pin: SpkiPin },
}

#[derive(Debug)]
pub(super) struct PinnedVerifier {
    pub(super) pin: SpkiPin,
    pub(super) accepted: Arc<OnceLock<CertificateDer<'static>>>,
    pub(super) provider: Arc<CryptoProvider>,
}

impl PinnedVerifier {
    fn ordinary(&self, root: CertificateDer<'static>) -> Result<Arc<WebPkiServerVerifier>, Error> {
        let mut roots = RootCertStore::empty();
        roots.add(root)?;
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&self.provider))
            .build()
            .map_err(|error| Error::General(error.to_string()))
    }
}

impl ServerCertVerifier for PinnedVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let root = pinned_root(self.pin, end_entity, intermediates, now).map_err(refused)?;
        let verified = self.ordinary(root.clone())?.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        )?;
        // A second handshake with the same configuration can only accept the same key.
        let _earlier = self.accepted.set(root);
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// `Error::Other`, because it shows the message; the certificate errors would show a debug form.
fn refused(error: PinError) -> Error {
    Error::Other(OtherError(Arc::new(error)))
}

/// The certificate with the pinned key, which must be a self-signed CA that is valid now.
///
/// The own signature matters although the key is pinned: without it, anyone could serve the
/// pinned key in a certificate with other constraints, and the caller would store that one.
fn pinned_root(
    pin: SpkiPin,
    end_entity: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
    now: UnixTime,
) -> Result<CertificateDer<'static>, PinError> {
    let mut error = PinError::NoMatch { pin };
    for der in intermediates.iter().chain([end_entity]) {
        // Others in the chain that cannot be parsed are the ordinary check's business.
        let Ok(certificate) = parse(der) else { continue };
        if pin_of(&certificate) != pin {
            continue;
        }
        let self_issued = certificate.subject() == certificate.issuer();
        if !certificate.is_ca() || !self_issued || certificate.verify_signature(None).is_err() {
            error = PinError::NotARoot { pin };
            continue;
        }
        // Trust anchors are not checked for their validity by the ordinary check.
        let seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        let validity = certificate.validity();
        if seconds < validity.not_before.timestamp() || seconds > validity.not_after.timestamp() {
            error = PinError::NotValidNow { pin };
            continue;
        }
        return Ok(der.clone().into_owned());
    }
    Err(error)
}
