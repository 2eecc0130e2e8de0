//! Both state machines of a session against each other, under every fault that a link, a process
//! and a store can have: the laws hold after each event, and when the faults stop both agree.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use hub::fleet::board::ClusterDesired;
use hub::session::machine as hub_side;
use model::application::Source;
use model::canonical::Digest;
use model::decision::{DecisionList, DecisionObject, DecisionResource};
use model::desired::{DesiredApplication, Tombstone, VersionedApplication, root_digest};
use model::id::{CommitId, Epoch, Term};
use model::name::{ApplicationName, ClusterName};
use model::set::OnRemoval;
use proptest::prelude::*;
use proto::session::{Command, Hello, SignedRecord, ToHub, ToSpoke};
use spoke_agent::decisions::Reported;
use spoke_agent::session::machine::{self as spoke_side, Accepted};

#[derive(Debug, Clone)]
enum Step {
    /// The hub wants this application in this version.
    Want {
        name: u8,
        version: u8,
    },
    /// The hub no longer wants it, and says so.
    Unwant {
        name: u8,
    },
    HubRestart,
    /// The store is gone: another epoch, and nothing is wanted.
    HubForgets,
    /// The store is an old backup: the same epoch with a lower counter.
    HubRestored,
    Confirm,
    Cut,
    Connect,
    SpokeCrash,
    ToHub,
    ToSpoke,
    EngineRemoves,
    /// The spoke sees other decision objects, so many.
    Decide(u16),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..6u8, 0..4u8).prop_map(|(name, version)| Step::Want { name, version }),
        3 => (0..6u8).prop_map(|name| Step::Unwant { name }),
        1 => Just(Step::HubRestart),
        1 => Just(Step::HubForgets),
        1 => Just(Step::HubRestored),
        1 => Just(Step::Confirm),
        2 => Just(Step::Cut),
        4 => Just(Step::Connect),
        1 => Just(Step::SpokeCrash),
        12 => Just(Step::ToHub),
        12 => Just(Step::ToSpoke),
        3 => Just(Step::EngineRemoves),
        3 => decided().prop_map(Step::Decide),
    ]
}

/// Rarely more than fit into one message, which takes a while.
fn decided() -> impl Strategy<Value = u16> {
    prop_oneof![24 => 0..4u16, 1 => 2_000..2_003u16]
}

fn name(number: u8) -> ApplicationName {
    ApplicationName::new(&format!("app-{number}")).expect("a valid name")
}

fn cluster() -> ClusterName {
    ClusterName::new("eu-1").expect("a valid name")
}

fn application(number: u8, version: u8) -> VersionedApplication {
    let source = Source {
        repo_url: "https://git.example/fleet.git".into(),
        target_revision: String::new(),
        path: format!("apps/{version}"),
        directory: None,
        kustomize: None,
        helm: None,
    };
    VersionedApplication::new(DesiredApplication {
        name: name(number),
        project: "default".into(),
        set: None,
        source,
        revision: CommitId::from_bytes([version; 20]),
        namespace: String::new(),
        sync_policy: Default::default(),
        ignore_differences: Vec::new(),
        paused: false,
    })
    .expect("a small application")
}

/// A report that says with each object how many there are.
fn reported(number: u16) -> Reported {
    let resource =
        |name: &str| DecisionResource::new("x.example/v1", name, "").expect("a resource");
    let object = |index: u16| {
        let object = serde_json::json!({"apiVersion": "x.example/v1", "kind": "Placement",
            "metadata": {"name": format!("p-{index:05}")}, "status": {"all": number}});
        DecisionObject::reduce(&resource("placements"), &object).expect("a small object")
    };
    Reported::from([
        (resource("placements"), DecisionList::Whole((0..number).map(object).collect())),
        (resource("away"), DecisionList::Failed("it cannot be listed".into())),
    ])
}

fn count(reported: &Reported) -> u16 {
    let objects = reported.values().map(|list| match list {
        DecisionList::Whole(objects) => objects.len(),
        DecisionList::Failed(_) => 0,
    });
    u16::try_from(objects.sum::<usize>()).expect("as many as were told")
}

struct World {
    epoch: Epoch,
    term: u64,
    wanted: BTreeMap<ApplicationName, VersionedApplication>,
    tombstones: BTreeMap<ApplicationName, Tombstone>,
    hub: Option<hub_side::Machine>,
    spoke: spoke_side::Machine,
    stored: Accepted,
    to_hub: VecDeque<ToHub>,
    to_spoke: VecDeque<ToSpoke>,
    /// Names that any hub ever buried, and applications that the spoke ever took.
    buried: BTreeSet<ApplicationName>,
    commands: u64,
    /// Decision objects: what the spoke sees, and what this hub was told last.
    decisions: Option<Arc<Reported>>,
    decided: Option<Reported>,
}

