//! The laws of the project as functions over what is seen. Pure; each names the law that it checks.
//!
//! | law | here |
//! |---|---|
//! | L1 absence, L2 failure, L3 budget, L4 a new hub | [`vanished`], [`shrunk`] |
//! | L5 the spoke is autonomous | [`healed`] |
//! | L6 nobody holds two keys | [`foreign`] |
//! | L7 what runs is a commit | [`committed`] |
//! | L8 same input, same bytes | [`Versions::same`], [`alike`] |
//! | L9 cost follows change | the quiet minutes of `calm` |
//! | L10 status tells the truth | [`truthful`] |

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use model::canonical::Digest;
use model::status::SyncStatus;
use model::view::{ApplicationView, ClusterView, StatusSource};

use crate::content::{parse_application, value_of};
use crate::model::{Model, Place};
use crate::schedule::GitMode;
use crate::seen::{Object, ObjectId, Seen};

/// What a person writes into an object by hand.
pub const BY_HAND: &str = "by hand";
/// How long a spoke may take to heal, and a hub to see that a spoke is gone: longer than a retry,
/// and than the keepalive with its answer.
pub const HEAL_LIMIT: Duration = Duration::from_secs(120);
pub const STALE_LIMIT: Duration = Duration::from_secs(60);

/// A law that was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    pub law: &'static str,
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.law, self.what)
    }
}

fn broken(law: &'static str, what: String) -> Violation {
    Violation { law, what }
}

fn place_of(application: &str) -> Option<Place> {
    parse_application(application).map(|(directory, cluster)| (cluster, directory.to_owned()))
}

/// L1 to L4: what vanished was allowed to go. An object that was made anew had vanished too.
#[must_use]
pub fn vanished(
    model: &Model,
    git: GitMode,
    cluster: usize,
    before: &Seen,
    after: &Seen,
) -> Vec<Violation> {
    let still = |id: &ObjectId, object: &Object| {
        after.objects.get(id).is_some_and(|now| now.uid == object.uid)
    };
    let gone = before.objects.iter().filter(|(id, object)| !still(id, object));
    let illegal = gone.filter(|((_, name), object)| {
        let place = place_of(&object.application);
        !place.is_some_and(|place| model.may_go(&place)) && !model.may_drop(cluster, name)
    });
    illegal
        .map(|((kind, name), object)| {
            let wanted = place_of(&object.application)
                .is_some_and(|(cluster, directory)| model.wants(cluster, &directory));
            let law = match (wanted, model.is_held(cluster)) {
                (_, true) => "L4",
                (false, _) => "L3",
                (true, _) if git != GitMode::Serving || !model.content.spoilt.is_empty() => "L2",
                (true, _) => "L1",
            };
            let application = &object.application;
            broken(law, format!("{kind} {name} of {application} vanished from cluster {cluster}"))
        })
        .collect()
}

/// L5: what a person changed or deleted is as it was again. `running` says since when each spoke
/// has been there to see to it.
#[must_use]
pub fn healed(
    model: &mut Model,
    seen: &[Seen],
    running: &[Option<Duration>],
    now: Duration,
) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut whole = Vec::new();
    for ((cluster, name), tampering) in model.tampered.iter().filter(|(_, one)| !one.healed) {
        let object = seen[*cluster].objects.get(&("ConfigMap", name.clone()));
        if object.is_some_and(|object| object.value != BY_HAND) {
            whole.push((*cluster, name.clone()));
            continue;
        }
        let directory = name.trim_end_matches("-extra").to_owned();
        let expected = model.wants(*cluster, &directory)
            && !model.may_go(&(*cluster, directory))
            && !model.may_drop(*cluster, name) | tampering.deleted;
        let Some(since) = running[*cluster].filter(|_| expected) else { continue };
        let waited = now.saturating_sub(since.max(tampering.at));
        if waited > HEAL_LIMIT {
            let seconds = waited.as_secs();
            violations.push(broken(
                "L5",
                format!("{name} on cluster {cluster} is not healed after {seconds} s"),
            ));
        }
    }
    for key in whole {
        if let Some(tampering) = model.tampered.get_mut(&key) {
            tampering.healed = true;
        }
    }
    violations
}

/// L6: a cluster holds only its own applications.
#[must_use]
pub fn foreign(cluster: usize, seen: &Seen) -> Vec<Violation> {
    let of_others = seen
        .objects
        .iter()
        .filter(|(_, object)| place_of(&object.application).is_none_or(|(own, _)| own != cluster));
    of_others
        .map(|((kind, name), object)| {
            let application = &object.application;
            broken("L6", format!("cluster {cluster} has {kind} {name} of {application}"))
        })
        .collect()
}

/// L7: what is in a cluster was committed, and the hub wants nothing else.
#[must_use]
pub fn committed(model: &Model, cluster: usize, seen: &Seen) -> Vec<Violation> {
    let values = seen.values().into_iter();
    let wrong = values.filter(|(_, value)| !model.values.contains(value) && value != BY_HAND);
    wrong
        .map(|(name, value)| {
            broken(
                "L7",
                format!("{name} on cluster {cluster} says {value:?}, which nobody committed"),
            )
        })
        .collect()
}

/// L7 for what the hub shows: every revision is a commit of the repository.
#[must_use]
pub fn revisions(model: &Model, views: &[ApplicationView]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for view in views {
        for commit in [Some(view.revision), view.applied_revision].into_iter().flatten() {
            if !model.commits.contains(&commit.to_string()) {
                violations.push(broken("L7", format!("{} is at {commit}, no commit", view.name)));
            }
        }
    }
    violations
}

