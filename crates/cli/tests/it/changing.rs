//! Commands that change the fleet: what reaches the hub, and what is said.

use std::fs;
use std::io::Write as _;
use std::process::Stdio;

use expect_test::expect;
use proto::v1::ApplyResult;
use serde_json::json;

use crate::tool::{Ran, World, application};

#[test]
fn every_change_carries_its_reason() {
    let world = World::new();
    world.set("applications", vec![application("web", "eu-1")]);
    for (words, asked) in [
        (vec!["sync", "web"], "sync web"),
        (vec!["pause", "web"], "pause web"),
        (vec!["resume", "web"], "resume web"),
        (vec!["delete", "appset", "checkout"], "delete ApplicationSet checkout"),
        (
            vec!["approve", "applicationset", "checkout", "--plan", "5f0c"],
            "approve applicationset checkout plan \"5f0c\"",
        ),
        (vec!["approve", "app", "web"], "approve application web plan \"\""),
        (vec!["approve", "cluster", "eu-1"], "approve cluster eu-1 plan \"\""),
        (vec!["cluster", "approve", "eu-1"], "approve cluster eu-1"),
        (vec!["cluster", "revoke", "eu-1"], "revoke cluster eu-1"),
        (
            vec!["cluster", "label", "eu-1", "env=prod", "tier-", "zone=a"],
            "label eu-1 env=prod,zone=a without [\"tier\"]",
        ),
    ] {
        let words = [words.as_slice(), &["--reason", "ticket 7"]].concat();
        let Ran { code, out, err } = world.run(&words);
        let asked = format!("{asked} because \"ticket 7\"");
        assert_eq!((code, out, err), (0, String::new(), format!("done: {asked}\n")), "{words:?}");
        assert_eq!(world.asked(), [asked]);
    }
}

