//! PATCH in its four forms.

use http::Response;
use serde_json::{Value, json};

use super::accept::{Shape, negotiate};
use super::answer::Answer;
use super::body::Body;
use super::query::{FieldValidation, refused};
use super::read::{find, key};
use super::status::{Cause, Status};
use super::{Answered, Ask, decode, write};
use crate::cluster::State;
use crate::merge::{self, ApplyError, Manager, PatchError};
use crate::objects::{Part, reset_fields};
use crate::schema;
use crate::store::Stored;

const OPTIONS: &str = "PatchOptions";

/// How the body is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Apply,
    Merge,
    Json,
    Strategic,
}

impl Kind {
    pub(super) fn of(ask: &Ask<'_>) -> Result<Self, Status> {
        match decode::content_type(ask.headers) {
            "application/apply-patch+yaml" => Ok(Self::Apply),
            "application/merge-patch+json" => Ok(Self::Merge),
            "application/json-patch+json" => Ok(Self::Json),
            "application/strategic-merge-patch+json" if !ask.resource.custom => Ok(Self::Strategic),
            "application/strategic-merge-patch+json" => Err(Status::new(
                415,
                "UnsupportedMediaType",
                "the body of the request was in an unknown format - accepted media types include: \
                 application/json-patch+json, application/merge-patch+json, \
                 application/apply-patch+yaml",
            )),
            _ => Err(Status::new(415, "UnsupportedMediaType", "415: Unsupported Media Type")),
        }
    }
}

pub(super) fn patch(state: &mut State, ask: &Ask<'_>, part: Part) -> Answered {
    let kind = Kind::of(ask)?;
    check_options(ask, kind)?;
    match kind {
        Kind::Apply => apply(state, ask, part),
        kind => change(state, ask, part, kind),
    }
}

pub(super) fn check_options(ask: &Ask<'_>, kind: Kind) -> Result<(), Status> {
    if kind != Kind::Apply && ask.query.has("force") {
        return Err(refused(OPTIONS, "force", "may not be specified for non-apply patch"));
    }
    if kind == Kind::Apply && ask.query.get("fieldManager").is_empty() {
        let why = "Required value: is required for apply patch";
        let cause = Cause::new("FieldValueRequired", "fieldManager", why);
        return Err(Status::invalid("meta.k8s.io", OPTIONS, "", vec![cause]));
    }
    Ok(())
}

/// A patch of what is there.
fn change(state: &mut State, ask: &Ask<'_>, part: Part, kind: Kind) -> Answered {
    let (form, yaml) = negotiate(ask.accept(), Shape::Object)?;
    let dry_run = ask.query.dry_run(OPTIONS)?;
    let validation = ask.query.field_validation(OPTIONS)?;
    let by = write::manager(state, ask, OPTIONS)?;
    let live = find(state, ask)?;
    let live_value = in_version(ask, &live);
    let (mut value, repeated) = patched(ask, kind, &live_value)?;
    decode::check_name(&value, ask.target)?;
    check_same_type(ask, &value)?;
    let mut problems: Vec<_> =
        repeated.iter().map(|path| format!("duplicate field \"{path}\"")).collect();
    let unfit = |why: &str, value: &Value| {
        let message = format!("Invalid value: {:?}: {why}", value.to_string());
        Status::invalid("", "", "", vec![Cause::new("FieldValueInvalid", "patch", message)])
    };
    let before = value.clone();
    problems.extend(decode::fit(&mut value, &ask.resource).map_err(|status| {
        let why = status.message.split_once(": ").map_or(status.message.as_str(), |(_, why)| why);
        unfit(why, &before)
    })?);
    if validation == FieldValidation::Strict && !problems.is_empty() {
        return Err(unfit(&decode::strict(&problems), &before));
    }
    check_unmoved(ask, &live, &value)?;
    let changed = state.prepare_update(&ask.resource, &live_value, value, part, Some(&by))?;
    let json = write::store(state, ask, &live, changed, dry_run);
    let json = ask.painter(state, form).object(&json);
    let warnings = if validation == FieldValidation::Ignore { Vec::new() } else { problems };
    Ok(Answer { code: 200, json, warnings }.into_response(yaml))
}

/// The live object as the version of the request has it.
fn in_version(ask: &Ask<'_>, live: &Stored) -> Value {
    let mut value = live.value();
    value["apiVersion"] = json!(ask.resource.api_version());
    value
}

