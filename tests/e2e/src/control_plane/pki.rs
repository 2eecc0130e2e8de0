//! The certificates of one control plane: a CA, the server, two clients, and the key that signs service-account tokens.

use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
};
use std::fs;
use std::path::Path;

/// What a process inside and outside the cluster calls the API server. 10.0.0.1 is the first service address.
const SERVER_NAMES: [&str; 6] = [
    "127.0.0.1",
    "10.0.0.1",
    "localhost",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
];

/// A certificate and its key, both as PEM.
#[derive(Debug, Clone)]
pub(crate) struct Pair {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

#[derive(Debug)]
pub(crate) struct Pki {
    pub(crate) ca: String,
    pub(crate) admin: Pair,
    pub(crate) controllers: Pair,
}

impl Pki {
    /// Makes everything anew and writes what the servers read into `folder`.
    pub(crate) fn create(folder: &Path) -> Result<Self> {
        let ca = certificate_authority()?;
        let server = server(&ca)?;
        let admin = client(&ca, "admin")?;
        let controllers = client(&ca, "system:kube-controller-manager")?;
        // The API server signs tokens with any key that Go knows: P-256 gives ES256 and takes no time to make.
        let service_accounts = new_key()?;
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let write = |name: &str, text: &str| fs::write(folder.join(name), text);
        write("ca.crt", &ca.pem())?;
        write("server.crt", &server.certificate)?;
        write("server.key", &server.key)?;
        write("sa.key", &service_accounts.serialize_pem())?;
        // Apart, because the API server does not take an EC public key out of a private one.
        write("sa.pub", &service_accounts.public_key_pem())?;
        Ok(Self { ca: ca.pem(), admin, controllers })
    }
}

type Authority = CertifiedIssuer<'static, KeyPair>;

fn new_key() -> Result<KeyPair> {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).context("cannot make a key")
}

fn certificate_authority() -> Result<Authority> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "control-plane-ca");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    CertifiedIssuer::self_signed(params, new_key()?).context("cannot make the CA")
}

fn server(ca: &Authority) -> Result<Pair> {
    let names: Vec<String> = SERVER_NAMES.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name.push(DnType::CommonName, "kube-apiserver");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    sign(ca, params)
}

/// A client in the group that RBAC never refuses: for the harness and the controllers, not for what is tested.
fn client(ca: &Authority, name: &str) -> Result<Pair> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::OrganizationName, "system:masters");
    params.distinguished_name.push(DnType::CommonName, name);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    sign(ca, params)
}

fn sign(ca: &Authority, mut params: CertificateParams) -> Result<Pair> {
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    let key = new_key()?;
    let certificate = params.signed_by(&key, ca).context("cannot sign a certificate")?;
    Ok(Pair { certificate: certificate.pem(), key: key.serialize_pem() })
}
