//! GET of one object and of many.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::accept::{Shape, negotiate};
use super::answer::{Answer, ListMeta};
use super::query::{Query, refused, unsupported};
use super::select::Selector;
use super::status::{Cause, Status};
use super::{Answered, Ask};
use crate::cluster::State;
use crate::store::{ObjectKey, Stored};

pub(super) fn get(state: &State, ask: &Ask<'_>) -> Answered {
    let (form, yaml) = negotiate(ask.accept(), Shape::Object)?;
    if let Some(wanted) = revision(ask.query)? {
        check_known(state, wanted)?;
    }
    let stored = find(state, ask)?;
    Ok(Answer::ok(ask.painter(state, form).object(&stored.json)).into_response(yaml))
}

/// The object that the path names.
pub(super) fn find(state: &State, ask: &Ask<'_>) -> Result<Arc<Stored>, Status> {
    let found = state.store.get(&ask.resource.id, &key(ask));
    found.cloned().ok_or_else(|| Status::not_found(&ask.resource.id, &ask.target.name))
}

pub(super) fn key(ask: &Ask<'_>) -> ObjectKey {
    ObjectKey::new(&ask.target.namespace, &ask.target.name)
}

/// The namespace to look into; none is all.
pub(super) fn namespace<'a>(ask: &Ask<'a>) -> Option<&'a str> {
    Some(ask.target.namespace.as_str()).filter(|namespace| !namespace.is_empty())
}

pub(super) fn selector(ask: &Ask<'_>) -> Result<Selector, Status> {
    Selector::parse(ask.query.get("labelSelector"), ask.query.get("fieldSelector"), &ask.resource)
}

/// Where a page ended: the token's content, in the real server's form.
#[derive(Debug, Serialize, Deserialize)]
struct Token {
    v: String,
    /// The revision of the first page; -1 for the rest as it is now.
    rv: i64,
    /// `namespace/name` and a zero byte.
    start: String,
}

impl Token {
    fn after(revision: i64, key: &ObjectKey) -> String {
        let token = Self {
            v: "meta.k8s.io/v1".to_owned(),
            rv: revision,
            start: format!("{}/{}\0", key.namespace, key.name),
        };
        let text = serde_json::to_vec(&token).expect("a token is expressible in JSON");
        URL_SAFE_NO_PAD.encode(text)
    }

    fn parse(text: &str) -> Result<(Self, ObjectKey), Status> {
        let invalid = || Status::bad_request("invalid continue token: continue key is not valid");
        let bytes = URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).map_err(|_| invalid())?;
        let token: Self = serde_json::from_slice(&bytes).map_err(|_| match bytes.first() {
            // The reader's own words for what is no JSON from the first byte on.
            Some(first) if *first != b'{' => Status::bad_request(format!(
                "invalid continue token: continue key is not valid: invalid character {:?} looking \
                 for beginning of value",
                char::from(*first)
            )),
            _ => invalid(),
        })?;
        let start = token.start.trim_end_matches('\0');
        let (namespace, name) = start.split_once('/').ok_or_else(invalid)?;
        let key = ObjectKey::new(namespace, name);
        Ok((token, key))
    }
}

/// Objects as of one revision, and after which of them to begin.
struct Source {
    objects: Vec<Arc<Stored>>,
    revision: u64,
}

pub(super) fn list(state: &State, ask: &Ask<'_>) -> Answered {
    let (form, yaml) = negotiate(ask.accept(), Shape::List)?;
    let selector = selector(ask)?;
    let limit = ask.query.number("limit")?.unwrap_or_default();
    let source = source(state, ask)?;
    let unlimited = limit <= 0
        || (ask.query.get("resourceVersion") == "0" && ask.query.get("continue").is_empty());
    let limit = if unlimited { usize::MAX } else { usize::try_from(limit).unwrap_or(usize::MAX) };
    let mut rest = source.objects.iter().filter(|object| selector.matches(object));
    let page: Vec<_> = rest.by_ref().take(limit).collect();
    let remaining = rest.count();
    let mut meta = ListMeta { revision: source.revision, ..ListMeta::default() };
    if remaining > 0
        && let Some(last) = page.last()
    {
        meta.more = Token::after(i64::try_from(source.revision).unwrap_or(i64::MAX), &last.key);
        meta.remaining = selector.is_empty().then_some(remaining);
    }
    let painter = ask.painter(state, form);
    let json = painter.list(page.iter().map(|stored| &*stored.json), &meta);
    Ok(Answer::ok(json).into_response(yaml))
}

