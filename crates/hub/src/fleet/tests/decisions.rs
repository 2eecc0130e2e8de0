//! A set over decision objects that the spoke of one cluster reports.

use model::decision::{DecisionList, DecisionObject, DecisionResource};
use model::id::Term;
use serde_json::json;

use super::*;
use crate::session::Gathered;

const MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ducks}\n\
    data: {apiVersion: x.example/v1, kind: placements, statusListKey: decisions, matchKey: clusterName}\n";

/// A set in each dialect over the objects with a label.
fn documents(url: &str) -> String {
    let spec = |group: &str, dialect: &str, server: &str| {
        format!(
            "apiVersion: {group}/v1alpha1\n\
             kind: ApplicationSet\n\
             metadata: {{name: {dialect}}}\n\
             spec:\n\
             \x20 generators: [{{clusterDecisionResource: {{configMapRef: ducks, labelSelector: {{matchLabels: {{x: 'y'}}}}}}}}]\n\
             \x20 template:\n\
             \x20   metadata: {{name: '{dialect}-{{{{clusterName}}}}'}}\n\
             \x20   spec:\n\
             \x20     project: default\n\
             \x20     source: {{repoURL: '{url}', targetRevision: main, path: .}}\n\
             \x20     destination: {{{server}: '{{{{clusterName}}}}'}}\n"
        )
    };
    let (ours, argo) = (spec("muster.dev", "ours", "cluster"), spec("argoproj.io", "argo", "name"));
    format!("{ours}---\n{argo}---\n{MAP}")
}

fn report(objects: &[(&str, &[usize])]) -> Gathered {
    let resource = DecisionResource::new("x.example/v1", "placements", "").unwrap();
    let object = |(name, clusters): &(&str, &[usize])| {
        let decisions: Vec<_> =
            clusters.iter().map(|n| json!({"clusterName": format!("c{n}")})).collect();
        let object = json!({"apiVersion": "x.example/v1", "kind": "Placement",
            "metadata": {"name": name, "labels": {"x": "y"}}, "status": {"decisions": decisions}});
        DecisionObject::reduce(&resource, &object).unwrap()
    };
    let objects = objects.iter().map(object).collect();
    Gathered::from([(resource, DecisionList::Whole(objects))])
}

async fn minute() {
    tokio::time::sleep(Duration::from_secs(61)).await;
}

impl Hub {
    /// The clusters that run an application of both sets, and those that are told to remove one.
    async fn chosen(&self) -> String {
        self.handle.refresh().await.unwrap();
        let told = |n: usize| match self.wants(&format!("c{n}")).as_str() {
            "" => None,
            wants if wants == format!("argo-c{n} ours-c{n}") => Some(format!("{n}")),
            wants if wants == format!("-argo-c{n} -ours-c{n}") => Some(format!("-{n}")),
            wants => Some(format!("({wants})")),
        };
        (0..12).filter_map(told).collect::<Vec<_>>().join(" ")
    }

    fn problems_of(&self, set: &str) -> String {
        let snapshot = self.handle.snapshot().borrow().clone();
        let entry = snapshot.sets.iter().find(|entry| entry.name.as_str() == set).unwrap();
        entry.problems.join("; ")
    }
}

#[tokio::test(start_paused = true)]
async fn a_report_steers_the_fleet_and_its_absence_does_not() {
    const ALL: &str = "0 1 2 3 4 5 6 7 8 9 10 11";
    let mut world = World::new();
    world.believed = Some(cluster("mgmt"));
    for n in 0..12 {
        world.joined.label(&format!("c{n}"), &[]);
    }
    world.apps.commit(&TWO_APPS);
    world.fleet.commit(&[("sets.yaml", documents(&world.apps.url()).as_str())]);
    let hub = world.start("mirrors", 1).await;
    assert_eq!(hub.chosen().await, "");
    for set in ["ours", "argo"] {
        let problems = hub.problems_of(set);
        assert!(problems.contains("mgmt") && problems.contains("not connected"), "{problems}");
    }
    assert!(hub.decisions.open(&cluster("c1"), Term(1)).is_none(), "only mgmt is believed");

    let session = hub.decisions.open(&cluster("mgmt"), Term(1)).unwrap();
    session.report(report(&[("p", &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]), ("q", &[11])]));
    assert_eq!(hub.chosen().await, ALL);
    minute().await;
    assert_eq!(hub.chosen().await, ALL);
    assert_eq!(hub.problems_of("ours") + &hub.problems_of("argo"), "");

    // An object that is deleted: its cluster goes after a minute, within the budget.
    session.report(report(&[("p", &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10])]));
    assert_eq!(hub.chosen().await, ALL);
    let problems = hub.problems_of("ours");
    assert!(
        problems.contains("q of the placements") && problems.contains("lost itself"),
        "{problems}"
    );
    minute().await;
    assert_eq!(hub.chosen().await, "0 1 2 3 4 5 6 7 8 9 10 -11");

    // The spoke goes, the hub starts anew and finds a controller that has forgotten everything.
    drop(session);
    let after = hub.chosen().await;
    assert_eq!(after, "0 1 2 3 4 5 6 7 8 9 10 -11");
    assert!(hub.problems_of("argo").contains("disconnected since"), "{}", hub.problems_of("argo"));
    minute().await;
    assert_eq!(hub.chosen().await, after);
    hub.stop().await;
    let hub = world.start("mirrors", 2).await;
    assert_eq!(hub.chosen().await, after);
    let session = hub.decisions.open(&cluster("mgmt"), Term(1)).unwrap();
    session.report(report(&[("p", &[])]));
    assert_eq!(hub.chosen().await, after);
    minute().await;
    // It is what it says: too much for the budget.
    assert_eq!(hub.chosen().await, after);
    assert!(hub.parked("ours").is_some() && hub.parked("argo").is_some());
    session.report(report(&[("p", &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10])]));
    assert_eq!(hub.chosen().await, after);
    assert!(hub.parked("ours").is_none() && hub.parked("argo").is_none());
    drop(session);
    hub.stop().await;
}
