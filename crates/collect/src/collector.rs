//! The collector: requests in, answers out, and what was known when a service does not answer.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::StreamExt as _;
use model::provider::{
    Answer, Items, PluginRequest, PullRequestsRequest, RepositoriesRequest, Request,
};
use runtime::clock::Clock;
use tokio::sync::Mutex;

use crate::cache::Cache;
use crate::config::{Config, ConfigError};
use crate::failure::{Failure, FailureKind, spoken};
use crate::filter::Filters;
use crate::http::Shared;
use crate::provider::{self, Context};
use crate::repositories;
use crate::secret::Secrets;
use crate::site::Sites;
use crate::wire::Content;

/// How many requests [`Collector::collect_all`] answers at once; the requests to services that they
/// make have bounds of their own.
const AT_ONCE: usize = 16;

/// What became of a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Collected {
    /// Every page arrived, with the right status, type and shape: what is not in it is gone.
    Complete(Arc<Answer>),
    /// The answer may be used, and nothing counts as gone that is not in it; its `partial` says
    /// why. It is what arrived, and what was known before.
    Partial(Arc<Answer>, Failure),
    /// Nothing is known, now or from before.
    Failed(Failure),
}

impl Collected {
    /// The answer, if there is one.
    ///
    /// # Errors
    /// Why there is none.
    pub fn answer(self) -> Result<Arc<Answer>, Failure> {
        match self {
            Self::Complete(answer) | Self::Partial(answer, _) => Ok(answer),
            Self::Failed(failure) => Err(failure),
        }
    }

    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Complete(_) => None,
            Self::Partial(_, failure) | Self::Failed(failure) => Some(failure),
        }
    }
}

/// What a collector has done since it began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Requests that were sent.
    pub requests: u64,
    /// Those that were answered with "not modified".
    pub not_modified: u64,
    /// Questions that were answered from memory, without a request.
    pub remembered: u64,
}

/// Answers requests. One is enough for a process; clones are handles on it.
#[derive(Clone)]
pub struct Collector(Arc<Inner>);

impl fmt::Debug for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collector").field("counts", &self.counts()).finish_non_exhaustive()
    }
}

struct Inner {
    shared: Arc<Shared>,
    sites: Sites,
    /// The last complete answer to each request. The lock is held while it is asked.
    answers: Cache<Request, Arc<Mutex<Option<LastGood>>>>,
}

/// A complete answer, and when it was whole.
#[derive(Debug, Clone)]
struct LastGood {
    answer: Arc<Answer>,
    at: Duration,
}

/// What a crawl brought.
pub(crate) struct Crawled {
    /// All of it, when there is no failure.
    pub items: Option<Items>,
    pub failure: Option<Failure>,
}

impl Crawled {
    pub(crate) fn failed(failure: Failure) -> Self {
        Self { items: None, failure: Some(failure) }
    }
}

impl Collector {
    /// A collector that has asked nothing yet.
    ///
    /// # Errors
    /// When a setting cannot be used: certificates, or the proxy.
    pub fn new(
        config: Config,
        secrets: Arc<dyn Secrets>,
        clock: Clock,
    ) -> Result<Self, ConfigError> {
        let answers = Cache::new(config.limits.max_remembered);
        let shared = Arc::new(Shared::new(config, clock)?);
        let sites = Sites::new(Arc::clone(&shared), secrets);
        Ok(Self(Arc::new(Inner { shared, sites, answers })))
    }

    /// Asks a service, or remembers. Ends within the time limit of a crawl.
    ///
    /// Call it as often as an answer is wanted: what is fresh is not asked for again, what has not
    /// changed costs the service nothing, and equal questions of many sets are one.
    pub async fn collect(&self, request: &Request) -> Collected {
        let inner = &self.0;
        let known = inner.answers.get_or_insert(request, 1, Arc::default);
        let mut known = known.lock().await;
        let limit = inner.shared.config.timing.crawl;
        // Boxed: a crawl's state is large, and most callers hold many.
        let crawled = match tokio::time::timeout(limit, Box::pin(self.crawl(request))).await {
            Ok(crawled) => crawled,
            Err(_elapsed) => Crawled::failed(Failure::new(
                FailureKind::Timeout,
                format_args!("the service did not answer all questions within {}", spoken(limit)),
            )),
        };
        let now = inner.shared.clock.now();
        let collected = conclude(known.as_ref(), crawled, now);
        if let Collected::Complete(answer) = &collected {
            *known = Some(LastGood { answer: Arc::clone(answer), at: now });
        }
        if let Some(failure) = collected.failure() {
            tracing::warn!(kind = ?failure.kind, "{failure}");
        }
        collected
    }

