//! What a run may bring about: the wishes that were uttered, and what may go because of them. Pure.
//!
//! The model never predicts when something happens. It says what must be there once the faults have
//! stopped, and what may vanish before that; everything else that vanishes breaks a law.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::content::{Content, Directory, JOB, config_maps, value_of};
use crate::schedule::{Act, DIRECTORIES, FIRST_DIRECTORIES, SetId};

/// One application: a directory on a cluster.
pub type Place = (usize, String);

/// The budget of a set without one of its own, in percent.
const BUDGET_PERCENT: usize = 10;

/// Why an application may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Permission {
    /// In which step it was given.
    step: usize,
}

/// What somebody did to an object by hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tampering {
    pub at: Duration,
    pub deleted: bool,
    pub healed: bool,
}

#[derive(Debug)]
pub struct Model {
    pub content: Content,
    pub picked: BTreeSet<usize>,
    spokes: usize,
    step: usize,
    /// What may go, until the next calm.
    may_go: BTreeMap<Place, Permission>,
    /// From which step on a cluster must hold removals back.
    held: BTreeMap<usize, usize>,
    /// No longer wanted while a hub did not know of it: nobody will ever order its removal.
    forgotten: BTreeSet<Place>,
    /// The hub may lack something that is in force on the clusters.
    recovering: bool,
    /// ConfigMaps that a commit took out of a directory.
    dropped_objects: BTreeSet<String>,
    /// By cluster and name of the ConfigMap.
    pub tampered: BTreeMap<(usize, String), Tampering>,
    /// Every value that was ever committed.
    pub values: BTreeSet<String>,
    pub commits: BTreeSet<String>,
    /// What a commit says of each directory.
    pub history: BTreeMap<String, BTreeMap<String, String>>,
}

impl Model {
    #[must_use]
    pub fn new(spokes: usize) -> Self {
        let directory = |name: &&str| ((*name).to_owned(), Directory { value: 1, extra: false });
        Self {
            content: Content {
                directories: DIRECTORIES[..FIRST_DIRECTORIES].iter().map(directory).collect(),
                job: 1,
                jobs: (0..spokes).collect(),
                spoilt: BTreeMap::new(),
            },
            picked: (0..spokes).collect(),
            spokes,
            step: 0,
            may_go: BTreeMap::new(),
            held: BTreeMap::new(),
            forgotten: BTreeSet::new(),
            recovering: false,
            dropped_objects: BTreeSet::new(),
            tampered: BTreeMap::new(),
            values: BTreeSet::new(),
            commits: BTreeSet::new(),
            history: BTreeMap::new(),
        }
    }

    /// The value of a directory, when it is there.
    fn value(&self, directory: &str) -> Option<u64> {
        match directory {
            JOB => Some(self.content.job),
            other => self.content.directories.get(other).map(|one| one.value),
        }
    }

    /// Whether Git and the labels ask for an application. A spoilt set asks for what it did before.
    #[must_use]
    pub fn wants(&self, cluster: usize, directory: &str) -> bool {
        match directory {
            JOB => self.content.jobs.contains(&cluster),
            other => self.content.directories.contains_key(other) && self.picked.contains(&cluster),
        }
    }

    /// The ConfigMaps that must be on a cluster, with their value.
    #[must_use]
    pub fn wanted_objects(&self, cluster: usize) -> BTreeMap<String, String> {
        let all = self.content.directories.keys().map(String::as_str).chain([JOB]);
        let mut objects = BTreeMap::new();
        for directory in all.filter(|one| self.wants(cluster, one)) {
            let extra = self.content.directories.get(directory).is_some_and(|one| one.extra);
            let value = self.value(directory).unwrap_or_default();
            for name in config_maps(directory, extra) {
                objects.insert(name, value_of(directory, value));
            }
        }
        objects
    }

    /// How many applications a set makes when it is read whole.
    fn existing(&self, set: SetId) -> usize {
        match set {
            SetId::Apps => self.content.directories.len() * self.picked.len(),
            SetId::Jobs => self.content.jobs.len(),
        }
    }

