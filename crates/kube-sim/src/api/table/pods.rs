//! Pods: the status of a pod in one word is a small science of its own.

use serde_json::{Value, json};

use super::Printer;
use super::text::{NONE, age, int, is_deleting, is_true, list, since, str, str_or, time_ms};

pub(super) const PODS: Printer = Printer::new(
    &["Ready", "Status", "Restarts", "Age", "IP*", "Node*", "Nominated Node*", "Readiness Gates*"],
    cells,
);

fn cells(pod: &Value, now_ms: i64) -> Vec<Value> {
    let summary = Summary::of(pod);
    let restarts = match summary.last_restart {
        Some(at) if summary.restarts > 0 => {
            format!("{} ({} ago)", summary.restarts, since(at, now_ms))
        }
        _ => summary.restarts.to_string(),
    };
    let status = &pod["status"];
    vec![
        json!(format!("{}/{}", summary.ready, summary.total)),
        json!(summary.reason),
        json!(restarts),
        age(pod, now_ms),
        json!(str_or(&status["podIP"], NONE)),
        json!(str_or(&pod["spec"]["nodeName"], NONE)),
        json!(str_or(&status["nominatedNodeName"], NONE)),
        json!(readiness_gates(pod)),
    ]
}

fn readiness_gates(pod: &Value) -> String {
    let gates = list(&pod["spec"]["readinessGates"]);
    if gates.is_empty() {
        return NONE.to_owned();
    }
    let open = gates.iter().filter(|gate| is_true(pod, str(&gate["conditionType"])));
    format!("{}/{}", open.count(), gates.len())
}

#[derive(Default)]
struct Summary<'a> {
    ready: usize,
    total: usize,
    restarts: i64,
    last_restart: Option<&'a Value>,
    reason: String,
}

impl<'a> Summary<'a> {
    fn of(pod: &'a Value) -> Self {
        let (spec, status) = (&pod["spec"], &pod["status"]);
        let mut summary = Self {
            total: list(&spec["containers"]).len(),
            reason: str_or(&status["reason"], str(&status["phase"])).to_owned(),
            ..Self::default()
        };
        let gated = |condition: &Value| {
            condition["type"] == "PodScheduled" && condition["reason"] == "SchedulingGated"
        };
        if list(&status["conditions"]).iter().any(gated) {
            summary.reason = "SchedulingGated".to_owned();
        }
        let initializing = summary.initialize(pod);
        if !initializing || is_true(pod, "Initialized") {
            summary.run(pod);
        }
        if is_deleting(pod) {
            match (str(&status["reason"]), str(&status["phase"])) {
                ("NodeLost", _) => summary.reason = "Unknown".to_owned(),
                (_, "Succeeded" | "Failed") => {}
                _ => summary.reason = "Terminating".to_owned(),
            }
        }
        summary
    }

    /// Looks at the init containers; whether one of them has not done its work yet.
    fn initialize(&mut self, pod: &'a Value) -> bool {
        let containers = list(&pod["spec"]["initContainers"]);
        let sidecars: Vec<&str> = containers
            .iter()
            .filter(|container| container["restartPolicy"] == "Always")
            .map(|container| str(&container["name"]))
            .collect();
        self.total += sidecars.len();
        let (mut sidecar_restarts, mut sidecar_last) = (0, None);
        for (index, status) in list(&pod["status"]["initContainerStatuses"]).iter().enumerate() {
            let sidecar = sidecars.contains(&str(&status["name"]));
            self.count_restarts(status);
            if sidecar {
                sidecar_restarts += int(&status["restartCount"]);
                sidecar_last = later(sidecar_last, last_end(status));
            }
            let (terminated, waiting) =
                (&status["state"]["terminated"], &status["state"]["waiting"]);
            if terminated.is_object() && int(&terminated["exitCode"]) == 0 {
                continue;
            }
            if sidecar && status["started"] == true {
                self.ready += usize::from(status["ready"] == true);
                continue;
            }
            self.reason = if terminated.is_object() {
                format!("Init:{}", ended(terminated))
            } else if !matches!(str(&waiting["reason"]), "" | "PodInitializing") {
                format!("Init:{}", str(&waiting["reason"]))
            } else {
                format!("Init:{index}/{}", containers.len())
            };
            return true;
        }
        // From here on only the restarts of containers that still run count.
        (self.restarts, self.last_restart) = (sidecar_restarts, sidecar_last);
        false
    }

    fn run(&mut self, pod: &'a Value) {
        let mut running = false;
        for status in list(&pod["status"]["containerStatuses"]).iter().rev() {
            self.count_restarts(status);
            let state = &status["state"];
            let (terminated, waiting) = (&state["terminated"], &state["waiting"]);
            if !str(&waiting["reason"]).is_empty() {
                self.reason = str(&waiting["reason"]).to_owned();
            } else if terminated.is_object() {
                self.reason = ended(terminated);
            } else if status["ready"] == true && state["running"].is_object() {
                running = true;
                self.ready += 1;
            }
        }
        if self.reason == "Completed" && running {
            self.reason = if is_true(pod, "Ready") { "Running" } else { "NotReady" }.to_owned();
        }
    }

    fn count_restarts(&mut self, status: &'a Value) {
        self.restarts += int(&status["restartCount"]);
        self.last_restart = later(self.last_restart, last_end(status));
    }
}

fn last_end(status: &Value) -> Option<&Value> {
    let at = &status["lastState"]["terminated"]["finishedAt"];
    at.is_string().then_some(at)
}

fn later<'a>(one: Option<&'a Value>, other: Option<&'a Value>) -> Option<&'a Value> {
    one.into_iter().chain(other).max_by_key(|at| time_ms(at))
}

fn ended(terminated: &Value) -> String {
    match (str(&terminated["reason"]), int(&terminated["signal"])) {
        ("", 0) => format!("ExitCode:{}", int(&terminated["exitCode"])),
        ("", signal) => format!("Signal:{signal}"),
        (reason, _) => reason.to_owned(),
    }
}
