//! Services, endpoints, ingresses and network policies.

use serde_json::{Value, json};

use super::Printer;
use super::text::{
    NONE, UNSET, age, entries, int, labels, list, load_balancer, or_none, selector, shortened, str,
    str_or,
};

/// How many endpoints, ports or hosts one cell shows.
const SHOWN: usize = 3;

pub(super) fn printer(plural: &str) -> Option<Printer> {
    Some(match plural {
        "services" => Printer::new(
            &["Type", "Cluster-IP", "External-IP", "Port(s)", "Age", "Selector*"],
            service,
        ),
        "endpoints" => Printer::new(&["Endpoints", "Age"], endpoints),
        "endpointslices" => {
            Printer::new(&["AddressType", "Ports", "Endpoints", "Age"], endpoint_slice)
        }
        "ingresses" => Printer::new(&["Class", "Hosts", "Address", "Ports", "Age"], ingress),
        "ingressclasses" => Printer::new(&["Controller", "Parameters", "Age"], ingress_class),
        "networkpolicies" => Printer::new(&["Pod-Selector", "Age"], network_policy),
        _ => return None,
    })
}

fn service(object: &Value, now_ms: i64) -> Vec<Value> {
    let spec = &object["spec"];
    let ports: Vec<String> = list(&spec["ports"]).iter().map(service_port).collect();
    vec![
        json!(str(&spec["type"])),
        json!(str_or(&spec["clusterIP"], NONE)),
        json!(external_address(object)),
        json!(or_none(ports)),
        age(object, now_ms),
        json!(labels(&spec["selector"])),
    ]
}

fn service_port(port: &Value) -> String {
    let (number, protocol) = (int(&port["port"]), str_or(&port["protocol"], "TCP"));
    match int(&port["nodePort"]) {
        0 => format!("{number}/{protocol}"),
        node => format!("{number}:{node}/{protocol}"),
    }
}

fn external_address(object: &Value) -> String {
    let spec = &object["spec"];
    let extra = list(&spec["externalIPs"]).iter().map(|ip| str(ip).to_owned());
    match str(&spec["type"]) {
        "ExternalName" => str(&spec["externalName"]).to_owned(),
        "LoadBalancer" => {
            let all: Vec<_> = load_balancer(object).into_iter().chain(extra).collect();
            if all.is_empty() { "<pending>".to_owned() } else { all.join(",") }
        }
        _ => or_none(extra.collect()),
    }
}

fn endpoints(object: &Value, now_ms: i64) -> Vec<Value> {
    let mut shown = Vec::new();
    for subset in list(&object["subsets"]) {
        let addresses = || list(&subset["addresses"]).iter().map(|address| str(&address["ip"]));
        let ports = list(&subset["ports"]);
        for port in ports {
            shown.extend(addresses().map(|ip| with_port(ip, int(&port["port"]))));
        }
        if ports.is_empty() {
            shown.extend(addresses().map(str::to_owned));
        }
    }
    vec![json!(shortened(&shown, SHOWN, NONE, ",")), age(object, now_ms)]
}

fn with_port(ip: &str, port: i64) -> String {
    if ip.contains(':') { format!("[{ip}]:{port}") } else { format!("{ip}:{port}") }
}

fn endpoint_slice(object: &Value, now_ms: i64) -> Vec<Value> {
    let port = |port: &Value| match port["port"].as_i64() {
        Some(number) => number.to_string(),
        None => "*".to_owned(),
    };
    let ports: Vec<String> = list(&object["ports"]).iter().map(port).collect();
    let addresses = list(&object["endpoints"]).iter().flat_map(|one| list(&one["addresses"]));
    let addresses: Vec<String> = addresses.map(|address| str(address).to_owned()).collect();
    vec![
        json!(str(&object["addressType"])),
        json!(shortened(&ports, SHOWN, UNSET, ",")),
        json!(shortened(&addresses, SHOWN, UNSET, ",")),
        age(object, now_ms),
    ]
}

fn ingress(object: &Value, now_ms: i64) -> Vec<Value> {
    let spec = &object["spec"];
    let rules = list(&spec["rules"]).iter();
    let hosts: Vec<String> =
        rules.map(|rule| str(&rule["host"]).to_owned()).filter(|host| !host.is_empty()).collect();
    let annotations = entries(&object["metadata"]["annotations"]);
    let old_class = annotations
        .filter(|(key, _)| *key == "kubernetes.io/ingress.class")
        .map(|(_, class)| str(class))
        .next()
        .unwrap_or(NONE);
    vec![
        json!(str_or(&spec["ingressClassName"], old_class)),
        json!(shortened(&hosts, SHOWN, "*", ",")),
        json!(load_balancer(object).join(",")),
        json!(if list(&spec["tls"]).is_empty() { "80" } else { "80, 443" }),
        age(object, now_ms),
    ]
}

fn ingress_class(object: &Value, now_ms: i64) -> Vec<Value> {
    let parameters = &object["spec"]["parameters"];
    let shown = match (str(&parameters["kind"]), str(&parameters["apiGroup"])) {
        ("", _) => NONE.to_owned(),
        (kind, "") => format!("{kind}/{}", str(&parameters["name"])),
        (kind, group) => format!("{kind}.{group}/{}", str(&parameters["name"])),
    };
    vec![json!(str(&object["spec"]["controller"])), json!(shown), age(object, now_ms)]
}

fn network_policy(object: &Value, now_ms: i64) -> Vec<Value> {
    vec![json!(selector(&object["spec"]["podSelector"])), age(object, now_ms)]
}
