//! Documents of `argoproj.io` and what their generators look at.

use super::*;

const ARGO_SET: &str = "apiVersion: argoproj.io/v1alpha1\nkind: ApplicationSet\n\
    metadata: {name: all, uid: x}\nspec: {generators: [], template: {}}\nstatus: {}\n";
const PROJECT: &str = "apiVersion: argoproj.io/v1alpha1\nkind: AppProject\n\
    metadata: {name: p}\nspec: {sourceRepos: ['*']}\n";
const ROLLOUT: &str = "apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata: {name: web}\n";

#[test]
fn both_dialects_are_one_fleet() {
    let list: &'static str = format!(
        "apiVersion: v1\nkind: List\nitems:\n- {}\n- {}\n",
        ARGO_SET.trim_end().replace('\n', "\n  "),
        PROJECT.trim_end().replace('\n', "\n  "),
    )
    .leak();
    let (documents, _, reading) = history(&[&[
        ("fleet/a.yaml", list),
        ("fleet/eu.yaml", EU),
        ("fleet/rollout.yaml", ROLLOUT),
        ("fleet/set.yaml", SET),
    ]]);
    assert_eq!(names(&documents), ["ApplicationSet all", "Cluster eu-1", "AppProject p"]);
    let told = "fleet/set.yaml: DuplicateName: ApplicationSet all is already in fleet/a.yaml; \
                remove one of the two";
    assert_eq!((messages(&reading).as_str(), reading.ignored), (told, 1));
}

#[test]
fn a_slip_in_a_kind_of_ours_is_no_kind_of_others() {
    let misspelt: &'static str = ARGO_SET.replace("ApplicationSet", "ApplicatonSet").leak();
    let (documents, gone, reading) = history(&[
        &[("fleet/set.yaml", ARGO_SET), ("fleet/eu.yaml", EU)],
        &[("fleet/set.yaml", misspelt), ("fleet/eu.yaml", EU)],
    ]);
    assert_eq!(names(&documents), ["ApplicationSet all", "Cluster eu-1"]);
    assert!(gone.is_empty());
    assert!(messages(&reading).contains("did you mean \"ApplicationSet\""));
}

#[test]
fn a_set_may_change_its_dialect() {
    let (documents, gone, _) =
        history(&[&[("fleet/set.yaml", SET)], &[("fleet/set.yaml", ARGO_SET)]]);
    assert!(gone.is_empty());
    let key = ResourceKey { kind: Kind::ApplicationSet, name: "all".to_owned() };
    assert!(matches!(documents.git[&key].resource, Resource::Argo(_)));
}

#[test]
fn the_templates_of_a_chart_are_no_documents() {
    let template = "apiVersion: argoproj.io/v1alpha1\nkind: Application\n{{- if .Values.x }}\n";
    let (_, gone, reading) = history(&[
        &[("fleet/set.yaml", ARGO_SET), ("fleet/eu.yaml", EU)],
        &[
            ("fleet/charts/apps/Chart.yaml", "name: apps\n"),
            ("fleet/charts/apps/templates/app.yaml", template),
            ("fleet/eu.yaml", EU),
        ],
    ]);
    assert_eq!((reading.unreadable.as_deref(), gone.len()), (None, 1));
    let (_, gone, reading) = history(&[
        &[("fleet/set.yaml", ARGO_SET), ("fleet/eu.yaml", EU)],
        &[("fleet/app.yaml", template), ("fleet/eu.yaml", EU)],
    ]);
    assert!(reading.unreadable.is_some() && gone.is_empty());
}

const MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: placements}\n\
    data: {apiVersion: placement.example/v1, kind: placements, matchKey: clusterName}\n";
const DECISION: &str = "apiVersion: placement.example/v1\nkind: Placement\n\
    metadata: {name: eu}\nstatus: {clusters: [{clusterName: eu-1}]}\n";

#[test]
fn decisions_are_what_a_config_map_describes() {
    let (documents, ..) = history(&[&[
        ("fleet/decision.yaml", DECISION),
        ("fleet/map.yaml", MAP),
        ("fleet/other.yaml", FOREIGN),
        ("fleet/pod.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: x}\nstatus: {a: b}\n"),
        ("fleet/eu.yaml", EU),
    ]]);
    assert_eq!(documents.decisions.config_maps.len(), 1);
    assert_eq!(documents.decisions.objects.len(), 1);
    assert_eq!(documents.decisions.objects[0]["metadata"]["name"], "eu");
}

#[test]
fn decisions_stay_while_a_commit_cannot_be_read() {
    let broken = "apiVersion: muster.dev/v1alpha1\nkind: [";
    let all: &[(&str, &str)] =
        &[("fleet/decision.yaml", DECISION), ("fleet/map.yaml", MAP), ("fleet/eu.yaml", EU)];
    let (documents, ..) = history(&[all, &[("fleet/b.yaml", broken), ("fleet/eu.yaml", EU)]]);
    assert_eq!(documents.decisions.objects.len(), 1);
    let (documents, ..) = history(&[all, &[("fleet/eu.yaml", EU)]]);
    assert_eq!(*documents.decisions, Decisions::default());
}