/// The patched value, and the keys that the patch repeats.
pub(super) fn patched(
    ask: &Ask<'_>,
    kind: Kind,
    live: &Value,
) -> Result<(Value, Vec<String>), Status> {
    let malformed =
        |why: &dyn std::fmt::Display| Status::bad_request(format!("error decoding patch: {why}"));
    let (patch, repeated) = super::json::parse(ask.body).map_err(|error| malformed(&error))?;
    let fits = if kind == Kind::Json { patch.is_array() } else { patch.is_object() };
    if !fits {
        let what =
            if kind == Kind::Json { "[]handlers.jsonPatchOp" } else { "map[string]interface {}" };
        let got = if patch.is_array() { "array" } else { "object" };
        return Err(malformed(&format!(
            "json: cannot unmarshal {got} into Go value of type {what}"
        )));
    }
    let value = match kind {
        Kind::Json => merge::json_patch(live, &patch).map_err(patch_refused)?,
        Kind::Strategic => {
            merge::strategic_merge_patch(live, &patch, &ask.resource.ty).map_err(patch_refused)?
        }
        _ => merge::json_merge_patch(live, &patch).map_err(patch_refused)?,
    };
    Ok((value, if kind == Kind::Json { Vec::new() } else { repeated }))
}

fn patch_refused(error: PatchError) -> Status {
    match error {
        PatchError::Malformed(why) => Status::bad_request(why),
        // The real server does not tell which operation failed.
        PatchError::Refused(_) => {
            let why = "the server rejected our request due to an error in our request";
            Status::new(422, "Invalid", why)
        }
        PatchError::TooLarge(why) => Status::new(413, "RequestEntityTooLarge", why),
        PatchError::Failed(why) => Status::new(500, "", why),
    }
}

fn check_same_type(ask: &Ask<'_>, value: &Value) -> Result<(), Status> {
    if value["kind"] == *ask.resource.kind && value["apiVersion"] == ask.resource.api_version() {
        return Ok(());
    }
    let (kind, version) = (&value["kind"], &value["apiVersion"]);
    let message = format!(
        "Invalid value: \"...\": no kind {kind} is registered for version {version} in scheme"
    );
    Err(Status::invalid("", "", "", vec![Cause::new("FieldValueInvalid", "patch", message)]))
}

/// A patch may name the version and the uid it is meant for, and cannot change when it was made.
fn check_unmoved(ask: &Ask<'_>, live: &Stored, value: &Value) -> Result<(), Status> {
    let metadata = &value["metadata"];
    let version = metadata["resourceVersion"].as_str().unwrap_or_default();
    if !version.is_empty() && version != live.revision.to_string() {
        return Err(Status::modified(&ask.resource.id, &ask.target.name));
    }
    let uid = metadata["uid"].as_str().unwrap_or_default();
    if !uid.is_empty() && *uid != *live.uid {
        return Err(uid_is_immutable(ask, uid));
    }
    Ok(())
}

fn uid_is_immutable(ask: &Ask<'_>, uid: &str) -> Status {
    let message = format!("Invalid value: {uid:?}: field is immutable");
    let cause = Cause::new("FieldValueInvalid", "metadata.uid", message);
    // The real server checks this twice, once for all kinds and once for each.
    let causes = vec![cause.clone(), cause];
    Status::invalid(ask.resource.id.group(), &ask.resource.kind, &ask.target.name, causes)
}

fn apply(state: &mut State, ask: &Ask<'_>, part: Part) -> Answered {
    let (form, yaml) = negotiate(ask.accept(), Shape::Object)?;
    let dry_run = ask.query.dry_run(OPTIONS)?;
    let validation = ask.query.field_validation(OPTIONS)?;
    let by = write::manager(state, ask, OPTIONS)?;
    let (mut patch, warnings) = apply_body(ask, validation)?;
    let (kind, version) = (&patch["kind"], &patch["apiVersion"]);
    if *kind != *ask.resource.kind || *version != ask.resource.api_version() {
        return Err(wrong_type(&patch));
    }
    check_apply_names(&mut patch, ask)?;
    let applied = Applied { patch, by, dry_run, part };
    let (code, json) = apply_patch(state, ask, applied)?;
    let json = ask.painter(state, form).object(&json);
    let response: Response<Body> = Answer { code, json, warnings }.into_response(yaml);
    Ok(response)
}

/// An apply that is read and held against its path.
pub(super) struct Applied {
    pub(super) patch: Value,
    pub(super) by: Manager,
    pub(super) dry_run: bool,
    pub(super) part: Part,
}

