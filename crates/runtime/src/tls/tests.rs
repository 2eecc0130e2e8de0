//! Handshakes in memory between our own configurations, with certificates made for each case.

use std::sync::{Arc, OnceLock};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, SanType, date_time_ymd,
};
use rustls::{ClientConfig, ClientConnection, ServerConfig, ServerConnection};
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};

use super::*;

type Ca = CertifiedIssuer<'static, KeyPair>;

fn key() -> KeyPair {
    KeyPair::generate().unwrap()
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2120, 1, 1);
    params
}

fn ca_params(name: &str) -> CertificateParams {
    let mut params = params(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
}

fn root(name: &str) -> Ca {
    CertifiedIssuer::self_signed(ca_params(name), key()).unwrap()
}

fn der(ca: &Ca) -> CertificateDer<'static> {
    ca.der().clone()
}

fn leaf(params: &CertificateParams, issuer: &Ca, chain: &[&Ca]) -> Identity {
    let key = key();
    let leaf = params.signed_by(&key, issuer).unwrap();
    let mut certificates = vec![leaf.der().clone()];
    certificates.extend(chain.iter().map(|ca| der(ca)));
    Identity { chain: certificates, key: PrivatePkcs8KeyDer::from(key.serialize_der()).into() }
}

fn server_params(host: &str) -> CertificateParams {
    let mut params = params("server");
    params.subject_alt_names = vec![SanType::DnsName(host.try_into().unwrap())];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params
}

fn client_params(uri: &str) -> CertificateParams {
    let mut params = params("client");
    params.subject_alt_names = vec![SanType::URI(uri.try_into().unwrap())];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params
}

fn server(identity: Identity, auth: ClientAuth) -> ServerConfig {
    server_config(ReloadableCert::new(identity).unwrap(), auth).unwrap()
}

/// Runs a handshake to its end, or to the first error of either side.
fn handshake(client: ClientConfig, server: ServerConfig) -> Result<Connected, String> {
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
    assert_eq!(client.alpn_protocol(), Some(&b"h2"[..]));
    Ok(Connected { client, server })
}

struct Connected {
    client: ClientConnection,
    server: ServerConnection,
}

