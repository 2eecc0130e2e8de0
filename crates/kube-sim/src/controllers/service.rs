//! Services and Ingresses: addresses from outside after a delay, and the EndpointSlices that say
//! which pods stand behind a Service.

use serde_json::{Value, json};

use super::access::{Found, hash};
use super::pod;
use super::queue::Kind;
use crate::cluster::State;
use crate::store::{ObjectKey, ResourceId};

fn slices() -> ResourceId {
    ResourceId::new("discovery.k8s.io", "endpointslices")
}

fn wants_address(found: &Found) -> bool {
    &*found.resource.kind == "Ingress" || found.value["spec"]["type"] == "LoadBalancer"
}

fn has_address(found: &Found) -> bool {
    found.value["status"]["loadBalancer"]["ingress"].is_array()
}

/// A Service or an Ingress was written.
pub(super) fn outside(state: &mut State, id: &ResourceId, key: &ObjectKey) {
    let Some(found) = state.found(id, key).filter(|found| !found.deleting()) else { return };
    if wants_address(&found) && !has_address(&found) {
        let wait = state.controllers.behaviour.ready_after;
        state.once_after(Kind::OutsideGiven, &found, wait);
    } else if !wants_address(&found) && has_address(&found) {
        let mut value = found.value.clone();
        value["status"]["loadBalancer"] = json!({});
        state.write_status(&found, value);
    }
}

/// An address of a documentation network (RFC 5737), by the object's uid.
pub(super) fn give_address(state: &mut State, id: &ResourceId, key: &ObjectKey) {
    let Some(found) = state.found(id, key).filter(|found| !found.deleting()) else { return };
    if !wants_address(&found) || has_address(&found) {
        return;
    }
    let ip = format!("203.0.113.{}", hash(found.uid()) % 254 + 1);
    let mut address = json!({"ip": ip});
    if &*found.resource.kind == "Service" {
        address["ipMode"] = json!("VIP");
    }
    let mut value = found.value.clone();
    value["status"]["loadBalancer"] = json!({"ingress": [address]});
    state.write_status(&found, value);
    if &*found.resource.kind == "Service" {
        state.tell(&found, "service-controller", "EnsuredLoadBalancer", "Ensured load balancer");
    }
}

/// Brings the slices of every Service of a namespace up to date.
pub(super) fn endpoints(state: &mut State, namespace: &str) {
    if !state.controllers.behaviour.pods {
        return;
    }
    let services = state.all(&ResourceId::new("", "services"), Some(namespace));
    for service in services.iter().filter(|service| !service.deleting()) {
        if let Some(selector) = service.value["spec"]["selector"].as_object()
            && !selector.is_empty()
            && service.value["spec"]["type"] != "ExternalName"
        {
            let pods = state.labelled(&ResourceId::new("", "pods"), namespace, selector);
            sync_slice(state, service, &pods);
        }
    }
}

/// One slice per Service: a cluster with more than a hundred pods behind one is beyond this.
fn sync_slice(state: &mut State, service: &Found, pods: &[Found]) {
    let pods: Vec<&Found> =
        pods.iter().filter(|pod| pod.value["status"]["podIP"].is_string()).collect();
    let endpoints: Vec<Value> = pods.iter().map(|pod| endpoint(pod)).collect();
    let ports = ports(service, pods.first().copied());
    let found = state.owned(service, &slices()).into_iter().next();
    if let Some(slice) = found {
        let mut value = slice.value.clone();
        value["endpoints"] = json!(endpoints);
        value["ports"] = json!(ports);
        state.write_main(&slice, value);
        return;
    }
    let mut labels = json!({
        "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
        "kubernetes.io/service-name": service.name(),
    });
    if service.value["spec"]["clusterIP"] == "None" {
        labels["service.kubernetes.io/headless"] = json!("");
    }
    state.make(
        &slices(),
        json!({
            "metadata": {
                "name": format!("{}-", service.name()), "namespace": service.namespace(),
                "labels": labels, "ownerReferences": [service.as_owner()],
            },
            "addressType": "IPv4", "endpoints": endpoints, "ports": ports,
        }),
    );
}

fn endpoint(of: &Found) -> Value {
    let ready = pod::serves(&of.value);
    json!({
        "addresses": [of.value["status"]["podIP"]],
        "conditions": {"ready": ready, "serving": ready, "terminating": of.deleting()},
        "nodeName": of.value["spec"]["nodeName"],
        "targetRef": {
            "kind": "Pod", "name": of.name(), "namespace": of.namespace(), "uid": of.uid(),
        },
    })
}

/// The ports of the Service as the pods know them; a named port is looked up in a pod.
fn ports(service: &Found, pod: Option<&Found>) -> Vec<Value> {
    let resolve = |target: &Value| match target.as_str() {
        None => target.as_i64(),
        Some(name) => {
            let containers = pod?.value["spec"]["containers"].as_array()?;
            let mut ports = containers.iter().filter_map(|c| c["ports"].as_array()).flatten();
            ports.find(|port| port["name"] == name)?["containerPort"].as_i64()
        }
    };
    let ports = service.value["spec"]["ports"].as_array().into_iter().flatten();
    ports
        .filter_map(|port| {
            let number = resolve(&port["targetPort"])?;
            let name = port["name"].as_str().unwrap_or_default();
            Some(json!({"name": name, "port": number, "protocol": port["protocol"]}))
        })
        .collect()
}