    /// Removals that somebody asks for, `count` of them as far as is known. Those beyond the budget
    /// wait for an approval.
    fn unwanted(&mut self, existing: usize, count: usize, places: Vec<Place>) {
        let budget = (existing * BUDGET_PERCENT / 100).max(1);
        // The hub may know of a few more or fewer than are wanted now; where that could tip the
        // scales, the removal counts as allowed.
        let surely_parked = count > budget * 2 || count == existing;
        for place in places {
            if self.recovering {
                self.forgotten.insert(place.clone());
            }
            if !surely_parked {
                self.allow(place);
            }
        }
    }

    /// From now on this application may go.
    pub fn allow(&mut self, place: Place) {
        let permission = Permission { step: self.step };
        self.may_go.entry(place).or_insert(permission);
    }

    /// Whether an application's objects may vanish from their cluster now.
    #[must_use]
    pub fn may_go(&self, place: &Place) -> bool {
        let Some(permission) = self.may_go.get(place) else { return false };
        // On hold only what was allowed before the hub was lost may still be under way.
        self.held.get(&place.0).is_none_or(|from| permission.step < *from)
    }

    /// Whether an object of a directory that stays may vanish.
    #[must_use]
    pub fn may_drop(&self, cluster: usize, name: &str) -> bool {
        self.dropped_objects.contains(name)
            || self.tampered.get(&(cluster, name.to_owned())).is_some_and(|one| one.deleted)
    }

    #[must_use]
    pub fn is_held(&self, cluster: usize) -> bool {
        self.held.contains_key(&cluster)
    }

    /// Whether an application that nobody wants may stay for ever.
    #[must_use]
    pub fn may_stay(&self, place: &Place) -> bool {
        self.forgotten.contains(place)
    }

    #[must_use]
    pub fn step(&self) -> usize {
        self.step
    }

    /// Takes note of an act. Whether it needs a commit is the answer.
    pub fn note(&mut self, act: &Act) -> bool {
        self.step += 1;
        match act {
            Act::Change { directory } => {
                if let Some(one) = self.content.directories.get_mut(*directory) {
                    one.value += 1;
                }
            }
            Act::Extra { directory, there } => {
                let Some(one) = self.content.directories.get_mut(*directory) else { return false };
                one.extra = *there;
                one.value += 1;
                if !there {
                    self.dropped_objects.insert(format!("{directory}-extra"));
                }
            }
            Act::AddDirectory { directory } => {
                // Values never come again, so that a look at a cluster tells which commit it is.
                let value = 1_000 * self.step as u64;
                let added = Directory { value, extra: false };
                self.content.directories.insert((*directory).to_owned(), added);
            }
            Act::RemoveDirectory { directory } => {
                let existing = self.existing(SetId::Apps);
                self.content.directories.remove(*directory);
                let places = self.picked.iter().map(|one| (*one, (*directory).to_owned()));
                let places: Vec<_> = places.collect();
                self.unwanted(existing, places.len(), places);
            }
            Act::RemoveJobs { clusters } => {
                let existing = self.existing(SetId::Jobs);
                self.content.jobs.retain(|one| !clusters.contains(one));
                let places = clusters.iter().map(|one| (*one, JOB.to_owned())).collect();
                self.unwanted(existing, clusters.len(), places);
            }
            Act::AddJobs { clusters } => self.content.jobs.extend(clusters),
            Act::Spoil { set, how } => drop(self.content.spoilt.insert(*set, *how)),
            Act::Mend { set } => drop(self.content.spoilt.remove(set)),
            _ => return false,
        }
        true
    }

    pub fn labelled(&mut self, cluster: usize, picked: bool) {
        let existing = self.existing(SetId::Apps);
        if picked {
            self.picked.insert(cluster);
        } else if self.picked.remove(&cluster) {
            // The hub may be behind, and still have a directory in force that is gone from Git.
            let places = DIRECTORIES.iter().map(|one| (cluster, (*one).to_owned())).collect();
            self.unwanted(existing, self.content.directories.len(), places);
        }
    }

