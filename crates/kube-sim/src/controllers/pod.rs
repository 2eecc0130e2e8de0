//! Pods: the scheduler that gives them a node and the kubelet that runs them, as steps in time.
//!
//! A pod waits for a node, is created there, and after `ready_after` it runs and is ready, or its
//! image proves bad, or it crashes. A pod of a Job ends after the same time again. Init containers
//! have ended when the pod starts; probes always succeed; volumes are never waited for.

use std::time::Duration;

use serde_json::{Value, json};

use super::access::{Found, hash, number};
use super::any_image;
use super::conditions::{Condition, is_true, set};
use super::queue::Kind;
use super::replica_set::ended;
use crate::cluster::State;
use crate::store::{ObjectKey, ResourceId};

/// A container that crashes is started again after 10 s, 20 s, 40 s and so on, as a kubelet does.
const BACK_OFF: Duration = Duration::from_secs(10);
/// After so many starts a crashing container rests, so that a cluster with one becomes idle. One
/// that a Job counts goes on until the Job gives up.
const MAX_RESTARTS: i64 = 5;
const KUBELET: &str = "kubelet";

pub(super) fn changed(state: &mut State, id: &ResourceId, key: &ObjectKey) {
    let Some(pod) = state.found(id, key) else { return };
    if pod.deleting() || ended(&pod.value) {
        return;
    }
    if pod.value["spec"]["nodeName"].as_str().is_none_or(str::is_empty) {
        // Another scheduler's pod waits for it, and here there is none.
        if matches!(pod.value["spec"]["schedulerName"].as_str(), None | Some("default-scheduler")) {
            schedule(state, &pod);
        }
    } else if !began(&pod.value) || new_image(&pod.value) {
        begin(state, &pod);
    } else if let Some(wait) = next_wait(state, &pod) {
        state.once_after(Kind::PodProgress, &pod, wait);
    }
}

fn began(pod: &Value) -> bool {
    pod["status"]["containerStatuses"].is_array()
}

/// The image of a container was changed in place.
fn new_image(pod: &Value) -> bool {
    let statuses = pod["status"]["containerStatuses"].as_array();
    let image = |name: &Value| {
        let of = statuses?.iter().find(|status| status["name"] == *name)?;
        of["image"].as_str()
    };
    let containers = pod["spec"]["containers"].as_array();
    containers.into_iter().flatten().any(|c| image(&c["name"]) != c["image"].as_str())
}

fn schedule(state: &mut State, pod: &Found) {
    let nodes = state.all(&ResourceId::new("", "nodes"), None);
    let fits: Vec<&Found> = nodes.iter().filter(|node| suits(&pod.value, &node.value)).collect();
    let mut value = pod.value.clone();
    let time = state.time();
    if fits.is_empty() {
        let message = if nodes.is_empty() {
            "no nodes available to schedule pods".to_owned()
        } else {
            format!(
                "0/{} nodes are available: {0} node(s) didn't match Pod's node affinity/selector.",
                nodes.len()
            )
        };
        let condition = Condition {
            kind: "PodScheduled",
            status: "False",
            reason: "Unschedulable",
            message: &message,
        };
        if set(&mut value["status"], &condition, &time) {
            state.write_status(pod, value);
            state.tell(pod, "default-scheduler", "FailedScheduling", &message);
        }
        return;
    }
    let at = usize::try_from(hash(pod.uid())).unwrap_or(0) % fits.len();
    let node = fits[at].name().to_owned();
    value["spec"]["nodeName"] = json!(node);
    state.write_main(pod, value);
    let message = format!("Successfully assigned {}/{} to {node}", pod.namespace(), pod.name());
    state.tell(pod, "default-scheduler", "Scheduled", &message);
}

/// The node selector fits. Affinities, taints and capacity are not looked at.
pub(super) fn suits(pod: &Value, node: &Value) -> bool {
    let wanted = pod["spec"]["nodeSelector"].as_object();
    node["spec"]["unschedulable"] != true
        && wanted.into_iter().flatten().all(|(key, text)| node["metadata"]["labels"][key] == *text)
}

