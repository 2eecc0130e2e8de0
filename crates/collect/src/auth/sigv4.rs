//! AWS Signature Version 4, for requests without a query or with one that is in order.

use reqwest::Url;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use ring::{digest, hmac};

use crate::failure::{Failure, FailureKind};
use crate::http::sensitive;
use crate::secret::Secret;
use crate::wire::RoleKeys;

pub(super) struct Keys {
    pub id: String,
    pub secret: Secret,
    pub session: Option<Secret>,
}

impl Keys {
    pub(super) fn of(role: &RoleKeys) -> Self {
        Self {
            id: role.access_key_id.clone(),
            secret: role.secret_access_key.clone(),
            session: Some(role.session_token.clone()),
        }
    }
}

/// The time of a signature: `20150830T123600Z`.
pub(super) struct Time(String);

impl Time {
    pub(super) fn at(wall_ms: i64) -> Self {
        let time = jiff::Timestamp::from_millisecond(wall_ms).unwrap_or_default();
        Self(time.strftime("%Y%m%dT%H%M%SZ").to_string())
    }

    fn day(&self) -> &str {
        self.0.get(..8).unwrap_or(&self.0)
    }
}

/// Adds the headers that prove a request. The headers that are there are signed.
pub(super) fn sign(
    url: &Url,
    headers: &mut HeaderMap,
    body: &[u8],
    keys: &Keys,
    region: &str,
    service: &str,
    time: &Time,
) -> Result<(), Failure> {
    let plain = |text: &str| {
        HeaderValue::from_str(text).map_err(|_bytes| {
            Failure::new(FailureKind::Request, "a request to AWS cannot be signed")
        })
    };
    headers.insert(HeaderName::from_static("x-amz-date"), plain(&time.0)?);
    if let Some(session) = &keys.session {
        let name = HeaderName::from_static("x-amz-security-token");
        let (name, value) = sensitive(name, session.expose())?;
        headers.insert(name, value);
    }
    let mut signed: Vec<(&str, String)> = headers
        .iter()
        .filter(|(name, _)| *name != "accept")
        .map(|(name, value)| (name.as_str(), value.to_str().unwrap_or_default().trim().to_owned()))
        .collect();
    signed.push(("host", host(url)));
    signed.sort();
    let names: Vec<_> = signed.iter().map(|(name, _)| *name).collect();
    let names = names.join(";");
    let lines: String = signed.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    let method = if body.is_empty() { "GET" } else { "POST" };
    let (path, query) = (url.path(), url.query().unwrap_or_default());
    let canonical = format!("{method}\n{path}\n{query}\n{lines}\n{names}\n{}", hash(body));

    let (day, time) = (time.day(), &time.0);
    let scope = format!("{day}/{region}/{service}/aws4_request");
    let text = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", hash(canonical.as_bytes()));
    let first = zeroize::Zeroizing::new(format!("AWS4{}", keys.secret.expose()));
    let steps = [day, region, service, "aws4_request"];
    let mut key = hmac::Key::new(hmac::HMAC_SHA256, first.as_bytes());
    for step in steps {
        let next = hmac::sign(&key, step.as_bytes());
        key = hmac::Key::new(hmac::HMAC_SHA256, next.as_ref());
    }
    let signature = hex(hmac::sign(&key, text.as_bytes()).as_ref());
    let proof = format!(
        "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={signature}",
        keys.id
    );
    let (name, value) = sensitive(AUTHORIZATION, &proof)?;
    headers.insert(name, value);
    Ok(())
}

/// As the HTTP client writes it: with the port only where it is not the usual one.
fn host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

fn hash(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes every write");
        text
    })
}
