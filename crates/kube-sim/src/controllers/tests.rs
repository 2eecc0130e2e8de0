//! Whole clusters on a clock that the tests move: what a person would see with `kubectl get` at points
//! in time, and that every story comes to rest.

mod random;
mod stories;

use std::time::Duration;

use runtime::clock::{Clock, ManualClock};
use serde_json::{Value, json};

use super::Behaviour;
use crate::cluster::{Cluster, Options};
use crate::merge::Manager;
use crate::objects::{Part, Propagation};
use crate::store::{ObjectKey, ResourceId};

/// 2026-01-01T00:00:00Z.
const BEGIN: i64 = 1_767_225_600_000;

struct Sim {
    cluster: Cluster,
    hand: ManualClock,
}

impl Sim {
    fn new() -> Self {
        Self::with(Behaviour::default())
    }

    fn with(behaviour: Behaviour) -> Self {
        let (clock, hand) = Clock::manual(BEGIN);
        let cluster = Cluster::new(Options { seed: 7, clock, behaviour });
        let sim = Self { cluster, hand };
        sim.pass(0);
        sim
    }

    /// Lets time pass, from step to step.
    fn pass(&self, ms: u64) {
        let mut left = Duration::from_millis(ms);
        loop {
            match self.cluster.tick() {
                Some(wait) if wait <= left => {
                    self.hand.advance(wait);
                    left -= wait;
                }
                _ => break,
            }
        }
        self.hand.advance(left);
        self.cluster.tick();
    }

    fn manager(api_version: &str) -> Manager {
        Manager {
            name: "test".to_owned(),
            subresource: String::new(),
            api_version: api_version.to_owned(),
            time: "2026-01-01T00:00:00Z".to_owned(),
        }
    }

    fn id(&self, kind: &str) -> ResourceId {
        let state = self.cluster.state();
        let mut all = state.registry.iter();
        let found = all.find(|(_, versions)| *versions[0].kind == *kind);
        found.map(|(id, _)| id.clone()).unwrap_or_else(|| panic!("no {kind} is served"))
    }

    fn key(value: &Value) -> ObjectKey {
        let text = |field: &str| value["metadata"][field].as_str().unwrap_or_default().to_owned();
        ObjectKey::new(&text("namespace"), &text("name"))
    }

    fn create(&self, kind: &str, value: Value) {
        let id = self.id(kind);
        let mut state = self.cluster.state();
        let resource = state.registry.versions(&id).expect("it is served")[0].clone();
        let by = Self::manager(&resource.api_version());
        let created = state.create(&resource, Self::key(&value), value, &by);
        created.unwrap_or_else(|status| panic!("{}", status.message));
    }

    fn change(&self, kind: &str, place: (&str, &str), change: impl FnOnce(&mut Value)) {
        let id = self.id(kind);
        let mut state = self.cluster.state();
        let resource = state.registry.versions(&id).expect("it is served")[0].clone();
        let live = state.store.get(&id, &ObjectKey::new(place.0, place.1)).cloned();
        let live = live.unwrap_or_else(|| panic!("there is no {kind} {place:?}"));
        let mut value = live.value();
        change(&mut value);
        let by = Self::manager(&resource.api_version());
        let updated = state.update(&resource, &live, value, Part::Main, &by);
        updated.unwrap_or_else(|status| panic!("{}", status.message));
    }

    fn delete(&self, kind: &str, place: (&str, &str), propagation: Propagation) {
        let id = self.id(kind);
        let mut state = self.cluster.state();
        let resource = state.registry.versions(&id).expect("it is served")[0].clone();
        if let Some(live) = state.store.get(&id, &ObjectKey::new(place.0, place.1)).cloned() {
            state.delete(&resource, &live, propagation).expect("it can be deleted");
        }
    }

    fn all(&self, kind: &str) -> Vec<Value> {
        let id = self.id(kind);
        let state = self.cluster.state();
        state.store.list(&id, None, None).map(|stored| stored.value()).collect()
    }

    fn get(&self, kind: &str, name: &str) -> Option<Value> {
        self.all(kind).into_iter().find(|value| value["metadata"]["name"] == name)
    }

    fn status(&self, kind: &str, name: &str) -> Value {
        self.get(kind, name).unwrap_or_else(|| panic!("there is no {kind} {name}"))["status"]
            .clone()
    }

    fn is_idle(&self) -> bool {
        self.cluster.state().controllers.next_due().is_none()
    }

    /// The conditions as `Type=Status Reason`.
    fn conditions(&self, kind: &str, name: &str) -> Vec<String> {
        let status = self.status(kind, name);
        let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let line = |c: &Value| {
            format!("{}={} {}", text(&c["type"]), text(&c["status"]), text(&c["reason"]))
        };
        conditions.iter().map(line).collect()
    }

    /// The pods as `name: phase, ready, reason, restarts`, without the letters made up for them.
    fn pods(&self) -> String {
        let line = |pod: &Value| {
            let name = pod["metadata"]["name"].as_str().unwrap_or_default();
            let prefix = pod["metadata"]["generateName"].as_str();
            let stateful = pod["metadata"]["labels"]["apps.kubernetes.io/pod-index"].is_string();
            let shown = prefix.filter(|_| !stateful).map_or(name.to_owned(), |p| format!("{p}…"));
            let container = &pod["status"]["containerStatuses"][0];
            let reason = container["state"]["waiting"]["reason"].as_str().unwrap_or("");
            format!(
                "{shown} {} ready={} restarts={} {reason}",
                pod["status"]["phase"].as_str().unwrap_or("?"),
                container["ready"],
                container["restartCount"],
            )
        };
        let mut lines: Vec<String> = self.all("Pod").iter().map(line).collect();
        lines.sort();
        lines.iter().map(|line| format!("{}\n", line.trim_end())).collect()
    }
}

fn template(app: &str, image: &str) -> Value {
    json!({
        "metadata": {"labels": {"app": app}},
        "spec": {"containers": [{"name": "c", "image": image}]},
    })
}

fn workload(name: &str, image: &str, replicas: u32) -> Value {
    json!({
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "replicas": replicas, "selector": {"matchLabels": {"app": name}},
            "template": template(name, image),
        },
    })
}

fn daemon(name: &str, image: &str) -> Value {
    let mut value = workload(name, image, 0);
    value["spec"].as_object_mut().expect("it is one").remove("replicas");
    value
}

fn job(name: &str, image: &str) -> Value {
    let mut template = template(name, image);
    template["spec"]["restartPolicy"] = json!("Never");
    json!({
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"backoffLimit": 1, "template": template},
    })
}

fn set_image(value: &mut Value, image: &str) {
    value["spec"]["template"]["spec"]["containers"][0]["image"] = json!(image);
}
