//! A certificate authority that lives as long as the process, and the one certificate that all
//! simulated servers show: they all live on the loopback interface.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType, date_time_ymd,
};
use runtime::clock::Clock;
use runtime::tls::{ClientAuth, Identity, ReloadableCert, server_config};
use thiserror::Error;
use tokio_rustls::TlsAcceptor;

/// A simulated cluster that runs longer than ten years has other problems.
const LIFETIME: Duration = Duration::from_secs(10 * 365 * 86_400);
/// Clocks differ: a certificate is valid a little before it was made.
const BACKDATE: Duration = Duration::from_secs(3_600);

/// Why the certificates cannot be made.
#[derive(Debug, Error)]
pub enum TlsError {
    #[error("the certificate of the simulated API server cannot be made")]
    Certificate(#[from] rcgen::Error),
    #[error("the certificate of the simulated API server cannot be used")]
    Settings(#[from] runtime::tls::TlsError),
}

/// An authority and a certificate for `localhost`. Clones are the same; make it once in a process.
#[derive(Clone)]
pub struct Tls {
    acceptor: TlsAcceptor,
    ca_pem: Arc<str>,
}

impl Tls {
    /// # Errors
    /// When there is no randomness for keys.
    pub fn new(clock: &Clock) -> Result<Self, TlsError> {
        let ca_key = KeyPair::generate()?;
        let mut ca = params("kube-sim-ca", clock);
        ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = ca.self_signed(&ca_key)?;
        let issuer = Issuer::from_params(&ca, &ca_key);

        let key = KeyPair::generate()?;
        let mut leaf = params("kube-sim", clock);
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        leaf.subject_alt_names = vec![
            SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            SanType::IpAddress(IpAddr::V6(Ipv6Addr::LOCALHOST)),
            SanType::DnsName("localhost".try_into()?),
        ];
        let leaf = leaf.signed_by(&key, &issuer)?;
        let chain = vec![leaf.der().clone()];
        let identity = Identity { chain, key: key.into() };
        let mut config = server_config(ReloadableCert::new(identity)?, ClientAuth::None)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self { acceptor: Arc::new(config).into(), ca_pem: certificate.pem().into() })
    }

    /// The authority's certificate, in PEM.
    #[must_use]
    pub fn ca_pem(&self) -> Arc<str> {
        Arc::clone(&self.ca_pem)
    }

    pub(super) fn acceptor(&self) -> TlsAcceptor {
        self.acceptor.clone()
    }
}

fn params(name: &str, clock: &Clock) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    let since_1970 = Duration::from_millis(u64::try_from(clock.wall_ms()).unwrap_or_default());
    let start = date_time_ymd(1970, 1, 1);
    params.not_before = start + since_1970.saturating_sub(BACKDATE);
    params.not_after = start + since_1970 + LIFETIME;
    params
}
