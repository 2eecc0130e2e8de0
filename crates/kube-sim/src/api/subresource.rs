//! `status`, `scale`, `token`, `eviction` and a namespace's `finalize`.

use serde_json::{Value, json};

use super::accept::{Form, Shape, negotiate};
use super::answer::{Answer, Painter};
use super::patch::{self, Applied, Kind};
use super::read::find;
use super::status::{Cause, Status};
use super::{Answered, Ask, decode, read, select, token, write};
use crate::cluster::State;
use crate::objects::{Part, Propagation};
use crate::schema::{Resource, ScalePaths};
use crate::store::Stored;

pub(super) fn answer(state: &mut State, verb: &str, ask: &Ask<'_>) -> Answered {
    let id = &ask.resource.id;
    match (ask.target.subresource.as_str(), verb) {
        ("status", "get") if ask.resource.has_status => read::get(state, ask),
        ("status", "update") if ask.resource.has_status => write::update(state, ask, Part::Status),
        ("status", "patch") if ask.resource.has_status => patch::patch(state, ask, Part::Status),
        ("status", _) if ask.resource.has_status => Err(Status::method_not_allowed()),
        ("scale", verb) => match ask.resource.scale.clone() {
            Some(paths) => scale(state, verb, ask, &paths),
            None => Err(Status::not_served()),
        },
        ("token", "create") if id.plural() == "serviceaccounts" => token::create(state, ask),
        ("eviction", "create") if id.plural() == "pods" => evict(state, ask),
        ("finalize", "update") if id.plural() == "namespaces" => {
            write::update(state, ask, Part::Main)
        }
        _ => Err(Status::not_served()),
    }
}

/// A disruption budget holds nobody up here.
fn evict(state: &mut State, ask: &Ask<'_>) -> Answered {
    let (_, yaml) = negotiate(ask.accept(), Shape::Object)?;
    let live = find(state, ask)?;
    if !ask.query.dry_run("DeleteOptions")? {
        state.delete(&ask.resource, &live, Propagation::Background)?;
    }
    let json = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
        "code": 201});
    Ok(Answer { code: 201, ..Answer::ok(json.to_string()) }.into_response(yaml))
}

fn at<'a>(value: &'a Value, path: &str) -> &'a Value {
    path.trim_start_matches('.').split('.').fold(value, |value, key| &value[key])
}

fn set(value: &mut Value, path: &str, new: Value) {
    let place = path.trim_start_matches('.').split('.').fold(value, |value, key| &mut value[key]);
    *place = new;
}

/// The object's numbers as an `autoscaling/v1` Scale.
fn scale_of(live: &Stored, paths: &ScalePaths) -> Value {
    let object = live.value();
    let mut metadata = json!({});
    for key in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
        if let Some(value) = object["metadata"].get(key) {
            metadata[key] = value.clone();
        }
    }
    let number = |path: &str| at(&object, path).as_i64().unwrap_or_default();
    let mut spec = json!({});
    let replicas = number(&paths.spec_replicas);
    // The real server leaves a zero out.
    if replicas != 0 {
        spec["replicas"] = json!(replicas);
    }
    let mut status = json!({"replicas": number(&paths.status_replicas)});
    if let Some(path) = &paths.selector {
        let selector = match at(&object, path) {
            Value::String(text) => text.clone(),
            selector
                if selector.get("matchLabels").is_some()
                    || selector.get("matchExpressions").is_some() =>
            {
                select::to_text(selector)
            }
            // A ReplicationController selects by a plain map.
            selector => select::to_text(&json!({"matchLabels": selector})),
        };
        if !selector.is_empty() {
            status["selector"] = json!(selector);
        }
    }
    json!({"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": metadata, "spec": spec,
        "status": status})
}