fn unready(pod: &Value) -> String {
    let names = pod["spec"]["containers"].as_array().into_iter().flatten();
    let names: Vec<&str> = names.filter_map(|c| c["name"].as_str()).collect();
    format!("containers with unready status: [{}]", names.join(" "))
}

/// The node has the pod: its containers are being created.
fn begin(state: &mut State, pod: &Found) {
    let mut value = pod.value.clone();
    let time = state.time();
    let address = host_address(state, value["spec"]["nodeName"].as_str().unwrap_or_default());
    value["status"]["phase"] = json!("Pending");
    value["status"]["hostIP"] = json!(address);
    value["status"]["hostIPs"] = json!([{"ip": address}]);
    if value["status"]["startTime"].is_null() {
        value["status"]["startTime"] = json!(time);
    }
    let waiting = json!({"waiting": {"reason": "ContainerCreating"}});
    set_containers(&mut value, "containers", "containerStatuses", &waiting, false);
    let starting = json!({"waiting": {"reason": "PodInitializing"}});
    set_containers(&mut value, "initContainers", "initContainerStatuses", &starting, false);
    mark(&mut value, false, "ContainersNotReady", &time);
    state.write_status(pod, value);
    let wait = state.controllers.behaviour.ready_after;
    state.once_after(Kind::PodProgress, pod, wait);
}

fn host_address(state: &State, node: &str) -> String {
    let key = ObjectKey::new("", node);
    let found = state.found(&ResourceId::new("", "nodes"), &key);
    let addresses = found.as_ref().and_then(|node| node.value["status"]["addresses"].as_array());
    let internal = addresses.into_iter().flatten().find(|a| a["type"] == "InternalIP");
    internal.and_then(|a| a["address"].as_str()).unwrap_or("172.18.0.2").to_owned()
}

/// Gives every container of a list this state.
fn set_containers(pod: &mut Value, list: &str, statuses: &str, to: &Value, ready: bool) {
    let Some(containers) = pod["spec"][list].as_array().cloned() else { return };
    if containers.is_empty() {
        return;
    }
    let before = pod["status"][statuses].clone();
    let status = |container: &Value| {
        let old = before
            .as_array()
            .and_then(|all| all.iter().find(|status| status["name"] == container["name"]));
        json!({
            "name": container["name"], "image": container["image"], "imageID": "",
            "ready": ready, "started": ready, "state": to,
            "lastState": old.map_or(json!({}), |old| old["lastState"].clone()),
            "restartCount": old.map_or(0, |old| number(&old["restartCount"])),
        })
    };
    pod["status"][statuses] = containers.iter().map(status).collect();
}

/// The conditions of a pod on a node; `reason` is why it is not ready.
fn mark(pod: &mut Value, ready: bool, reason: &str, time: &str) {
    let message = if reason == "ContainersNotReady" { unready(pod) } else { String::new() };
    let status = &mut pod["status"];
    let yes = |kind| Condition { kind, status: "True", reason: "", message: "" };
    let no = |kind| Condition { kind, status: "False", reason, message: &message };
    set(status, &yes("PodReadyToStartContainers"), time);
    set(status, &yes("Initialized"), time);
    for kind in ["Ready", "ContainersReady"] {
        set(status, &if ready { yes(kind) } else { no(kind) }, time);
    }
    set(status, &yes("PodScheduled"), time);
}

/// What a pod's containers do now.
enum Now {
    Creating,
    ImageFailed,
    Running,
    /// They ended and wait to be started again.
    BackingOff,
    Settled,
}

fn now(pod: &Value) -> Now {
    let status = &pod["status"]["containerStatuses"][0];
    match status["state"]["waiting"]["reason"].as_str() {
        Some("ContainerCreating") => Now::Creating,
        Some("ErrImagePull") => Now::ImageFailed,
        Some("CrashLoopBackOff") => Now::BackingOff,
        Some(_) => Now::Settled,
        None => Now::Running,
    }
}

