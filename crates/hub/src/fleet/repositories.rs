//! Which revisions of which repositories are needed, what they named last, and when to look again.
//!
//! Data with decisions; what looks is in `repositories/look.rs`.
//! A look that fails changes nothing but the error that is shown: the last good commit and tree
//! stay in force (law L2), also over a restart, since good commits are kept in the store.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use generators::{Refs, RepoReference, Unavailable};
use model::id::CommitId;
use model::problem::{Problem, Reason};
use model::tree::FileTree;
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use runtime::backoff::Backoff;
use source::RepoUrl;

use super::plan::Resolution;
use look::Found;
use look::Wanted;
pub(super) use look::{Job, Looked};
use names::Names;

mod look;
mod names;
#[cfg(test)]
mod tests;

/// Connections at the same time: enough to hide the latency of a few servers, and few enough not
/// to be taken for an attack.
const MAX_RUNNING: usize = 4;
/// A server that fails is asked again sooner than one that answers, but not at once.
const RETRY: Backoff = Backoff::new(Duration::from_secs(5), 2, Duration::from_secs(3600));
/// The shortest time between two looks that a set may ask for.
const SHORTEST: Duration = Duration::from_secs(10);
/// How long a revision that nobody needs is remembered: a set that cannot be expanded for a while
/// finds its last good commits again.
const FORGET_AFTER: Duration = Duration::from_secs(24 * 3600);

pub(super) type Tree = Arc<dyn FileTree>;

/// One revision of one repository.
#[derive(Default)]
struct Pair {
    /// Whether the files are needed too, or only the commit.
    wants_tree: bool,
    /// Since when nobody needs it.
    idle_since: Option<Duration>,
    /// Whether anyone has looked since the start.
    looked: bool,
    commit: Option<CommitId>,
    tree: Option<(CommitId, Tree)>,
    error: Option<String>,
}

/// When a repository is looked at.
#[derive(Debug)]
struct Schedule {
    due: Duration,
    interval: Duration,
    failures: u32,
    running: bool,
    /// Something was asked for while a look was under way, which may not have seen it.
    again: bool,
}

/// What is needed of repositories.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Needed {
    /// Revisions, and whether their files are needed or only their commits.
    pub(super) revisions: BTreeMap<RepoReference, bool>,
    /// Repositories whose branches and tags are needed.
    pub(super) names: BTreeSet<RepoUrl>,
    /// Repositories that a set wants to be looked at that often.
    pub(super) periods: BTreeMap<RepoUrl, Duration>,
}

/// The table of all revisions; the fleet's owner task has it.
pub(super) struct Repositories {
    pairs: BTreeMap<RepoReference, Pair>,
    names: Names,
    schedules: BTreeMap<RepoUrl, Schedule>,
    interval: Duration,
    rng: SmallRng,
}

/// What a look changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Change {
    /// Whether anything that a plan looks at is another now.
    pub(super) relevant: bool,
    /// Good commits to keep.
    pub(super) commits: Vec<(RepoReference, CommitId)>,
    /// Repositories that ceased to answer, or answer again, in words.
    pub(super) turns: Vec<(RepoUrl, Option<String>)>,
}

impl Repositories {
    /// `seed` spreads the looks of several hubs.
    #[must_use]
    pub(super) fn new(interval: Duration, seed: u64) -> Self {
        let rng = SmallRng::seed_from_u64(seed);
        let (pairs, names, schedules) = (BTreeMap::new(), Names::default(), BTreeMap::new());
        Self { pairs, names, schedules, interval, rng }
    }

    /// A commit that was good before the restart.
    pub(super) fn restore(&mut self, reference: RepoReference, commit: CommitId, now: Duration) {
        let pair = Pair { commit: Some(commit), idle_since: Some(now), ..Pair::default() };
        self.pairs.insert(reference, pair);
    }

    /// Says what is needed. New ones are due at once. Returns the revisions that were forgotten.
    pub(super) fn need(&mut self, needed: &Needed, now: Duration) -> Vec<RepoReference> {
        for url in self.names.need(&needed.names, now) {
            self.schedule(url, now);
        }
        for (reference, wants_tree) in &needed.revisions {
            let pair = self.pairs.entry(reference.clone()).or_default();
            // Nobody looks any more at what was not needed for a while.
            let was_idle = pair.idle_since.take().is_some();
            pair.wants_tree = *wants_tree;
            let missing =
                !pair.looked || (*wants_tree && pair.tree.is_none() && pair.error.is_none());
            if !missing && !was_idle {
                continue;
            }
            match RepoUrl::parse(&reference.repo_url) {
                Ok(url) => self.schedule(url, now),
                Err(error) => {
                    pair.looked = true;
                    pair.error = Some(error.to_string());
                }
            }
        }
        self.hurry(&needed.periods, now);
        let mut forgotten = Vec::new();
        self.pairs.retain(|reference, pair| {
            if needed.revisions.contains_key(reference) {
                return true;
            }
            let since = *pair.idle_since.get_or_insert(now);
            let keep = now.saturating_sub(since) < FORGET_AFTER;
            if !keep {
                forgotten.push(reference.clone());
            }
            keep
        });
        forgotten
    }

