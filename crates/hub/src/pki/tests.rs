//! What is in a certificate, read back with another parser; and handshakes with them.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use model::identity::Identity;
use model::name::{ClusterName, FleetName, OperatorName};
use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    PKCS_ECDSA_P384_SHA384, PKCS_ED25519, SanType,
};
use runtime::clock::Clock;
use runtime::tls::{
    self, ClientAuth, ReloadableCert, certificates_from_pem, peer_uri_san, private_key_from_pem,
    root_store,
};
use rustls::{ClientConnection, ServerConnection};
use rustls_pki_types::CertificateDer;
use x509_parser::prelude::*;

use super::*;

pub(crate) fn fleet() -> FleetName {
    FleetName::new("acme").unwrap()
}

pub(crate) fn cluster(name: &str) -> ClusterName {
    ClusterName::new(name).unwrap()
}

/// An authority of its own, and the folder that it is in.
pub(crate) fn authority(now: Timestamp) -> (Pki, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let pki = Pki::init(&dir.path().join("pki"), &fleet(), now).unwrap();
    (pki, dir)
}

pub(crate) fn csr(key: &KeyPair) -> Vec<u8> {
    CertificateParams::default().serialize_request(key).unwrap().der().to_vec()
}

pub(crate) fn new_key() -> (KeyPair, SubjectKey) {
    let key = KeyPair::generate().unwrap();
    let subject = SubjectKey::from_csr(&csr(&key)).unwrap();
    (key, subject)
}

fn real_now() -> Timestamp {
    Timestamp(Clock::system().wall_ms())
}

const NOW: Timestamp = Timestamp(1_800_000_000_000);
const DAY: i64 = 86_400_000;

fn parse(der: &[u8]) -> X509Certificate<'_> {
    X509Certificate::from_der(der).unwrap().1
}

#[test]
fn the_ca_is_what_it_should_be_and_survives_a_restart() {
    let (pki, dir) = authority(NOW);
    let ca = parse(pki.ca_certificate());
    let basic = ca.basic_constraints().unwrap().unwrap();
    assert!(basic.critical && basic.value.ca && basic.value.path_len_constraint == Some(0));
    let usage = ca.key_usage().unwrap().unwrap().value;
    assert!(usage.key_cert_sign() && usage.crl_sign() && !usage.digital_signature());
    assert!(ca.name_constraints().unwrap().is_none());
    let (from, until) = authority::validity(pki.ca_certificate()).unwrap();
    assert_eq!((from.0, until.0), (NOW.0 - 600_000, NOW.0 + 3_650 * DAY));

    let again = Pki::load(&dir.path().join("pki")).unwrap();
    assert_eq!((again.fleet(), again.ca_pin()), (&fleet(), pki.ca_pin()));
    assert!(again.ca_pin().to_string().starts_with("sha256:"));
    let mode = |name| {
        let path = dir.path().join("pki").join(name);
        path.metadata().unwrap().permissions().mode() & 0o777
    };
    assert_eq!((mode("ca.key"), mode("ca.crt")), (0o600, 0o644));
}

#[test]
fn an_authority_is_never_made_twice_nor_loaded_in_pieces() {
    let (_pki, dir) = authority(NOW);
    let place = dir.path().join("pki");
    let again = Pki::init(&place, &fleet(), NOW).unwrap_err().to_string();
    assert!(again.contains("holds a certificate authority already"), "{again}");
    let missing = Pki::load(&dir.path().join("none")).unwrap_err().to_string();
    assert!(missing.contains("muster-hub init"), "{missing}");
    let (_other, other) = authority(NOW);
    std::fs::copy(other.path().join("pki/ca.key"), place.join("ca.key")).unwrap();
    let mixed = Pki::load(&place).unwrap_err().to_string();
    assert!(mixed.contains("does not belong to the CA certificate"), "{mixed}");
}

/// A request that asks for everything an attacker would want.
fn greedy_csr(key: &KeyPair) -> Vec<u8> {
    let mut params = CertificateParams::new(vec!["hub.example".to_owned()]).unwrap();
    for uri in ["spiffe://acme/cluster/victim", "spiffe://acme/operator/root"] {
        params.subject_alt_names.push(SanType::URI(uri.try_into().unwrap()));
    }
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::Any];
    params.distinguished_name.push(rcgen::DnType::CommonName, "victim");
    params.serialize_request(key).unwrap().der().to_vec()
}

