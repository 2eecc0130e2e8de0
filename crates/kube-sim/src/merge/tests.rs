//! Tests of merging on the real types. What they expect was seen on a real API server.

mod facts;
mod laws;
mod ownership;
mod patches;

use serde_json::{Value, json};

use super::{ApplyError, FieldSet, Manager, apply, is_no_op, track_update};
use crate::schema::{Registry, TypeHandle, default, normalise};

/// One object on which managers work one after another, as a server with one object would do it.
struct Desk {
    ty: TypeHandle,
    api_version: &'static str,
    kind: &'static str,
    has_status: bool,
    live: Option<Value>,
    /// The minute of the next write.
    minute: u32,
}

impl Desk {
    fn config_map() -> Self {
        Self::new("v1", "configmaps", "ConfigMap")
    }

    fn deployment() -> Self {
        Self { has_status: true, ..Self::new("apps/v1", "deployments", "Deployment") }
    }

    fn service() -> Self {
        Self { has_status: true, ..Self::new("v1", "services", "Service") }
    }

    fn new(api_version: &'static str, plural: &str, kind: &'static str) -> Self {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let registry = Registry::builtin();
        let ty = registry.find(group, version, plural).unwrap().ty.clone();
        Self { ty, api_version, kind, has_status: false, live: None, minute: 0 }
    }

    fn manager(&mut self, name: &str) -> Manager {
        self.minute += 1;
        let (name, subresource) = name.split_once('/').unwrap_or((name, ""));
        Manager {
            name: name.to_owned(),
            subresource: subresource.to_owned(),
            api_version: self.api_version.to_owned(),
            time: format!("2026-01-01T00:{:02}:00Z", self.minute),
        }
    }

    fn reset(&self) -> FieldSet {
        FieldSet::of(self.has_status.then_some("status"))
    }

    fn named(&self, mut body: Value) -> Value {
        body["apiVersion"] = json!(self.api_version);
        body["kind"] = json!(self.kind);
        body["metadata"]["name"] = json!("x");
        body
    }

    fn try_apply(&mut self, name: &str, body: Value, force: bool) -> Result<bool, ApplyError> {
        let manager = self.manager(name);
        let patch = self.named(body);
        let live = self.live.as_ref();
        let mut new = apply(live, &patch, &manager, force, &self.ty, &self.reset())?;
        default(&mut new, &self.ty);
        if self.live.as_ref().is_some_and(|live| is_no_op(live, &mut new)) {
            assert_eq!(Some(&new), self.live.as_ref(), "a no-op gives the live object");
            return Ok(false);
        }
        self.live = Some(new);
        Ok(true)
    }

    /// A forced apply; whether it changed anything.
    fn apply(&mut self, name: &str, body: Value) -> bool {
        self.try_apply(name, body, true).unwrap()
    }

    fn refused(&mut self, name: &str, body: Value) -> String {
        self.try_apply(name, body, false).unwrap_err().to_string()
    }

    /// A write by `name` of the object as `change` leaves it; whether it changed anything.
    fn update(&mut self, name: &str, change: impl FnOnce(&mut Value)) -> bool {
        let manager = self.manager(name);
        let mut new = self.live.clone().unwrap_or_else(|| self.named(json!({})));
        change(&mut new);
        normalise(&mut new, &self.ty);
        let live = self.live.as_ref();
        let mut new = track_update(live, new, &manager, &self.ty, &self.reset());
        if live.is_some_and(|live| is_no_op(live, &mut new)) {
            return false;
        }
        self.live = Some(new);
        true
    }

    /// Who owns what, a line each.
    fn owners(&self) -> String {
        let live = self.live.as_ref().unwrap();
        let entries = live["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        let lines = entries.iter().map(|entry| {
            let minute = entry["time"].as_str().map_or("never", |time| &time[14..16]);
            let fields = FieldSet::from_json(&entry["fieldsV1"]).unwrap().paths().join(" ");
            let subresource = match entry["subresource"].as_str() {
                Some(name) => format!("/{name}"),
                None => String::new(),
            };
            format!(
                "{} {}{subresource} {minute}: {fields}\n",
                text(&entry["operation"]),
                text(&entry["manager"])
            )
        });
        lines.collect()
    }

    /// The object without what every object has.
    fn shown(&self) -> String {
        let mut shown = self.live.clone().unwrap();
        let fields = shown.as_object_mut().unwrap();
        fields.remove("apiVersion");
        fields.remove("kind");
        let metadata = fields["metadata"].as_object_mut().unwrap();
        metadata.remove("managedFields");
        metadata.remove("name");
        if metadata.is_empty() {
            fields.remove("metadata");
        }
        shown.to_string()
    }
}
