//! Which questions generators have for services outside of Git, what was answered last, and when to
//! ask again.
//!
//! Data with decisions; the asking itself is a task of the owner. A failure takes nothing away: what
//! was answered before stays, marked as not complete (law L2). A list that came in pages can lack an
//! entry that is there, when another one was deleted while it was read. So what a list lacks counts
//! as gone only when a second list, asked for later, lacks it too.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use collect::{Collected, Collector};
use generators::Unavailable;
use model::provider::{Answer, Items, Request};
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use runtime::backoff::Backoff;

#[cfg(test)]
mod tests;

/// Questions at the same time. The collector bounds the connections to each service itself.
const MAX_RUNNING: usize = 8;
/// The most questions of a fleet: as many answers as the collector remembers.
const MAX_QUESTIONS: usize = 1_000;
const RETRY: Backoff = Backoff::new(Duration::from_secs(15), 2, Duration::from_secs(3600));
/// How long after a list the next one is another look at the service, and not what the collector
/// still remembers of the last.
const CONFIRM_AFTER: Duration = Duration::from_secs(60);
/// The shortest and the longest time between two questions that a set may ask for.
const PERIODS: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(24 * 3600));
/// How long the answer to a question that no set has any more is kept: a set that cannot be read
/// for a while finds it again.
const FORGET_AFTER: Duration = Duration::from_secs(3600);

/// Who asks services, and how often.
#[derive(Debug, Clone)]
pub struct Services {
    /// Why none can be asked, if that is so.
    pub collector: Result<Collector, String>,
    pub interval: Duration,
}

impl Services {
    pub(super) async fn ask(collector: Result<Collector, String>, request: Request) -> Told {
        match collector {
            Ok(collector) => collector.collect(&request).await.into(),
            Err(reason) => Told::Failed(reason),
        }
    }
}

/// What came of a question.
pub(super) enum Told {
    Complete(Arc<Answer>),
    Partial(Arc<Answer>),
    Failed(String),
}

impl From<Collected> for Told {
    fn from(collected: Collected) -> Self {
        match collected {
            Collected::Complete(answer) => Self::Complete(answer),
            Collected::Partial(answer, _) => Self::Partial(answer),
            Collected::Failed(failure) => Self::Failed(failure.message),
        }
    }
}

/// An entry of a list; parts that its kind does not have are empty.
type Entry = (String, String, String);

struct Question {
    /// Since when nobody has it.
    idle_since: Option<Duration>,
    due: Duration,
    interval: Duration,
    /// Since when it is being asked.
    running: Option<Duration>,
    /// It was wanted while it was being asked.
    again: bool,
    failures: u32,
    /// The entries that are gone when the next list lacks them, and when the list came.
    seen: Option<(BTreeSet<Entry>, Duration)>,
    given: Option<Result<Arc<Answer>, String>>,
}

/// The table of all questions; the fleet's owner task has it.
pub(super) struct Questions {
    questions: BTreeMap<Request, Question>,
    interval: Duration,
    rng: SmallRng,
}

impl Questions {
    /// `seed` spreads the questions of several hubs.
    #[must_use]
    pub(super) fn new(interval: Duration, seed: u64) -> Self {
        Self { questions: BTreeMap::new(), interval, rng: SmallRng::seed_from_u64(seed) }
    }

    /// Says which answers are needed, and how often, where a set says so; the shortest counts. New
    /// questions are due at once.
    pub(super) fn need<'a>(
        &mut self,
        wanted: impl IntoIterator<Item = (&'a Request, Option<Duration>)>,
        now: Duration,
    ) {
        let mut needed: BTreeMap<&Request, Duration> = BTreeMap::new();
        for (request, stated) in wanted {
            let stated = stated.map(|stated| stated.clamp(PERIODS.0, PERIODS.1));
            let interval = stated.unwrap_or(self.interval);
            let shortest = needed.entry(request).or_insert(interval);
            *shortest = interval.min(*shortest);
        }
        self.questions.retain(|request, question| {
            if let Some(interval) = needed.get(request) {
                question.idle_since = None;
                question.hurry(*interval, now);
                return true;
            }
            now.saturating_sub(*question.idle_since.get_or_insert(now)) < FORGET_AFTER
        });
        for (request, interval) in needed {
            if self.questions.contains_key(request) || !self.has_room() {
                continue;
            }
            self.questions.insert(request.clone(), Question::new(now, interval));
        }
    }