#[test]
fn of_a_request_only_the_key_is_taken() {
    let (pki, _dir) = authority(NOW);
    let key = KeyPair::generate().unwrap();
    let subject = SubjectKey::from_csr(&greedy_csr(&key)).unwrap();
    let serial = Serial::random().unwrap();
    let lifetime = Lifetime::default();
    let issued = pki.issue_cluster(&subject, &cluster("eu-1"), serial, NOW, lifetime).unwrap();
    assert_eq!(issued.expires_at, Timestamp(NOW.0 + 30 * DAY));

    assert_eq!(peer_uri_san(&issued.certificate).unwrap(), "spiffe://acme/cluster/eu-1");
    let leaf = parse(&issued.certificate);
    let san = leaf.subject_alternative_name().unwrap().unwrap();
    assert_eq!(san.value.general_names.len(), 1);
    assert_eq!(leaf.subject().iter().count(), 0, "the subject is empty");
    assert!(!leaf.is_ca());
    assert!(leaf.basic_constraints().unwrap().is_some(), "CA:FALSE is said");
    let usage = leaf.key_usage().unwrap().unwrap().value;
    assert_eq!(usage.flags, 1, "digitalSignature and nothing else");
    let extended = leaf.extended_key_usage().unwrap().unwrap().value;
    assert!(extended.client_auth && !extended.server_auth && !extended.any);
    assert!(extended.other.is_empty());
    assert_eq!(Serial::of_certificate(&issued.certificate), Some(serial));
    assert_eq!(authority::validity(&issued.certificate).unwrap().0, Timestamp(NOW.0 - 600_000));
    leaf.verify_signature(Some(parse(pki.ca_certificate()).public_key())).unwrap();
    assert_eq!(SubjectKey::from_csr(&csr(&key)).unwrap().spki(), subject.spki());
}

#[test]
fn only_good_requests_with_good_keys_are_taken() {
    let ed25519 = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    SubjectKey::from_csr(&csr(&ed25519)).unwrap();
    let p384 = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
    assert_eq!(SubjectKey::from_csr(&csr(&p384)).unwrap_err(), CsrError::KeyType);
    let good = csr(&KeyPair::generate().unwrap());
    let mut forged = good.clone();
    *forged.last_mut().unwrap() ^= 1;
    assert_eq!(SubjectKey::from_csr(&forged).unwrap_err(), CsrError::Signature);
    let long = [&good[..], b"x"].concat();
    assert_eq!(SubjectKey::from_csr(&long).unwrap_err(), CsrError::Malformed);
    assert_eq!(SubjectKey::from_csr(b"").unwrap_err(), CsrError::Malformed);
    assert_eq!(SubjectKey::from_csr(&[0; 9_000]).unwrap_err(), CsrError::TooLarge { bytes: 9_000 });
    for cut in 0..good.len() {
        SubjectKey::from_csr(&good[..cut]).unwrap_err();
    }
}

#[test]
fn no_certificate_outlives_the_ca_or_is_made_outside_its_dates() {
    let (pki, _dir) = authority(NOW);
    let (_, subject) = new_key();
    let issue = |now: i64| {
        let serial = Serial::random().unwrap();
        pki.issue_cluster(&subject, &cluster("a"), serial, Timestamp(now), Lifetime::default())
    };
    let end = NOW.0 + 3_650 * DAY;
    assert_eq!(issue(end - DAY).unwrap().expires_at.0, end);
    assert!(matches!(issue(end), Err(PkiError::NotValidNow { .. })));
    assert!(matches!(issue(NOW.0 - DAY), Err(PkiError::NotValidNow { .. })));
    assert!(Lifetime::hours(0).is_err() && Lifetime::hours(90 * 24 + 1).is_err());
    Lifetime::hours(1).unwrap();
}

