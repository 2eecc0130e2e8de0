//! `muster wait` and `muster sync --wait`: what counts, what does not, and what is said in the end.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use std::sync::Arc;

use expect_test::expect;
use serde_json::Value;

use crate::fake::{Fake, serve};
use crate::tool::{COMMIT, Ran, World, application, with};

fn start(world: &World, words: &[&str]) -> Child {
    let mut command = world.tool.command(words);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn end(child: Child) -> Ran {
    child.wait_with_output().unwrap().into()
}

#[test]
fn it_ends_when_all_are_synced_and_healthy() {
    let world = World::new();
    let (one, two) = (application("web-eu-1", "eu-1"), application("web-eu-2", "eu-2"));
    world.set("applications", vec![one.clone(), with(two.clone(), "health", "Progressing")]);
    let child = start(&world, &["wait", "application", "--all"]);
    world.fake.watched();
    world.set("applications", vec![one, two]);
    expect![[r#"
        application/web-eu-1 synced and healthy at 1a2b3c4d
        application/web-eu-2 synced and healthy at 1a2b3c4d
    "#]]
    .assert_eq(&end(child).data());
}

#[test]
fn it_waits_for_one_that_is_not_there_yet() {
    let world = World::new();
    let child = start(&world, &["wait", "app", "web-eu-1", "--for", "synced"]);
    world.fake.watched();
    world.set("applications", vec![application("web-eu-1", "eu-1")]);
    assert_eq!(end(child).data(), "application/web-eu-1 synced at 1a2b3c4d\n");
}

#[test]
fn what_does_not_count() {
    let world = World::new();
    let item = |name, key, value: &str| with(application(name, "eu-1"), key, value);
    world.set(
        "applications",
        vec![
            item("away", "source", "lastKnown"),
            item("leaving", "removal", "waits for approval"),
            item("sick", "health", "Degraded"),
            item("changed", "sync", "OutOfSync"),
            item("older", "applied", &"b".repeat(64)),
            application("well", "eu-1"),
        ],
    );
    let failure = world.run(&["wait", "app", "--all", "--timeout", "1s"]).failure();
    expect![[r#"
        away: cluster eu-1 is not connected; last known Synced, Healthy
        leaving: Synced, Healthy, 1a2b3c4d applied; removal: waits for approval
        sick: Synced, Degraded, 1a2b3c4d applied
        changed: OutOfSync, Healthy, 1a2b3c4d applied
        older: Synced, Healthy, 1a2b3c4d applied; wants 1a2b3c4d
        error: 5 of 6 applications not synced and healthy after 1s
    "#]]
    .assert_eq(&failure);
}

#[test]
fn a_commit_counts_when_it_is_in_the_cluster() {
    let world = World::new();
    world.set("applications", vec![application("web", "eu-1")]);
    for sha in [COMMIT, "1a2b", "1A2B3C4D"] {
        assert_eq!(world.run(&["wait", "app", "web", "--revision", sha]).code, 0, "{sha}");
    }
    let words = ["wait", "app", "web", "--revision", "0f1e", "--timeout", "1s"];
    let failure = world.run(&words).failure();
    assert!(
        failure.contains("1 of 1 application not synced and healthy after 1s at 0f1e"),
        "{failure}"
    );
}

#[test]
fn nothing_is_not_healthy() {
    let world = World::new();
    let failure = world.run(&["wait", "app", "--all", "--timeout", "1s"]).failure();
    expect![[r#"
        error: not synced and healthy after 1s: there are no applications
    "#]]
    .assert_eq(&failure);
    world.set("applications", vec![application("checkout", "eu-1")]);
    let failure = world.run(&["wait", "app", "chekout", "--timeout", "1s"]).failure();
    expect![[r#"
        error: not synced and healthy after 1s: the hub sent no list
    "#]]
    .assert_eq(&failure);
}

#[test]
fn sync_can_wait() {
    let world = World::new();
    let good = application("web", "eu-1");
    world.set("applications", vec![with(good.clone(), "sync", "OutOfSync")]);
    let child = start(&world, &["sync", "web", "--wait"]);
    world.fake.watched();
    world.set("applications", vec![good]);
    let ran = end(child);
    assert_eq!(ran.out, "application/web synced and healthy at 1a2b3c4d\n", "{}", ran.err);
    assert_eq!(world.asked(), ["sync web because \"\""]);
}

#[test]
fn a_hub_that_restarts_is_waited_for() {
    let World { fake, tool, authority, address, runtime } = World::new();
    let good = application("web", "eu-1");
    let set = |fake: &Fake, item: Value| {
        fake.lists.send_modify(|lists| {
            lists.insert("applications", vec![item]);
        });
    };
    set(&fake, with(good.clone(), "health", "Progressing"));
    let mut command = tool.command(&["wait", "app", "web"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    fake.watched();
    // Waits until the listener is gone, so that its address is free.
    drop(runtime);
    let mut talk = BufReader::new(child.stderr.take().unwrap()).lines();
    let line = talk.next().unwrap().unwrap();
    assert!(line.ends_with("trying again until it is back"), "{line}");

    let runtime = tokio::runtime::Runtime::new().unwrap();
    let again = Arc::new(Fake::default());
    set(&again, good);
    runtime.block_on(serve(again, &authority, &authority.server(), &address));
    assert_eq!(end(child).data(), "application/web synced and healthy at 1a2b3c4d\n");
}
