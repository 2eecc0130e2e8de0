//! One pass from what is known now to what is in force next: documents, expansion, plan. Pure, and
//! large for a large fleet: the owner task runs it on a blocking thread.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use generators::{Generated, RepoReference, Sources, World, expand};
use model::application::Application;
use model::cluster::Cluster;
use model::document::Resource;
use model::id::{CommitId, Epoch};
use model::name::{ApplicationName, ClusterName};
use model::problem::{Problem, Reason};
use model::set::ApplicationSet;
use model::status::Timestamp;

use super::documents::{Documents, GitOrigin, Kind, Reading, read_tree};
use super::plan::{
    Approval, Element, FLEET_REPOSITORY, Origin, OwnerInput, Plan, PlanInput, Resolution, Verdict,
    plan,
};
use super::repositories::Trees;
use super::snapshot::{self, FleetSnapshot};
use super::state::{self, Evidence, FleetState, Owner, Subject};
use crate::ledger::NewRecord;

/// Everything as of one moment.
pub(super) struct Moment {
    pub(super) state: Arc<FleetState>,
    pub(super) documents: Arc<Documents>,
    /// The fleet repository, and what was read of it the last time.
    pub(super) repository: Option<(GitOrigin, RepoReference)>,
    pub(super) reading: Option<Arc<(CommitId, Reading)>>,
    /// The clusters that have joined.
    pub(super) joined: Vec<Cluster>,
    pub(super) trees: Trees,
    pub(super) resolutions: BTreeMap<RepoReference, Resolution>,
    /// What cannot be read.
    pub(super) unavailable: Vec<Problem>,
    pub(super) paused: BTreeSet<ApplicationName>,
    pub(super) approvals: BTreeMap<Owner, Approval>,
    pub(super) epoch: Epoch,
    pub(super) now: Timestamp,
}

/// What follows from it.
pub(super) struct Outcome {
    pub(super) documents: Arc<Documents>,
    pub(super) reading: Option<Arc<(CommitId, Reading)>>,
    pub(super) plan: Plan,
    /// The revisions that were looked up or are the source of an application, and whether their
    /// files are needed.
    pub(super) needed: BTreeMap<RepoReference, bool>,
    pub(super) snapshot: FleetSnapshot,
}

pub(super) fn work_out(moment: Moment) -> Outcome {
    let (documents, reading, gone) = read_documents(&moment);
    let mut problems = reading.as_deref().map(|(_, reading)| told(reading)).unwrap_or_default();
    problems.extend(moment.unavailable);
    let clusters = clusters(moment.joined, &documents);
    let given = expanded(&documents, &clusters, &moment.trees, &mut problems);
    let needed = needed(&given, moment.trees, moment.repository.map(|(_, reference)| reference));
    let input = PlanInput {
        owners: given,
        gone,
        revisions: moment.resolutions,
        paused: moment.paused,
        commit: documents.commit,
        epoch: moment.epoch,
        now: moment.now,
        approvals: moment.approvals,
    };
    let mut plan = plan(&moment.state, &input);
    plan.acts.extend(commit_act(&moment.documents, &documents, moment.now));
    let snapshot = snapshot::of(&documents, &plan, clusters, problems);
    Outcome { documents, reading, plan, needed, snapshot }
}

type Read = (Arc<Documents>, Option<Arc<(CommitId, Reading)>>, BTreeMap<Subject, Evidence>);

/// Reads the fleet repository when it is at another commit, or could not be read whole.
fn read_documents(moment: &Moment) -> Read {
    let mut documents = Arc::clone(&moment.documents);
    let origin = moment.repository.as_ref().map(|(origin, _)| origin);
    if documents.origin.as_ref() != origin {
        Arc::make_mut(&mut documents).adopt(origin.cloned());
    }
    let at = moment.repository.as_ref().and_then(|(_, reference)| moment.trees.at(reference));
    let (Some(origin), Some((commit, tree))) = (origin, at) else {
        return (documents, moment.reading.clone(), BTreeMap::new());
    };
    if let Some((read, reading)) = moment.reading.as_deref()
        && read == commit
        && reading.unreadable.is_none()
    {
        return (documents, moment.reading.clone(), BTreeMap::new());
    }
    let reading = read_tree(tree.as_ref(), &origin.path, &documents);
    let gone = Arc::make_mut(&mut documents).advance(*commit, &reading);
    (documents, Some(Arc::new((*commit, reading))), gone)
}

/// The problems of the documents; a set whose document is broken is told of under its name too.
fn told(reading: &Reading) -> Vec<Problem> {
    let mut problems = reading.problems.clone();
    for key in reading.broken.iter().filter(|key| key.kind == Kind::ApplicationSet) {
        let (set, element) = (key.name.clone(), String::new());
        let message = "its document is not valid, so its last good form stays in force".to_owned();
        problems.push(Problem { set, element, reason: Reason::InvalidDocument, message });
    }
    problems
}

/// The record of a new commit of the fleet repository.
fn commit_act(before: &Documents, after: &Documents, at: Timestamp) -> Option<NewRecord> {
    let commit = after.commit.filter(|commit| before.commit != Some(*commit))?;
    let (mut added, mut changed, mut removed) = (0, 0, 0);
    state::changed(&before.git, &after.git, |_, old, new| match (old, new) {
        (None, _) => added += 1,
        (Some(_), Some(_)) => changed += 1,
        (Some(_), None) => removed += 1,
    });
    Some(NewRecord {
        at,
        actor: FLEET_REPOSITORY.to_owned(),
        action: "FleetCommitRead".to_owned(),
        application: None,
        cluster: None,
        commit: Some(commit),
        message: format!(
            "the fleet repository is at commit {}: {added} documents added, {changed} changed, \
             {removed} removed",
            commit.short()
        ),
        reason: String::new(),
    })
}

