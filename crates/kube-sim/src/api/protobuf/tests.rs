//! Bodies in protobuf, as kubectl sends them.

use super::*;

fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let length = u8::try_from(bytes.len()).expect("a short test");
    assert!(length < 128, "the length is one byte");
    [&[number << 3 | 2, length][..], bytes].concat()
}

fn number(number: u8, value: u8) -> Vec<u8> {
    vec![number << 3, value]
}

/// The envelope that goes around every object.
fn body(api_version: &str, kind: &str, object: &[u8]) -> Vec<u8> {
    let meta = [field(1, api_version.as_bytes()), field(2, kind.as_bytes())].concat();
    [MAGIC.to_vec(), field(1, &meta), field(2, object)].concat()
}

fn decoded(body: &[u8]) -> Option<Value> {
    decode(&Registry::builtin(), body)
}

#[test]
fn maps_and_zeros_are_read_as_go_writes_them() {
    // The generate name, the empty creation time and generation are written although they are zero.
    let metadata = [field(1, b"a"), field(2, b""), number(7, 0), field(8, b"")].concat();
    let entry = [field(1, b"color"), field(2, b"red")].concat();
    let map = [field(1, &metadata), field(2, &entry)].concat();
    assert_eq!(
        decoded(&body("v1", "ConfigMap", &map)).unwrap(),
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"},
            "data": {"color": "red"}})
    );
    let entry = [field(1, b"key"), field(2, &[0xff, 1])].concat();
    let secret = decoded(&body("v1", "Secret", &field(2, &entry))).unwrap();
    assert_eq!(secret["data"], json!({"key": "/wE="}));
}

#[test]
fn pointers_keep_their_zeros_and_messages_in_line_are_flat() {
    // replicas is a pointer; a port's target is a number or a text.
    let spec = number(1, 0);
    let deployment = decoded(&body("apps/v1", "Deployment", &field(2, &spec))).unwrap();
    assert_eq!(deployment["spec"], json!({"replicas": 0}));
    let port = [number(3, 80), field(4, &[number(1, 1), field(3, b"web")].concat())].concat();
    let service = decoded(&body("v1", "Service", &field(2, &field(1, &port)))).unwrap();
    assert_eq!(service["spec"]["ports"], json!([{"port": 80, "targetPort": "web"}]));
    // A volume's source is a message that JSON does not have, here an empty one.
    let volume = [field(1, b"v"), field(2, &field(2, b""))].concat();
    let pod = decoded(&body("v1", "Pod", &field(2, &field(1, &volume)))).unwrap();
    assert_eq!(pod["spec"]["volumes"], json!([{"name": "v", "emptyDir": {}}]));
}

#[test]
fn kinds_of_subresources_and_options_are_known() {
    let options = field(4, b"Foreground");
    let options = decoded(&body("v1", "DeleteOptions", &options)).unwrap();
    assert_eq!(options["propagationPolicy"], "Foreground");
    let spec = number(1, 3);
    let scale = decoded(&body("autoscaling/v1", "Scale", &field(2, &spec))).unwrap();
    assert_eq!(scale["spec"]["replicas"], 3);
}

#[test]
fn what_is_broken_or_unknown_is_nothing() {
    let whole = body("v1", "ConfigMap", &field(1, &field(1, b"a")));
    for end in 0..whole.len() {
        // A prefix may be a smaller message; it must not be taken for this one, nor panic.
        assert_ne!(decoded(&whole[..end]), decoded(&whole));
    }
    assert_eq!(decoded(&body("v1", "Nonsense", b"")), None);
    assert_eq!(decoded(b"{}"), None);
}
