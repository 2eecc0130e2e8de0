//! Events, so that `kubectl describe` and `kubectl get events` tell a story. Bounded: a cluster keeps
//! the newest, where a real one keeps the last hour.

use serde_json::json;

use super::access::{Found, hash};
use crate::cluster::State;
use crate::store::{ObjectKey, ResourceId};

/// Enough for what a person looks at, at about 1 kB each.
const EVENTS: usize = 128;

impl State {
    /// Says what happened to an object. `component` is who says it.
    pub(super) fn tell(&mut self, about: &Found, component: &str, reason: &str, message: &str) {
        let warning = matches!(
            reason,
            "Failed" | "BackOff" | "FailedScheduling" | "BackoffLimitExceeded" | "DeadlineExceeded"
        );
        let id = ResourceId::new("", "events");
        let time = self.time();
        let unique = u64::from(hash(&self.uid()));
        let at = u64::try_from(self.clock.wall_ms()).unwrap_or(0);
        let namespace = if about.namespace().is_empty() { "default" } else { about.namespace() };
        let made = self.make(
            &id,
            json!({
                "metadata": {
                    "name": format!("{}.{:016x}", about.name(), (at << 20) ^ unique),
                    "namespace": namespace,
                },
                "involvedObject": {
                    "apiVersion": about.resource.api_version(), "kind": about.resource.kind,
                    "name": about.name(), "namespace": about.namespace(), "uid": about.uid(),
                    "resourceVersion": about.stored.revision.to_string(),
                },
                "type": if warning { "Warning" } else { "Normal" },
                "reason": reason, "message": message, "count": 1, "eventTime": null,
                "firstTimestamp": time, "lastTimestamp": time,
                "source": {"component": component},
                "reportingComponent": component, "reportingInstance": "",
            }),
        );
        if let Some(key) = made {
            self.controllers.told.push_back(key);
        }
        while self.controllers.told.len() > EVENTS {
            let oldest = self.controllers.told.pop_front();
            self.forget(&id, oldest.as_ref());
        }
    }

    fn forget(&mut self, id: &ResourceId, key: Option<&ObjectKey>) {
        if let Some(found) = key.and_then(|key| self.found(id, key)) {
            self.discard(&found);
        }
    }
}