#[test]
fn a_token_is_a_command_to_run_or_a_document() {
    let world = World::new();
    let words = ["cluster", "token", "create", "--name", "eu-1", "--ttl", "30m", "--label"];
    let words = [words.as_slice(), &["env=prod", "--manual-approval", "--reason", "new"]].concat();
    let Ran { code, out, err } = world.run(&words);
    assert_eq!(code, 0, "{err}");
    expect![[r#"
        MUSTER_TOKEN=mt1.k7m2q9x4ab.secret muster-spoke join --hub hub.example:8443 --ca-pin sha256:00ff
    "#]]
    .assert_eq(&out);
    assert!(err.contains("Token k7m2q9x4ab for cluster eu-1: works once, expires in "), "{err}");
    assert!(err.contains("muster cluster approve eu-1"), "{err}");
    assert!(!err.contains("secret"), "talk may be logged: {err}");
    assert_eq!(
        world.asked(),
        ["token \"eu-1\" 1800s reusable false manual true labels env=prod because \"new\""]
    );

    let document = world.run(&["cluster", "token", "create", "--reusable", "-o", "json"]).json();
    assert_eq!(
        document,
        json!({
            "id": "k7m2q9x4ab",
            "token": "mt1.k7m2q9x4ab.secret",
            "hub": "hub.example:8443",
            "caPin": "sha256:00ff",
            "expiresAt": "2100-01-01T00:00:00Z",
            "command": "MUSTER_TOKEN=mt1.k7m2q9x4ab.secret muster-spoke join \
                        --hub hub.example:8443 --ca-pin sha256:00ff --name NAME",
        })
    );
    let Ran { code, .. } = world.run(&["cluster", "token", "create"]);
    assert_eq!(code, 2, "a name, or --reusable");
}

fn result(kind: &str, name: &str, outcome: &str, message: &str) -> ApplyResult {
    let [kind, name, outcome, message] = [kind, name, outcome, message].map(ToOwned::to_owned);
    ApplyResult { kind, name, outcome, message }
}

#[test]
fn apply_reports_each_document_and_fails_when_one_is_refused() {
    let world = World::new();
    let file = world.tool.dir.path().join("fleet.yaml");
    fs::write(&file, "a: 1\n").unwrap();
    *world.fake.results.lock().unwrap() = vec![
        result("ApplicationSet", "checkout", "created", ""),
        result("Cluster", "eu-1", "unchanged", ""),
    ];
    let words = ["apply", "-f", file.to_str().unwrap(), "--reason", "first"];
    let applied = world.run(&words).data();
    assert_eq!(applied, "applicationset/checkout created\ncluster/eu-1 unchanged\n");
    assert_eq!(world.asked(), ["apply \"a: 1\\n\" because \"first\""]);

    *world.fake.results.lock().unwrap() = vec![
        result("ApplicationSet", "checkout", "configured", ""),
        result("Application", "web", "refused", "unknown field `sorce`"),
        result("Foo", "", "refused", "document 3 has no apiVersion"),
    ];
    let Ran { code, out, err } = world.run(&words);
    assert_eq!((code, out.as_str()), (1, "applicationset/checkout configured\n"));
    expect![[r#"
        fleet.yaml: application/web: refused: unknown field `sorce`
        fleet.yaml: refused: document 3 has no apiVersion
        error: 2 documents refused; the others are stored
    "#]]
    .assert_eq(&err.replace(&format!("{}/", world.tool.dir.path().display()), ""));
}

#[test]
fn apply_reads_stdin_and_reads_all_files_before_it_sends_one() {
    let world = World::new();
    let mut child = world.tool.command(&["apply", "-f", "-"]);
    let mut child = child.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"kind: Cluster\n").unwrap();
    let ran = Ran::from(child.wait_with_output().unwrap());
    assert_eq!((ran.code, ran.err.as_str()), (0, "stdin holds no documents\n"));
    assert_eq!(world.asked(), ["apply \"kind: Cluster\\n\" because \"\""]);

    fs::write(world.tool.dir.path().join("good.yaml"), "a: 1\n").unwrap();
    let failure = world.run(&["apply", "-f", "good.yaml", "-f", "goood.yaml"]).failure();
    assert!(failure.starts_with("error: cannot read goood.yaml: No such file"), "{failure}");
    assert_eq!(world.asked(), [""; 0], "nothing was sent");

    fs::write(world.tool.dir.path().join("large.yaml"), vec![b' '; 5 << 20]).unwrap();
    let failure = world.run(&["apply", "-f", "large.yaml"]).failure();
    assert!(failure.contains("split it at a `---`"), "{failure}");
}

#[test]
fn refresh_prints_the_commit_and_fails_with_problems() {
    let world = World::new();
    let commit = format!("{}\n", crate::tool::COMMIT);
    assert_eq!(world.run(&["refresh"]).data(), commit);
    world.set(
        "problems",
        vec![json!({
            "set": "checkout", "element": "eu-1", "reason": "TemplateFailed",
            "message": "parameter \"tier\" is missing",
        })],
    );
    let Ran { code, out, err } = world.run(&["refresh"]);
    assert_eq!((code, out), (1, commit));
    expect![[r#"
        problem: checkout, eu-1: TemplateFailed: parameter "tier" is missing
        error: 1 problem; what they concern stays as it was
    "#]]
    .assert_eq(&err);
}

#[test]
fn words_that_do_not_fit_together_are_usage_errors() {
    let world = World::new();
    for words in [
        vec!["get", "clusters", "--set", "checkout"],
        vec!["cluster", "label", "eu-1", "env=a", "env-"],
        vec!["cluster", "label", "eu-1", "env"],
        vec!["approve", "applicationset", "checkout"],
        vec!["wait", "application"],
        vec!["wait", "application", "web", "--all"],
        vec!["wait", "application", "web", "--revision", "main"],
        vec!["get", "pods"],
        vec!["history", "--limit", "0"],
    ] {
        let ran = world.run(&words);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{words:?}: {}", ran.err);
        assert!(ran.err.starts_with("error: "), "{words:?}: {}", ran.err);
    }
    assert_eq!(world.asked(), [""; 0]);
}
