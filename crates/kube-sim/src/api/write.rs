//! POST and PUT.

use http::header;
use serde_json::Value;

use super::accept::{Shape, negotiate};
use super::answer::Answer;
use super::decode;
use super::read::{find, key};
use super::status::{Cause, Status};
use super::{Answered, Ask};
use crate::admission::{self, names};
use crate::cluster::State;
use crate::merge::Manager;
use crate::objects::Part;
use crate::store::{ObjectKey, Stored};

/// Who writes, as the request says.
pub(super) fn manager(state: &State, ask: &Ask<'_>, options: &str) -> Result<Manager, Status> {
    Ok(Manager {
        name: ask.query.field_manager(options, ask.user_agent())?.into_owned(),
        subresource: ask.target.subresource.clone(),
        api_version: ask.resource.api_version(),
        time: state.now_text(),
    })
}

pub(super) fn create(state: &mut State, ask: &Ask<'_>) -> Answered {
    let options = "CreateOptions";
    let (form, yaml) = negotiate(ask.accept(), Shape::Object)?;
    let dry_run = ask.query.dry_run(options)?;
    let validation = ask.query.field_validation(options)?;
    let by = manager(state, ask, options)?;
    let decoded = decode::object(ask.headers, ask.body, &ask.resource, validation)?;
    let (value, mut warnings) = (decoded.value, decoded.warnings);
    decode::check_namespace(&value, ask.target)?;
    warnings.extend(admission::warnings(&ask.resource, &value));
    if value["metadata"]["resourceVersion"].as_str().is_some_and(|version| !version.is_empty()) {
        let why = "resourceVersion should not be set on objects to be created";
        return Err(Status::new(500, "", why));
    }
    let name = new_name(state, ask, &value)?;
    let object_key = ObjectKey::new(&ask.target.namespace, &name);
    let value = state.prepare_create(&ask.resource, &object_key, value, Some(&by))?;
    let json = match dry_run {
        true => value.to_string(),
        false => state.commit(&ask.resource, object_key, value).object.json.to_string(),
    };
    let json = ask.painter(state, form).object(&json);
    Ok(Answer { code: 201, json, warnings }.into_response(yaml))
}

/// The object's own name, or one made from `generateName`.
fn new_name(state: &mut State, ask: &Ask<'_>, value: &Value) -> Result<String, Status> {
    let metadata = &value["metadata"];
    if let Some(name) = metadata["name"].as_str().filter(|name| !name.is_empty()) {
        return Ok(name.to_owned());
    }
    match metadata["generateName"].as_str().filter(|base| !base.is_empty()) {
        // A suffix of five characters must fit into the 63 of most names.
        Some(base) => {
            let base: String = base.chars().take(58).collect();
            Ok(format!("{base}{}", names::suffix(state.next_random())))
        }
        None => {
            let why = "Required value: name or generateName is required";
            let cause = Cause::new("FieldValueRequired", "metadata.name", why);
            Err(Status::invalid(ask.resource.id.group(), &ask.resource.kind, "", vec![cause]))
        }
    }
}

pub(super) fn update(state: &mut State, ask: &Ask<'_>, part: Part) -> Answered {
    let options = "UpdateOptions";
    let (form, yaml) = negotiate(ask.accept(), Shape::Object)?;
    let dry_run = ask.query.dry_run(options)?;
    let validation = ask.query.field_validation(options)?;
    let by = manager(state, ask, options)?;
    let decoded = decode::object(ask.headers, ask.body, &ask.resource, validation)?;
    decode::check_name(&decoded.value, ask.target)?;
    let live = find(state, ask)?;
    check_uid(ask, &live, &decoded.value)?;
    check_version(ask, &live, &decoded.value)?;
    let live_value = live.value();
    let changed =
        state.prepare_update(&ask.resource, &live_value, decoded.value, part, Some(&by))?;
    let json = store(state, ask, &live, changed, dry_run);
    let json = ask.painter(state, form).object(&json);
    Ok(Answer { code: 200, json, warnings: decoded.warnings }.into_response(yaml))
}

/// Stores what changed (unless nothing is to be stored) and returns the JSON to answer with.
pub(super) fn store(
    state: &mut State,
    ask: &Ask<'_>,
    live: &std::sync::Arc<Stored>,
    changed: Option<Value>,
    dry_run: bool,
) -> String {
    match changed {
        None => live.json.to_string(),
        Some(value) if dry_run => value.to_string(),
        Some(value) => {
            let text = value.to_string();
            let event = state.commit_update(&ask.resource, live, value);
            match event.change {
                // Its last finalizer went: the answer shows the object that is gone.
                crate::store::Change::Deleted => text,
                _ => event.object.json.to_string(),
            }
        }
    }
}

fn check_uid(ask: &Ask<'_>, live: &Stored, value: &Value) -> Result<(), Status> {
    match value["metadata"]["uid"].as_str() {
        None | Some("") => Ok(()),
        Some(uid) if *uid == *live.uid => Ok(()),
        Some(uid) => {
            let key = key(ask);
            let (plural, live) = (ask.resource.id.plural(), &live.uid);
            let why = format!(
                "StorageError: invalid object, Code: 4, Key: /registry/{plural}/{}/{}, \
                 ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: \
                 {uid}, UID in object meta: {live}",
                key.namespace, key.name
            );
            Err(Status::conflict(&ask.resource.id, &ask.target.name, &why))
        }
    }
}

/// A version in the body must be the live one; some kinds cannot be replaced without naming it.
pub(super) fn check_version(ask: &Ask<'_>, live: &Stored, value: &Value) -> Result<(), Status> {
    let version = value["metadata"]["resourceVersion"].as_str().unwrap_or_default();
    if version.is_empty() || version == "0" {
        return match needs_version(ask) {
            true => {
                let why = "Invalid value: 0: must be specified for an update";
                let cause = Cause::new("FieldValueInvalid", "metadata.resourceVersion", why);
                let (group, plural) = (ask.resource.id.group(), ask.resource.id.plural());
                Err(Status::invalid(group, plural, &ask.target.name, vec![cause]))
            }
            false => Ok(()),
        };
    }
    match version.parse::<u64>() {
        Ok(version) if version == live.revision => Ok(()),
        Ok(_) => Err(Status::modified(&ask.resource.id, &ask.target.name)),
        Err(_) => {
            let why = format!("strconv.ParseUint: parsing {version:?}: invalid syntax");
            Err(Status::new(500, "", why))
        }
    }
}

fn needs_version(ask: &Ask<'_>) -> bool {
    let id = &ask.resource.id;
    ask.resource.custom
        || matches!(
            (id.group(), id.plural()),
            ("coordination.k8s.io", _)
                | ("policy", _)
                | ("apiextensions.k8s.io", _)
                | ("admissionregistration.k8s.io", _)
                | ("apiregistration.k8s.io", _)
        )
}

/// Whether a body was sent at all.
pub(super) fn has_body(ask: &Ask<'_>) -> bool {
    !ask.body.is_empty() && ask.headers.get(header::CONTENT_LENGTH).is_none_or(|l| l != "0")
}