fn restarts(pod: &Value) -> i64 {
    number(&pod["status"]["containerStatuses"][0]["restartCount"])
}

fn of_a_job(pod: &Value) -> bool {
    let owners = pod["metadata"]["ownerReferences"].as_array();
    owners.into_iter().flatten().any(|owner| owner["kind"] == "Job")
}

/// In what time something happens to the pod by itself.
fn next_wait(state: &State, pod: &Found) -> Option<Duration> {
    let behaviour = &state.controllers.behaviour;
    match now(&pod.value) {
        Now::Creating | Now::ImageFailed => Some(behaviour.ready_after),
        Now::Running => of_a_job(&pod.value).then_some(behaviour.ready_after),
        Now::BackingOff => {
            let count = restarts(&pod.value);
            let goes_on = count < MAX_RESTARTS || of_a_job(&pod.value);
            let doubled = u32::try_from(count - 1).unwrap_or(0).min(5);
            goes_on.then(|| BACK_OFF * 2u32.pow(doubled))
        }
        Now::Settled => None,
    }
}

pub(super) fn progress(state: &mut State, id: &ResourceId, key: &ObjectKey) {
    let Some(pod) = state.found(id, key) else { return };
    if pod.deleting() || ended(&pod.value) || !began(&pod.value) {
        return;
    }
    let behaviour = &state.controllers.behaviour;
    let bad = any_image(&pod.value["spec"], &behaviour.bad_images);
    let crashing = any_image(&pod.value["spec"], &behaviour.crashing_images);
    match now(&pod.value) {
        Now::Creating if bad => image_failed(state, &pod),
        Now::Creating | Now::BackingOff if crashing => crash(state, &pod),
        Now::Creating | Now::BackingOff => run(state, &pod),
        Now::ImageFailed => image_given_up(state, &pod),
        Now::Running if of_a_job(&pod.value) => end(state, &pod, 0),
        Now::Running | Now::Settled => {}
    }
}

fn failing_image(state: &State, pod: &Value) -> String {
    let bad = &state.controllers.behaviour.bad_images;
    let mut images = ["initContainers", "containers"]
        .into_iter()
        .flat_map(|list| pod["spec"][list].as_array().into_iter().flatten())
        .filter_map(|container| container["image"].as_str());
    images.find(|image| bad.iter().any(|part| image.contains(part))).unwrap_or_default().to_owned()
}

/// Sets the state of the containers whose image is bad; the others are ready.
fn wait_for_image(state: &mut State, pod: &Found, reason: &str, message: &str) {
    let mut value = pod.value.clone();
    let time = state.time();
    let waiting = json!({"waiting": {"reason": reason, "message": message}});
    set_containers(&mut value, "containers", "containerStatuses", &waiting, false);
    mark(&mut value, false, "ContainersNotReady", &time);
    state.write_status(pod, value);
}

fn image_failed(state: &mut State, pod: &Found) {
    let image = failing_image(state, &pod.value);
    let message = format!(
        "failed to pull and unpack image \"{image}\": failed to resolve reference \"{image}\": {image}: not found"
    );
    wait_for_image(state, pod, "ErrImagePull", &message);
    state.tell(pod, KUBELET, "Pulling", &format!("Pulling image \"{image}\""));
    state.tell(pod, KUBELET, "Failed", &format!("Failed to pull image \"{image}\": {message}"));
    state.tell(pod, KUBELET, "Failed", "Error: ErrImagePull");
}

fn image_given_up(state: &mut State, pod: &Found) {
    let image = failing_image(state, &pod.value);
    let message = format!("Back-off pulling image \"{image}\"");
    wait_for_image(state, pod, "ImagePullBackOff", &message);
    state.tell(pod, KUBELET, "BackOff", &message);
    state.tell(pod, KUBELET, "Failed", "Error: ImagePullBackOff");
}

