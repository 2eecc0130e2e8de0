//! The authority itself: makes, loads, signs.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use model::identity::Identity;
use model::name::{ClusterName, FleetName, OperatorName};
use model::status::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PublicKeyData, SanType, SerialNumber, SigningKey as _,
    date_time_ymd,
};
use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use runtime::tls::{SpkiPin, certificate_to_pem, load_certificates, peer_uri_san, spki_pin};
use rustls_pki_types::CertificateDer;

use super::files::{sync, warn_if_exposed, write_public};
use super::{Lifetime, PkiError, Serial, SubjectKey, write_private};

pub(super) const CA_CERTIFICATE: &str = "ca.crt";
const CA_KEY: &str = "ca.key";
const SCHEME: &str = "spiffe://";

/// A year of 365 days; leap days make no difference that matters.
const DAY: Duration = Duration::from_secs(86_400);
const CA_LIFETIME: Duration = Duration::from_secs(10 * 365 * DAY.as_secs());
/// There is no renewal for people: whoever may read the CA's key makes another one.
const OPERATOR_LIFETIME: Duration = Duration::from_secs(365 * DAY.as_secs());
/// Clocks differ: a certificate is valid a little before it was made.
const BACKDATE: Duration = Duration::from_secs(600);
/// 9999-12-31, the last day that a certificate can name.
const LAST_SECOND: i64 = 253_402_300_799;

/// The authority of one fleet.
pub struct Pki {
    fleet: FleetName,
    certificate: CertificateDer<'static>,
    pin: SpkiPin,
    issuer: Issuer<'static, KeyPair>,
    valid: (Timestamp, Timestamp),
}

/// A certificate and when it ends.
#[derive(Debug, Clone)]
pub struct Issued {
    pub certificate: CertificateDer<'static>,
    pub expires_at: Timestamp,
}

/// What a person needs to use the fleet API, in PEM. `Debug` does not show the key.
#[derive(Clone)]
pub struct OperatorIdentity {
    /// The leaf, then its issuer.
    pub certificate_chain: String,
    pub key: String,
    pub expires_at: Timestamp,
}

impl std::fmt::Debug for OperatorIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "OperatorIdentity(until {:?})", self.expires_at)
    }
}

impl Pki {
    /// Makes the authority in `dir`, which must not be there. It appears as a whole or not at all.
    pub fn init(dir: &Path, fleet: &FleetName, now: Timestamp) -> Result<Self, PkiError> {
        if dir.exists() {
            return Err(PkiError::Exists { path: dir.to_owned() });
        }
        let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty());
        let parent = parent.unwrap_or(Path::new("."));
        fs::create_dir_all(parent).map_err(PkiError::io("create", parent))?;
        let new = tempfile::Builder::new().prefix(".pki-").tempdir_in(parent);
        let new = new.map_err(PkiError::io("create a folder in", parent))?;

        let key = KeyPair::generate()?;
        let certificate = ca_params(fleet, now)?.self_signed(&key)?;
        write_private(&new.path().join(CA_KEY), key.serialize_pem().as_bytes())?;
        let pem = certificate_to_pem(certificate.der());
        write_public(&new.path().join(CA_CERTIFICATE), pem.as_bytes())?;

