//! What is believed of reports, step by step.

use model::id::Term;
use runtime::clock::Clock;
use serde_json::json;

use super::*;

const MINUTE: Duration = CONFIRM_AFTER;

fn resource(name: &str) -> DecisionResource {
    DecisionResource::new("x.example/v1", name, "").unwrap()
}

fn placement(name: &str, clusters: &[&str]) -> DecisionObject {
    labelled(name, clusters, "a")
}

fn labelled(name: &str, clusters: &[&str], label: &str) -> DecisionObject {
    let decisions: Vec<_> = clusters.iter().map(|name| json!({"clusterName": name})).collect();
    let object = json!({"apiVersion": "x.example/v1", "kind": "Placement",
        "metadata": {"name": name, "namespace": "n", "labels": {"set": label}},
        "status": {"decisions": decisions}});
    DecisionObject::reduce(&resource("placements"), &object).unwrap()
}

fn own() -> Arc<Decisions> {
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "ducks"},
        "data": {"apiVersion": "x.example/v1", "kind": "placements",
            "statusListKey": "decisions", "matchKey": "clusterName"}});
    Arc::new(Decisions { config_maps: vec![map], ..Decisions::default() })
}

/// A hub's table, its session with the cluster and a clock.
struct World {
    reports: DecisionReports,
    session: Option<Reporter>,
    believed: Believed,
    now: Duration,
    term: u64,
}

impl World {
    fn new() -> Self {
        let cluster = ClusterName::new("mgmt").unwrap();
        let (clock, _) = Clock::manual(0);
        let reports = DecisionReports::new(Some(cluster.clone()), clock);
        let believed = Believed::new(Some(cluster));
        Self { reports, session: None, believed, now: Duration::ZERO, term: 0 }
    }

    fn connect(&mut self) {
        self.term += 1;
        self.session = self.reports.open(&ClusterName::new("mgmt").unwrap(), Term(self.term));
        self.take();
    }

    fn take(&mut self) {
        let told = self.reports.subscribe().borrow().clone();
        self.believed.take(&told, self.now);
    }

    fn report(&mut self, objects: &[DecisionObject]) {
        self.tell([("placements", DecisionList::Whole(objects.to_vec()))]);
    }

    fn tell<const N: usize>(&mut self, lists: [(&str, DecisionList); N]) {
        let lists = lists.into_iter().map(|(name, list)| (resource(name), list));
        self.session.as_ref().unwrap().report(lists.collect());
        self.take();
    }

    fn wait(&mut self, time: Duration) {
        self.now += time;
        self.believed.settle(self.now);
    }

    /// A report that has stood for long enough.
    fn settled(objects: &[DecisionObject]) -> Self {
        let mut world = Self::new();
        world.connect();
        world.report(objects);
        world.wait(MINUTE);
        assert_eq!(world.reasons(), Vec::<String>::new());
        world
    }

    fn reasons(&self) -> Vec<String> {
        let unseen = self.believed.join(&own()).0.unseen.clone();
        unseen.into_iter().map(|one| one.reason).collect()
    }

    /// The objects, and what they choose.
    fn objects(&self) -> String {
        let joined = self.believed.join(&own()).0;
        let told = |object: &Arc<Value>| {
            let list = object["status"]["decisions"].as_array().unwrap();
            let list = list.iter().map(|one| one["clusterName"].as_str().unwrap());
            let name = object["metadata"]["name"].as_str().unwrap();
            format!("{name}={}", list.collect::<Vec<_>>().join("+"))
        };
        joined.objects.iter().map(told).collect::<Vec<_>>().join(" ")
    }
}

#[track_caller]
fn only(reasons: &[String], part: &str) {
    assert!(matches!(reasons, [one] if one.contains(part)), "{part}: {reasons:?}");
}

#[test]
fn nobody_is_believed_unless_the_configuration_names_them() {
    let reports = DecisionReports::new(None, Clock::manual(0).0);
    let cluster = ClusterName::new("mgmt").unwrap();
    assert!(reports.open(&cluster, Term(1)).is_none());
    let own = own();
    let (joined, problems) = Believed::new(None).join(&own);
    assert!(Arc::ptr_eq(&joined, &own) && problems.is_empty());
    let other = World::new();
    assert!(other.reports.open(&ClusterName::new("eu-1").unwrap(), Term(1)).is_none());
}

#[test]
fn nothing_is_complete_before_the_first_report_has_stood_for_a_minute() {
    let mut world = World::new();
    only(&world.reasons(), "mgmt, whose decisions are to be believed");
    let unseen = world.believed.join(&own()).0.unseen.clone();
    assert_eq!(unseen[0].api_version, None, "it may report anything");
    world.connect();
    only(&world.reasons(), "has not reported its decision objects");
    world.report(&[placement("p", &["eu"])]);
    only(&world.reasons(), "for the first time since the hub started");
    assert_eq!(world.believed.next_due(), Some(MINUTE));
    world.wait(MINUTE);
    assert_eq!(world.reasons(), Vec::<String>::new());
    assert_eq!(world.objects(), "p=eu");
    assert_eq!(world.believed.next_due(), None);
}

