//! Tables and sheets as a person sees them.

use expect_test::{Expect, expect};
use model::status::Timestamp;
use model::view::{ApplicationView, ClusterView, Record, SetView, TokenView};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{Look, applications, clusters, records, sets, tokens};

const NOW: i64 = 1_700_000_000_000;
const COMMIT: &str = "1a2b3c4d5e6f708192a3b4c5d6e7f80912233445";
const OLDER: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f001122334";

const NARROW: Look = Look { wide: false, colour: false, width: None, now: Timestamp(NOW) };
const WIDE: Look = Look { wide: true, ..NARROW };

fn ago(seconds: i64) -> i64 {
    NOW - seconds * 1_000
}

fn version(digit: &str) -> String {
    digit.repeat(64)
}

/// `base` with the keys of `changes` over it.
fn with(mut base: Value, changes: &Value) -> Value {
    for (key, value) in changes.as_object().unwrap() {
        base[key] = value.clone();
    }
    base
}

fn view<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

fn application(name: &str, cluster: &str, changes: &Value) -> ApplicationView {
    let base = json!({
        "name": name, "cluster": cluster, "set": "checkout", "project": "payments",
        "repoUrl": "https://git.example/fleet.git", "path": "apps/checkout",
        "targetRevision": "main", "namespace": "checkout", "revision": COMMIT,
        "version": version("a"), "accepted": version("a"), "applied": version("a"),
        "appliedRevision": COMMIT, "sync": "Synced", "health": "Healthy", "message": "",
        "conditions": [], "paused": false, "source": "live", "reportedAt": ago(200),
    });
    view(with(base, changes))
}

fn fleet() -> Vec<ApplicationView> {
    vec![
        application("checkout-eu-west-1", "eu-west-1", &json!({})),
        application(
            "checkout-eu-west-2",
            "eu-west-2",
            &json!({
                "sync": "OutOfSync", "health": "Degraded", "message": "pod web-1:\n\u{1b}[31mcrash",
                "applied": version("b"), "appliedRevision": OLDER, "paused": true,
                "conditions": [{"kind": "PruneParked", "message": "12 objects, at most 10 per hour"}],
            }),
        ),
        application(
            "checkout-us-1",
            "us-1",
            &json!({"source": "lastKnown", "reportedAt": ago(7_300)}),
        ),
        application(
            "search-us-2",
            "us-2",
            &json!({
                "source": "neverSeen", "sync": "Unknown", "health": "Unknown", "reportedAt": null,
                "accepted": null, "applied": null, "appliedRevision": null, "set": null,
            }),
        ),
    ]
}

#[expect(clippy::needless_pass_by_value, reason = "reads as a table at the call")]
fn check(text: String, expected: Expect) {
    expected.assert_eq(&text);
}

