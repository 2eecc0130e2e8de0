//! The number of a certificate: 128 random bits.

use std::fmt;
use std::str::FromStr;

use model::status::Timestamp;
use rustls_pki_types::CertificateDer;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{PkiError, random};

/// Written as 32 hexadecimal digits. A certificate drops leading zeros or adds one for the sign, so
/// both are read.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Serial(u128);

/// What a verified certificate of ours says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shown {
    pub serial: Serial,
    /// By the clock of the hub that made it, to the second.
    pub issued_at: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("a serial number is 1 to 32 hexadecimal digits and not zero")]
pub struct SerialError;

impl Serial {
    pub fn random() -> Result<Self, PkiError> {
        loop {
            // Zero is not a serial number; it comes once in 2^128 times.
            if let Some(serial) = Self::from_bytes(random()?) {
                return Ok(serial);
            }
        }
    }

    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Option<Self> {
        let number = u128::from_be_bytes(bytes);
        (number != 0).then_some(Self(number))
    }

    /// The serial of a certificate of ours; none when it is not one of ours or not readable.
    #[must_use]
    pub fn of_certificate(certificate: &CertificateDer<'_>) -> Option<Self> {
        let (_, parsed) = x509_parser::parse_x509_certificate(certificate).ok()?;
        let significant = parsed.raw_serial().iter().copied().skip_while(|byte| *byte == 0);
        let significant: Vec<u8> = significant.collect();
        let mut bytes = [0; 16];
        let start = bytes.len().checked_sub(significant.len())?;
        bytes[start..].copy_from_slice(&significant);
        Self::from_bytes(bytes)
    }

    pub(super) fn to_bytes(self) -> Vec<u8> {
        self.0.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect()
    }
}

impl fmt::Display for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Serial {
    type Err = SerialError;
    fn from_str(text: &str) -> Result<Self, SerialError> {
        let digits = text.trim_start_matches('0');
        if digits.len() > 32 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(SerialError);
        }
        u128::from_str_radix(digits, 16).map(Self).map_err(|_| SerialError)
    }
}

impl TryFrom<String> for Serial {
    type Error = SerialError;
    fn try_from(text: String) -> Result<Self, SerialError> {
        text.parse()
    }
}

impl From<Serial> for String {
    fn from(serial: Serial) -> Self {
        serial.to_string()
    }
}
