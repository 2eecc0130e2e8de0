//! URLs taken apart and put together, as Go's `net/url` does it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::Function;
use super::Param::{Map as MapParam, String as Str};
use crate::exec::Message;
use crate::value::{Map, Value};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("urlParse", &[Str], |call| {
        let url = parse(&call.text(0)).map_err(|error| format!("unable to parse url: {error}"))?;
        let entries = [
            ("scheme", url.scheme),
            ("host", url.host.clone()),
            ("hostname", hostname(&url.host)),
            ("path", url.path),
            ("query", url.query),
            ("opaque", url.opaque),
            ("fragment", url.fragment),
            ("userinfo", url.user),
        ];
        let entries = entries.into_iter().map(|(key, text)| (key.into(), Value::string(text)));
        Ok(Value::map(entries.collect::<BTreeMap<_, _>>()))
    }),
    Function::new("urlJoin", &[MapParam], |call| Ok(Value::string(join(call.map(0))?))),
];

#[derive(Default)]
struct Url {
    scheme: String,
    opaque: String,
    user: String,
    host: String,
    path: String,
    query: String,
    fragment: String,
}

fn parse(text: &str) -> Result<Url, Message> {
    if text.bytes().any(|byte| byte < 0x20 || byte == 0x7f) {
        return Err(format!("parse {text:?}: net/url: invalid control character in URL").into());
    }
    let mut url = Url::default();
    let (rest, fragment) = text.split_once('#').unwrap_or((text, ""));
    url.fragment = unescape(fragment, text)?;
    let mut rest = rest;
    if let Some(end) = scheme_end(rest, text)? {
        url.scheme = rest[..end].to_ascii_lowercase();
        rest = &rest[end + 1..];
    }
    if let Some((before, query)) = rest.split_once('?') {
        rest = before;
        url.query = query.to_owned();
    }
    if !rest.starts_with('/') {
        if !url.scheme.is_empty() {
            url.opaque = rest.to_owned();
            return Ok(url);
        }
        let first = rest.split('/').next().unwrap_or_default();
        if first.contains(':') {
            return Err(
                format!("parse {text:?}: first path segment in URL cannot contain colon").into()
            );
        }
    }
    if let Some(after) =
        rest.strip_prefix("//").filter(|after| !(url.scheme.is_empty() && after.starts_with('/')))
    {
        let end = after.find('/').unwrap_or(after.len());
        let authority = &after[..end];
        rest = &after[end..];
        let host = match authority.rsplit_once('@') {
            Some((user, host)) => {
                url.user = user_text(user, text)?;
                host
            }
            None => authority,
        };
        check_port(host, text)?;
        let bad = |c: char| {
            c.is_ascii() && !(c.is_ascii_alphanumeric() || "-_.~!$&'()*+,;=:[]<>\"%".contains(c))
        };
        if let Some(c) = host.chars().find(|c| bad(*c)) {
            return Err(format!(
                "parse {text:?}: invalid character {:?} in host name",
                c.to_string()
            )
            .into());
        }
        url.host = unescape(host, text)?;
    }
    url.path = unescape(rest, text)?;
    Ok(url)
}

fn scheme_end(rest: &str, text: &str) -> Result<Option<usize>, Message> {
    for (at, byte) in rest.bytes().enumerate() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' => {}
            b'0'..=b'9' | b'+' | b'-' | b'.' if at > 0 => {}
            b':' if at == 0 => {
                return Err(format!("parse {text:?}: missing protocol scheme").into());
            }
            b':' => return Ok(Some(at)),
            _ => return Ok(None),
        }
    }
    Ok(None)
}

fn check_port(host: &str, text: &str) -> Result<(), Message> {
    let port = match host.strip_prefix('[') {
        Some(rest) => {
            let end = rest
                .find(']')
                .ok_or_else(|| Message::from(format!("parse {text:?}: missing ']' in host")))?;
            &rest[end + 1..]
        }
        None => host.find(':').map_or("", |at| &host[at..]),
    };
    let legal = port.is_empty()
        || port
            .strip_prefix(':')
            .is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()));
    if legal {
        Ok(())
    } else {
        Err(format!("parse {text:?}: invalid port {port:?} after host").into())
    }
}

fn hostname(host: &str) -> String {
    match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default().to_owned(),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name).to_owned(),
    }
}

fn user_text(user: &str, text: &str) -> Result<String, Message> {
    let escaped = |part: &str| Ok::<_, Message>(escape(&unescape(part, text)?, "$&+,;=-_.~"));
    Ok(match user.split_once(':') {
        Some((name, password)) => format!("{}:{}", escaped(name)?, escaped(password)?),
        None => escaped(user)?,
    })
}

fn unescape(part: &str, text: &str) -> Result<String, Message> {
    if !part.contains('%') {
        return Ok(part.to_owned());
    }
    let bytes = part.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] == b'%' {
            let digits = part.get(at + 1..at + 3).and_then(|hex| u8::from_str_radix(hex, 16).ok());
            let bad = || {
                let shown =
                    String::from_utf8_lossy(&bytes[at..bytes.len().min(at + 3)]).into_owned();
                Message::from(format!("parse {text:?}: invalid URL escape {shown:?}"))
            };
            out.push(digits.ok_or_else(bad)?);
            at += 3;
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    Ok(String::from_utf8_lossy(&out).into_owned())
}

/// Escapes all but letters, digits and `kept`.
fn escape(text: &str, kept: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || kept.as_bytes().contains(&byte) {
            out.push(char::from(byte));
        } else {
            write!(out, "%{byte:02X}").expect("a String takes all");
        }
    }
    out
}

fn join(map: &Map) -> Result<String, Message> {
    let part = |key: &str| match map.get(key.as_bytes()) {
        None => Ok(String::new()),
        Some(Value::String(text)) => Ok(text.text().into_owned()),
        Some(other) => Err(Message::from(format!(
            "unable to parse {key} key, must be of type string, but {} found",
            other.kind().name()
        ))),
    };
    let (scheme, host, path) = (part("scheme")?, part("host")?, part("path")?);
    let (query, opaque, fragment) = (part("query")?, part("opaque")?, part("fragment")?);
    let user = part("userinfo")?;
    let of_user = |c: char| c.is_ascii_alphanumeric() || "-._:~!$&'()*+,;=%@".contains(c);
    if !user.chars().all(of_user) {
        return Err("unable to parse userinfo in dict: net/url: invalid userinfo".into());
    }
    let mut out = String::new();
    if !scheme.is_empty() {
        out.push_str(&scheme);
        out.push(':');
    }
    if opaque.is_empty() {
        if !scheme.is_empty() || !host.is_empty() || !user.is_empty() {
            if !host.is_empty() || !path.is_empty() || !user.is_empty() {
                out.push_str("//");
            }
            if !user.is_empty() {
                out.push_str(&user_text(&user, &user)?);
                out.push('@');
            }
            out.push_str(&escape(&host, "-_.~!$&'()*+,;=:[]<>\""));
        }
        let escaped = escape(&path, "-_.~$&+,/:;=@");
        if !escaped.is_empty() && !escaped.starts_with('/') && !host.is_empty() {
            out.push('/');
        }
        if out.is_empty() && escaped.split('/').next().is_some_and(|first| first.contains(':')) {
            out.push_str("./");
        }
        out.push_str(&escaped);
    } else {
        out.push_str(&opaque);
    }
    if !query.is_empty() {
        out.push('?');
        out.push_str(&query);
    }
    if !fragment.is_empty() {
        out.push('#');
        out.push_str(&escape(&fragment, "-_.~$&+,/:;=?@!()*'"));
    }
    Ok(out)
}
