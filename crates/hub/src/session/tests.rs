//! One side of the conversation at a time; both sides together are tested in `tests/e2e`.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::application::Source;
use model::canonical::Digest;
use model::decision::{DecisionList, DecisionObject, DecisionResource};
use model::desired::{DesiredApplication, Tombstone, VersionedApplication};
use model::id::{CommitId, Epoch, Nonce, Term};
use model::name::{ApplicationName, ClusterName};
use model::set::OnRemoval;
use proto::session::{Decisions, Hello, Rejection, SignedRecord, ToHub, ToSpoke};

use super::machine::{Action, Event, Machine, Terms};
use crate::fleet::board::ClusterDesired;

const EPOCH: Epoch = Epoch { id: 1, counter: 1 };

fn application(name: &str, path: &str) -> VersionedApplication {
    VersionedApplication::new(DesiredApplication {
        name: ApplicationName::new(name).unwrap(),
        project: "default".into(),
        set: None,
        source: Source {
            repo_url: "https://git.example/fleet.git".into(),
            target_revision: String::new(),
            path: path.into(),
            directory: None,
            kustomize: None,
            helm: None,
        },
        revision: CommitId::from_bytes([1; 20]),
        namespace: String::new(),
        sync_policy: Default::default(),
        ignore_differences: Vec::new(),
        paused: false,
    })
    .unwrap()
}

fn desired(
    applications: &[VersionedApplication],
    buried: &[VersionedApplication],
) -> Arc<ClusterDesired> {
    let tombstone = |one: &VersionedApplication| Tombstone {
        name: one.name().clone(),
        version: one.version(),
        on_removal: OnRemoval::Prune,
        actor: "test".into(),
        reason: "test".into(),
        commit: None,
        epoch: EPOCH,
    };
    let applications = applications.iter().map(|one| (one.name().clone(), one.clone()));
    let tombstones = buried.iter().map(|one| (one.name().clone(), tombstone(one)));
    Arc::new(ClusterDesired::new(applications.collect(), tombstones.collect()))
}

/// Opens a session with a spoke whose root digest is `root`; returns what is said first.
fn open(root: Digest, desired: Arc<ClusterDesired>) -> (Machine, Vec<String>) {
    let (hello, terms) = introduced(root, false);
    let (machine, actions) = Machine::new(terms, &hello, desired);
    (machine, told(&actions))
}

fn introduced(root: Digest, takes_decisions: bool) -> (Hello, Terms) {
    let hello = Hello {
        agent_version: String::new(),
        capabilities: Vec::new(),
        kube_system_uid: String::new(),
        instance_id: String::new(),
        cluster: ClusterName::new("eu-1").unwrap(),
        last_epoch: None,
        last_term: Term(0),
        root,
        status_digest: Digest::of(b""),
        record: SignedRecord::default(),
        kubernetes_version: String::new(),
        tools: BTreeMap::new(),
    };
    let terms = Terms {
        cluster: hello.cluster.clone(),
        epoch: EPOCH,
        term: Term(1),
        record: SignedRecord::default(),
        status_digest: Digest::of(b""),
        takes_decisions,
    };
    (hello, terms)
}

/// What a person would look at: the messages and closings, a word each.
fn told(actions: &[Action]) -> Vec<String> {
    let word = |action: &Action| match action {
        Action::Send(ToSpoke::Welcome(welcome)) => {
            Some(if welcome.in_sync { "welcome in sync" } else { "welcome" }.to_owned())
        }
        Action::Send(ToSpoke::Desired { upserts, tombstones, .. }) => {
            let upserts = upserts.iter().map(|one| format!("+{}", one.name));
            let tombstones = tombstones.iter().map(|one| format!("-{}", one.name));
            Some(upserts.chain(tombstones).collect::<Vec<_>>().join(" "))
        }
        Action::Send(ToSpoke::SyncComplete { .. }) => Some("complete".to_owned()),
        Action::Close(parting) => Some(format!("close {}", parting.code)),
        _ => None,
    };
    actions.iter().filter_map(word).collect()
}

fn receive(machine: &mut Machine, message: ToHub) -> Vec<String> {
    told(&machine.handle(Event::Received(message)))
}

fn nothing() -> ToHub {
    ToHub::Versions { accepted: Vec::new(), last: true }
}

fn ack(nonce: u64, rejected: Vec<Rejection>) -> ToHub {
    ToHub::Ack { nonce: Nonce(nonce), rejected }
}

#[test]
fn equal_digests_cost_one_round_trip() {
    let state = desired(&[application("web", "a")], &[]);
    let (_, said) = open(state.root, state.clone());
    assert_eq!(said, ["welcome in sync", "complete"]);
}

