//! Keys and certificates as sprig makes them: the same forms, fields and errors as Go's. What makes
//! one is volatile; what only reads one is not. Which library does what, and why, is in
//! `docs/design/gotemplate.md`.

mod der;
mod issue;
mod keys;
mod numbers;
mod pem;

use std::net::IpAddr;
use std::rc::Rc;

use super::Param::{Certificate as Pair, Int, List, String as Str};
use super::encoding::from_base64;
use super::{Answer, Call, Function, dates};
use crate::exec::Message;
use crate::print;
use crate::value::{Certificate, Value};
use issue::{Authority, Request};
use keys::Key;

/// An RSA key of 2048 bits takes a tenth of a second, so that a rendering makes some dozen.
const KEY: u64 = 60_000;
/// RSA of 4096 bits and DSA take one to two seconds.
const LARGE_KEY: u64 = 300_000;
/// Reading keys, signing, keys on curves: some milliseconds.
const SMALL: u64 = 5_000;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("genPrivateKey", &[Str], |call| Ok(Value::string(private_key(&call.text(0)))))
        .volatile()
        .costs_by(|call| match &*call.text(0) {
            "" | "rsa" | "dsa" => LARGE_KEY,
            _ => SMALL,
        }),
    Function::new("genCA", &[Str, Int], |call| own(call, Key::rsa, true)).volatile().costs(KEY),
    Function::new("genCAWithKey", &[Str, Int, Str], |call| own(call, || given_key(call, 2), true))
        .volatile()
        .costs(SMALL),
    Function::new("genSelfSignedCert", &[Str, List, List, Int], |call| own(call, Key::rsa, false))
        .volatile()
        .costs(KEY),
    Function::new("genSelfSignedCertWithKey", &[Str, List, List, Int, Str], |call| {
        own(call, || given_key(call, 4), false)
    })
    .volatile()
    .costs(SMALL),
    Function::new("genSignedCert", &[Str, List, List, Int, Pair], |call| signed(call, Key::rsa))
        .volatile()
        .costs(KEY),
    Function::new("genSignedCertWithKey", &[Str, List, List, Int, Pair, Str], |call| {
        signed(call, || given_key(call, 5))
    })
    .volatile()
    .costs(SMALL),
    Function::new("buildCustomCert", &[Str, Str], custom).costs(SMALL),
];

/// A kind that is not known is answered by a text, as there.
fn private_key(kind: &str) -> String {
    let key = match kind {
        "" | "rsa" => Key::generate_rsa(4096),
        "dsa" => Ok(Key::generate_dsa()),
        "ecdsa" => Key::generate_ecdsa(),
        "ed25519" => Ok(Key::generate_ed25519()),
        other => return format!("Unknown type {other}"),
    };
    match key {
        Ok(key) => key.pem(),
        Err(reason) => format!("failed to generate private key: {reason}"),
    }
}

impl Key {
    /// What certificates get when no key is given.
    fn rsa() -> Result<Self, Message> {
        Self::generate_rsa(2048)
            .map_err(|reason| format!("error generating rsa key: {reason}").into())
    }
}

fn given_key(call: &Call<'_>, i: usize) -> Result<Key, Message> {
    Key::parse(call.bytes(i)).map_err(|reason| format!("parsing private key: {reason}").into())
}

/// A certificate that its own key signs.
fn own(call: &Call<'_>, key: impl FnOnce() -> Result<Key, Message>, is_authority: bool) -> Answer {
    let request = if is_authority {
        Request { name: call.bytes(0), addresses: Vec::new(), hosts: Vec::new(), days: call.int(1) }
    } else {
        request(call)?
    };
    let key = key()?;
    pair(issue::self_signed(&request, is_authority, &key, dates::now())?, &key)
}

fn signed(call: &Call<'_>, key: impl FnOnce() -> Result<Key, Message>) -> Answer {
    let Value::Certificate(authority) = &call.arguments[4] else {
        return Err("it takes a certificate".into());
    };
    let cert = pem::decode(authority.cert.bytes()).ok_or("unable to decode certificate")?;
    let authority_key = Key::parse(authority.key.bytes())
        .map_err(|reason| format!("error parsing private key: {reason}"))?;
    let authority = Authority::parse(&cert.bytes, &authority_key).map_err(|reason| {
        format!("error parsing certificate: decodedSignerCert.Bytes: {reason}")
    })?;
    let request = request(call)?;
    let key = key()?;
    pair(issue::signed(&request, &key, &authority, dates::now())?, &key)
}

fn pair(cert: Vec<u8>, key: &Key) -> Answer {
    let cert = pem::encode("CERTIFICATE", &cert);
    Ok(Value::Certificate(Rc::new(Certificate { cert: cert.into(), key: key.pem().into() })))
}

/// What the arguments ask for: name, addresses, host names, days.
fn request<'a>(call: &'a Call<'_>) -> Result<Request<'a>, Message> {
    let addresses = call.list(1).iter().map(address).collect::<Result<_, _>>()?;
    let hosts = call.list(2).iter().map(host).collect::<Result<_, _>>()?;
    Ok(Request { name: call.bytes(0), addresses, hosts, days: call.int(3) })
}

fn address(value: &Value) -> Result<IpAddr, Message> {
    let Value::String(text) = value else {
        return Err(format!("error parsing ip: {} is not a string", print::text(value)).into());
    };
    text.text().parse().map_err(|_| format!("error parsing ip: {}", text.text()).into())
}

fn host(value: &Value) -> Result<&[u8], Message> {
    match value {
        Value::String(text) => Ok(text.bytes()),
        other => Err(format!(
            "error processing alternate dns name: {} is not a string",
            print::text(other)
        )
        .into()),
    }
}

/// Both texts as they are, when they are what they should be; that they belong together is not asked.
fn custom(call: &Call<'_>) -> Answer {
    let cert = from_base64(call.bytes(0)).ok_or("unable to decode base64 certificate")?;
    let key = from_base64(call.bytes(1)).ok_or("unable to decode base64 private key")?;
    let block = pem::decode(&cert).ok_or("unable to decode certificate")?;
    issue::check(&block.bytes)
        .map_err(|reason| format!("error parsing certificate: decodedCert.Bytes: {reason}"))?;
    Key::parse(&key).map_err(|reason| format!("error parsing private key: {reason}"))?;
    Ok(Value::Certificate(Rc::new(Certificate { cert: cert.into(), key: key.into() })))
}