/// Applies and stores; the code and the JSON to answer with.
pub(super) fn apply_patch(
    state: &mut State,
    ask: &Ask<'_>,
    applied: Applied,
) -> Result<(u16, String), Status> {
    let Applied { mut patch, by, dry_run, part } = applied;
    let metadata = &mut patch["metadata"];
    let version = take_text(metadata, "resourceVersion");
    let uid = take_text(metadata, "uid");
    let force = ask.query.flag("force");
    let ty = &ask.resource.ty;
    let reset = reset_fields(&ask.resource, part);
    let live = state.store.get(&ask.resource.id, &key(ask)).cloned();
    let Some(live) = live else {
        if part == Part::Status || !ask.target.subresource.is_empty() {
            return Err(Status::not_found(&ask.resource.id, &ask.target.name));
        }
        if !uid.is_empty() {
            let why = format!(
                "uid mismatch: the provided object specified uid {uid}, and no existing object was \
                 found"
            );
            return Err(Status::conflict(&ask.resource.id, &ask.target.name, &why));
        }
        let value = merge::apply(None, &patch, &by, force, ty, &reset).map_err(apply_refused)?;
        check_merged(ask, &value)?;
        let value = state.prepare_create(&ask.resource, &key(ask), value, None)?;
        let json = match dry_run {
            true => value.to_string(),
            false => state.commit(&ask.resource, key(ask), value).object.json.to_string(),
        };
        return Ok((201, json));
    };
    if !version.is_empty() && version != live.revision.to_string() {
        return Err(Status::modified(&ask.resource.id, &ask.target.name));
    }
    if !uid.is_empty() && *uid != *live.uid {
        return Err(uid_is_immutable(ask, &uid));
    }
    let live_value = in_version(ask, &live);
    let value =
        merge::apply(Some(&live_value), &patch, &by, force, ty, &reset).map_err(apply_refused)?;
    check_merged(ask, &value)?;
    let changed = state.prepare_update(&ask.resource, &live.value(), value, part, None)?;
    Ok((200, write::store(state, ask, &live, changed, dry_run)))
}

/// What the merge takes and the type does not, such as data that is not base64.
fn check_merged(ask: &Ask<'_>, value: &Value) -> Result<(), Status> {
    schema::check_types(value, &ask.resource.ty).map_err(|why| {
        let (group, version, kind) =
            (ask.resource.id.group(), &ask.resource.version, &ask.resource.kind);
        let namespace = value["metadata"]["namespace"].as_str().unwrap_or_default();
        let name = &ask.target.name;
        let why = format!(
            "failed to convert new object ({namespace}/{name}; {group}/{version}, Kind={kind}) to \
             proper version: unable to convert unstructured object to {group}/{version}, \
             Kind={kind}: error decoding from json: {why}"
        );
        Status::new(500, "", why)
    })
}

/// The body of an apply and the warnings about it.
fn apply_body(ask: &Ask<'_>, validation: FieldValidation) -> Result<(Value, Vec<String>), Status> {
    let (patch, again) = match super::json::parse(ask.body) {
        Ok((value, repeated)) => {
            let keys = repeated.iter().map(|path| path.rsplit('.').next().unwrap_or(path));
            // JSON is read as YAML of one line.
            let again = keys.map(|key| format!("line 1: key \"{key}\" already set in map"));
            (value, again.collect())
        }
        Err(_not_json) => decode::yaml_with_repeats(ask.body).map_err(|why| {
            let why = format!("error decoding YAML: error converting YAML to JSON: yaml: {why}");
            Status::bad_request(why)
        })?,
    };
    if !patch.is_object() {
        return Err(Status::bad_request(
            "error decoding YAML: error unmarshaling JSON: while decoding JSON: json: cannot \
             unmarshal into Go value of type map[string]interface {}",
        ));
    }
    match validation {
        FieldValidation::Strict if !again.is_empty() => Err(Status::bad_request(format!(
            "error strict decoding YAML: error converting YAML to JSON: yaml: unmarshal errors:\n  {}",
            again.join("\n  ")
        ))),
        FieldValidation::Ignore => Ok((patch, Vec::new())),
        _ => Ok((patch, again)),
    }
}

fn wrong_type(patch: &Value) -> Status {
    let text = |key: &str| patch[key].as_str().unwrap_or_default();
    let version = text("apiVersion");
    let version = match version.contains('/') {
        true => version.to_owned(),
        false => format!("/{version}"),
    };
    Status::bad_request(format!("invalid object type: {version}, Kind={}", text("kind")))
}

/// The name may be left out of an apply: the path says it.
fn check_apply_names(patch: &mut Value, ask: &Ask<'_>) -> Result<(), Status> {
    if !patch["metadata"].is_object() {
        patch["metadata"] = json!({});
    }
    decode::check_namespace(patch, ask.target)?;
    decode::check_name(patch, ask.target)
}

fn apply_refused(error: ApplyError) -> Status {
    let message = error.to_string();
    match error {
        ApplyError::Typed(why) => Status::new(500, "", why),
        ApplyError::BadRequest(why) => Status::bad_request(why),
        ApplyError::Conflicts(conflicts) => {
            let causes = conflicts.into_iter().map(|conflict| {
                Cause::new("FieldManagerConflict", &conflict.field, conflict.message)
            });
            Status { causes: causes.collect(), ..Status::new(409, "Conflict", message) }
        }
    }
}

fn take_text(value: &mut Value, key: &str) -> String {
    let taken = value.as_object_mut().and_then(|object| object.remove(key));
    taken.and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}