    fn schedule(&mut self, url: RepoUrl, now: Duration) {
        let interval = self.interval;
        let new = Schedule { due: now, interval, failures: 0, running: false, again: false };
        let schedule = self.schedules.entry(url).or_insert(new);
        schedule.due = now;
        schedule.again = schedule.running;
    }

    /// A period that a set states counts when it is shorter than the hub's, and from now on.
    fn hurry(&mut self, periods: &BTreeMap<RepoUrl, Duration>, now: Duration) {
        for (url, schedule) in &mut self.schedules {
            let stated = periods.get(url).map(|stated| (*stated).max(SHORTEST));
            let interval = stated.map_or(self.interval, |stated| stated.min(self.interval));
            if interval < schedule.interval {
                schedule.due = schedule.due.min(now.saturating_add(interval));
            }
            schedule.interval = interval;
        }
    }

    /// Makes every repository due.
    pub(super) fn refresh(&mut self, now: Duration) {
        for schedule in self.schedules.values_mut() {
            schedule.due = now;
            schedule.again = schedule.running;
        }
    }

    /// The looks to take now. Each of them must come back to [`Repositories::settle`].
    pub(super) fn due(&mut self, now: Duration) -> Vec<Job> {
        if !self.schedules.values().any(|schedule| !schedule.running && schedule.due <= now) {
            return Vec::new();
        }
        let mut wanted: BTreeMap<RepoUrl, Vec<Wanted>> = BTreeMap::new();
        for (reference, pair) in self.pairs.iter().filter(|(_, pair)| pair.idle_since.is_none()) {
            let Ok(url) = RepoUrl::parse(&reference.repo_url) else { continue };
            wanted.entry(url).or_default().push(Wanted {
                reference: reference.clone(),
                tree: pair.wants_tree,
                known: pair.commit,
                at_hand: pair.tree.as_ref().map(|(commit, _)| *commit),
            });
        }
        let names: BTreeSet<_> = self.names.needed().cloned().collect();
        let is_needed = |url: &RepoUrl| wanted.contains_key(url) || names.contains(url);
        self.schedules.retain(|url, schedule| schedule.running || is_needed(url));
        let running = self.schedules.values().filter(|schedule| schedule.running).count();
        let mut due: Vec<_> = self
            .schedules
            .iter_mut()
            .filter(|(_, schedule)| !schedule.running && schedule.due <= now)
            .collect();
        due.sort_by_key(|(_, schedule)| schedule.due);
        let free = MAX_RUNNING.saturating_sub(running);
        let job = |(url, schedule): (&RepoUrl, &mut Schedule)| {
            schedule.running = true;
            let wanted = wanted.remove(url).unwrap_or_default();
            Job { url: url.clone(), wanted, names: names.contains(url) }
        };
        due.into_iter().take(free).map(job).collect()
    }

    /// When there is something to do next, unless all places are taken: then a look that ends is it.
    #[must_use]
    pub(super) fn next_due(&self) -> Option<Duration> {
        let running = self.schedules.values().filter(|schedule| schedule.running).count();
        let waiting = self.schedules.values().filter(|schedule| !schedule.running);
        waiting.map(|schedule| schedule.due).min().filter(|_| running < MAX_RUNNING)
    }

    /// Whether nothing is being looked at and nothing is due.
    #[must_use]
    pub(super) fn is_idle(&self, now: Duration) -> bool {
        self.schedules.values().all(|schedule| !schedule.running && schedule.due > now)
    }

    /// Takes over what a look brought.
    pub(super) fn settle(&mut self, looked: Looked, now: Duration) -> Change {
        let mut change = Change::default();
        let before = self.error_of(&looked.url);
        let Looked { url, found, names } = looked;
        let failed = found.iter().any(|found| found.error.is_some())
            || names.as_ref().is_some_and(Result::is_err);
        for found in found {
            self.take(found, &mut change);
        }
        if let Some(listed) = names {
            change.relevant |= self.names.take(&url, listed);
        }
        let after = self.error_of(&url);
        if before.is_some() != after.is_some() {
            change.turns.push((url.clone(), after));
        }
        self.plan_next(&url, failed, now);
        change
    }

    /// A job that gave no result: its panic is logged by who ran it.
    pub(super) fn abandon(&mut self, url: &RepoUrl, now: Duration) {
        self.plan_next(url, true, now);
    }