#[test]
fn what_a_list_lacks_counts_as_gone_when_it_stays_away_for_a_minute() {
    let mut world = World::settled(&[placement("p", &["eu", "us"]), placement("q", &["eu"])]);
    world.report(&[placement("p", &[]), placement("q", &["eu", "us"])]);
    only(&world.reasons(), "p of the placements of x.example/v1 of mgmt has lost eu, us");
    let unseen = world.believed.join(&own()).0.unseen.clone();
    let object = unseen[0].object.clone().unwrap();
    assert_eq!(object["metadata"]["name"], "p", "q is nobody's doubt");
    world.wait(MINUTE / 2);
    // It was only a moment's weakness.
    world.report(&[placement("p", &["eu", "us"]), placement("q", &["eu", "us"])]);
    assert_eq!(world.reasons(), Vec::<String>::new());
    world.wait(MINUTE);
    world.report(&[placement("p", &["eu"]), placement("q", &["eu", "us"])]);
    world.wait(MINUTE / 2);
    only(&world.reasons(), "lost us");
    // Another change does not begin the time anew.
    world.report(&[placement("p", &["eu", "ap"]), placement("q", &["eu", "us"])]);
    world.wait(MINUTE / 2);
    assert_eq!(world.reasons(), Vec::<String>::new());
    assert_eq!(world.objects(), "p=eu+ap q=eu+us");
}

#[test]
fn an_object_that_goes_or_is_labelled_otherwise_is_waited_for_too() {
    let mut world = World::settled(&[placement("p", &["eu"]), placement("q", &[])]);
    world.report(&[]);
    only(&world.reasons(), "p of the placements of x.example/v1 of mgmt has lost itself");
    assert_eq!(world.objects(), "");
    world.wait(MINUTE);
    assert_eq!(world.reasons(), Vec::<String>::new());
    let mut world = World::settled(&[placement("p", &["eu"])]);
    world.report(&[labelled("p", &["eu"], "b")]);
    only(&world.reasons(), "has lost its labels");
    world.wait(MINUTE);
    assert_eq!(world.reasons(), Vec::<String>::new());
}

#[test]
fn a_spoke_that_is_away_takes_nothing_with_it() {
    let mut world = World::settled(&[placement("p", &["eu"])]);
    world.session = None;
    world.take();
    only(&world.reasons(), "is disconnected since 1970-01-01T00:00:00Z");
    assert_eq!(world.objects(), "p=eu");
    let (joined, problems) = world.believed.join(&own());
    assert_eq!(joined.unseen[0].api_version.as_deref(), Some("x.example/v1"));
    assert!(problems[0].message.contains("disconnected since"), "{problems:?}");
    world.wait(10 * MINUTE);
    only(&world.reasons(), "is disconnected since");
    world.connect();
    only(&world.reasons(), "has not reported");
    world.report(&[placement("p", &["eu"])]);
    assert_eq!(world.reasons(), Vec::<String>::new());
}

#[test]
fn a_session_that_was_superseded_has_no_word() {
    let mut world = World::settled(&[placement("p", &["eu"])]);
    let older = world.session.take();
    // Its successor is there before it goes.
    world.term += 1;
    world.session = world.reports.open(&ClusterName::new("mgmt").unwrap(), Term(world.term));
    older.as_ref().unwrap().report(BTreeMap::new());
    drop(older);
    world.take();
    only(&world.reasons(), "has not reported");
    assert_eq!(world.objects(), "p=eu");
}

#[test]
fn what_cannot_be_listed_stays_as_it_was_and_hides_nothing_else() {
    let mut world = World::settled(&[placement("p", &["eu"])]);
    let failed = || DecisionList::Failed("forbidden".into());
    world.tell([("placements", failed()), ("others", DecisionList::Whole(Vec::new()))]);
    world.wait(MINUTE);
    only(&world.reasons(), "as they were: forbidden");
    assert_eq!(world.objects(), "p=eu");
    assert_eq!(world.believed.next_due(), None);
    // Neither is a resource gone that the agent no longer looks at.
    world.tell([("others", DecisionList::Whole(Vec::new()))]);
    only(&world.reasons(), "does not watch them any more");
    assert_eq!(world.objects(), "p=eu");
}

#[test]
fn an_object_of_the_fleet_repository_wins() {
    let world = World::settled(&[placement("p", &["eu"]), placement("q", &["us"])]);
    let mut own = Decisions::clone(&own());
    own.objects.push(Arc::new(placement("p", &["ap"]).to_value()));
    let (joined, problems) = world.believed.join(&Arc::new(own));
    let names: Vec<_> =
        joined.objects.iter().map(|one| one["metadata"]["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["p", "q"]);
    assert_eq!(joined.objects[0]["status"]["decisions"][0]["clusterName"], "ap");
    assert!(matches!(problems.as_slice(), [one] if one.message.contains("Placement n/p")));
}

#[test]
fn more_changes_than_are_remembered_hold_everything() {
    let many = |cluster: &str| -> Vec<_> {
        (0..=MAX_EARLIER).map(|n| placement(&format!("p-{n}"), &[cluster])).collect()
    };
    let mut world = World::settled(&many("eu"));
    world.report(&many("us"));
    only(&world.reasons(), "more of them have changed");
    world.wait(MINUTE);
    assert_eq!(world.reasons(), Vec::<String>::new());
}
