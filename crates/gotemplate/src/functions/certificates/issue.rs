//! Certificates as Go's `x509.CreateCertificate` makes them from what sprig asks for: the same
//! fields and extensions, in the same order.

use std::net::IpAddr;

use jiff::civil::DateTime;
use jiff::{SignedDuration, Timestamp};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::ParsedExtension;

use super::der;
use super::keys::{EC, Key, PublicKey, curve};
use crate::exec::Message;

/// What is asked for.
pub(super) struct Request<'a> {
    pub(super) name: &'a [u8],
    pub(super) addresses: Vec<IpAddr>,
    pub(super) hosts: Vec<&'a [u8]>,
    pub(super) days: i64,
}

/// Who signs: the parts of its certificate that another one names, and its key.
pub(super) struct Authority<'a> {
    subject: Vec<u8>,
    key_id: Vec<u8>,
    key: &'a Key,
}

fn parse(bytes: &[u8]) -> Result<X509Certificate<'_>, Message> {
    match x509_parser::parse_x509_certificate(bytes) {
        Ok(([], certificate)) => Ok(certificate),
        Ok(_) => Err("x509: trailing data".into()),
        Err(_) => Err("x509: malformed certificate".into()),
    }
}

/// Whether this is a certificate. Go looks closer at names and extensions.
pub(super) fn check(bytes: &[u8]) -> Result<(), Message> {
    let certificate = parse(bytes)?;
    if certificate.version().0 > 2 {
        return Err("x509: invalid version".into());
    }
    if certificate.signature_algorithm != certificate.tbs_certificate.signature {
        return Err("x509: inner and outer signature algorithm identifiers don't match".into());
    }
    let algorithm = &certificate.public_key().algorithm;
    if algorithm.algorithm.as_bytes() == EC {
        let named = algorithm.parameters.as_ref().and_then(|named| named.as_oid().ok());
        curve(named.ok_or("x509: invalid ECDSA parameters")?.as_bytes())?;
    }
    Ok(())
}

impl<'a> Authority<'a> {
    pub(super) fn parse(bytes: &[u8], key: &'a Key) -> Result<Self, Message> {
        let certificate = parse(bytes)?;
        let key_id = certificate.extensions().iter().find_map(|extension| {
            match extension.parsed_extension() {
                ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0.to_vec()),
                _ => None,
            }
        });
        let authority = Self {
            subject: certificate.subject().as_raw().to_vec(),
            key_id: key_id.unwrap_or_default(),
            key,
        };
        // A key that cannot sign says so when it is to sign.
        if let Ok(own) = key.public()
            && own.bits != certificate.public_key().subject_public_key.data.as_ref()
        {
            return Err("x509: provided PrivateKey doesn't match parent's PublicKey".into());
        }
        Ok(authority)
    }
}

pub(super) fn self_signed(
    request: &Request<'_>,
    is_authority: bool,
    key: &Key,
    now: Timestamp,
) -> Result<Vec<u8>, Message> {
    let public = signed_key(key)?;
    let subject = subject(request.name)?;
    certificate(request, is_authority, &public, (&subject, &[]), &subject, key, now)
}

pub(super) fn signed(
    request: &Request<'_>,
    key: &Key,
    authority: &Authority<'_>,
    now: Timestamp,
) -> Result<Vec<u8>, Message> {
    let public = signed_key(key)?;
    let subject = subject(request.name)?;
    // Who has the name of its signer counts as signed by itself.
    let key_id = if subject == authority.subject { &[][..] } else { &authority.key_id };
    let issuer = (authority.subject.as_slice(), key_id);
    certificate(request, false, &public, issuer, &subject, authority.key, now)
}

fn signed_key(key: &Key) -> Result<PublicKey, Message> {
    key.public().map_err(|reason| format!("error creating certificate: {reason}").into())
}

fn certificate(
    request: &Request<'_>,
    is_authority: bool,
    public: &PublicKey,
    (issuer, issuer_key_id): (&[u8], &[u8]),
    subject: &[u8],
    signer: &Key,
    now: Timestamp,
) -> Result<Vec<u8>, Message> {
    let failed = |reason: Message| format!("error creating certificate: {reason}");
    let algorithm = signer.signature().map_err(failed)?;
    let serial: [u8; 16] = rand::random();
    let seconds = 24_i64.wrapping_mul(3_600_000_000_000).wrapping_mul(request.days);
    let end = now.checked_add(SignedDuration::from_nanos(seconds));
    let end = end.map_err(|_| "error creating certificate: the date is out of range")?;
    let extensions = extensions(request, is_authority, public, issuer_key_id, subject)?;
    let body = der::sequence(&[
        &der::write(der::explicit(0), &[&der::number(&[2])]),
        &der::number(&serial),
        &algorithm,
        issuer,
        &der::sequence(&[&time(now), &time(end)]),
        subject,
        &der::sequence(&[&public.algorithm, &der::bits(&public.bits)]),
        &der::write(der::explicit(3), &[&der::sequence(&[&extensions.concat()])]),
    ]);
    let signature = signer.sign(&body).map_err(failed)?;
    Ok(der::sequence(&[&body, &algorithm, &der::bits(&signature)]))
}

