//! The object in a request's body: read, its type and name held against the path. Pure.

use http::{HeaderMap, header};
use serde_json::Value;

use super::query::FieldValidation;
use super::status::Status;
use super::target::Target;
use super::{json, protobuf};
use crate::schema::{self, Resource};

/// A body as an object of the resource, and what to warn of.
pub(crate) struct Decoded {
    pub(crate) value: Value,
    pub(crate) warnings: Vec<String>,
}

/// The media type of a body, without parameters.
pub(crate) fn content_type(headers: &HeaderMap) -> &str {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    value.unwrap_or_default().split(';').next().unwrap_or_default().trim()
}

/// Reads the object that a POST or PUT sends.
pub(crate) fn object(
    headers: &HeaderMap,
    body: &[u8],
    resource: &Resource,
    validation: FieldValidation,
) -> Result<Decoded, Status> {
    let kind = &resource.kind;
    let (mut value, repeated) = match content_type(headers) {
        // Protobuf was turned into JSON when the request came in.
        "" | "application/json" | protobuf::MEDIA_TYPE => {
            json::parse(body).map_err(|error| unrecognized(kind, &error, body))?
        }
        "application/yaml" => {
            (yaml(body).map_err(|why| unrecognized(kind, &why, body))?, Vec::new())
        }
        _ => {
            return Err(Status::new(
                415,
                "UnsupportedMediaType",
                "the body of the request was in an unknown format - accepted media types include: \
                 application/json, application/yaml, application/vnd.kubernetes.protobuf",
            ));
        }
    };
    if !value.is_object() {
        return Err(unrecognized(kind, &"json: cannot unmarshal into an object", body));
    }
    check_type(&mut value, resource, body)?;
    let mut problems: Vec<_> =
        repeated.iter().map(|path| format!("duplicate field \"{path}\"")).collect();
    problems.extend(fit(&mut value, resource)?);
    match validation {
        FieldValidation::Strict if !problems.is_empty() => {
            Err(cannot_be_handled(resource, &strict(&problems)))
        }
        FieldValidation::Ignore => Ok(Decoded { value, warnings: Vec::new() }),
        _ => Ok(Decoded { value, warnings: problems }),
    }
}

/// Brings a value into the form of its type: unknown fields go, and are named.
///
/// # Errors
/// When a value is of another type than its field.
pub(crate) fn fit(value: &mut Value, resource: &Resource) -> Result<Vec<String>, Status> {
    schema::check_types(value, &resource.ty).map_err(|why| cannot_be_handled(resource, &why))?;
    let unknown = schema::prune(value, &resource.ty);
    schema::normalise(value, &resource.ty);
    Ok(unknown.iter().map(|path| format!("unknown field \"{path}\"")).collect())
}

/// The problems as the server lists them when they are an error.
pub(crate) fn strict(problems: &[String]) -> String {
    format!("strict decoding error: {}", problems.join(", "))
}

pub(crate) fn cannot_be_handled(resource: &Resource, why: &str) -> Status {
    let (kind, version) = (&resource.kind, &resource.version);
    Status::bad_request(format!(
        "{kind} in version \"{version}\" cannot be handled as a {kind}: {why}"
    ))
}

/// YAML, of which JSON is a part.
pub(crate) fn yaml(body: &[u8]) -> Result<Value, String> {
    let text = std::str::from_utf8(body).map_err(|error| error.to_string())?;
    serde_saphyr::from_str(text).map_err(|error| error.to_string())
}

/// The same, with what to say of a key that comes twice: the later one wins.
pub(crate) fn yaml_with_repeats(body: &[u8]) -> Result<(Value, Vec<String>), String> {
    let why = match yaml(body) {
        Ok(value) => return Ok((value, Vec::new())),
        Err(why) => why,
    };
    let Some(repeat) = repeated_key(&why) else { return Err(why) };
    let text = std::str::from_utf8(body).map_err(|error| error.to_string())?;
    let options = serde_saphyr::options! {
        duplicate_keys: serde_saphyr::options::DuplicateKeyPolicy::LastWins,
    };
    let value = serde_saphyr::from_str_with_options(text, options);
    value.map(|value| (value, vec![repeat])).map_err(|error| error.to_string())
}

/// Turns the reader's complaint about a repeated key into the server's. Only the first is known.
fn repeated_key(why: &str) -> Option<String> {
    let (place, rest) = why.split_once(": duplicate mapping key: ")?;
    let line = place.split_once("line ")?.1.split(' ').next()?;
    let key = rest.split(',').next()?;
    Some(format!("line {line}: key \"{key}\" already set in map"))
}

fn unrecognized(kind: &str, why: &dyn std::fmt::Display, body: &[u8]) -> Status {
    let shown = match body {
        [] => "<empty>".to_owned(),
        body => String::from_utf8_lossy(&body[..body.len().min(30)]).into_owned(),
    };
    Status::bad_request(format!(
        "the object provided is unrecognized (must be of type {kind}): couldn't get version/kind; \
         json parse error: {why} ({shown})"
    ))
}

fn check_type(value: &mut Value, resource: &Resource, body: &[u8]) -> Result<(), Status> {
    let expected = resource.api_version();
    let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
    let (kind, version) = (text("kind"), text("apiVersion"));
    if resource.custom && kind.is_empty() {
        let missing = format!("Object 'Kind' is missing in '{}'", String::from_utf8_lossy(body));
        return Err(Status::bad_request(format!(
            "the object provided is unrecognized (must be of type {}): {missing}",
            resource.kind
        )));
    }
    if !kind.is_empty() && *kind != *resource.kind {
        // The server reads it as what it says it is, and then cannot make the other kind of it.
        let own = version.rsplit('/').next().unwrap_or_default();
        let group = match resource.id.group().split('.').next() {
            None | Some("") => "core",
            Some(group) => group,
        };
        return Err(Status::bad_request(format!(
            "{kind} in version {own:?} cannot be handled as a {0}: converting ({own}.{kind}) to \
             ({group}.{0}): unknown conversion",
            resource.kind
        )));
    }
    if !version.is_empty() && version != expected {
        return Err(Status::bad_request(format!(
            "the API version in the data ({version}) does not match the expected API version \
             ({expected})"
        )));
    }
    value["kind"] = Value::from(&*resource.kind);
    value["apiVersion"] = Value::from(expected);
    Ok(())
}

/// Holds the name and namespace of a body against those of the path; the name must be there.
pub(crate) fn check_name(value: &Value, target: &Target) -> Result<(), Status> {
    let name = value["metadata"]["name"].as_str().unwrap_or_default();
    if name.is_empty() {
        return Err(Status::bad_request(format!(
            "the name of the object ({} based on URL) was undeterminable: name must be provided",
            target.name
        )));
    }
    if name != target.name {
        return Err(Status::bad_request(format!(
            "the name of the object ({name}) does not match the name on the URL ({})",
            target.name
        )));
    }
    check_namespace(value, target)
}

pub(crate) fn check_namespace(value: &Value, target: &Target) -> Result<(), Status> {
    match value["metadata"]["namespace"].as_str() {
        None | Some("") => Ok(()),
        Some(namespace) if namespace == target.namespace => Ok(()),
        Some(_) => Err(Status::bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        )),
    }
}