fn run(state: &mut State, pod: &Found) {
    let mut value = pod.value.clone();
    let time = state.time();
    value["status"]["phase"] = json!("Running");
    address(state, &mut value);
    init_ended(&mut value, &time);
    let running = json!({"running": {"startedAt": time}});
    set_containers(&mut value, "containers", "containerStatuses", &running, true);
    mark(&mut value, true, "", &time);
    state.write_status(pod, value);
    for container in pod.value["spec"]["containers"].as_array().into_iter().flatten() {
        let image = container["image"].as_str().unwrap_or_default();
        let name = container["name"].as_str().unwrap_or_default();
        let pulled = format!("Container image \"{image}\" already present on machine");
        state.tell(pod, KUBELET, "Pulled", &pulled);
        state.tell(pod, KUBELET, "Created", &format!("Created container: {name}"));
        state.tell(pod, KUBELET, "Started", &format!("Started container {name}"));
    }
}

/// An address of the pod network, 10.244.0.0/16, each once until they wrap around.
fn address(state: &mut State, pod: &mut Value) {
    if !pod["status"]["podIP"].is_null() {
        return;
    }
    state.controllers.addresses = state.controllers.addresses % 65_000 + 1;
    let number = state.controllers.addresses;
    let ip = format!("10.244.{}.{}", number / 256, number % 256);
    pod["status"]["podIP"] = json!(ip);
    pod["status"]["podIPs"] = json!([{"ip": ip}]);
}

fn init_ended(pod: &mut Value, time: &str) {
    let done = json!({"terminated": {
        "exitCode": 0, "reason": "Completed", "startedAt": time, "finishedAt": time,
    }});
    set_containers(pod, "initContainers", "initContainerStatuses", &done, true);
}

/// The containers ended with an error: the pod fails, or they are started again later.
fn crash(state: &mut State, pod: &Found) {
    if pod.value["spec"]["restartPolicy"] == "Never" {
        end(state, pod, 1);
        return;
    }
    let mut value = pod.value.clone();
    let time = state.time();
    let count = restarts(&value) + 1;
    let wait = BACK_OFF * 2u32.pow(u32::try_from(count - 1).unwrap_or(0).min(5));
    let name = value["spec"]["containers"][0]["name"].as_str().unwrap_or_default().to_owned();
    let message = format!(
        "back-off {}s restarting failed container={name} pod={}_{}({})",
        wait.as_secs(),
        pod.name(),
        pod.namespace(),
        pod.uid()
    );
    value["status"]["phase"] = json!("Running");
    address(state, &mut value);
    init_ended(&mut value, &time);
    let waiting = json!({"waiting": {"reason": "CrashLoopBackOff", "message": message}});
    set_containers(&mut value, "containers", "containerStatuses", &waiting, false);
    for status in value["status"]["containerStatuses"].as_array_mut().into_iter().flatten() {
        status["restartCount"] = json!(count);
        status["lastState"] = json!({"terminated": {
            "exitCode": 1, "reason": "Error", "startedAt": time, "finishedAt": time,
        }});
    }
    mark(&mut value, false, "ContainersNotReady", &time);
    state.write_status(pod, value);
    state.tell(pod, KUBELET, "BackOff", &format!("Back-off restarting failed container {name}"));
}

/// The pod of a Job has ended.
fn end(state: &mut State, pod: &Found, code: i64) {
    let mut value = pod.value.clone();
    let time = state.time();
    address(state, &mut value);
    let (phase, reason) = if code == 0 { ("Succeeded", "Completed") } else { ("Failed", "Error") };
    value["status"]["phase"] = json!(phase);
    let started = value["status"]["startTime"].clone();
    let done = json!({"terminated": {
        "exitCode": code, "reason": reason, "startedAt": started, "finishedAt": time,
    }});
    init_ended(&mut value, &time);
    set_containers(&mut value, "containers", "containerStatuses", &done, false);
    let why = if code == 0 { "PodCompleted" } else { "PodFailed" };
    mark(&mut value, false, why, &time);
    state.write_status(pod, value);
}

/// Whether a pod serves requests.
pub(super) fn serves(pod: &Value) -> bool {
    is_true(&pod["status"], "Ready") && !pod["status"]["podIP"].is_null()
}