fn source(state: &State, ask: &Ask<'_>) -> Result<Source, Status> {
    let (query, id, namespace) = (ask.query, &ask.resource.id, namespace(ask));
    let now = |after: Option<&ObjectKey>| Source {
        objects: state.store.list(id, namespace, after).cloned().collect(),
        revision: state.store.revision(),
    };
    let token = query.get("continue");
    if !token.is_empty() {
        if !matches!(query.get("resourceVersion"), "" | "0") {
            let why = "specifying resource version is not allowed when using continue";
            return Err(Status::bad_request(why));
        }
        let (token, after) = Token::parse(token)?;
        let Ok(revision) = u64::try_from(token.rv) else { return Ok(now(Some(&after))) };
        check_known(state, revision)?;
        let objects = state.store.list_at(id, namespace, revision);
        let mut objects = objects.map_err(|_forgotten| expired_page(&after))?;
        objects.retain(|object| object.key > after);
        return Ok(Source { objects, revision });
    }
    check_list_options(query)?;
    let Some(wanted) = revision(query)? else { return Ok(now(None)) };
    check_known(state, wanted)?;
    // A page at a version, without a word on how to match it, is of exactly that version.
    let exact = match query.get("resourceVersionMatch") {
        "Exact" => true,
        "" => query.number("limit")?.unwrap_or_default() > 0 && wanted > 0,
        _ => false,
    };
    if !exact {
        return Ok(now(None));
    }
    let objects = state.store.list_at(id, namespace, wanted).map_err(|_forgotten| {
        let why = "The resourceVersion for the provided list is too old.";
        Status::new(410, "Expired", why)
    })?;
    Ok(Source { objects, revision: wanted })
}

fn check_list_options(query: &Query) -> Result<(), Status> {
    let options = "ListOptions";
    if query.has("sendInitialEvents") {
        let why = "sendInitialEvents is forbidden for list";
        return Err(refused(options, "sendInitialEvents", why));
    }
    let field = "resourceVersionMatch";
    match (query.get(field), query.get("resourceVersion")) {
        ("", _) => Ok(()),
        (_, "") => {
            let why = "resourceVersionMatch is forbidden unless resourceVersion is provided";
            Err(refused(options, field, why))
        }
        ("Exact", "0") => {
            let why = "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"";
            Err(refused(options, field, why))
        }
        ("Exact" | "NotOlderThan", _) => Ok(()),
        (other, _) => {
            let known = "\"Exact\", \"NotOlderThan\", \"\"";
            Err(unsupported(options, field, &format!("{other:?}"), known))
        }
    }
}

/// The version that a read asks for; 0 and none are the same to it.
fn revision(query: &Query) -> Result<Option<u64>, Status> {
    match query.get("resourceVersion") {
        "" | "0" => Ok(None),
        text => text.parse().map(Some).map_err(|_| {
            Status::bad_request(format!("invalid resource version: {}", malformed_revision(text)))
        }),
    }
}

pub(super) fn malformed_revision(text: &str) -> String {
    format!(
        "resourceVersion: Invalid value: {text:?}: strconv.ParseUint: parsing {text:?}: invalid \
         syntax"
    )
}

/// A real server waits three seconds for a version that it has not seen; here it never comes.
fn check_known(state: &State, wanted: u64) -> Result<(), Status> {
    let current = state.store.revision();
    if wanted <= current {
        return Ok(());
    }
    let why = format!("Timeout: Too large resource version: {wanted}, current: {current}");
    let cause = Cause::new("ResourceVersionTooLarge", "", "Too large resource version");
    Err(Status {
        causes: vec![cause],
        retry_after_seconds: Some(1),
        ..Status::new(504, "Timeout", why)
    })
}

/// The page's version is forgotten; the token in the answer leads to the rest as it is now.
fn expired_page(after: &ObjectKey) -> Status {
    let why = "The provided continue parameter is too old to display a consistent list result. You \
               can start a new list without the continue parameter, or use the continue token in \
               this response to retrieve the remainder of the results. Continuing with the provided \
               token results in an inconsistent list - objects that were created, modified, or \
               deleted between the time the first chunk was returned and now may show up in the \
               list.";
    Status { more: Token::after(-1, after), ..Status::new(410, "Expired", why) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_survives_its_journey_and_a_forged_one_does_not() {
        let key = ObjectKey::new("ns", "a.b");
        let (token, after) = Token::parse(&Token::after(7, &key)).unwrap();
        assert_eq!((token.rv, after), (7, key));
        assert_eq!(Token::parse("foo").unwrap_err().code, 400);
        assert_eq!(Token::parse("").unwrap_err().code, 400);
    }
}
