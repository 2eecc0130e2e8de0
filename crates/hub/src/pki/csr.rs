//! What is taken from a certificate request: the public key, and the proof that its owner asked.
//!
//! Names, extensions and everything else in a request are not even looked at.

use model::canonical::Digest;
use rcgen::{PublicKeyData as _, SubjectPublicKeyInfo};
use thiserror::Error;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::FromDer as _;

/// A request with a P-256 key and no names has 240 bytes.
const MAX_CSR_BYTES: usize = 8 * 1024;

/// The DER of a SubjectPublicKeyInfo up to the key itself: RFC 5480 for P-256 with an uncompressed
/// point, RFC 8410 for Ed25519. Comparing bytes accepts exactly one form of each key, so that the
/// same key always has the same hash.
const P256: &[u8] = &[
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
];
const P256_BYTES: usize = 91;
const ED25519: &[u8] = &[0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
const ED25519_BYTES: usize = 44;

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CsrError {
    #[error("the certificate request has {bytes} bytes; at most {MAX_CSR_BYTES} are allowed")]
    TooLarge { bytes: usize },
    #[error("the certificate request is not PKCS#10 in DER")]
    Malformed,
    #[error("the key of the certificate request is neither P-256 nor Ed25519")]
    KeyType,
    #[error("the certificate request is not signed by its own key")]
    Signature,
}

/// The public key of someone who has shown to hold the private one.
#[derive(Clone)]
pub struct SubjectKey(SubjectPublicKeyInfo);

impl SubjectKey {
    /// Checks a PKCS#10 request in DER.
    pub fn from_csr(der: &[u8]) -> Result<Self, CsrError> {
        if der.len() > MAX_CSR_BYTES {
            return Err(CsrError::TooLarge { bytes: der.len() });
        }
        let (rest, request) =
            X509CertificationRequest::from_der(der).map_err(|_| CsrError::Malformed)?;
        if !rest.is_empty() {
            return Err(CsrError::Malformed);
        }
        let spki = request.certification_request_info.subject_pki.raw;
        let accepted = (spki.starts_with(P256) && spki.len() == P256_BYTES)
            || (spki.starts_with(ED25519) && spki.len() == ED25519_BYTES);
        if !accepted {
            return Err(CsrError::KeyType);
        }
        request.verify_signature().map_err(|_| CsrError::Signature)?;
        SubjectPublicKeyInfo::from_der(spki).map(Self).map_err(|_| CsrError::Malformed)
    }

    /// Names the key in records.
    #[must_use]
    pub fn spki(&self) -> Digest {
        Digest::of(&self.0.subject_public_key_info())
    }

    pub(super) fn public(&self) -> &SubjectPublicKeyInfo {
        &self.0
    }
}

impl std::fmt::Debug for SubjectKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SubjectKey({})", self.spki().short())
    }
}