/// L8: one application at one commit is one version, whichever hub expands it, and however often.
#[derive(Debug, Default)]
pub struct Versions(BTreeMap<(String, String), Digest>);

impl Versions {
    #[must_use]
    pub fn same(&mut self, views: &[ApplicationView]) -> Vec<Violation> {
        let mut violations = Vec::new();
        for view in views {
            let key = (view.name.to_string(), view.revision.to_string());
            let known = *self.0.entry(key).or_insert(view.version);
            if known != view.version {
                violations.push(broken(
                    "L8",
                    format!("{} at {} has two versions", view.name, view.revision.short()),
                ));
            }
        }
        violations
    }
}

/// L8: equal directories are equal objects on every cluster.
#[must_use]
pub fn alike(seen: &[Seen]) -> Vec<Violation> {
    let mut values: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (name, value) in seen.iter().flat_map(Seen::values) {
        values.entry(name).or_default().insert(value);
    }
    let differing = values.into_iter().filter(|(_, values)| values.len() > 1);
    differing.map(|(name, values)| broken("L8", format!("{name} differs: {values:?}"))).collect()
}

/// What the hub had in force, until its store is replaced.
#[derive(Debug, Default)]
pub struct InForce(BTreeSet<String>);

impl InForce {
    pub fn forget(&mut self) {
        self.0.clear();
    }

    /// L1 and L2 for the hub: it never forgets an application that is wanted.
    #[must_use]
    pub fn shrunk(&mut self, model: &Model, views: &[ApplicationView]) -> Vec<Violation> {
        let now: BTreeSet<String> = views.iter().map(|view| view.name.to_string()).collect();
        let lost = self.0.difference(&now).filter(|name| {
            place_of(name).is_some_and(|place| {
                model.wants(place.0, &place.1) && !model.may_go(&place) && !model.may_stay(&place)
            })
        });
        let law = if model.content.spoilt.is_empty() { "L1" } else { "L2" };
        let violations = lost
            .map(|name| broken(law, format!("the hub no longer has {name} in force")))
            .collect();
        self.0 = now;
        violations
    }
}

/// L10: who cannot be heard is not shown as live, and what is shown as synced is.
#[must_use]
pub fn truthful(
    model: &Model,
    clusters: &BTreeMap<String, ClusterView>,
    views: &[ApplicationView],
    silent: &[Option<Duration>],
    seen: &[Seen],
    now: Duration,
) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (cluster, since) in silent.iter().enumerate() {
        let gone = since.is_some_and(|since| now.saturating_sub(since) > STALE_LIMIT);
        let Some(view) = clusters.get(&crate::content::cluster_name(cluster)) else { continue };
        let live = view.source == StatusSource::Live || view.state == "Connected";
        if gone && (live || view.synced > 0 || view.healthy > 0) {
            violations.push(broken(
                "L10",
                format!("cluster {cluster} cannot be heard and is shown as {}", view.state),
            ));
        }
        if live && view.last_seen.is_none() {
            violations.push(broken("L10", format!("cluster {cluster} is live and has no age")));
        }
    }
    for view in views.iter().filter(|view| view.source == StatusSource::Live) {
        let said = view.sync == SyncStatus::Synced && view.applied == Some(view.version);
        let Some((cluster, directory)) = place_of(view.name.as_str()).filter(|_| said) else {
            continue;
        };
        violations.extend(synced(model, view, cluster, &directory, seen));
    }
    violations
}

fn synced(
    model: &Model,
    view: &ApplicationView,
    cluster: usize,
    directory: &str,
    seen: &[Seen],
) -> Option<Violation> {
    let place = (cluster, directory.to_owned());
    let tampered = model.tampered.contains_key(&(cluster, directory.to_owned()));
    if tampered || model.may_go(&place) {
        return None;
    }
    let commit = view.applied_revision?.to_string();
    let value = model.history.get(&commit)?.get(directory)?;
    let live = seen[cluster].values().remove(directory);
    (live.as_ref() != Some(value)).then(|| {
        let revision = view.revision.short();
        broken("L10", format!("{} is shown as synced at {revision} and says {live:?}", view.name))
    })
}

/// Liveness: what is still missing, or too much, on a cluster once the faults have stopped.
#[must_use]
pub fn unsettled(model: &Model, cluster: usize, seen: &Seen, removals: bool) -> Vec<String> {
    let (wanted, values) = (model.wanted_objects(cluster), seen.values());
    let missing = wanted.iter().filter(|(name, value)| values.get(*name) != Some(value));
    let mut found: Vec<String> = missing
        .map(|(name, value)| {
            let there = values.get(name);
            format!("cluster {cluster}: {name} should say {value:?}, there is {there:?}")
        })
        .collect();
    let too_much = seen.objects.iter().filter(|((kind, name), object)| {
        let place = place_of(&object.application);
        let stays = place.is_some_and(|place| model.may_stay(&place));
        removals && *kind == "ConfigMap" && !wanted.contains_key(name) && !stays
    });
    found
        .extend(too_much.map(|((_, name), _)| format!("cluster {cluster}: {name} should be gone")));
    found
}

/// The value that a directory has in a commit, for messages and tests.
#[must_use]
pub fn value(directory: &str, value: u64) -> String {
    value_of(directory, value)
}
