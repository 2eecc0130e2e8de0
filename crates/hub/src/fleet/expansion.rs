//! One pass from what is known now to what is in force next: documents, expansion, plan. Pure, and
//! large for a large fleet: the owner task runs it on a blocking thread.

mod owners;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use generators::{Incremental, RepoReference, World};
use model::cluster::Cluster;
use model::document::Resource;
use model::id::{CommitId, Epoch};
use model::name::{ApplicationName, ClusterName};
use model::problem::{Problem, Reason};
use model::provider::Request;
use model::status::Timestamp;
use source::RepoUrl;

use super::decisions::Believed;
use super::documents::{Documents, GitOrigin, Kind, Reading, read_tree};
use super::plan::{
    Approval, FLEET_REPOSITORY, OwnerInput, Plan, PlanInput, Resolution, Verdict, plan,
};
use super::repositories::{Needed, Trees};
use super::services::Answers;
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
    /// What services answered.
    pub(super) answers: Answers,
    /// The decision objects that a spoke reported.
    pub(super) believed: Believed,
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
    /// What was looked up, or is the source of an application.
    pub(super) needed: Needed,
    /// The questions to services, with the times that sets want between two of them.
    pub(super) requests: BTreeSet<(Request, Option<Duration>)>,
    pub(super) snapshot: FleetSnapshot,
}

/// `kept` is the expansion of the pass before; what nothing has changed for is not done again.
pub(super) fn work_out(moment: Moment, kept: &mut Incremental) -> Outcome {
    let (documents, reading, gone) = read_documents(&moment);
    let mut problems = reading.as_deref().map(|(_, reading)| told(reading)).unwrap_or_default();
    problems.extend(moment.unavailable);
    let clusters = clusters(moment.joined, &documents);
    let known: Vec<_> = clusters.values().cloned().collect();
    let (decisions, told) = moment.believed.join(&documents.decisions);
    problems.extend(told);
    let world = World {
        decisions: &decisions,
        providers: &moment.answers,
        ..World::new(&known, &moment.trees)
    };
    let given = owners::give(kept, &documents, &clusters, &world, &mut problems);
    let repository = moment.repository.map(|(_, reference)| reference);
    let needed = needed(&moment.state, &given, kept, repository);
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
    let requests = kept.requests().map(|(request, period)| (request.clone(), period)).collect();
    Outcome { documents, reading, plan, needed, requests, snapshot }
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

fn needed(
    state: &FleetState,
    owners: &BTreeMap<Owner, OwnerInput>,
    kept: &Incremental,
    repository: Option<RepoReference>,
) -> Needed {
    let elements = owners.values().flat_map(|given| &given.elements);
    let applications = elements.filter_map(|element| match &element.verdict {
        Verdict::Ok(application) => Some(application),
        Verdict::Held { .. } => None,
    });
    let mut revisions: BTreeMap<_, _> = applications
        .map(|application| {
            let source = &application.spec.source;
            let repo_url = source.repo_url.clone();
            (RepoReference { repo_url, revision: source.target_revision.clone() }, false)
        })
        .collect();
    // What a set does not update goes on with the source that it was made with.
    let unchanging = state
        .applications
        .values()
        .filter(|entry| owners.get(&entry.owner).is_some_and(|given| !given.policy.updates()));
    revisions.extend(unchanging.map(|entry| {
        let source = &entry.desired.application().source;
        let (repo_url, revision) = (source.repo_url.clone(), source.target_revision.clone());
        (RepoReference { repo_url, revision }, false)
    }));
    let read = kept.references().cloned().chain(repository);
    revisions.extend(read.map(|reference| (reference, true)));
    // A URL that is none is a problem of its generator.
    let names = kept.listed().filter_map(|url| RepoUrl::parse(url).ok()).collect();
    let mut periods = BTreeMap::new();
    for (url, period) in kept.hurried() {
        let Ok(url) = RepoUrl::parse(url) else { continue };
        let shortest = periods.entry(url).or_insert(period);
        *shortest = period.min(*shortest);
    }
    Needed { revisions, names, periods }
}
