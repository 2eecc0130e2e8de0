//! DELETE of one object and of many.

use std::sync::Arc;

use serde_json::{Value, json};

use super::accept::{Form, Shape, negotiate};
use super::answer::{Answer, ListMeta};
use super::query::unsupported;
use super::read::{find, namespace, selector};
use super::status::{Cause, Status};
use super::write::has_body;
use super::{Answered, Ask, decode, json};
use crate::cluster::State;
use crate::objects::{Deleted, Hold, Propagation};
use crate::store::{ResourceId, Stored};

const OPTIONS: &str = "DeleteOptions";

/// What a deletion asks for, from its query and its body.
struct Options {
    dry_run: bool,
    /// `None` leaves it to the kind and to what the object's finalizers say.
    propagation: Option<Propagation>,
    uid: Option<String>,
    version: Option<String>,
}

fn options(ask: &Ask<'_>) -> Result<Options, Status> {
    let body = match has_body(ask) {
        false => Value::Null,
        true => json::parse(ask.body)
            .map(|(value, _)| value)
            .or_else(|_not_json| decode::yaml(ask.body))
            .map_err(|why| Status::bad_request(format!("unable to read the options: {why}")))?,
    };
    let in_body = body["dryRun"].as_array().is_some_and(|list| list.contains(&json!("All")));
    let given = ask.query.get("propagationPolicy");
    let policy = if given.is_empty() {
        body["propagationPolicy"].as_str().unwrap_or_default()
    } else {
        given
    };
    let orphan = body["orphanDependents"].as_bool().or(match ask.query.get("orphanDependents") {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    });
    let propagation = match (policy, orphan) {
        ("", None) => None,
        ("", Some(true)) | ("Orphan", None) => Some(Propagation::Orphan),
        ("", Some(false)) | ("Background", None) => Some(Propagation::Background),
        ("Foreground", None) => Some(Propagation::Foreground),
        ("Orphan" | "Background" | "Foreground", Some(_)) => {
            let why = "orphanDependents and deletionPropagation cannot be both set";
            let message = format!("Invalid value: {policy:?}: {why}");
            let cause = Cause::new("FieldValueInvalid", "propagationPolicy", message);
            return Err(Status::invalid("meta.k8s.io", OPTIONS, "", vec![cause]));
        }
        (other, _) => {
            let known = "\"Foreground\", \"Background\", \"Orphan\", \"nil\"";
            return Err(unsupported(OPTIONS, "propagationPolicy", &format!("{other:?}"), known));
        }
    };
    let precondition = |key: &str| body["preconditions"][key].as_str().map(str::to_owned);
    Ok(Options {
        dry_run: ask.query.dry_run(OPTIONS)? || in_body,
        propagation,
        uid: precondition("uid"),
        version: precondition("resourceVersion"),
    })
}

pub(super) fn one(state: &mut State, ask: &Ask<'_>) -> Answered {
    let (form, yaml) = negotiate(ask.accept(), Shape::Object)?;
    let options = options(ask)?;
    let live = find(state, ask)?;
    check_preconditions(ask, &options, &live)?;
    check_protected(&ask.resource.id, &live)?;
    let json = match delete(state, ask, &live, &options)? {
        Deleted::Held(held) => ask.painter(state, form).object(&held.json),
        Deleted::Gone(gone) if returns_object(&ask.resource.id) => {
            ask.painter(state, form).object(&gone.json)
        }
        Deleted::Gone(gone) => success(&ask.resource.id, &gone).to_string(),
    };
    Ok(Answer::ok(json).into_response(yaml))
}

pub(super) fn collection(state: &mut State, ask: &Ask<'_>) -> Answered {
    let (_, yaml) = negotiate(ask.accept(), Shape::List)?;
    let options = options(ask)?;
    let selector = selector(ask)?;
    let objects = state.store.list(&ask.resource.id, namespace(ask), None);
    let chosen: Vec<_> = objects.filter(|object| selector.matches(object)).cloned().collect();
    for live in &chosen {
        if check_protected(&ask.resource.id, live).is_ok() {
            delete(state, ask, live, &options)?;
        }
    }
    let meta = ListMeta { revision: state.store.revision(), ..ListMeta::default() };
    let painter = ask.painter(state, Form::Whole);
    let json = painter.list(chosen.iter().map(|stored| &*stored.json), &meta);
    Ok(Answer::ok(json).into_response(yaml))
}

fn delete(
    state: &mut State,
    ask: &Ask<'_>,
    live: &Arc<Stored>,
    options: &Options,
) -> Result<Deleted, Status> {
    let propagation = options.propagation.unwrap_or_else(|| by_finalizers(live));
    if !options.dry_run {
        return state.delete(&ask.resource, live, propagation);
    }
    Ok(match state.prepare_delete(&ask.resource.id, live, propagation) {
        Hold::None => Deleted::Gone(Arc::clone(live)),
        Hold::Already | Hold::New(_) => Deleted::Held(Arc::clone(live)),
    })
}

/// Without a word on it, a deletion goes on as the object's finalizers say it began.
fn by_finalizers(live: &Stored) -> Propagation {
    let value = live.value();
    let finalizers = &value["metadata"]["finalizers"];
    let has = |name: &str| finalizers.as_array().is_some_and(|list| list.contains(&json!(name)));
    if has("orphan") {
        Propagation::Orphan
    } else if has("foregroundDeletion") {
        Propagation::Foreground
    } else {
        Propagation::Background
    }
}

fn check_preconditions(ask: &Ask<'_>, options: &Options, live: &Stored) -> Result<(), Status> {
    // Here the message names the kind, not the plural.
    let kind = ResourceId::new(ask.resource.id.group(), &ask.resource.kind);
    if let Some(uid) = options.uid.as_deref().filter(|uid| *uid != &*live.uid) {
        let why = format!(
            "the UID in the precondition ({uid}) does not match the UID in record ({}). The object \
             might have been deleted and then recreated",
            live.uid
        );
        return Err(Status::conflict(&kind, &ask.target.name, &why));
    }
    let current = live.revision.to_string();
    if let Some(version) = options.version.as_deref().filter(|version| *version != current) {
        let why = format!(
            "the ResourceVersion in the precondition ({version}) does not match the \
             ResourceVersion in record ({current}). The object might have been modified"
        );
        return Err(Status::conflict(&kind, &ask.target.name, &why));
    }
    Ok(())
}

fn check_protected(resource: &ResourceId, live: &Stored) -> Result<(), Status> {
    let namespace = resource.group().is_empty() && resource.plural() == "namespaces";
    if namespace && matches!(&*live.key.name, "default" | "kube-system" | "kube-public") {
        return Err(Status::forbidden(
            resource,
            &live.key.name,
            "this namespace may not be deleted",
        ));
    }
    Ok(())
}

/// Some kinds answer with the object that is gone.
fn returns_object(resource: &ResourceId) -> bool {
    resource.group().is_empty()
        && matches!(
            resource.plural(),
            "pods"
                | "services"
                | "serviceaccounts"
                | "persistentvolumeclaims"
                | "persistentvolumes"
                | "resourcequotas"
                | "podtemplates"
        )
}

fn success(resource: &ResourceId, gone: &Stored) -> Value {
    let mut details =
        json!({"name": &*gone.key.name, "kind": resource.plural(), "uid": &*gone.uid});
    if !resource.group().is_empty() {
        details["group"] = json!(resource.group());
    }
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
        "details": details})
}