#[test]
fn serials_are_read_however_a_certificate_writes_them() {
    let serial: Serial = "00ff".parse().unwrap();
    assert_eq!(serial.to_string(), "000000000000000000000000000000ff");
    assert_eq!("ff".parse(), Ok(serial));
    let high = "f".repeat(32);
    assert_eq!(format!("00{high}").parse::<Serial>().unwrap().to_string(), high);
    for bad in ["", "0", "g", "-1", "+1", &"f".repeat(33)] {
        assert_eq!(bad.parse::<Serial>(), Err(SerialError), "{bad}");
    }
    let (pki, _dir) = authority(NOW);
    let (_, subject) = new_key();
    for serial in ["1", "80", &high, "00112233445566778899aabbccddeeff"] {
        let serial: Serial = serial.parse().unwrap();
        let issued =
            pki.issue_cluster(&subject, &cluster("a"), serial, NOW, Lifetime::default()).unwrap();
        assert_eq!(Serial::of_certificate(&issued.certificate), Some(serial));
    }
}

#[test]
fn the_hubs_certificate_is_kept_until_it_is_due() {
    let (pki, dir) = authority(NOW);
    let dir = dir.path().join("pki");
    let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    let serve = |list: &[&str], day: i64| {
        let now = Timestamp(NOW.0 + day * DAY);
        pki.server_identity(&dir, &names(list), now).unwrap().chain
    };
    let first = serve(&["hub.example", "127.0.0.1", "::1"], 0);
    assert_eq!(first.len(), 2);
    assert_eq!(first[1], *pki.ca_certificate());
    let leaf = parse(&first[0]);
    let extended = leaf.extended_key_usage().unwrap().unwrap().value;
    assert!(extended.server_auth && !extended.client_auth);
    assert_eq!(leaf.subject_alternative_name().unwrap().unwrap().value.general_names.len(), 3);

    // The order and case of the names do not matter; it is kept for two thirds of its life.
    assert_eq!(serve(&["::1", "127.0.0.1", "HUB.example"], 59), first);
    let second = serve(&["hub.example", "127.0.0.1", "::1"], 61);
    assert_ne!(second, first);
    assert_ne!(serve(&["hub.example"], 61), second);
    std::fs::write(dir.join("server.pem"), "nonsense").unwrap();
    serve(&["hub.example"], 61);
    for bad in [&[][..], &["a b"], &["https://hub"], &["hub:8443"], &[""]] {
        pki.server_identity(&dir, &names(bad), NOW).unwrap_err();
    }
    let mode = dir.join("server.pem").metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
}

#[test]
fn a_signature_is_bound_to_its_context() {
    let (pki, _dir) = authority(NOW);
    let (other, _other_dir) = authority(NOW);
    let signature = pki.sign("record", b"text").unwrap();
    assert!(pki.verify("record", b"text", &signature));
    assert!(!pki.verify("other", b"text", &signature));
    assert!(!pki.verify("record", b"texts", &signature));
    assert!(!other.verify("record", b"text", &signature));
    assert!(!pki.verify("record", b"text", b""));
}

fn handshake(client: tls::Identity, server: tls::Identity, pki: &Pki) -> Result<String, String> {
    let roots = || root_store([pki.ca_certificate()]).unwrap();
    let client = ReloadableCert::new(client).unwrap();
    let client = tls::client_config(roots(), Some(client)).unwrap();
    let server = ReloadableCert::new(server).unwrap();
    let server = tls::server_config(server, ClientAuth::Required(roots())).unwrap();
    connect(client, server)
}

/// A handshake in memory; gives the name in the client's certificate.
fn connect(client: rustls::ClientConfig, server: rustls::ServerConfig) -> Result<String, String> {
    let name = "hub.example".try_into().unwrap();
    let mut client = ClientConnection::new(Arc::new(client), name).unwrap();
    let mut server = ServerConnection::new(Arc::new(server)).unwrap();
    for _ in 0..8 {
        let mut wire = Vec::new();
        client.write_tls(&mut wire).unwrap();
        server.read_tls(&mut wire.as_slice()).unwrap();
        server.process_new_packets().map_err(|error| format!("server: {error}"))?;
        let mut wire = Vec::new();
        server.write_tls(&mut wire).unwrap();
        client.read_tls(&mut wire.as_slice()).unwrap();
        client.process_new_packets().map_err(|error| format!("client: {error}"))?;
    }
    assert!(!client.is_handshaking() && !server.is_handshaking());
    let peer = server.peer_certificates().and_then(<[_]>::first);
    Ok(peer.map(|leaf| peer_uri_san(leaf).unwrap()).unwrap_or_default())
}