    /// Whether another question may be added; one that nobody has any more makes room.
    fn has_room(&mut self) -> bool {
        if self.questions.len() < MAX_QUESTIONS {
            return true;
        }
        let mut idle = self.questions.iter().filter(|(_, one)| one.idle_since.is_some());
        let Some(idle) = idle.next().map(|(request, _)| request.clone()) else { return false };
        self.questions.remove(&idle).is_some()
    }

    /// Makes every question due.
    pub(super) fn refresh(&mut self, now: Duration) {
        for question in self.questions.values_mut() {
            question.due = now;
            question.again = question.running.is_some();
        }
    }

    /// What to ask now. Each must come back to [`Questions::settle`].
    pub(super) fn due(&mut self, now: Duration) -> Vec<Request> {
        let free = MAX_RUNNING.saturating_sub(self.running());
        let mut due: Vec<_> =
            self.questions.iter_mut().filter(|(_, one)| one.waits() && one.due <= now).collect();
        due.sort_by_key(|(_, question)| question.due);
        let start = |(request, question): (&Request, &mut Question)| {
            question.running = Some(now);
            request.clone()
        };
        due.into_iter().take(free).map(start).collect()
    }

    fn running(&self) -> usize {
        self.questions.values().filter(|question| question.running.is_some()).count()
    }

    /// When there is something to ask next, unless all places are taken: then an answer is it.
    #[must_use]
    pub(super) fn next_due(&self) -> Option<Duration> {
        let waiting = self.questions.values().filter(|question| question.waits());
        waiting.map(|question| question.due).min().filter(|_| self.running() < MAX_RUNNING)
    }

    /// Whether nothing is being asked and nothing is due.
    #[must_use]
    pub(super) fn is_idle(&self, now: Duration) -> bool {
        let mut needed = self.questions.values().filter(|question| question.idle_since.is_none());
        needed.all(|question| question.running.is_none() && question.due > now)
    }

    /// Takes over an answer; without one, who asked has panicked. Returns whether generators are
    /// given something else now.
    pub(super) fn settle(&mut self, request: &Request, told: Option<Told>, now: Duration) -> bool {
        let Some(question) = self.questions.get_mut(request) else { return false };
        let asked_at = question.running.take().unwrap_or(now);
        let failed = !matches!(told, Some(Told::Complete(_)));
        let before = question.given.clone();
        match told {
            Some(Told::Complete(answer)) => question.complete(answer, asked_at, now),
            Some(Told::Partial(answer)) => question.given = Some(Ok(answer)),
            Some(Told::Failed(reason)) => question.fail(reason),
            None => {}
        }
        question.failures = if failed { question.failures.saturating_add(1) } else { 0 };
        let wait = match &question.given {
            _ if failed => RETRY.delay(question.failures - 1),
            Some(Ok(answer)) if answer.partial.is_some() => CONFIRM_AFTER,
            _ => question.interval,
        };
        // A little later, so that many questions to one service are not asked at one moment.
        let wait = wait.min(question.interval).mul_f64(self.rng.random_range(1.0..1.1));
        question.due = if question.again { now } else { now.saturating_add(wait) };
        question.again = false;
        if before == question.given {
            // The same value in the same place: nothing is expanded again.
            question.given = before;
            return false;
        }
        true
    }

    /// What each question was answered, for one expansion.
    #[must_use]
    pub(super) fn answers(&self) -> Answers {
        let given = |(request, question): (&Request, &Question)| {
            let none = || Err("its service has not answered yet".to_owned());
            (request.clone(), question.given.clone().unwrap_or_else(none))
        };
        let is_full = self.questions.len() >= MAX_QUESTIONS;
        Answers { given: self.questions.iter().map(given).collect(), is_full }
    }
}

