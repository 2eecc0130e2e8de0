//! Certificates and keys in PEM files. A message names the file and never shows its content.

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::pem::{self, PemObject as _};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use thiserror::Error;

/// Base64 digits per line, as RFC 7468 asks for.
const LINE: usize = 64;

#[derive(Debug, Error)]
pub enum PemError {
    #[error("cannot read {path}", path = path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{what} holds no certificate; it must hold at least one \"BEGIN CERTIFICATE\" block")]
    NoCertificate { what: String },
    #[error("{what} is not valid PEM")]
    Malformed { what: String, source: pem::Error },
    #[error(
        "{what} holds no usable private key; it must hold one unencrypted \"BEGIN PRIVATE KEY\" block"
    )]
    NoKey { what: String, source: pem::Error },
}

/// All certificates of a text, in order; at least one. `what` names the text in messages.
pub fn certificates_from_pem(
    text: &[u8],
    what: &str,
) -> Result<Vec<CertificateDer<'static>>, PemError> {
    let certificates = CertificateDer::pem_slice_iter(text)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|source| PemError::Malformed { what: what.to_owned(), source })?;
    if certificates.is_empty() {
        return Err(PemError::NoCertificate { what: what.to_owned() });
    }
    Ok(certificates)
}

/// The first private key of a text.
pub fn private_key_from_pem(text: &[u8], what: &str) -> Result<PrivateKeyDer<'static>, PemError> {
    PrivateKeyDer::from_pem_slice(text)
        .map_err(|source| PemError::NoKey { what: what.to_owned(), source })
}

pub fn load_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, PemError> {
    certificates_from_pem(&read(path)?, &path.display().to_string())
}

pub fn load_private_key(path: &Path) -> Result<PrivateKeyDer<'static>, PemError> {
    private_key_from_pem(&read(path)?, &path.display().to_string())
}

fn read(path: &Path) -> Result<Vec<u8>, PemError> {
    fs::read(path).map_err(|source| PemError::Read { path: path.to_owned(), source })
}

/// One certificate as a PEM block.
#[must_use]
pub fn certificate_to_pem(certificate: &CertificateDer<'_>) -> String {
    let digits = STANDARD.encode(certificate);
    let mut text = String::from("-----BEGIN CERTIFICATE-----\n");
    for line in digits.as_bytes().chunks(LINE) {
        text.extend(line.iter().map(|digit| char::from(*digit)));
        text.push('\n');
    }
    text.push_str("-----END CERTIFICATE-----\n");
    text
}