fn operator(pki: &Pki, now: Timestamp) -> tls::Identity {
    let operator = pki.issue_operator(&OperatorName::new("admin").unwrap(), now).unwrap();
    tls::Identity {
        chain: certificates_from_pem(operator.certificate_chain.as_bytes(), "operator").unwrap(),
        key: private_key_from_pem(operator.key.as_bytes(), "operator").unwrap(),
    }
}

fn spoke(pki: &Pki, now: Timestamp) -> tls::Identity {
    let (key, subject) = new_key();
    let serial = Serial::random().unwrap();
    let issued =
        pki.issue_cluster(&subject, &cluster("eu-1"), serial, now, Lifetime::default()).unwrap();
    tls::Identity {
        chain: certificates_from_pem(pki.chain(&issued.certificate).as_bytes(), "spoke").unwrap(),
        key: private_key_from_pem(key.serialize_pem().as_bytes(), "spoke").unwrap(),
    }
}

fn hub(pki: &Pki, dir: &Path, now: Timestamp) -> tls::Identity {
    pki.server_identity(&dir.join("pki"), &["hub.example".to_owned()], now).unwrap()
}

#[test]
fn each_certificate_serves_its_own_side_only() {
    let now = real_now();
    let (pki, dir) = authority(now);
    let (hub, spoke, operator) =
        (hub(&pki, dir.path(), now), spoke(&pki, now), operator(&pki, now));
    let identity = |uri: String| Identity::parse(&uri).unwrap();
    let met = identity(handshake(spoke.clone(), hub.clone(), &pki).unwrap());
    assert_eq!(met.cluster("acme"), Some(&cluster("eu-1")));
    let met = identity(handshake(operator, hub.clone(), &pki).unwrap());
    assert_eq!(met.operator("acme").map(OperatorName::as_str), Some("admin"));

    let as_client = handshake(hub.clone(), hub.clone(), &pki).unwrap_err();
    assert!(as_client.starts_with("server: invalid peer certificate"), "{as_client}");
    let as_server = handshake(spoke.clone(), spoke.clone(), &pki).unwrap_err();
    assert!(as_server.starts_with("client: invalid peer certificate"), "{as_server}");

    // A leaf is no authority, whatever it signs.
    let (stranger, stranger_dir) = authority(now);
    let strange = handshake(self::spoke(&stranger, now), hub.clone(), &pki).unwrap_err();
    assert!(strange.starts_with("server:"), "{strange}");
    let strange_hub = self::hub(&stranger, stranger_dir.path(), now);
    let strange = handshake(spoke, strange_hub, &pki).unwrap_err();
    assert!(strange.starts_with("client:"), "{strange}");
}

#[test]
fn an_expired_certificate_is_refused() {
    let now = real_now();
    let (pki, dir) = authority(Timestamp(now.0 - 40 * DAY));
    let old = spoke(&pki, Timestamp(now.0 - 31 * DAY));
    let error = handshake(old, hub(&pki, dir.path(), now), &pki).unwrap_err();
    assert!(error.contains("expired"), "{error}");
}

#[test]
fn a_join_finds_the_pinned_root_in_the_hubs_chain() {
    let now = real_now();
    let (pki, dir) = authority(now);
    let accepted: Arc<OnceLock<CertificateDer<'static>>> = Arc::default();
    let client = tls::client_config_pinned(pki.ca_pin(), Arc::clone(&accepted)).unwrap();
    let server = ReloadableCert::new(hub(&pki, dir.path(), now)).unwrap();
    let roots = root_store([pki.ca_certificate()]).unwrap();
    let server = tls::server_config(server, ClientAuth::Optional(roots)).unwrap();
    connect(client, server).unwrap();
    assert_eq!(accepted.get(), Some(pki.ca_certificate()));
}