    /// Asks for all of these, several at once.
    pub async fn collect_all(
        &self,
        requests: impl IntoIterator<Item = Request>,
    ) -> BTreeMap<Request, Collected> {
        let asked = requests.into_iter().map(|request| async move {
            let collected = self.collect(&request).await;
            (request, collected)
        });
        futures::stream::iter(asked).buffer_unordered(AT_ONCE).collect().await
    }

    /// Forgets all that services have said, as a restart does: for an operator who does not trust
    /// it. A service that fails next is then without an answer from before.
    pub fn forget(&self) {
        self.0.answers.clear();
        self.0.sites.clear();
    }

    #[must_use]
    pub fn counts(&self) -> Counts {
        let counters = &self.0.shared.counters;
        Counts {
            requests: counters.requests.load(Ordering::Relaxed),
            not_modified: counters.not_modified.load(Ordering::Relaxed),
            remembered: counters.remembered.load(Ordering::Relaxed),
        }
    }

    async fn crawl(&self, request: &Request) -> Crawled {
        let result = match request {
            Request::Repositories(request) => self.repositories(request).await,
            Request::PullRequests(request) => self.pull_requests(request).await,
            Request::Plugin(request) => self.plugin(request).await,
        };
        result.unwrap_or_else(Crawled::failed)
    }

    fn context(&self) -> Context<'_> {
        Context { config: &self.0.shared.config, secrets: self.0.sites.secrets() }
    }

    async fn repositories(&self, request: &RepositoriesRequest) -> Result<Crawled, Failure> {
        let filters = Filters::new(&request.filters)?;
        let (identity, forge) = provider::forge(&request.provider, self.context())?;
        let site = self.0.sites.site(identity)?;
        Ok(repositories::crawl(&site, &*forge, &filters).await)
    }

    async fn pull_requests(&self, request: &PullRequestsRequest) -> Result<Crawled, Failure> {
        let (identity, list) = provider::pull_requests(&request.provider, self.context())?;
        let site = self.0.sites.site(identity)?;
        let listing = site.pages(list.call.clone()).await;
        let mut failure = listing.failure.clone();
        if listing.absent && !request.continue_on_repo_not_found_error {
            failure.get_or_insert_with(|| {
                let what = "the repository is not there, or the token may not see it; with \
                            `continueOnRepoNotFoundError: true` it counts as one without pull \
                            requests";
                Failure::new(FailureKind::NotFound, what)
            });
        }
        let found = listing.pull_requests();
        let found: Vec<_> = found.into_iter().filter(|found| list.takes(found)).collect();
        if let Some(unready) = found.iter().find(|found| found.unready) {
            failure.get_or_insert_with(|| {
                let number = unready.pull_request.number;
                let what = format!("the service does not know the commit of number {number} yet");
                Failure::new(FailureKind::Withheld, what)
            });
        }
        let ready = found.into_iter().filter(|found| !found.unready);
        let items: Vec<_> = ready.map(|found| found.pull_request).collect();
        let items = (!items.is_empty() || failure.is_none()).then_some(Items::PullRequests(items));
        Ok(Crawled { items, failure })
    }

    async fn plugin(&self, request: &PluginRequest) -> Result<Crawled, Failure> {
        let (identity, call) = provider::plugin(request, self.context())?;
        let site = self.0.sites.site(identity)?;
        let reply = site.ask(&call).await?;
        match reply.page.as_ref().map(|page| &page.content) {
            Some(Content::Parameters(found)) => {
                let items = Some(Items::Plugin(found.clone()));
                Ok(Crawled { items, failure: None })
            }
            _ => Err(Failure::new(FailureKind::Shape, "the plugin gave no parameters")),
        }
    }
}