#[test]
fn applications_fit_eighty_columns() {
    let text = applications::table(&fleet(), NARROW).render(NARROW);
    assert!(text.lines().all(|line| line.len() <= 80), "{text}");
    check(
        text,
        expect![[r#"
        NAME                CLUSTER    SYNC       HEALTH    REVISION  AGE
        checkout-eu-west-1  eu-west-1  Synced     Healthy   1a2b3c4d  3m
        checkout-eu-west-2  eu-west-2  OutOfSync  Degraded  0f1e2d3c  3m
        checkout-us-1       us-1       Unknown    Unknown   1a2b3c4d  (2h ago)
        search-us-2         us-2       Unknown    Unknown   -         never
    "#]],
    );
}

#[test]
fn wide_applications_say_why() {
    check(
        applications::table(&fleet(), WIDE).render(WIDE),
        expect![[r#"
        NAME                CLUSTER    SYNC       HEALTH    REVISION  AGE       SET       PATH           TARGET  VERSION       MESSAGE
        checkout-eu-west-1  eu-west-1  Synced     Healthy   1a2b3c4d  3m        checkout  apps/checkout  main    aaaaaaaaaaaa
        checkout-eu-west-2  eu-west-2  OutOfSync  Degraded  0f1e2d3c  3m        checkout  apps/checkout  main    aaaaaaaaaaaa  paused; wants 1a2b3c4d; pod web-1: [31mcrash; PruneParked
        checkout-us-1       us-1       Unknown    Unknown   1a2b3c4d  (2h ago)  checkout  apps/checkout  main    aaaaaaaaaaaa  last known Synced, Healthy
        search-us-2         us-2       Unknown    Unknown   -         never     -         apps/checkout  main    aaaaaaaaaaaa
    "#]],
    );
}

#[test]
fn a_stale_verdict_is_never_shown_as_good() {
    let stale = ["lastKnown", "neverSeen"]
        .map(|source| application("checkout-us-1", "us-1", &json!({"source": source})));
    let look = Look { colour: true, ..NARROW };
    let text = applications::table(&stale, look).render(look);
    assert!(!text.contains("Synced") && !text.contains("Healthy"), "{text}");
    assert!(!text.contains("\u{1b}[32m"), "no green: {text}");
    let sheet = applications::sheet(&stale[0], look);
    assert!(sheet.contains("Unknown (last known Synced, 3m ago)"), "{sheet}");
    assert!(!sheet.contains("\u{1b}[32m"), "no green: {sheet}");

    let cluster = cluster("us-1", &json!({"state": "Disconnected", "source": "lastKnown"}));
    let text = clusters::table(&[cluster], look).render(look);
    assert!(!text.contains("\u{1b}[32m"), "no green: {text}");
}

#[test]
fn an_application_in_full() {
    let object = |kind: &str, group: &str| json!({"group": group, "kind": kind, "namespace": "checkout", "name": "web"});
    let view = application(
        "checkout-eu-west-2",
        "eu-west-2",
        &json!({
            "sync": "OutOfSync", "health": "Degraded", "message": "Deployment web is degraded",
            "applied": version("b"), "appliedRevision": OLDER,
            "conditions": [{"kind": "PruneParked", "message": "12 objects, at most 10 per hour"}],
            "resources": [
                {"object": object("Service", ""), "sync": "Synced"},
                {
                    "object": object("Deployment", "apps"), "sync": "OutOfSync",
                    "health": "Degraded", "message": "1 of 3 replicas available",
                },
            ],
            "incidents": [
                {
                    "id": 2, "application": "checkout-eu-west-2",
                    "object": object("Deployment", "apps"), "fields": [".spec.replicas"],
                    "managers": ["kubectl-edit"], "detectedAt": ago(60),
                    "healedAt": ago(60) + 180, "outcome": "Healed",
                },
                {
                    "id": 1, "application": "checkout-eu-west-2", "object": object("Service", ""),
                    "fields": [".spec.ports", ".spec.type"], "managers": ["helm", "ops/scale"],
                    "detectedAt": ago(9_000), "outcome": "Reported",
                },
            ],
        }),
    );
    check(
        applications::sheet(&view, NARROW),
        expect![[r#"
            Name:          checkout-eu-west-2
            Cluster:       eu-west-2
            Set:           checkout
            Project:       payments
            Repository:    https://git.example/fleet.git
            Path:          apps/checkout
            Target:        main
            Namespace:     checkout
            Sync:          OutOfSync
            Health:        Degraded
            Reported:      2023-11-14T22:10:00Z (3m ago), live
            Desired:       1a2b3c4d5e6f708192a3b4c5d6e7f80912233445, version aaaaaaaaaaaa
            Accepted:      version aaaaaaaaaaaa
            Applied:       0f1e2d3c4b5a69788796a5b4c3d2e1f001122334, version bbbbbbbbbbbb, not the desired one
            Paused:        no
            Message:       Deployment web is degraded
            Conditions:
              PruneParked: 12 objects, at most 10 per hour
              to let the removals go on:
                muster approve application checkout-eu-west-2
            Resources:
              KIND             NAMESPACE  NAME  SYNC       HEALTH    MESSAGE
              Service          checkout   web   Synced     -
              Deployment.apps  checkout   web   OutOfSync  Degraded  1 of 3 replicas available
            Incidents:
              Deployment.apps checkout/web, 1m ago: Healed in 0.18s
                changed by kubectl-edit: .spec.replicas
              Service checkout/web, 2h ago: Reported
                changed by helm, ops/scale: .spec.ports, .spec.type
        "#]],
    );
}

#[test]
fn an_application_of_which_nothing_is_known_in_full() {
    check(
        applications::sheet(&fleet()[3], NARROW),
        expect![[r#"
            Name:          search-us-2
            Cluster:       us-2
            Set:           -
            Project:       payments
            Repository:    https://git.example/fleet.git
            Path:          apps/checkout
            Target:        main
            Namespace:     checkout
            Sync:          Unknown (never reported)
            Health:        Unknown (never reported)
            Reported:      never
            Desired:       1a2b3c4d5e6f708192a3b4c5d6e7f80912233445, version aaaaaaaaaaaa
            Accepted:      nothing yet
            Applied:       nothing yet
            Paused:        no
        "#]],
    );
}

fn cluster(name: &str, changes: &Value) -> ClusterView {
    let base = json!({
        "name": name, "labels": {"env": "prod", "region": "eu"}, "annotations": {},
        "state": "Connected", "source": "live", "lastSeen": ago(2), "hold": false,
        "heldRemovals": [], "kubernetesVersion": "v1.36.3", "agentVersion": "0.1.0",
        "tools": {"helm": "4.0.1", "kustomize": "5.8.0"}, "applications": 12, "synced": 12,
        "healthy": 11, "certificateExpires": NOW + 29 * 86_400_000,
    });
    view(with(base, changes))
}

fn all_clusters() -> Vec<ClusterView> {
    vec![
        cluster("eu-west-1", &json!({})),
        cluster(
            "eu-west-2",
            &json!({"hold": true, "heldRemovals": ["checkout-eu-west-2", "search-eu-west-2"]}),
        ),
        cluster(
            "us-1",
            &json!({"state": "Disconnected", "source": "lastKnown", "lastSeen": ago(7_300)}),
        ),
        cluster(
            "us-2",
            &json!({
                "state": "NeverSeen", "source": "neverSeen", "lastSeen": null, "labels": {},
                "kubernetesVersion": "", "agentVersion": "", "tools": {}, "applications": 1,
                "synced": 0, "healthy": 0, "certificateExpires": null,
            }),
        ),
    ]
}

#[test]
fn clusters_fit_eighty_columns() {
    let text = clusters::table(&all_clusters(), NARROW).render(NARROW);
    assert!(text.lines().all(|line| line.len() <= 80), "{text}");
    check(
        text,
        expect![[r#"
        NAME       STATE           APPS  SYNCED   HEALTHY  VERSION  SEEN
        eu-west-1  Connected       12    12       11       v1.36.3  now
        eu-west-2  Connected,Hold  12    12       11       v1.36.3  now
        us-1       Disconnected    12    Unknown  Unknown  v1.36.3  2h ago
        us-2       NeverSeen       1     Unknown  Unknown  -        never
    "#]],
    );
}

#[test]
fn wide_clusters_have_their_labels() {
    check(
        clusters::table(&all_clusters(), WIDE).render(WIDE),
        expect![[r#"
        NAME       STATE           APPS  SYNCED   HEALTHY  VERSION  SEEN    AGENT  HELD  CERTIFICATE  LABELS
        eu-west-1  Connected       12    12       11       v1.36.3  now     0.1.0  0     29d          env=prod,region=eu
        eu-west-2  Connected,Hold  12    12       11       v1.36.3  now     0.1.0  2     29d          env=prod,region=eu
        us-1       Disconnected    12    Unknown  Unknown  v1.36.3  2h ago  0.1.0  0     29d          env=prod,region=eu
        us-2       NeverSeen       1     Unknown  Unknown  -        never   -      0     -            -
    "#]],
    );
}

#[test]
fn a_cluster_on_hold_in_full() {
    check(
        clusters::sheet(&all_clusters()[1], NARROW),
        expect![[r#"
            Name:          eu-west-2
            State:         Connected
            Seen:          now, connected
            Applications:  12 (12 synced, 11 healthy)
            Kubernetes:    v1.36.3
            Agent:         0.1.0
            Certificate:   valid until 2023-12-13T22:13:20Z (29d)
            Labels:
              env=prod
              region=eu
            Tools:
              helm=4.0.1
              kustomize=5.8.0
            Hold:
              the hub's store is new to this spoke: it applies changes and removes nothing
              2 removals held back
              - checkout-eu-west-2
              - search-eu-west-2
              when what the hub wants is right, let them go on:
                muster approve cluster eu-west-2
        "#]],
    );
}

#[test]
fn a_cluster_that_reports_decisions_in_full() {
    let decisions = json!({"decisions": {"at": ago(90), "objects": 3,
        "problems": ["placements of x.example/v1: forbidden"]}});
    check(
        clusters::sheet(&cluster("mgmt", &decisions), NARROW),
        expect![[r#"
            Name:          mgmt
            State:         Connected
            Seen:          now, connected
            Applications:  12 (12 synced, 11 healthy)
            Kubernetes:    v1.36.3
            Agent:         0.1.0
            Certificate:   valid until 2023-12-13T22:13:20Z (29d)
            Decisions:     3 objects, reported 2023-11-14T22:11:50Z (1m ago)
            Decisions that cannot be seen:
              placements of x.example/v1: forbidden
            Labels:
              env=prod
              region=eu
            Tools:
              helm=4.0.1
              kustomize=5.8.0
        "#]],
    );
}

#[test]
fn a_cluster_that_is_away_in_full() {
    check(
        clusters::sheet(&all_clusters()[2], NARROW),
        expect![[r#"
            Name:          us-1
            State:         Disconnected
            Seen:          2023-11-14T20:11:40Z (2h ago)
            Applications:  12 (Unknown; last known 12 synced, 11 healthy)
            Kubernetes:    v1.36.3
            Agent:         0.1.0
            Certificate:   valid until 2023-12-13T22:13:20Z (29d)
            Labels:
              env=prod
              region=eu
            Tools:
              helm=4.0.1
              kustomize=5.8.0
        "#]],
    );
}

fn all_sets() -> Vec<SetView> {
    let plan = "5f0c3a1e9b72";
    vec![
        view(json!({
            "name": "checkout", "origin": "git", "commit": COMMIT, "applications": 12,
            "synced": 12, "healthy": 11, "problems": [],
            "held": [{
                "element": "eu-west-2, apps/checkout", "application": "checkout-eu-west-2",
                "reason": "parameter \"tier\" is missing",
            }],
            "parked": {
                "plan": plan, "applications": ["checkout-us-1", "checkout-us-2"],
                "reason": "2 of 12 applications would be removed; the budget is 1",
            },
        })),
        view(json!({
            "name": "platform", "origin": "api", "applications": 3, "synced": 3, "healthy": 3,
            "held": [], "problems": [],
        })),
    ]
}

#[test]
fn sets_fit_eighty_columns() {
    let text = sets::table(&all_sets(), NARROW).render(NARROW);
    assert!(text.lines().all(|line| line.len() <= 80), "{text}");
    check(
        text,
        expect![[r#"
        NAME      APPS  SYNCED  HEALTHY  HELD  PARKED  ORIGIN
        checkout  12    12      11       1     2       git@1a2b3c4d
        platform  3     3       3        0     0       api
    "#]],
    );
}

#[test]
fn a_set_in_full_has_the_command_that_approves() {
    check(
        sets::sheet(&all_sets()[0], NARROW),
        expect![[r#"
            Name:          checkout
            Origin:        git at 1a2b3c4d
            Applications:  12 (12 synced, 11 healthy)
            Held:
              ELEMENT                   APPLICATION         REASON
              eu-west-2, apps/checkout  checkout-eu-west-2  parameter "tier" is missing
            Parked:
              2 removals: 2 of 12 applications would be removed; the budget is 1
              - checkout-us-1
              - checkout-us-2
              to remove exactly these:
                muster approve applicationset checkout --plan 5f0c3a1e9b72
        "#]],
    );
}

fn history() -> Vec<Record> {
    vec![
        view(json!({
            "sequence": 42, "at": ago(95), "actor": "operator/ann", "action": "Approved",
            "application": "checkout-eu-west-1", "cluster": "eu-west-1", "commit": COMMIT,
            "message": "2 removals of application set checkout", "reason": "ticket 7",
        })),
        view(json!({
            "sequence": 41, "at": ago(86_400 * 3), "actor": "hub", "action": "RemovalParked",
            "message": "2 of 12 applications would be removed; the budget is 1",
        })),
    ]
}

#[test]
fn records_are_cut_to_the_terminal_at_the_message_only() {
    let look = Look { width: Some(80), ..NARROW };
    check(
        records::table(&history(), look).render(look),
        expect![[r#"
            AGE  ACTOR         ACTION         COMMIT    MESSAGE
            1m   operator/ann  Approved       1a2b3c4d  checkout-eu-west-1: 2 removals of a…
            3d   hub           RemovalParked  -         2 of 12 applications would be remov…
        "#]],
    );
}

#[test]
fn wide_records_hold_everything() {
    check(
        records::table(&history(), WIDE).render(WIDE),
        expect![[r#"
            TIME                  SEQUENCE  ACTOR         ACTION         APPLICATION         CLUSTER    COMMIT    REASON    MESSAGE
            2023-11-14T22:11:45Z  42        operator/ann  Approved       checkout-eu-west-1  eu-west-1  1a2b3c4d  ticket 7  2 removals of application set checkout
            2023-11-11T22:13:20Z  41        hub           RemovalParked  -                   -          -         -         2 of 12 applications would be removed; the budget is 1
        "#]],
    );
}

#[test]
fn tokens_show_what_is_left() {
    let token = |id: &str, state: &str, left: i64| -> TokenView {
        view(json!({
            "id": id, "cluster": "eu-west-1", "state": state, "reusable": false,
            "manualApproval": true, "createdAt": ago(600), "expiresAt": NOW + left * 1_000,
            "uses": 0,
        }))
    };
    let all = [token("k7m2q9x4ab", "Unused", 3_000), token("p3v8n1c5de", "Expired", -5)];
    check(
        tokens::table(&all, WIDE).render(WIDE),
        expect![[r#"
        ID          CLUSTER    STATE    USES  EXPIRES  AGE  REUSABLE  APPROVAL
        k7m2q9x4ab  eu-west-1  Unused   0     50m      10m  no        manual
        p3v8n1c5de  eu-west-1  Expired  0     expired  10m  no        manual
    "#]],
    );
}

#[test]
fn colours_do_not_move_columns() {
    let plain = applications::table(&fleet(), NARROW).render(NARROW);
    let look = Look { colour: true, ..NARROW };
    let mut coloured = applications::table(&fleet(), look).render(look);
    assert_ne!(plain, coloured);
    for code in ["31", "32", "33", "2", "0"] {
        coloured = coloured.replace(&format!("\u{1b}[{code}m"), "");
    }
    assert_eq!(plain, coloured);
}

#[test]
fn rows_that_come_later_keep_to_the_columns() {
    let mut widths = super::Widths::default();
    let all = fleet();
    let first = applications::table(&all, NARROW).render_under(NARROW, &mut widths);
    let short = [application("a", "b", &json!({}))];
    let later = applications::table(&short, NARROW).render_under(NARROW, &mut widths);
    assert_eq!(later.lines().count(), 1, "no second header: {later}");
    let column = |line: &str| line.find("Synced").unwrap();
    assert_eq!(column(&later), column(first.lines().nth(1).unwrap()));
}