impl Question {
    fn new(now: Duration, interval: Duration) -> Self {
        Self {
            idle_since: None,
            due: now,
            interval,
            running: None,
            again: false,
            failures: 0,
            seen: None,
            given: None,
        }
    }

    /// A shorter time counts from now on, and not only from the next answer.
    fn hurry(&mut self, interval: Duration, now: Duration) {
        if interval < self.interval {
            self.due = self.due.min(now.saturating_add(interval));
        }
        self.interval = interval;
    }

    fn waits(&self) -> bool {
        self.running.is_none() && self.idle_since.is_none()
    }

    fn complete(&mut self, answer: Arc<Answer>, asked_at: Duration, now: Duration) {
        let unsure = entries(&answer.items).and_then(|found| self.compare(found, asked_at, now));
        self.given = Some(Ok(match unsure {
            None => answer,
            Some(reason) => Arc::new(Answer { items: answer.items.clone(), partial: Some(reason) }),
        }));
    }

    /// Why a list that arrived whole may still lack something.
    fn compare(
        &mut self,
        found: BTreeSet<Entry>,
        asked_at: Duration,
        now: Duration,
    ) -> Option<String> {
        let Some((seen, at)) = &mut self.seen else {
            self.seen = Some((found, now));
            return Some(
                "it was read once, and what it lacks counts as gone when it is read a \
                         second time"
                    .to_owned(),
            );
        };
        let lacking = seen.difference(&found).count();
        let lacks = || {
            format!(
                "{lacking} entries are not in it any more, and count as gone when they are not in \
                 the next one either"
            )
        };
        if asked_at >= at.saturating_add(CONFIRM_AFTER) {
            self.seen = Some((found, now));
            return (lacking > 0).then(lacks);
        }
        // Too early to be another look.
        seen.extend(found);
        let unsure = match &self.given {
            Some(Ok(answer)) => answer.partial.clone(),
            _ => Some("it is read a second time".to_owned()),
        };
        if lacking > 0 { Some(lacks()) } else { unsure }
    }

    fn fail(&mut self, reason: String) {
        self.given = Some(match self.given.take() {
            Some(Ok(answer)) => {
                let items = answer.items.clone();
                Ok(Arc::new(Answer { items, partial: Some(reason) }))
            }
            _ => Err(reason),
        });
    }
}

/// What must be missed twice. None for a plugin, which answers in one piece.
fn entries(items: &Items) -> Option<BTreeSet<Entry>> {
    match items {
        Items::Repositories(repositories) => {
            let of = |repository: &model::provider::Repository| {
                let (organization, name) = (&repository.organization, &repository.repository);
                let entry = |branch: &str| (organization.clone(), name.clone(), branch.to_owned());
                let branches = repository.branches.iter().map(|branch| entry(&branch.name));
                branches.chain([entry("")]).collect::<Vec<_>>()
            };
            Some(repositories.iter().flat_map(of).collect())
        }
        Items::PullRequests(found) => {
            let entry = |number: i64| (number.to_string(), String::new(), String::new());
            Some(found.iter().map(|one| entry(one.number)).collect())
        }
        Items::Plugin(_) => None,
    }
}

/// The answers for one expansion.
#[derive(Default)]
pub(super) struct Answers {
    given: BTreeMap<Request, Result<Arc<Answer>, String>>,
    is_full: bool,
}

impl generators::Providers for Answers {
    fn answer(&self, request: &Request) -> Result<Arc<Answer>, Unavailable> {
        let message = match self.given.get(request) {
            Some(Ok(answer)) => return Ok(Arc::clone(answer)),
            Some(Err(message)) => message.clone(),
            None if self.is_full => format!(
                "its service is not asked: the fleet has {MAX_QUESTIONS} other questions to \
                 services, and no more are allowed"
            ),
            None => "its service has not answered yet".to_owned(),
        };
        Err(Unavailable { message })
    }
}