/// What a crawl and what was known before come to. Pure.
fn conclude(last: Option<&LastGood>, crawled: Crawled, now: Duration) -> Collected {
    let Crawled { items, failure } = crawled;
    let failure = match (failure, items) {
        (None, Some(items)) => {
            return Collected::Complete(Arc::new(Answer { items, partial: None }));
        }
        (None, None) => Failure::new(FailureKind::Shape, "the service gave no answer"),
        (Some(failure), None) => match last {
            None => return Collected::Failed(failure),
            Some(_) => failure,
        },
        (Some(failure), Some(items)) => return partial(last, items, failure, now),
    };
    match last {
        None => Collected::Failed(failure),
        Some(known) => {
            let reason = format!("{failure}; {}", age(known, now));
            let answer = Answer { items: known.answer.items.clone(), partial: Some(reason) };
            Collected::Partial(Arc::new(answer), failure)
        }
    }
}

/// What arrived, and of what was known what did not arrive.
fn partial(last: Option<&LastGood>, items: Items, failure: Failure, now: Duration) -> Collected {
    let (items, reason) = match last {
        None => (items, failure.message.clone()),
        Some(known) => {
            let reason = format!("{failure}; {}", age(known, now));
            (joined(items, &known.answer.items), reason)
        }
    };
    Collected::Partial(Arc::new(Answer { items, partial: Some(reason) }), failure)
}

fn age(known: &LastGood, now: Duration) -> String {
    let age = spoken(now.saturating_sub(known.at));
    format!("what did not arrive is as it was {age} ago")
}

fn joined(new: Items, old: &Items) -> Items {
    match (new, old) {
        (Items::Repositories(new), Items::Repositories(old)) => {
            Items::Repositories(with_missing(new, old, |repository| {
                (repository.organization.clone(), repository.repository.clone())
            }))
        }
        (Items::PullRequests(new), Items::PullRequests(old)) => {
            Items::PullRequests(with_missing(new, old, |pull_request| pull_request.number))
        }
        // Parameters have no key to join by, and come in one piece.
        (new, _) => new,
    }
}

fn with_missing<T: Clone, K: Eq + Hash>(
    mut new: Vec<T>,
    old: &[T],
    key: impl Fn(&T) -> K,
) -> Vec<T> {
    let there: HashSet<_> = new.iter().map(&key).collect();
    new.extend(old.iter().filter(|item| !there.contains(&key(item))).cloned());
    new
}

#[cfg(test)]
mod tests {
    use model::provider::PullRequest;

    use super::*;

    fn pulls(numbers: &[i64]) -> Items {
        let pull = |number: &i64| PullRequest { number: *number, ..PullRequest::default() };
        Items::PullRequests(numbers.iter().map(pull).collect())
    }

    fn broken() -> Failure {
        Failure::new(FailureKind::Status, "status 502")
    }

    fn last(numbers: &[i64]) -> LastGood {
        let answer = Arc::new(Answer { items: pulls(numbers), partial: None });
        LastGood { answer, at: Duration::from_secs(60) }
    }

    const NOW: Duration = Duration::from_secs(660);

    #[test]
    fn only_an_answer_without_a_failure_is_complete() {
        let crawled = Crawled { items: Some(pulls(&[])), failure: None };
        let collected = conclude(Some(&last(&[1, 2])), crawled, NOW);
        assert_eq!(collected.answer().unwrap().partial, None);
    }

    #[test]
    fn what_did_not_arrive_stays_as_it_was() {
        let crawled = Crawled { items: Some(pulls(&[3, 1])), failure: Some(broken()) };
        let Collected::Partial(answer, _) = conclude(Some(&last(&[1, 2])), crawled, NOW) else {
            panic!("not partial")
        };
        assert_eq!(answer.items, pulls(&[3, 1, 2]));
        let reason = "status 502; what did not arrive is as it was 10 min ago";
        assert_eq!(answer.partial.as_deref(), Some(reason));
    }

    #[test]
    fn without_anything_from_before_a_failure_is_one() {
        let collected = conclude(None, Crawled::failed(broken()), NOW);
        assert_eq!(collected, Collected::Failed(broken()));
        let collected = conclude(Some(&last(&[1])), Crawled::failed(broken()), NOW);
        assert_eq!(collected.answer().unwrap().items, pulls(&[1]));
    }
}
