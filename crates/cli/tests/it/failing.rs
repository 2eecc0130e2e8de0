//! What a person reads when something is wrong: the thing, the rule, the fix.

use std::fs;
use std::io::Write as _;
use std::net::TcpListener;

use expect_test::{Expect, expect};
use rcgen::ExtendedKeyUsagePurpose;
use tonic::{Code, Status};

use crate::fake::Authority;
use crate::tool::{Ran, Tool, World, application};

/// Addresses and folders differ from run to run.
fn check(failure: &str, tool: &Tool, address: &str, expected: Expect) {
    let text = failure.replace(&tool.dir.path().display().to_string(), "DIR");
    expected.assert_eq(&text.replace(address, "HUB"));
}

#[test]
fn no_context_file() {
    let authority = Authority::new();
    let tool = Tool::new("127.0.0.1:1", "hub.test", &authority.pem(), &authority.client());
    fs::remove_file(tool.context()).unwrap();
    check(
        &tool.run(&["get", "apps"]).failure(),
        &tool,
        "127.0.0.1:1",
        expect![[r#"
            error: there is no context file at DIR/context.yaml
            hint: `muster-hub init --dir DIR` writes one, DIR/admin.yaml; name it with --context-file FILE or MUSTER_CONTEXT, or copy it to ~/.config/muster/context.yaml
        "#]],
    );

    let mut command = tool.command(&["get", "apps"]);
    let home = command.env_remove("MUSTER_CONTEXT").env("HOME", tool.dir.path()).output();
    let failure = Ran::from(home.unwrap()).failure();
    assert!(failure.contains("/.config/muster/context.yaml"), "{failure}");
}

#[test]
fn a_context_file_with_a_mistake() {
    let authority = Authority::new();
    let tool = Tool::new("127.0.0.1:1", "hub.test", &authority.pem(), &authority.client());
    let good = fs::read_to_string(tool.context()).unwrap();
    fs::write(tool.context(), good.replace("serverName", "servername")).unwrap();
    check(
        &tool.run(&["get", "apps"]).failure(),
        &tool,
        "127.0.0.1:1",
        expect![[r#"
            error: the context file DIR/context.yaml is not valid: unknown key "servername"; did you mean "serverName"? known: hub, serverName, fleet, ca, certificate, key
            hint: it holds hub, serverName, fleet, ca, certificate, key; `muster-hub init` writes it
        "#]],
    );
    fs::write(tool.context(), good.replace("PRIVATE KEY", "PUBLIC KEY")).unwrap();
    check(
        &tool.run(&["get", "apps"]).failure(),
        &tool,
        "127.0.0.1:1",
        expect![[r#"
            error: the context file DIR/context.yaml cannot be used: `key` holds no usable private key; it must hold one unencrypted "BEGIN PRIVATE KEY" block: no items found
            hint: it holds hub, serverName, fleet, ca, certificate, key; `muster-hub init` writes it
        "#]],
    );
    fs::write(tool.context(), good.replace("127.0.0.1:1", "127.0.0.1")).unwrap();
    check(
        &tool.run(&["get", "apps"]).failure(),
        &tool,
        "127.0.0.1:1",
        expect![[r#"
        error: the hub "127.0.0.1" of the context file DIR/context.yaml is not valid
        hint: write it as host:port
    "#]],
    );
}

#[test]
fn a_key_that_others_can_read_is_told() {
    let world = World::new();
    world.tool.chmod(0o644);
    let Ran { code, err, .. } = world.run(&["get", "apps"]);
    assert_eq!(code, 0);
    assert!(err.starts_with("warning: others can read "), "{err}");
    assert!(err.contains("chmod 600 "), "{err}");
}

#[test]
fn nobody_listens() {
    let authority = Authority::new();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let tool = Tool::new(&free, "hub.test", &authority.pem(), &authority.client());
    check(
        &tool.run(&["get", "apps"]).failure(),
        &tool,
        &free,
        expect![[r#"
            error: cannot connect to the hub at HUB: Connection refused (os error 111)
            hint: is the hub running? `muster-hub run` starts it; its address is `hub:` in DIR/context.yaml
        "#]],
    );
}

#[test]
fn something_else_listens() {
    let authority = Authority::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let tool = Tool::new(&address, "hub.test", &authority.pem(), &authority.client());
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
    });
    check(
        &tool.run(&["get", "apps"]).failure(),
        &tool,
        &address,
        expect![[r#"
        error: what answers at HUB is not a hub: received corrupt message of type InvalidContentType
        hint: check `hub:` in the context file, port included
    "#]],
    );
    server.join().unwrap();
}

#[test]
fn a_hub_of_another_fleet() {
    let world = World::new();
    let (other, client) = (Authority::new(), world.authority.client());
    let tool = Tool::new(&world.address, "hub.test", &other.pem(), &client);
    check(
        &tool.run(&["get", "apps"]).failure(),
        &tool,
        &world.address,
        expect![[r#"
            error: the hub at HUB is not trusted: invalid peer certificate: BadSignature
            hint: `ca:` in DIR/context.yaml is of another fleet, or the hub was made anew; `muster-hub init` wrote the context that fits
        "#]],
    );
}

#[test]
fn a_hub_of_another_name() {
    let world = World::new();
    let (ca, client) = (world.authority.pem(), world.authority.client());
    let tool = Tool::new(&world.address, "hub.other", &ca, &client);
    check(
        &tool.run(&["get", "apps"]).failure(),
        &tool,
        &world.address,
        expect![[r#"
        error: the hub at HUB is not trusted: invalid peer certificate: certificate not valid for name "hub.other"; certificate is only valid for DnsName("hub.test")
        hint: the hub's certificate is not for "hub.other"; see `serverName:` in DIR/context.yaml
    "#]],
    );
}

#[test]
fn a_hub_whose_certificate_has_expired() {
    let authority = Authority::new();
    let server = authority.sign("hub.test", ExtendedKeyUsagePurpose::ServerAuth, 2021);
    let world = World::with(authority, &server);
    let failure = world.run(&["get", "apps"]).failure();
    assert!(failure.contains("hint: the hub's certificate has expired"), "{failure}");
}

#[test]
fn a_person_of_another_fleet() {
    let world = World::new();
    let (ca, client) = (world.authority.pem(), Authority::new().client());
    let tool = Tool::new(&world.address, "hub.test", &ca, &client);
    let failure = tool.run(&["get", "apps"]).failure();
    assert!(failure.contains("does not accept the certificate of"), "{failure}");
    assert!(failure.contains("hint: it is of another fleet"), "{failure}");
}

#[test]
fn a_person_whose_certificate_has_expired() {
    let world = World::new();
    let client = world.authority.sign("ann", ExtendedKeyUsagePurpose::ClientAuth, 2021);
    let tool = Tool::new(&world.address, "hub.test", &world.authority.pem(), &client);
    check(
        &tool.run(&["get", "apps"]).failure(),
        &tool,
        &world.address,
        expect![[r#"
            error: the hub at HUB does not accept the certificate of DIR/context.yaml: received fatal alert: CertificateExpired
            hint: the certificate in DIR/context.yaml has expired; a new one is issued where the hub's keys are
        "#]],
    );
}

#[test]
fn a_name_that_is_not_there() {
    let world = World::new();
    world.set("applications", vec![application("checkout-eu-1", "eu-1")]);
    for words in [
        vec!["get", "app", "chekout-eu-1"],
        vec!["get", "app", "chekout-eu-1", "--watch"],
        vec!["describe", "app", "chekout-eu-1"],
        vec!["sync", "chekout-eu-1"],
        vec!["pause", "chekout-eu-1"],
    ] {
        let failure = world.run(&words).failure();
        let expected = "error: there is no application \"chekout-eu-1\"\n\
                        hint: did you mean checkout-eu-1?\n";
        assert_eq!(failure, expected, "{words:?}");
    }
    let failure = world.run(&["get", "cluster", "eu-1"]).failure();
    assert!(failure.ends_with("hint: `muster get clusters` lists them\n"), "{failure}");
}

#[test]
fn what_the_hub_answers() {
    let world = World::new();
    for (code, expected) in [
        (
            Code::PermissionDenied,
            expect![[r#"
            error: the hub does not allow this: words of the hub
            hint: the certificate in the context file says who asks; ask an administrator of the fleet, or use another context
        "#]],
        ),
        (
            Code::FailedPrecondition,
            expect![[r#"
            error: the hub refuses this: words of the hub
        "#]],
        ),
        (
            Code::Unimplemented,
            expect![[r#"
            error: the hub does not know this request
            hint: `muster version` shows whether hub and command are of one version
        "#]],
        ),
        (
            Code::Unavailable,
            expect![[r#"
            error: the hub is not ready: words of the hub
            hint: the hub may be starting or stopping; try again
        "#]],
        ),
        (
            Code::Internal,
            expect![[r#"
            error: the hub failed (Internal): words of the hub
            hint: the hub's log says more
        "#]],
        ),
    ] {
        *world.fake.error.lock().unwrap() = Some(Status::new(code, "words of the hub"));
        expected.assert_eq(&world.run(&["refresh"]).failure());
    }
}

#[test]
fn a_hub_that_does_not_answer() {
    let world = World::new();
    *world.fake.mute.lock().unwrap() = true;
    let failure = world.run(&["--request-timeout", "1s", "get", "apps"]).failure();
    expect![[r#"
        error: the hub did not answer within 1s
        hint: --request-timeout gives it longer
    "#]]
    .assert_eq(&failure);
}

#[test]
fn an_answer_that_this_version_cannot_read() {
    let world = World::new();
    world.set("applications", vec![serde_json::json!({"name": "checkout-eu-1"})]);
    let failure = world.run(&["get", "apps"]).failure();
    assert!(
        failure.starts_with("error: the hub's answer cannot be read: missing field"),
        "{failure}"
    );
    assert!(failure.contains("hint: `muster version`"), "{failure}");
    let list = world.run(&["get", "apps", "-o", "json"]).json();
    assert_eq!(list["items"][0]["name"], "checkout-eu-1", "documents are passed on all the same");
}