impl World {
    fn new() -> Self {
        let stored = Accepted::new(cluster());
        Self {
            epoch: Epoch { id: 1, counter: 5 },
            term: 0,
            wanted: BTreeMap::new(),
            tombstones: BTreeMap::new(),
            hub: None,
            spoke: spoke_side::Machine::new(stored.clone()),
            stored,
            to_hub: VecDeque::new(),
            to_spoke: VecDeque::new(),
            buried: BTreeSet::new(),
            commands: 0,
            decisions: None,
            decided: None,
        }
    }

    fn desired(&self) -> Arc<ClusterDesired> {
        let versions: Vec<_> =
            self.wanted.values().map(|one| (one.name(), one.version())).collect();
        Arc::new(ClusterDesired {
            applications: self.wanted.clone(),
            tombstones: self.tombstones.clone(),
            root: root_digest(versions.iter().map(|(name, version)| (*name, version))),
        })
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Want { name: number, version } => {
                self.tombstones.remove(&name(number));
                self.wanted.insert(name(number), application(number, version));
                self.tell_hub();
            }
            Step::Unwant { name: number } => {
                if let Some(gone) = self.wanted.remove(&name(number)) {
                    let tombstone = Tombstone {
                        name: name(number),
                        version: gone.version(),
                        on_removal: OnRemoval::Prune,
                        actor: "test".into(),
                        reason: "unwanted".into(),
                        commit: None,
                        epoch: self.epoch,
                    };
                    self.buried.insert(name(number));
                    self.tombstones.insert(name(number), tombstone);
                    self.tell_hub();
                }
            }
            Step::HubRestart => {
                self.cut();
                self.epoch.counter += 1;
            }
            Step::HubForgets => {
                self.cut();
                self.epoch = Epoch { id: self.epoch.id + 1, counter: 1 };
                self.wanted.clear();
                self.tombstones.clear();
            }
            Step::HubRestored => {
                self.cut();
                self.epoch.counter = self.epoch.counter.saturating_sub(3);
            }
            Step::Confirm => {
                if let Some(hub) = &mut self.hub {
                    self.commands += 1;
                    let command = Command::ConfirmRemovals { epoch: self.epoch };
                    let id = self.commands.to_string();
                    let actions = hub.handle(hub_side::Event::Command { id, command });
                    self.hub_acts(actions);
                }
            }
            Step::Cut => self.cut(),
            Step::Connect => self.connect(),
            Step::SpokeCrash => {
                self.cut();
                self.spoke = spoke_side::Machine::new(self.stored.clone());
                // The new process has not listed anything yet.
                self.decisions = None;
            }
            Step::ToHub => self.deliver_to_hub(),
            Step::ToSpoke => self.deliver_to_spoke(),
            Step::EngineRemoves => self.engine_removes(),
            Step::Decide(number) => {
                let reported = Arc::new(reported(number));
                self.decisions = Some(Arc::clone(&reported));
                self.spoke_event(spoke_side::Event::Decisions(reported));
            }
        }
    }

    fn tell_hub(&mut self) {
        let desired = self.desired();
        if let Some(hub) = &mut self.hub {
            let actions = hub.handle(hub_side::Event::DesiredChanged(desired));
            self.hub_acts(actions);
        }
    }

    fn cut(&mut self) {
        self.hub = None;
        self.to_hub.clear();
        self.to_spoke.clear();
        self.spoke_event(spoke_side::Event::Closed);
    }

    fn connect(&mut self) {
        self.cut();
        self.term += 1;
        let accepted = self.spoke.accepted();
        let hello = Hello {
            agent_version: String::new(),
            capabilities: Vec::new(),
            kube_system_uid: String::new(),
            instance_id: String::new(),
            cluster: cluster(),
            last_epoch: accepted.last_epoch,
            last_term: accepted.last_term,
            root: accepted.root(),
            status_digest: Digest::of(b""),
            record: SignedRecord::default(),
            kubernetes_version: String::new(),
            tools: BTreeMap::new(),
        };
        let terms = hub_side::Terms {
            cluster: cluster(),
            epoch: self.epoch,
            term: Term(self.term),
            record: SignedRecord::default(),
            status_digest: Digest::of(b""),
            takes_decisions: true,
        };
        self.spoke_event(spoke_side::Event::Opened);
        self.decided = None;
        let (hub, actions) = hub_side::Machine::new(terms, &hello, self.desired());
        self.hub = Some(hub);
        self.hub_acts(actions);
    }

    fn deliver_to_hub(&mut self) {
        let Some(message) = self.to_hub.pop_front() else { return };
        let Some(hub) = &mut self.hub else { return };
        let actions = hub.handle(hub_side::Event::Received(message));
        self.hub_acts(actions);
    }

    fn deliver_to_spoke(&mut self) {
        if let Some(message) = self.to_spoke.pop_front() {
            self.spoke_event(spoke_side::Event::Received(message));
        }
    }

    fn engine_removes(&mut self) {
        let due = self.spoke.accepted().desired().removals.into_values().next();
        if let Some(tombstone) = due {
            let (name, version) = (tombstone.name, tombstone.version);
            self.spoke_event(spoke_side::Event::Removed { name, version, pruned: 1, orphaned: 0 });
        }
    }

    fn hub_acts(&mut self, actions: Vec<hub_side::Action>) {
        for action in actions {
            match action {
                hub_side::Action::Send(message) => self.to_spoke.push_back(message),
                hub_side::Action::Removed { name, version, .. } => self.removed(&name, version),
                hub_side::Action::Decided(gathered) => {
                    let count = count(&gathered);
                    assert_eq!(gathered, reported(count), "L1: a report was taken in part");
                    self.decided = Some(gathered);
                }
                hub_side::Action::Close(parting) => panic!("the hub closed: {parting:?}"),
                hub_side::Action::Rejected(rejection) => panic!("refused: {rejection:?}"),
                _ => {}
            }
        }
    }

    fn removed(&mut self, name: &ApplicationName, version: Digest) {
        if self.tombstones.get(name).is_some_and(|one| one.version == version) {
            self.tombstones.remove(name);
            self.tell_hub();
        }
    }

    fn spoke_event(&mut self, event: spoke_side::Event) {
        let before = self.spoke.accepted().clone();
        let actions = self.spoke.handle(event);
        self.check(&before);
        for action in actions {
            match action {
                spoke_side::Action::Persist => self.stored = self.spoke.accepted().clone(),
                spoke_side::Action::Send(message) => self.to_hub.push_back(message),
                // A restored hub offers lower terms: the spoke hangs up and dials again.
                spoke_side::Action::Close(_) => return self.cut(),
                spoke_side::Action::Publish | spoke_side::Action::Run { .. } => {}
            }
        }
    }

    fn check(&self, before: &Accepted) {
        let after = self.spoke.accepted();
        let (was, is) = (before.desired(), after.desired());
        for name in was.applications.keys().filter(|name| !is.applications.contains_key(*name)) {
            assert!(self.buried.contains(name), "L1: {name} went without a tombstone");
        }
        for name in is.removals.keys().filter(|name| !was.removals.contains_key(*name)) {
            assert!(self.buried.contains(name), "L1: {name} is removed without a tombstone");
            assert!(!after.hold, "L4: {name} is removed on hold");
        }
        let unacknowledged =
            self.to_spoke.iter().filter(|one| matches!(one, ToSpoke::Desired { .. })).count();
        assert!(unacknowledged <= 1, "more than one unacknowledged response");
    }

    /// The faults stop: everything that is on its way arrives.
    fn settle(&mut self) {
        self.connect();
        for _ in 0..1_000 {
            if self.to_hub.is_empty() && self.to_spoke.is_empty() {
                let removals = self.spoke.accepted().desired().removals.len();
                if removals == 0 {
                    return;
                }
                self.engine_removes();
            }
            self.deliver_to_hub();
            self.deliver_to_spoke();
            if self.hub.is_none() {
                self.connect();
            }
        }
        panic!("the two sides do not come to rest");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn both_sides_agree_once_the_faults_stop(steps in prop::collection::vec(step(), 1..120)) {
        let mut world = World::new();
        for step in steps {
            world.step(step);
        }
        world.settle();
        let accepted = world.spoke.accepted();
        for (name, wanted) in &world.wanted {
            let has = accepted.applications.get(name).map(VersionedApplication::version);
            prop_assert_eq!(has, Some(wanted.version()), "{} did not arrive", name);
        }
        prop_assert_eq!(world.decided.as_ref(), world.decisions.as_deref(), "decisions differ");
        // On hold tombstones wait; that none goes ahead is checked after each event.
        if !accepted.hold {
            prop_assert!(world.tombstones.is_empty(), "a removal was not finished");
        }
    }
}

/// A tombstone was stored and the stream broke before it took effect; meanwhile the application was
/// wanted again, in the same version. It must not look as if nothing were to be said about it.
#[test]
fn an_application_that_is_wanted_again_outlives_its_waiting_tombstone() {
    let mut world = World::new();
    world.step(Step::Want { name: 5, version: 0 });
    world.step(Step::Connect);
    // Welcome, the list of versions, the application, its acknowledgement.
    for _ in 0..4 {
        world.step(Step::ToSpoke);
        world.step(Step::ToHub);
    }
    world.step(Step::Unwant { name: 5 });
    while world.spoke.accepted().removals.is_empty() {
        world.step(Step::ToSpoke);
        world.step(Step::ToHub);
    }
    world.step(Step::Cut);
    world.step(Step::Want { name: 5, version: 0 });
    world.settle();
    assert!(world.spoke.accepted().applications.contains_key(&name(5)));
    assert!(world.spoke.accepted().removals.is_empty());
}
