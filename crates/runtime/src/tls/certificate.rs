//! What is read out of a certificate: the hash of its key and its one name.

use std::fmt;
use std::str::FromStr;

use rustls_pki_types::CertificateDer;
use sha2::{Digest as _, Sha256};
use thiserror::Error;
use x509_parser::certificate::X509Certificate;
use x509_parser::error::X509Error;
use x509_parser::extensions::GeneralName;
use x509_parser::nom;

#[derive(Debug, Error)]
pub enum CertificateError {
    #[error("the certificate cannot be parsed")]
    Malformed(#[source] nom::Err<X509Error>),
    #[error("there are {bytes} bytes after the certificate")]
    Trailing { bytes: usize },
    #[error("the names in the certificate cannot be parsed")]
    Names(#[source] X509Error),
    #[error("the certificate has {count} alternative names; it must have exactly one, a URI")]
    NameCount { count: usize },
    #[error("the only alternative name of the certificate is not a URI")]
    NotAUri,
}

pub(super) fn parse<'a>(
    der: &'a CertificateDer<'_>,
) -> Result<X509Certificate<'a>, CertificateError> {
    let (rest, certificate) =
        x509_parser::parse_x509_certificate(der).map_err(CertificateError::Malformed)?;
    match rest.len() {
        0 => Ok(certificate),
        bytes => Err(CertificateError::Trailing { bytes }),
    }
}

/// The SHA-256 of a certificate's SubjectPublicKeyInfo: it names a key, whatever certificate
/// carries it. Written `sha256:<64 hexadecimal digits>`, as kubeadm writes its CA hash.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpkiPin(pub [u8; 32]);

#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("a CA pin is \"sha256:\" and 64 hexadecimal digits")]
pub struct SpkiPinError;

impl fmt::Display for SpkiPin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha256:")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for SpkiPin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for SpkiPin {
    type Err = SpkiPinError;
    fn from_str(text: &str) -> Result<Self, SpkiPinError> {
        let digits = text.strip_prefix("sha256:").ok_or(SpkiPinError)?.as_bytes();
        if digits.len() != 64 {
            return Err(SpkiPinError);
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = hex_digit(pair[0])? << 4 | hex_digit(pair[1])?;
        }
        Ok(Self(bytes))
    }
}

fn hex_digit(digit: u8) -> Result<u8, SpkiPinError> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        b'A'..=b'F' => Ok(digit - b'A' + 10),
        _ => Err(SpkiPinError),
    }
}

/// The hash of the certificate's public key.
pub fn spki_pin(certificate: &CertificateDer<'_>) -> Result<SpkiPin, CertificateError> {
    Ok(pin_of(&parse(certificate)?))
}

pub(super) fn pin_of(certificate: &X509Certificate<'_>) -> SpkiPin {
    SpkiPin(Sha256::digest(certificate.public_key().raw).into())
}

/// The one URI in a peer's certificate, byte for byte.
///
/// The SPIFFE standard allows exactly one URI; we also refuse any other name beside it, so that a
/// certificate never speaks for two identities. The caller compares the whole text.
pub fn peer_uri_san(certificate: &CertificateDer<'_>) -> Result<String, CertificateError> {
    let certificate = parse(certificate)?;
    let names = certificate.subject_alternative_name().map_err(CertificateError::Names)?;
    let names = names.map_or(&[][..], |extension| &extension.value.general_names);
    match names {
        [GeneralName::URI(uri)] => Ok((*uri).to_owned()),
        [_] => Err(CertificateError::NotAUri),
        names => Err(CertificateError::NameCount { count: names.len() }),
    }
}