const UTF8_STRING: u8 = 0x0c;
const PRINTABLE_STRING: u8 = 0x13;
const UTC_TIME: u8 = 0x17;
const GENERAL_TIME: u8 = 0x18;
const BOOLEAN: u8 = 0x01;

/// The name of a subject: its common name, or none.
fn subject(name: &[u8]) -> Result<Vec<u8>, Message> {
    if name.is_empty() {
        return Ok(der::sequence(&[]));
    }
    if std::str::from_utf8(name).is_err() {
        return Err("error creating certificate: asn1: string not valid UTF-8".into());
    }
    let printable = |byte: &u8| {
        byte.is_ascii_alphanumeric()
            || matches!(byte, b'\''..=b')' | b'+'..=b'/' | b' ' | b':' | b'=' | b'?')
    };
    let tag = if name.iter().all(printable) { PRINTABLE_STRING } else { UTF8_STRING };
    let entry =
        der::sequence(&[&der::write(der::OID, &[b"\x55\x04\x03"]), &der::write(tag, &[name])]);
    Ok(der::sequence(&[&der::write(der::SET, &[&entry])]))
}

/// In seconds, with two digits of the year where they tell it.
fn time(moment: Timestamp) -> Vec<u8> {
    let time: DateTime = jiff::tz::TimeZone::UTC.to_datetime(moment);
    let rest = format!(
        "{:02}{:02}{:02}{:02}{:02}Z",
        time.month(),
        time.day(),
        time.hour(),
        time.minute(),
        time.second()
    );
    match time.year() {
        year @ 1950..2050 => der::write(UTC_TIME, &[format!("{:02}{rest}", year % 100).as_bytes()]),
        year => der::write(GENERAL_TIME, &[format!("{year:04}{rest}").as_bytes()]),
    }
}

// The ends of `2.5.29.n`, the identifiers of extensions.
const SUBJECT_KEY_ID: u8 = 14;
const KEY_USAGE: u8 = 15;
const OTHER_NAMES: u8 = 17;
const BASIC_CONSTRAINTS: u8 = 19;
const AUTHORITY_KEY_ID: u8 = 35;
const EXTENDED_KEY_USAGE: u8 = 37;

fn extension(id: u8, is_critical: bool, content: &[u8]) -> Vec<u8> {
    let critical = if is_critical { der::write(BOOLEAN, &[&[0xff]]) } else { Vec::new() };
    let id = der::write(der::OID, &[&[0x55, 0x1d, id]]);
    der::sequence(&[&id, &critical, &der::write(der::OCTETS, &[content])])
}

fn extensions(
    request: &Request<'_>,
    is_authority: bool,
    public: &PublicKey,
    issuer_key_id: &[u8],
    subject: &[u8],
) -> Result<Vec<Vec<u8>>, Message> {
    // Encipherment of keys and signatures; an authority also signs certificates.
    let usage: &[u8] = if is_authority { &[2, 0b1010_0100] } else { &[5, 0b1010_0000] };
    let server_and_client = der::sequence(&[
        &der::write(der::OID, &[b"\x2b\x06\x01\x05\x05\x07\x03\x01"]),
        &der::write(der::OID, &[b"\x2b\x06\x01\x05\x05\x07\x03\x02"]),
    ]);
    let constraints = if is_authority { der::write(BOOLEAN, &[&[0xff]]) } else { Vec::new() };
    let mut all = vec![
        extension(KEY_USAGE, true, &der::write(der::BITS, &[usage])),
        extension(EXTENDED_KEY_USAGE, false, &server_and_client),
        extension(BASIC_CONSTRAINTS, true, &der::sequence(&[&constraints])),
    ];
    if is_authority {
        // RFC 7093, section 2, method 1.
        let digest = ring::digest::digest(&ring::digest::SHA256, &public.bits);
        let id = der::write(der::OCTETS, &[&digest.as_ref()[..20]]);
        all.push(extension(SUBJECT_KEY_ID, false, &id));
    }
    if !issuer_key_id.is_empty() {
        let id = der::sequence(&[&der::write(der::context(0), &[issuer_key_id])]);
        all.push(extension(AUTHORITY_KEY_ID, false, &id));
    }
    let names = other_names(request)?;
    if !names.is_empty() {
        let is_unnamed = subject == der::sequence(&[]);
        all.push(extension(OTHER_NAMES, is_unnamed, &der::sequence(&[&names.concat()])));
    }
    Ok(all)
}

fn other_names(request: &Request<'_>) -> Result<Vec<Vec<u8>>, Message> {
    let mut names = Vec::new();
    for host in &request.hosts {
        if !host.is_ascii() {
            let host = String::from_utf8_lossy(host);
            return Err(format!(
                "error creating certificate: x509: {host:?} cannot be encoded as an IA5String"
            )
            .into());
        }
        names.push(der::write(der::context(2), &[host]));
    }
    for address in &request.addresses {
        names.push(match address.to_canonical() {
            IpAddr::V4(address) => der::write(der::context(7), &[&address.octets()]),
            IpAddr::V6(address) => der::write(der::context(7), &[&address.octets()]),
        });
    }
    Ok(names)
}