        fs::rename(new.path(), dir).map_err(|error| match error.kind() {
            io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists => {
                PkiError::Exists { path: dir.to_owned() }
            }
            _ => PkiError::io("move into place", dir)(error),
        })?;
        // It is in its place: there is nothing to clean up any more.
        let _moved = new.keep();
        sync(parent).map_err(PkiError::io("sync", parent))?;
        Self::load(dir)
    }

    pub fn load(dir: &Path) -> Result<Self, PkiError> {
        let (path, key_path) = (dir.join(CA_CERTIFICATE), dir.join(CA_KEY));
        if !path.exists() {
            return Err(PkiError::Missing { path: dir.to_owned() });
        }
        let certificate = load_certificates(&path)?.swap_remove(0);
        let unreadable = |source| PkiError::Certificate { path: path.clone(), source };
        let pin = spki_pin(&certificate).map_err(unreadable)?;
        let fleet = fleet_of(&certificate, &path)?;
        warn_if_exposed(&key_path);
        let key = fs::read_to_string(&key_path).map_err(PkiError::io("read", &key_path))?;
        let key = KeyPair::from_pem(&key)?;
        if pin.0 != *model::canonical::Digest::of(&key.subject_public_key_info()).as_bytes() {
            return Err(PkiError::OtherKey { path: key_path });
        }
        let valid = validity(&certificate).ok_or(rcgen::Error::CouldNotParseCertificate)?;
        let issuer = Issuer::from_ca_cert_der(&certificate, key)?;
        Ok(Self { fleet, certificate, pin, issuer, valid })
    }

    #[must_use]
    pub fn fleet(&self) -> &FleetName {
        &self.fleet
    }

    #[must_use]
    pub fn ca_certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// Which root a join command trusts: `sha256:<hex>` of its key.
    #[must_use]
    pub fn ca_pin(&self) -> SpkiPin {
        self.pin
    }

    /// The roots that a client trusts, in PEM.
    #[must_use]
    pub fn trust_bundle(&self) -> String {
        certificate_to_pem(&self.certificate)
    }

    /// A leaf and its issuers, in PEM.
    #[must_use]
    pub fn chain(&self, leaf: &CertificateDer<'_>) -> String {
        certificate_to_pem(leaf) + &self.trust_bundle()
    }

    /// A certificate for a spoke. The same arguments make the same certificate, but for its
    /// signature.
    pub fn issue_cluster(
        &self,
        key: &SubjectKey,
        cluster: &ClusterName,
        serial: Serial,
        issued_at: Timestamp,
        lifetime: Lifetime,
    ) -> Result<Issued, PkiError> {
        if key.spki().as_bytes() == &self.pin.0 {
            return Err(PkiError::ReservedKey);
        }
        let identity = Identity::of_cluster(self.fleet.clone(), cluster.clone());
        self.issue_client(key.public(), &identity, serial, issued_at, lifetime.duration())
    }

    /// A key and certificate for a person. Write them with [`write_private`].
    pub fn issue_operator(
        &self,
        operator: &OperatorName,
        now: Timestamp,
    ) -> Result<OperatorIdentity, PkiError> {
        let key = KeyPair::generate()?;
        let identity = Identity::of_operator(self.fleet.clone(), operator.clone());
        let issued =
            self.issue_client(&key, &identity, Serial::random()?, now, OPERATOR_LIFETIME)?;
        Ok(OperatorIdentity {
            certificate_chain: self.chain(&issued.certificate),
            key: key.serialize_pem(),
            expires_at: issued.expires_at,
        })
    }

    fn issue_client(
        &self,
        key: &impl PublicKeyData,
        identity: &Identity,
        serial: Serial,
        issued_at: Timestamp,
        lifetime: Duration,
    ) -> Result<Issued, PkiError> {
        let mut params = leaf_params(serial);
        params.subject_alt_names = vec![SanType::URI(identity.to_string().try_into()?)];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.issue(params, key, issued_at, lifetime)
    }

    /// Signs `params` with dates that never go beyond the CA's own.
    pub(super) fn issue(
        &self,
        mut params: CertificateParams,
        key: &impl PublicKeyData,
        issued_at: Timestamp,
        lifetime: Duration,
    ) -> Result<Issued, PkiError> {
        let (from, until) = self.valid;
        if issued_at < from || issued_at >= until {
            return Err(PkiError::NotValidNow { from, until, now: issued_at });
        }
        let expires_at = until.min(later(issued_at, lifetime));
        set_validity(&mut params, earlier(issued_at, BACKDATE), expires_at);
        let certificate = params.signed_by(key, &self.issuer)?.der().clone();
        Ok(Issued { certificate, expires_at })
    }

    /// A signature over `message` that means nothing outside `context`. The context comes first, so
    /// that what is signed is never a certificate.
    pub fn sign(&self, context: &str, message: &[u8]) -> Result<Vec<u8>, PkiError> {
        Ok(self.issuer.key().sign(&signed_bytes(context, message))?)
    }

    #[must_use]
    pub fn verify(&self, context: &str, message: &[u8], signature: &[u8]) -> bool {
        let key =
            UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, self.issuer.key().public_key_raw());
        key.verify(&signed_bytes(context, message), signature).is_ok()
    }
}

impl std::fmt::Debug for Pki {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pki({} {})", self.fleet, self.pin)
    }
}

fn signed_bytes(context: &str, message: &[u8]) -> Vec<u8> {
    [b"muster:", context.as_bytes(), b"\0", message].concat()
}

/// What every certificate of ours begins with: nothing that rcgen would choose.
pub(super) fn leaf_params(serial: Serial) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.serial_number = Some(SerialNumber::from_slice(&serial.to_bytes()));
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = true;
    params
}

/// No name constraints: the verifiers in use disagree about them for URIs.
fn ca_params(fleet: &FleetName, now: Timestamp) -> Result<CertificateParams, PkiError> {
    let mut params = leaf_params(Serial::random()?);
    params.distinguished_name.push(DnType::CommonName, format!("muster fleet {fleet}"));
    params.subject_alt_names = vec![SanType::URI(format!("{SCHEME}{fleet}").try_into()?)];
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.use_authority_key_identifier_extension = false;
    set_validity(&mut params, earlier(now, BACKDATE), later(now, CA_LIFETIME));
    Ok(params)
}

fn fleet_of(certificate: &CertificateDer<'_>, path: &Path) -> Result<FleetName, PkiError> {
    let uri = peer_uri_san(certificate)
        .map_err(|source| PkiError::Certificate { path: path.to_owned(), source })?;
    let name = uri.strip_prefix(SCHEME).unwrap_or_default();
    FleetName::new(name).map_err(|error| PkiError::NoFleet { path: path.to_owned(), source: error })
}

/// When a certificate of ours was made, to the second.
pub fn issued_at(certificate: &CertificateDer<'_>) -> Option<Timestamp> {
    validity(certificate).map(|(from, _)| later(from, BACKDATE))
}

pub(super) fn validity(certificate: &CertificateDer<'_>) -> Option<(Timestamp, Timestamp)> {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate).ok()?;
    let validity = parsed.validity();
    let timestamp = |seconds: i64| Timestamp(seconds.saturating_mul(1_000));
    Some((timestamp(validity.not_before.timestamp()), timestamp(validity.not_after.timestamp())))
}

fn later(time: Timestamp, by: Duration) -> Timestamp {
    Timestamp(time.0.saturating_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)))
}

fn earlier(time: Timestamp, by: Duration) -> Timestamp {
    Timestamp(time.0.saturating_sub(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)))
}

/// Whole seconds since 1970; earlier times become 1970, since no clock that is right says so.
fn set_validity(params: &mut CertificateParams, from: Timestamp, until: Timestamp) {
    let since_1970 = |time: Timestamp| {
        Duration::from_secs((time.0 / 1_000).clamp(0, LAST_SECOND).unsigned_abs())
    };
    let start = date_time_ymd(1970, 1, 1);
    params.not_before = start + since_1970(from);
    params.not_after = start + since_1970(until);
}