/// The clusters that joined or that a document names. Labels and annotations add up key by key: a
/// person's stored document wins over what was set when joining, and Git wins over both.
fn clusters(joined: Vec<Cluster>, documents: &Documents) -> BTreeMap<ClusterName, Cluster> {
    let mut all: BTreeMap<_, _> =
        joined.into_iter().map(|cluster| (cluster.metadata.name.clone(), cluster)).collect();
    let stored = documents.stored.values().map(|resource| &**resource);
    let git = documents.git.values().map(|document| &document.resource);
    for resource in stored.chain(git) {
        let Resource::Cluster(document) = resource else { continue };
        match all.get_mut(&document.metadata.name) {
            Some(cluster) => overlay(cluster, document),
            None => drop(all.insert(document.metadata.name.clone(), document.clone())),
        }
    }
    all
}

fn overlay(cluster: &mut Cluster, document: &Cluster) {
    cluster.metadata.labels.extend(document.metadata.labels.clone());
    cluster.metadata.annotations.extend(document.metadata.annotations.clone());
    for (field, value) in [
        (&mut cluster.spec.project, &document.spec.project),
        (&mut cluster.spec.server, &document.spec.server),
    ] {
        if !value.is_empty() {
            field.clone_from(value);
        }
    }
}

/// What each owner gives now.
fn expanded(
    documents: &Documents,
    clusters: &BTreeMap<ClusterName, Cluster>,
    trees: &Trees,
    problems: &mut Vec<Problem>,
) -> BTreeMap<Owner, OwnerInput> {
    let (mut sets, mut by_hand): (Vec<ApplicationSet>, Vec<Application>) = Default::default();
    let (mut owners, mut hand_origin) = (BTreeMap::new(), Origin::Api);
    for (_, origin, resource) in documents.in_force() {
        match resource {
            Resource::ApplicationSet(set) => {
                let safety = set.spec.safety.clone();
                // Until its expansion is found below, nothing is known of it.
                let input = OwnerInput { origin, safety, complete: false, elements: Vec::new() };
                owners.insert(Owner::Set(set.metadata.name.clone()), input);
                sets.push(set.clone());
            }
            Resource::Application(application) => {
                if origin == Origin::Git {
                    hand_origin = origin;
                }
                by_hand.push((**application).clone());
            }
            Resource::Cluster(_) | Resource::Argo(_) => {}
        }
    }
    let clusters: Vec<_> = clusters.values().cloned().collect();
    let expansion = expand(
        &Sources { sets: &sets, applications: &by_hand, ..Sources::default() },
        &World::new(&clusters, trees),
    );
    for set in expansion.sets {
        if let Some(input) = owners.get_mut(&Owner::Set(set.set)) {
            input.complete = set.complete;
            input.elements = set.elements.into_iter().map(element).collect();
        }
    }
    let made = expansion.applications.into_iter().filter(|one| one.set.is_none());
    let mut made: BTreeMap<_, _> =
        made.map(|one| (one.name().clone(), verdict(one.application))).collect();
    let elements = by_hand.into_iter().map(|document| {
        let name = document.metadata.name;
        let verdict = match made.remove(&name) {
            Some(verdict) => verdict,
            None => {
                let reason = expansion.held.get(&name).cloned().unwrap_or_default();
                Verdict::Held { name: Some(name), reason }
            }
        };
        Element { id: String::new(), generator: 0, verdict }
    });
    let elements = elements.collect();
    let safety = Default::default();
    let hand = OwnerInput { origin: hand_origin, safety, complete: true, elements };
    owners.insert(Owner::ByHand, hand);
    problems.extend(expansion.problems);
    owners
}

fn element(element: generators::Element) -> Element {
    let generators::Element { id, generator, verdict, .. } = element;
    let verdict = match verdict {
        generators::Verdict::Ok(application) => self::verdict(application),
        generators::Verdict::Held { name, reason } => Verdict::Held { name, reason },
    };
    Element { id, generator, verdict }
}

fn verdict(application: Generated) -> Verdict {
    match application {
        Generated::Native(application) => Verdict::Ok(application),
        Generated::Argo(application) => {
            let reason = "the hub does not run documents of argoproj.io yet".to_owned();
            Verdict::Held { name: Some(application.name.clone()), reason }
        }
    }
}

fn needed(
    owners: &BTreeMap<Owner, OwnerInput>,
    trees: Trees,
    repository: Option<RepoReference>,
) -> BTreeMap<RepoReference, bool> {
    let elements = owners.values().flat_map(|given| &given.elements);
    let applications = elements.filter_map(|element| match &element.verdict {
        Verdict::Ok(application) => Some(application),
        Verdict::Held { .. } => None,
    });
    let mut needed: BTreeMap<_, _> = applications
        .map(|application| {
            let source = &application.spec.source;
            let repo_url = source.repo_url.clone();
            (RepoReference { repo_url, revision: source.target_revision.clone() }, false)
        })
        .collect();
    needed.extend(trees.asked().into_iter().chain(repository).map(|reference| (reference, true)));
    needed
}