    /// A commit is in the repository.
    pub fn committed(&mut self, commit: &str) {
        let mut said = BTreeMap::from([(JOB.to_owned(), value_of(JOB, self.content.job))]);
        for (name, directory) in &self.content.directories {
            said.insert(name.clone(), value_of(name, directory.value));
        }
        self.values.extend(said.values().cloned());
        self.commits.insert(commit.to_owned());
        self.history.insert(commit.to_owned(), said);
    }

    /// The hub's store was lost or replaced by an older one; `strangers` are the clusters to which
    /// the next hub is unknown or older than the one they met last.
    pub fn store_replaced(&mut self, strangers: &[usize]) {
        self.recovering = true;
        for cluster in strangers {
            self.held.entry(*cluster).or_insert(self.step);
        }
        // What is unwanted already may be unknown to the hub that comes up.
        let all = DIRECTORIES.iter().copied().chain([JOB]);
        for directory in all {
            for cluster in 0..self.spokes {
                if !self.wants(cluster, directory) {
                    self.forgotten.insert((cluster, directory.to_owned()));
                }
            }
        }
    }

    /// A person lets a cluster remove again.
    pub fn confirmed(&mut self, cluster: usize) {
        self.held.remove(&cluster);
    }

    /// The fleet is as it is wanted: what was allowed until now is over.
    pub fn calm(&mut self) {
        self.recovering = false;
        let wanted = |place: &Place| self.wants(place.0, &place.1);
        let settled: Vec<_> = self.may_go.keys().filter(|place| wanted(place)).cloned().collect();
        let known: Vec<_> = self.forgotten.iter().filter(|place| wanted(place)).cloned().collect();
        for place in settled {
            self.may_go.remove(&place);
        }
        for place in known {
            self.forgotten.remove(&place);
        }
        self.dropped_objects.clear();
        self.tampered.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_may_go_and_many_wait_for_approval() {
        let mut model = Model::new(50);
        model.note(&Act::RemoveJobs { clusters: vec![3] });
        assert!(model.may_go(&(3, JOB.into())));
        model.note(&Act::RemoveJobs { clusters: (10..40).collect() });
        assert!(!model.may_go(&(10, JOB.into())));
        model.allow((10, JOB.into()));
        assert!(model.may_go(&(10, JOB.into())));
    }

    #[test]
    fn on_hold_only_what_was_allowed_before_may_go() {
        let mut model = Model::new(50);
        model.note(&Act::RemoveJobs { clusters: vec![3] });
        model.note(&Act::LoseStore);
        model.store_replaced(&[3, 4]);
        model.note(&Act::RemoveJobs { clusters: vec![4] });
        assert!(model.may_go(&(3, JOB.into())) && !model.may_go(&(4, JOB.into())));
        model.confirmed(4);
        assert!(model.may_go(&(4, JOB.into())) && model.may_stay(&(4, JOB.into())));
    }

    #[test]
    fn what_is_wanted_again_must_stay_after_the_next_calm() {
        let mut model = Model::new(10);
        model.note(&Act::RemoveJobs { clusters: vec![1] });
        model.note(&Act::AddJobs { clusters: vec![1] });
        assert!(model.may_go(&(1, JOB.into())));
        model.calm();
        assert!(!model.may_go(&(1, JOB.into())));
    }

    #[test]
    fn a_cluster_is_wanted_to_hold_what_its_directories_say() {
        let mut model = Model::new(2);
        model.note(&Act::Extra { directory: "web", there: true });
        let objects: Vec<_> = model.wanted_objects(1).into_keys().collect();
        assert_eq!(objects, ["api", "web", "web-extra", "worker"]);
        model.labelled(1, false);
        assert_eq!(model.wanted_objects(1).len(), 1);
    }
}