#[test]
fn changes_coalesce_while_an_answer_is_awaited() {
    let (mut machine, said) = open(Digest::of(b"other"), desired(&[application("web", "a")], &[]));
    assert_eq!(said, ["welcome"]);
    assert_eq!(receive(&mut machine, nothing()), ["+web"]);
    for path in ["b", "c", "d"] {
        let change = desired(&[application("web", path), application("api", "a")], &[]);
        assert!(told(&machine.handle(Event::DesiredChanged(change))).is_empty());
    }
    assert_eq!(receive(&mut machine, ack(1, Vec::new())), ["+api +web"]);
    assert_eq!(receive(&mut machine, ack(2, Vec::new())), ["complete"]);
}

#[test]
fn a_refused_version_is_not_sent_again_and_its_neighbours_are_not_held_up() {
    let (web, api) = (application("web", "a"), application("api", "a"));
    let (mut machine, _) = open(Digest::of(b"other"), desired(&[web.clone(), api.clone()], &[]));
    receive(&mut machine, nothing());
    let rejection = Rejection {
        name: web.name().clone(),
        version: web.version(),
        code: "Malformed".into(),
        message: String::new(),
    };
    assert_eq!(receive(&mut machine, ack(1, vec![rejection])), ["complete"]);
    let mended = desired(&[application("web", "b"), api], &[]);
    assert_eq!(told(&machine.handle(Event::DesiredChanged(mended))), ["+web"]);
}

#[test]
fn a_removal_is_a_tombstone_and_what_the_hub_does_not_know_is_left_alone() {
    let (web, stranger) = (application("web", "a"), application("stranger", "a"));
    let (mut machine, _) = open(Digest::of(b"other"), desired(&[], std::slice::from_ref(&web)));
    let listed = [&web, &stranger].map(|one| (one.name().clone(), one.version()));
    let said = receive(&mut machine, ToHub::Versions { accepted: listed.to_vec(), last: true });
    assert_eq!(said, ["-web"]);
    assert_eq!(receive(&mut machine, ack(1, Vec::new())), ["complete"]);
}

#[test]
fn what_breaks_the_contract_ends_the_stream() {
    let state = desired(&[], &[]);
    let (mut machine, _) = open(state.root, state);
    assert_eq!(receive(&mut machine, nothing()), ["close ProtocolError"]);
    assert_eq!(receive(&mut machine, ack(9, Vec::new())), ["close ProtocolError"]);
}

/// A session of the cluster whose decision objects are believed, if `believed`.
fn deciding(believed: bool) -> Machine {
    let state = desired(&[], &[]);
    let (hello, terms) = introduced(state.root, believed);
    Machine::new(terms, &hello, state).0
}

fn piece(sequence: u64, objects: usize, last: bool) -> ToHub {
    let resource = DecisionResource::new("x.example/v1", "placements", "").unwrap();
    let object = |n: usize| {
        let object = serde_json::json!({"apiVersion": "x.example/v1", "kind": "Placement",
            "metadata": {"name": format!("p-{n}")}});
        DecisionObject::reduce(&resource, &object).unwrap()
    };
    let list = DecisionList::Whole((0..objects).map(object).collect());
    ToHub::Decisions(Decisions { sequence, lists: vec![(resource, list)], last })
}

#[test]
fn decision_objects_are_taken_from_the_cluster_that_is_believed_and_as_a_whole() {
    let taken = |machine: &mut Machine, message: ToHub| -> Vec<String> {
        let word = |action: Action| match action {
            Action::Decided(lists) => {
                let count = |list: &DecisionList| match list {
                    DecisionList::Whole(objects) => objects.len(),
                    DecisionList::Failed(_) => 0,
                };
                format!("{} objects", lists.values().map(count).sum::<usize>())
            }
            Action::Send(ToSpoke::DecisionsAck { sequence }) => format!("ack {sequence}"),
            Action::Close(parting) => parting.message,
            other => panic!("{other:?}"),
        };
        machine.handle(Event::Received(message)).into_iter().map(word).collect()
    };
    let mut machine = deciding(true);
    assert!(taken(&mut machine, piece(1, 3, false)).is_empty());
    assert_eq!(taken(&mut machine, piece(1, 2, true)), ["5 objects", "ack 1"]);
    assert_eq!(taken(&mut machine, piece(4, 1, true)), ["1 objects", "ack 4"]);
    let out_of_turn = "the spoke sent decision objects whose sequence is out of turn";
    assert_eq!(taken(&mut machine, piece(4, 1, true)), [out_of_turn]);
    let mut machine = deciding(true);
    taken(&mut machine, piece(1, 3, false));
    assert_eq!(taken(&mut machine, piece(2, 3, true)), [out_of_turn]);
    let mut machine = deciding(true);
    taken(&mut machine, piece(1, 6_000, false));
    let too_many = "the spoke sent more decision objects than are taken";
    assert_eq!(taken(&mut machine, piece(1, 6_000, true)), [too_many]);
    // Nobody else steers the fleet.
    let unasked = "the spoke sent decision objects that nobody asked for";
    assert_eq!(taken(&mut deciding(false), piece(1, 1, true)), [unasked]);
}