    fn take(&mut self, found: Found, change: &mut Change) {
        let Found { reference, commit, tree, error } = found;
        let Some(pair) = self.pairs.get_mut(&reference) else { return };
        change.relevant |= !pair.looked || pair.error != error;
        pair.looked = true;
        pair.error = error;
        if let Some(commit) = commit.filter(|commit| pair.commit != Some(*commit)) {
            pair.commit = Some(commit);
            change.relevant = true;
            change.commits.push((reference, commit));
        }
        if let Some(tree) = tree {
            pair.tree = Some(tree);
            change.relevant = true;
        }
    }

    fn plan_next(&mut self, url: &RepoUrl, failed: bool, now: Duration) {
        let Some(schedule) = self.schedules.get_mut(url) else { return };
        schedule.running = false;
        schedule.failures = if failed { schedule.failures.saturating_add(1) } else { 0 };
        let wait = if failed {
            RETRY.delay(schedule.failures - 1).min(schedule.interval)
        } else {
            schedule.interval
        };
        // 10 % either way, so that many repositories of one server are not asked at one moment.
        let wait = wait.mul_f64(self.rng.random_range(0.9..1.1));
        schedule.due = if schedule.again { now } else { now.saturating_add(wait) };
        schedule.again = false;
    }

    fn error_of(&self, url: &RepoUrl) -> Option<String> {
        let mut pairs = self.pairs.iter().filter(|(_, pair)| pair.error.is_some());
        let of_url = |reference: &RepoReference| {
            RepoUrl::parse(&reference.repo_url).is_ok_and(|parsed| parsed == *url)
        };
        let pair = pairs.find(|(reference, _)| of_url(reference));
        pair.and_then(|(_, pair)| pair.error.clone()).or_else(|| self.names.error_of(url))
    }

    /// What every revision that was looked at names. One from before the restart that has not been
    /// looked at yet is taken as it was.
    #[must_use]
    pub(super) fn resolutions(&self) -> BTreeMap<RepoReference, Resolution> {
        let known = self.pairs.iter().filter(|(_, pair)| pair.looked || pair.commit.is_some());
        known
            .map(|(reference, pair)| {
                let (commit, error) = (pair.commit, pair.error.clone());
                (reference.clone(), Resolution { commit, error })
            })
            .collect()
    }

    /// The last good files of every revision, for one expansion.
    #[must_use]
    pub(super) fn trees(&self) -> Trees {
        let tree = |(reference, pair): (&RepoReference, &Pair)| {
            let why =
                || pair.error.clone().unwrap_or_else(|| "it has not been read yet".to_owned());
            let tree = pair.tree.clone().ok_or_else(why);
            (reference.clone(), tree)
        };
        Trees { trees: self.pairs.iter().map(tree).collect(), listed: self.names.listed() }
    }

    /// What cannot be read now, one problem for each revision and each list that is needed.
    #[must_use]
    pub(super) fn problems(&self) -> Vec<Problem> {
        let needed = self.pairs.iter().filter(|(_, pair)| pair.idle_since.is_none());
        let revisions = needed.filter_map(|(reference, pair)| problem(reference, pair));
        revisions.chain(self.names.problems()).collect()
    }
}

fn problem(reference: &RepoReference, pair: &Pair) -> Option<Problem> {
    let error = pair.error.as_ref()?;
    let revision = match reference.revision.as_str() {
        "" => "its default branch",
        named => named,
    };
    let stays = match pair.commit {
        Some(commit) => format!("commit {} stays in force", commit.short()),
        None => "nothing of it is known".to_owned(),
    };
    Some(unavailable(format!("{error} ({revision}; {stays})")))
}

fn unavailable(message: String) -> Problem {
    let (set, element) = (String::new(), String::new());
    Problem { set, element, reason: Reason::SourceUnavailable, message }
}

/// The trees, branches and tags for one expansion.
pub(super) struct Trees {
    trees: BTreeMap<RepoReference, Result<(CommitId, Tree), String>>,
    listed: BTreeMap<RepoUrl, Result<Arc<Refs>, String>>,
}

impl Trees {
    /// The tree of a revision with its commit.
    #[must_use]
    pub(super) fn at(&self, reference: &RepoReference) -> Option<&(CommitId, Tree)> {
        self.trees.get(reference)?.as_ref().ok()
    }
}

impl generators::Repositories for Trees {
    fn tree(&self, url: &str, revision: &str) -> Result<Tree, Unavailable> {
        let reference = RepoReference { repo_url: url.to_owned(), revision: revision.to_owned() };
        match self.trees.get(&reference) {
            Some(Ok((_, tree))) => Ok(Arc::clone(tree)),
            Some(Err(message)) => Err(Unavailable { message: message.clone() }),
            None => Err(Unavailable { message: format!("{url} has not been read yet") }),
        }
    }

    fn refs(&self, url: &str) -> Result<Arc<Refs>, Unavailable> {
        names::find(&self.listed, url)
    }
}
