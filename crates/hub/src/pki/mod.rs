//! The fleet's certificate authority: made once, signs what enrolment has decided.
//!
//! ```text
//! DIR/ca.crt      the root, public; its SAN names the fleet
//! DIR/ca.key      its key, 0600; never leaves the hub
//! DIR/server.pem  the hub's own certificate, its issuer and its key, 0600; made again when due
//! ```
//! Certificates are always made from fresh parameters: of a request nothing is taken but the public
//! key (`csr`), and the lint on `signed_by` of a request keeps it so. Time comes in as a parameter;
//! who may have which certificate is decided in `enrol`.

mod authority;
mod csr;
mod files;
mod lifetime;
mod serial;
mod server;

#[cfg(test)]
pub(crate) mod tests;

pub use authority::{Issued, OperatorIdentity, Pki, issued_at};
pub use csr::{CsrError, SubjectKey};
pub use files::write_private;
pub use lifetime::{Lifetime, LifetimeError};
pub use serial::{Serial, SerialError, Shown};

use std::io;
use std::path::PathBuf;

use model::name::NameError;
use model::status::Timestamp;
use runtime::tls::{CertificateError, PemError};
use thiserror::Error;

#[derive(Debug, Error)]
pub enum PkiError {
    #[error(
        "{path} holds a certificate authority already; a second one would lock every spoke out. \
         Choose another folder",
        path = path.display()
    )]
    Exists { path: PathBuf },
    #[error(
        "there is no certificate authority in {path}; make one with `muster-hub init`",
        path = path.display()
    )]
    Missing { path: PathBuf },
    #[error("cannot {action} {path}", path = path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },
    #[error(transparent)]
    Pem(#[from] PemError),
    #[error("the certificate in {path} cannot be read", path = path.display())]
    Certificate { path: PathBuf, source: CertificateError },
    #[error("the CA certificate in {path} does not name a fleet", path = path.display())]
    NoFleet { path: PathBuf, source: NameError },
    #[error(
        "the key in {path} does not belong to the CA certificate beside it; restore both from the \
         same backup",
        path = path.display()
    )]
    OtherKey { path: PathBuf },
    #[error("the key cannot be used or the certificate cannot be made")]
    Signing(#[from] rcgen::Error),
    #[error(
        "{name:?} is neither a DNS name nor an IP address, so the hub's certificate cannot have it"
    )]
    ServerName { name: String },
    #[error("the hub's certificate needs at least one name; set the address that spokes dial")]
    NoServerName,
    #[error("the CA certificate is valid from {from:?} to {until:?}, and the clock says {now:?}")]
    NotValidNow { from: Timestamp, until: Timestamp, now: Timestamp },
    #[error("the key of this request is the CA's own")]
    ReservedKey,
    #[error("the system gives no random numbers")]
    Random,
}

impl PkiError {
    fn io(action: &'static str, path: &std::path::Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }
}

/// Random bytes from the system.
pub fn random<const N: usize>() -> Result<[u8; N], PkiError> {
    use ring::rand::SecureRandom as _;
    let mut bytes = [0; N];
    ring::rand::SystemRandom::new().fill(&mut bytes).map_err(|_| PkiError::Random)?;
    Ok(bytes)
}