fn scale(state: &mut State, verb: &str, ask: &Ask<'_>, paths: &ScalePaths) -> Answered {
    let (form, yaml) = negotiate(ask.accept(), Shape::Object)?;
    let live = find(state, ask)?;
    let now = scale_of(&live, paths);
    let shown = |state: &State, scale: &Value| {
        let resource = scale_resource(&ask.resource);
        let form = if form == Form::Table { Form::Whole } else { form };
        let painter =
            Painter { resource: &resource, form, include: "", now_ms: state.clock.wall_ms() };
        Ok(Answer::ok(painter.object(&scale.to_string())).into_response(yaml))
    };
    let wanted = match verb {
        "get" => return shown(state, &now),
        "update" => {
            decode::object(
                ask.headers,
                ask.body,
                &scale_resource(&ask.resource),
                super::query::FieldValidation::Ignore,
            )?
            .value
        }
        "patch" => {
            let kind = Kind::of(ask)?;
            patch::check_options(ask, kind)?;
            match kind {
                Kind::Apply => return apply(state, ask, paths, &shown),
                // A Scale has no lists: a strategic patch of it is a merge patch.
                Kind::Strategic => patch::patched(ask, Kind::Merge, &now)?.0,
                kind => patch::patched(ask, kind, &now)?.0,
            }
        }
        _ => return Err(Status::method_not_allowed()),
    };
    decode::check_name(&wanted, ask.target)?;
    let version = wanted["metadata"]["resourceVersion"].as_str().unwrap_or_default();
    if !version.is_empty() && version != live.revision.to_string() {
        return Err(Status::modified(&ask.resource.id, &ask.target.name));
    }
    let replicas = replicas(ask, &wanted)?;
    let by = write::manager(state, ask, "UpdateOptions")?;
    let mut value = live.value();
    set(&mut value, &paths.spec_replicas, json!(replicas));
    let before = live.value();
    let changed = state.prepare_update(&ask.resource, &before, value, Part::Main, Some(&by))?;
    let dry_run = ask.query.dry_run("UpdateOptions")?;
    write::store(state, ask, &live, changed, dry_run);
    answer_stored(state, ask, paths, &shown, dry_run.then_some(replicas))
}

/// The Scale after the write; a dry run shows what was asked for.
fn answer_stored(
    state: &State,
    ask: &Ask<'_>,
    paths: &ScalePaths,
    shown: &dyn Fn(&State, &Value) -> Answered,
    dry_run: Option<i64>,
) -> Answered {
    let mut scale = scale_of(&*find(state, ask)?, paths);
    if let Some(replicas) = dry_run {
        scale["spec"]["replicas"] = json!(replicas);
    }
    shown(state, &scale)
}

fn replicas(ask: &Ask<'_>, scale: &Value) -> Result<i64, Status> {
    let replicas = scale["spec"]["replicas"].as_i64().unwrap_or_default();
    if replicas >= 0 {
        return Ok(replicas);
    }
    let why = format!("Invalid value: {replicas}: must be greater than or equal to 0");
    let cause = Cause::new("FieldValueInvalid", "spec.replicas", why);
    Err(Status::invalid("autoscaling", "Scale", &ask.target.name, vec![cause]))
}

/// An apply to `scale` owns the replicas of the object itself.
fn apply(
    state: &mut State,
    ask: &Ask<'_>,
    paths: &ScalePaths,
    shown: &dyn Fn(&State, &Value) -> Answered,
) -> Answered {
    let scale = decode::yaml(ask.body).map_err(Status::bad_request)?;
    decode::check_name(&scale, ask.target)?;
    let replicas = replicas(ask, &scale)?;
    let mut patch = json!({"apiVersion": ask.resource.api_version(), "kind": &*ask.resource.kind,
        "metadata": {"name": ask.target.name}});
    set(&mut patch, &paths.spec_replicas, json!(replicas));
    let by = write::manager(state, ask, "PatchOptions")?;
    let dry_run = ask.query.dry_run("PatchOptions")?;
    let applied = Applied { patch, by, dry_run, part: Part::Main };
    patch::apply_patch(state, ask, applied)?;
    answer_stored(state, ask, paths, shown, dry_run.then_some(replicas))
}

/// A Scale as a type of its own, as far as reading and answering it needs one.
fn scale_resource(of: &Resource) -> Resource {
    Resource {
        id: crate::store::ResourceId::new("autoscaling", "scales"),
        version: "v1".into(),
        kind: "Scale".into(),
        custom: false,
        ..of.clone()
    }
}
