//! An expansion that is kept and brought up to date: the cost follows what changed (law L9).
//!
//! [`Incremental`] owns the last result and, for each set, what its evaluation looked at. An update
//! finds what is another now (`incremental/seen.rs`), evaluates the sets that looked at it
//! (`incremental/entry.rs`), and patches what all sets come to together (`incremental/whole.rs`).
//! The result is always what [`crate::expand`] would give; `docs/design/expansion.md` says why.

mod entry;
mod period;
mod seen;
mod whole;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use model::application::Application;
use model::argo;
use model::name::SetName;
use model::provider::Request;
use model::set::ApplicationSet;

use crate::expand::Expansion;
use crate::fleet::Fleet;
use crate::set::SetExpansion;
use crate::{RepoReference, World};
use entry::{Entry, Key, Source};
use seen::Seen;
use whole::Whole;

/// What a fleet says, in both dialects, as values that can be told apart without reading them.
#[derive(Debug, Clone, Copy, Default)]
pub struct SharedSources<'a> {
    pub sets: &'a [Arc<ApplicationSet>],
    pub applications: &'a [Arc<Application>],
    pub argo_sets: &'a [Arc<argo::ApplicationSet>],
    pub argo_applications: &'a [Arc<argo::Application>],
}

/// An expansion with all that is needed to update it.
#[derive(Default)]
pub struct Incremental {
    seen: Seen,
    /// In the order of the sets of the expansion, one for each.
    entries: Vec<Entry>,
    /// The sets as they came last.
    order: Vec<Source>,
    whole: Whole,
    ids: usize,
    evaluated: Vec<SetName>,
}

impl Incremental {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The result of the last update.
    #[must_use]
    pub fn expansion(&self) -> &Expansion {
        &self.whole.expansion
    }

    /// The sets that the last update evaluated; all others were not looked at.
    #[must_use]
    pub fn evaluated(&self) -> &[SetName] {
        &self.evaluated
    }

    /// The repositories that some set looks at, whether they could be read or not.
    pub fn references(&self) -> impl Iterator<Item = &RepoReference> {
        self.seen.references()
    }

    /// The questions to services that sets have, whether they are answered or not, and how often a
    /// set wants them to be asked, if it says so. Once for each set that has the question.
    pub fn requests(&self) -> impl Iterator<Item = (&Request, Option<Duration>)> {
        self.entries.iter().flat_map(|entry| {
            let period = entry.periods.services;
            entry.dependencies.requests.iter().map(move |request| (request, period))
        })
    }

    /// The URLs of repositories that a set wants to be read anew at least that often.
    pub fn hurried(&self) -> impl Iterator<Item = (&str, Duration)> {
        let stated = self.entries.iter().filter_map(|entry| Some((entry, entry.periods.git?)));
        stated.flat_map(|(entry, period)| {
            let trees = entry.dependencies.trees.keys();
            trees.map(move |reference| (reference.repo_url.as_str(), period))
        })
    }

    /// The URLs of the repositories whose branches or tags some set looks at.
    pub fn listed(&self) -> impl Iterator<Item = &str> {
        self.seen.listed()
    }

    /// Brings the expansion up to date. Afterwards it is what [`crate::expand`] gives for the same
    /// sources and world; an application that did not change is the same `Arc`.
    ///
    /// Functions that give something else each time, which only the compat dialect has, are asked
    /// again when their set is evaluated again.
    pub fn update(&mut self, sources: &SharedSources<'_>, world: &World<'_>) -> &Expansion {
        let fleet = Fleet::new(world);
        let changes = self.seen.update(world, &fleet);
        self.evaluated.clear();
        self.arrange(sources);
        self.whole.write(sources, &fleet, changes.names_changed());
        for (at, entry) in self.entries.iter_mut().enumerate() {
            let affected = entry.is_new || changes.affect(entry, &self.whole.expansion.sets[at]);
            if !affected {
                continue;
            }
            let previous = self.whole.take(at, entry);
            let (next, dependencies) = entry.evaluate(&previous, &fleet, world);
            self.seen.track(&entry.dependencies, &dependencies, world);
            entry.depend(dependencies);
            self.evaluated.push(next.set.clone());
            self.whole.put(at, entry.id, previous, next);
        }
        self.whole.settle(&self.entries);
        &self.whole.expansion
    }

    /// Takes over which sets there are: those that are new or another are marked, those that are
    /// gone are withdrawn.
    fn arrange(&mut self, sources: &SharedSources<'_>) {
        let native = sources.sets.iter().map(|set| Source::Native(Arc::clone(set)));
        let argo = sources.argo_sets.iter().map(|set| Source::Argo(Arc::clone(set)));
        let order: Vec<Source> = native.chain(argo).collect();
        let is_same = order.len() == self.order.len()
            && order.iter().zip(&self.order).all(|(a, b)| a.is_identical(b));
        if is_same {
            return;
        }
        let mut old: HashMap<Key, (Entry, SetExpansion)> = HashMap::new();
        let sets = std::mem::take(&mut self.whole.expansion.sets);
        for (entry, set) in std::mem::take(&mut self.entries).into_iter().zip(sets) {
            old.insert(entry.key.clone(), (entry, set));
        }
        let mut keyed = Vec::with_capacity(order.len());
        let mut counts: HashMap<&SetName, usize> = HashMap::new();
        for source in &order {
            let nth = counts.entry(source.name()).or_default();
            keyed.push((Key { name: source.name().clone(), nth: *nth }, source));
            *nth += 1;
        }
        keyed.sort_by(|a, b| a.0.cmp(&b.0));
        for (key, source) in keyed {
            let (entry, set) = match old.remove(&key) {
                Some((entry, set)) if entry.source.is_equal(source) => {
                    (Entry { source: source.clone(), ..entry }, set)
                }
                Some((entry, set)) => {
                    let (source, periods) = (source.clone(), source.periods());
                    (Entry { source, periods, is_new: true, is_other: true, ..entry }, set)
                }
                None => {
                    self.ids += 1;
                    let set = SetExpansion::new(&key.name);
                    (Entry::new(self.ids, key, source.clone()), set)
                }
            };
            self.entries.push(entry);
            self.whole.expansion.sets.push(set);
        }
        for (entry, set) in old.into_values() {
            self.seen.forget(&entry.dependencies);
            self.whole.withdraw(&entry, set);
        }
        self.order = order;
    }
}