fn first(certificates: Option<&[CertificateDer<'static>]>) -> Option<CertificateDer<'static>> {
    certificates.and_then(|chain| chain.first().cloned())
}

/// Connects with a pin; gives the root that was accepted.
fn join(pin: SpkiPin, identity: Identity) -> Result<CertificateDer<'static>, String> {
    let accepted = Arc::new(OnceLock::new());
    let client = client_config_pinned(pin, Arc::clone(&accepted)).unwrap();
    let result = handshake(client, server(identity, ClientAuth::None));
    assert_eq!(result.is_ok(), accepted.get().is_some(), "a root is kept exactly on success");
    result.map(|_| accepted.get().unwrap().clone())
}

#[test]
fn a_pin_accepts_its_root_through_an_intermediate_and_hands_it_over() {
    let root = root("root");
    let issuing = CertifiedIssuer::signed_by(ca_params("issuing"), key(), &root).unwrap();
    let pin = spki_pin(&der(&root)).unwrap();
    let direct = leaf(&server_params("hub.example"), &root, &[&root]);
    assert_eq!(join(pin, direct), Ok(der(&root)));
    let through = leaf(&server_params("hub.example"), &issuing, &[&issuing, &root]);
    assert_eq!(join(pin, through), Ok(der(&root)));
}

#[test]
fn a_stranger_with_a_ca_of_its_own_is_refused() {
    let (ours, theirs) = (root("root"), root("root"));
    let pin = spki_pin(&der(&ours)).unwrap();
    let own = leaf(&server_params("hub.example"), &theirs, &[&theirs]);
    assert!(join(pin, own).unwrap_err().contains("no CA certificate that the server sent"));
    // Showing our root beside a chain of its own does not help.
    let with_ours = leaf(&server_params("hub.example"), &theirs, &[&theirs, &ours]);
    assert!(join(pin, with_ours).unwrap_err().starts_with("client:"));
}

#[test]
fn the_right_ca_with_the_wrong_name_is_refused() {
    let root = root("root");
    let pin = spki_pin(&der(&root)).unwrap();
    let error = join(pin, leaf(&server_params("other.example"), &root, &[&root])).unwrap_err();
    assert!(error.contains("not valid for name"), "{error}");
}

#[test]
fn a_pin_of_an_intermediate_or_of_the_leaf_is_refused() {
    let root = root("root");
    let issuing = CertifiedIssuer::signed_by(ca_params("issuing"), key(), &root).unwrap();
    let identity = leaf(&server_params("hub.example"), &issuing, &[&issuing, &root]);
    for certificate in [identity.chain[0].clone(), der(&issuing)] {
        let pin = spki_pin(&certificate).unwrap();
        let error = join(pin, identity.clone()).unwrap_err();
        assert!(error.contains("not a root CA"), "{error}");
    }
}

#[test]
fn the_pinned_key_in_a_certificate_that_it_did_not_sign_is_refused() {
    let honest = root("root");
    let pin = spki_pin(&der(&honest)).unwrap();
    // The same public key and name, signed by somebody else's key.
    let forger = root("root");
    let forged = ca_params("root").signed_by(honest.key(), &forger).unwrap();
    let mut identity = leaf(&server_params("hub.example"), &honest, &[]);
    identity.chain.push(forged.der().clone());
    assert!(join(pin, identity).unwrap_err().contains("not a root CA"));
}

#[test]
fn expired_and_not_yet_valid_are_refused() {
    let root = root("root");
    let pin = spki_pin(&der(&root)).unwrap();
    let mut expired = server_params("hub.example");
    expired.not_after = date_time_ymd(2021, 1, 1);
    assert!(join(pin, leaf(&expired, &root, &[&root])).unwrap_err().contains("expired"));

    let mut old = ca_params("old");
    old.not_after = date_time_ymd(2021, 1, 1);
    let mut early = ca_params("early");
    early.not_before = date_time_ymd(2119, 1, 1);
    for params in [old, early] {
        let root = CertifiedIssuer::self_signed(params, key()).unwrap();
        let pin = spki_pin(&der(&root)).unwrap();
        let identity = leaf(&server_params("hub.example"), &root, &[&root]);
        assert!(join(pin, identity).unwrap_err().contains("not valid at this time"));
    }
}

#[test]
fn mutual_tls_shows_the_one_name_of_the_client() {
    let root = root("root");
    let roots = root_store([root.der()]).unwrap();
    let uri = "spiffe://fleet/cluster/eu-1";
    let identity = ReloadableCert::new(leaf(&client_params(uri), &root, &[])).unwrap();
    let client = client_config(roots.clone(), Some(identity)).unwrap();
    let hub = leaf(&server_params("hub.example"), &root, &[&root]);
    let connected = handshake(client, server(hub, ClientAuth::Required(roots))).unwrap();
    let peer = first(connected.server.peer_certificates()).unwrap();
    assert_eq!(peer_uri_san(&peer).unwrap(), uri);
}

#[test]
fn clients_without_or_with_a_wrong_certificate() {
    let (ours, theirs) = (root("root"), root("theirs"));
    let roots = root_store([ours.der()]).unwrap();
    let hub = leaf(&server_params("hub.example"), &ours, &[&ours]);
    let connect = |identity: Option<Identity>, auth: ClientAuth| {
        let identity = identity.map(|identity| ReloadableCert::new(identity).unwrap());
        let client = client_config(roots.clone(), identity).unwrap();
        handshake(client, server(hub.clone(), auth)).map(drop)
    };
    let uri = "spiffe://fleet/cluster/eu-1";
    let optional = || ClientAuth::Optional(roots.clone());
    assert_eq!(connect(None, optional()), Ok(()));
    assert!(connect(None, ClientAuth::Required(roots.clone())).is_err());
    assert!(connect(Some(leaf(&client_params(uri), &theirs, &[])), optional()).is_err());
    // A server's certificate is not good for a client, and the other way round.
    let as_client = leaf(&server_params("hub.example"), &ours, &[]);
    assert!(connect(Some(as_client), optional()).is_err());
    let mut params = client_params(uri);
    params.subject_alt_names = server_params("hub.example").subject_alt_names;
    let as_server = server(leaf(&params, &ours, &[&ours]), ClientAuth::None);
    assert!(handshake(client_config(roots.clone(), None).unwrap(), as_server).is_err());
}

#[test]
fn a_certificate_is_replaced_between_handshakes() {
    let root = root("root");
    let roots = root_store([root.der()]).unwrap();
    let (one, two) = (
        leaf(&server_params("hub.example"), &root, &[]),
        leaf(&server_params("hub.example"), &root, &[]),
    );
    let cert = ReloadableCert::new(one.clone()).unwrap();
    let shown = |cert: &ReloadableCert| {
        let server = server_config(cert.clone(), ClientAuth::None).unwrap();
        let connected = handshake(client_config(roots.clone(), None).unwrap(), server).unwrap();
        first(connected.client.peer_certificates()).unwrap()
    };
    assert_eq!(shown(&cert), one.chain[0]);
    cert.replace(two.clone()).unwrap();
    assert_eq!(shown(&cert), two.chain[0]);
    // A key of another certificate is refused, and the old pair stays.
    let mixed = Identity { chain: one.chain, key: two.key.clone_key() };
    assert!(matches!(cert.replace(mixed), Err(TlsError::Identity(_))));
    assert_eq!(shown(&cert), two.chain[0]);
}

#[test]
fn a_certificate_with_any_other_set_of_names_has_no_identity() {
    let root = root("root");
    let uri = || SanType::URI("spiffe://fleet/cluster/eu-1".try_into().unwrap());
    let dns = || SanType::DnsName("hub.example".try_into().unwrap());
    let san = |names: Vec<SanType>| {
        let mut params = params("client");
        params.subject_alt_names = names;
        peer_uri_san(&leaf(&params, &root, &[]).chain[0])
    };
    assert_eq!(san(vec![uri()]).unwrap(), "spiffe://fleet/cluster/eu-1");
    assert!(matches!(san(vec![]), Err(CertificateError::NameCount { count: 0 })));
    assert!(matches!(san(vec![uri(), uri()]), Err(CertificateError::NameCount { count: 2 })));
    assert!(matches!(san(vec![uri(), dns()]), Err(CertificateError::NameCount { count: 2 })));
    assert!(matches!(san(vec![dns()]), Err(CertificateError::NotAUri)));
    assert!(matches!(
        peer_uri_san(&CertificateDer::from(vec![1, 2, 3])),
        Err(CertificateError::Malformed(_))
    ));
}

#[test]
fn a_pin_reads_what_it_prints() {
    let pin = spki_pin(root("root").der()).unwrap();
    assert_eq!(pin.to_string().parse(), Ok(pin));
    let digits = &pin.to_string()[7..];
    for bad in ["", digits, &format!("sha1:{digits}"), &format!("sha256:{}", &digits[1..])] {
        assert_eq!(bad.parse::<SpkiPin>(), Err(SpkiPinError), "{bad}");
    }
}

#[test]
fn pem_files_are_read_and_errors_name_them() {
    let dir = tempfile::tempdir().unwrap();
    let root = root("root");
    let path = dir.path().join("ca.crt");
    std::fs::write(&path, certificate_to_pem(root.der()).repeat(2)).unwrap();
    assert_eq!(load_certificates(&path).unwrap(), [der(&root), der(&root)]);

    let key_path = dir.path().join("ca.key");
    std::fs::write(&key_path, root.key().serialize_pem()).unwrap();
    load_private_key(&key_path).unwrap();

    for error in [
        load_certificates(&key_path).unwrap_err(),
        load_private_key(&path).unwrap_err(),
        load_certificates(&dir.path().join("none")).unwrap_err(),
    ] {
        assert!(error.to_string().contains(&dir.path().display().to_string()), "{error}");
    }
    let cut = certificate_to_pem(root.der()).replace("-----END", "");
    assert!(matches!(certificates_from_pem(cut.as_bytes(), "x"), Err(PemError::Malformed { .. })));
    assert!(matches!(root_store([]), Err(TlsError::NoRoots)));
}
