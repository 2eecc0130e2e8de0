//! The hub's own certificate: made at the first start, and again before it ends.

use std::fs;
use std::path::Path;
use std::time::Duration;

use model::status::Timestamp;
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, KeyPair};
use runtime::tls::{self, certificates_from_pem, private_key_from_pem};
use rustls_pki_types::{CertificateDer, ServerName};
use x509_parser::extensions::GeneralName;

use super::authority::{leaf_params, validity};
use super::files::warn_if_exposed;
use super::{Pki, PkiError, Serial, write_private};

const FILE: &str = "server.pem";
const LIFETIME: Duration = Duration::from_secs(90 * 86_400);

impl Pki {
    /// The hub's certificate for exactly these names, with the root in its chain so that a join can
    /// pin it. The one in `dir` is used unless the names differ, the CA is another, or less than a
    /// third of its life is left.
    pub fn server_identity(
        &self,
        dir: &Path,
        names: &[String],
        now: Timestamp,
    ) -> Result<tls::Identity, PkiError> {
        let names = checked(names)?;
        let path = dir.join(FILE);
        if let Some(identity) = self.kept(&path, &names, now) {
            return Ok(identity);
        }
        let key = KeyPair::generate()?;
        let mut params = leaf_params(Serial::random()?);
        params.subject_alt_names = CertificateParams::new(names)?.subject_alt_names;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let issued = self.issue(params, &key, now, LIFETIME)?;
        let pem = self.chain(&issued.certificate) + &key.serialize_pem();
        write_private(&path, pem.as_bytes())?;
        tracing::info!(path = %path.display(), "the hub has a new certificate");
        read(&path, pem.as_bytes())
    }

    /// The certificate on the disk, when it still serves. Whatever is wrong with it, a new one is
    /// the remedy.
    fn kept(&self, path: &Path, names: &[String], now: Timestamp) -> Option<tls::Identity> {
        let identity = read(path, &fs::read(path).ok()?).ok()?;
        warn_if_exposed(path);
        let leaf = identity.chain.first()?;
        let ours = identity.chain.get(1) == Some(self.ca_certificate());
        let (from, until) = validity(leaf)?;
        let third_left = until.0 - now.0 >= (until.0 - from.0) / 3;
        (ours && from <= now && third_left && names_of(leaf)? == names).then_some(identity)
    }
}

fn read(path: &Path, pem: &[u8]) -> Result<tls::Identity, PkiError> {
    let what = path.display().to_string();
    let chain = certificates_from_pem(pem, &what)?;
    Ok(tls::Identity { chain, key: private_key_from_pem(pem, &what)? })
}

/// Sorted, each once, each a name that a certificate can have.
fn checked(names: &[String]) -> Result<Vec<String>, PkiError> {
    let mut checked = Vec::new();
    for name in names {
        let name = match ServerName::try_from(name.as_str()) {
            Ok(ServerName::DnsName(dns)) => dns.as_ref().to_ascii_lowercase(),
            Ok(ServerName::IpAddress(ip)) => std::net::IpAddr::from(ip).to_string(),
            _ => return Err(PkiError::ServerName { name: name.clone() }),
        };
        checked.push(name);
    }
    checked.sort();
    checked.dedup();
    if checked.is_empty() { Err(PkiError::NoServerName) } else { Ok(checked) }
}

fn names_of(certificate: &CertificateDer<'_>) -> Option<Vec<String>> {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate).ok()?;
    let extension = parsed.subject_alternative_name().ok()??;
    let mut names = Vec::new();
    for name in &extension.value.general_names {
        names.push(match name {
            GeneralName::DNSName(dns) => (*dns).to_owned(),
            GeneralName::IPAddress(bytes) => match bytes.len() {
                4 => std::net::IpAddr::from(<[u8; 4]>::try_from(*bytes).ok()?).to_string(),
                _ => std::net::IpAddr::from(<[u8; 16]>::try_from(*bytes).ok()?).to_string(),
            },
            _ => return None,
        });
    }
    names.sort();
    Some(names)
}
