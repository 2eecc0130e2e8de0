//! All pages of a list, and whether they are all and fit together.

use std::collections::HashSet;
use std::hash::Hash;
use std::sync::Arc;

use reqwest::Url;

use crate::call::{Call, Paging};
use crate::config::Limits;
use crate::failure::{Failure, FailureKind};
use crate::http::place;
use crate::site::{Reply, Site};
use crate::wire::{Content, FoundBranch, FoundPullRequest, FoundRepository, Next};

/// What arrived of a list. Without a failure it is all of it.
#[derive(Default)]
pub(crate) struct Listing {
    pub replies: Vec<Arc<Reply>>,
    /// The service says that what the list is of does not exist.
    pub absent: bool,
    pub failure: Option<Failure>,
}

impl Site {
    pub(crate) async fn pages(&self, call: Call) -> Listing {
        let mut listing = Listing::default();
        let mut walk = Walk::new(call.clone(), self.shared.config.limits);
        let mut next = Some(call);
        while let Some(call) = next.take() {
            let reply = match self.ask(&call).await {
                Ok(reply) => reply,
                Err(failure) => {
                    listing.failure = Some(failure);
                    return listing;
                }
            };
            let step = walk.step(&reply);
            listing.absent |= reply.page.is_none();
            listing.replies.push(reply);
            match step {
                Ok(more) => next = more,
                Err(failure) => {
                    listing.failure = Some(failure);
                    return listing;
                }
            }
        }
        listing.failure = walk.end();
        listing
    }
}

impl Listing {
    fn contents(&self) -> impl Iterator<Item = &Content> {
        self.replies.iter().filter_map(|reply| reply.page.as_ref()).map(|page| &page.content)
    }

    pub(crate) fn repositories(&self) -> Vec<FoundRepository> {
        let lists = self.contents().filter_map(|content| match content {
            Content::Repositories(items) => Some(items),
            _ => None,
        });
        once(lists.flatten(), |item| item.id.to_string())
    }

    pub(crate) fn branches(&self) -> Vec<FoundBranch> {
        let lists = self.contents().filter_map(|content| match content {
            Content::Branches(items) => Some(items),
            _ => None,
        });
        once(lists.flatten(), |item| item.name.clone())
    }

    pub(crate) fn pull_requests(&self) -> Vec<FoundPullRequest> {
        let lists = self.contents().filter_map(|content| match content {
            Content::PullRequests(items) => Some(items),
            _ => None,
        });
        once(lists.flatten(), |item| item.pull_request.number)
    }

    pub(crate) fn names(&self) -> Vec<String> {
        let lists = self.contents().filter_map(|content| match content {
            Content::Names(items) => Some(items),
            _ => None,
        });
        once(lists.flatten(), Clone::clone)
    }
}

/// Each item once, the first of those with one key.
fn once<'a, T: Clone + 'a, K: Eq + Hash>(
    items: impl Iterator<Item = &'a T>,
    key: impl Fn(&T) -> K,
) -> Vec<T> {
    let mut seen = HashSet::new();
    items.filter(|item| seen.insert(key(item))).cloned().collect()
}

/// Where a walk over the pages is. Pure.
struct Walk {
    call: Call,
    limits: Limits,
    /// The page that is awaited, from 1.
    number: u64,
    collected: u64,
    pages: usize,
    /// The last total that the service gave.
    total: Option<u64>,
    keys: HashSet<String>,
    visited: HashSet<String>,
    /// An item came twice.
    repeated: bool,
    withheld: bool,
}

impl Walk {
    fn new(call: Call, limits: Limits) -> Self {
        let visited = HashSet::from([call.key()]);
        Self {
            call,
            limits,
            number: 1,
            collected: 0,
            pages: 0,
            total: None,
            keys: HashSet::new(),
            visited,
            repeated: false,
            withheld: false,
        }
    }

    fn failure(&self, kind: FailureKind, what: impl std::fmt::Display) -> Failure {
        Failure::new(kind, format_args!("{}: {what}", place(&self.call.url)))
    }

    /// Takes a page and says what to ask next.
    fn step(&mut self, reply: &Reply) -> Result<Option<Call>, Failure> {
        let Some(page) = &reply.page else {
            if self.pages == 0 {
                return Ok(None);
            }
            let what = "the list vanished while it was read";
            return Err(self.failure(FailureKind::Pages, what));
        };
        self.pages += 1;
        self.withheld |= reply.headers.withheld;
        let count = page.content.len();
        self.collected += u64::try_from(count).unwrap_or(u64::MAX);
        self.total = page.total.or(reply.headers.total).or(self.total);
        let keys = page.content.keys();
        let new = keys.into_iter().filter(|key| self.keys.insert(key.clone())).count();
        // Two labels or files may be alike; a page of nothing new shows a list that goes round.
        let countable = !matches!(page.content, Content::Names(_));
        self.repeated |= countable && new < count;
        if self.pages > 1 && count > 0 && new == 0 {
            let what = "a page repeats the one before; the service seems to ignore page numbers";
            return Err(self.failure(FailureKind::Pages, what));
        }
        let Some(next) = self.next(reply, page.next.as_ref(), count)? else { return Ok(None) };
        if self.pages >= self.limits.max_pages {
            let most = self.limits.max_pages;
            return Err(self.failure(FailureKind::TooMuch, format_args!("more than {most} pages")));
        }
        if self.keys.len() > self.limits.max_items {
            let most = self.limits.max_items;
            return Err(self.failure(FailureKind::TooMuch, format_args!("more than {most} items")));
        }
        if !self.visited.insert(next.key()) {
            let what = "a page leads back to an earlier one";
            return Err(self.failure(FailureKind::Pages, what));
        }
        Ok(Some(next))
    }

    /// What is wrong with a list of which every page arrived.
    fn end(&self) -> Option<Failure> {
        if self.withheld {
            let what = "the service left out what the token's single sign-on does not cover";
            return Some(self.failure(FailureKind::Withheld, what));
        }
        if self.repeated {
            let what = "an item came twice; the list changed while it was read";
            return Some(self.failure(FailureKind::Pages, what));
        }
        let (total, got) = (self.total?, self.collected);
        (total != got).then(|| {
            let what = format!("the service counts {total} items and sent {got}");
            self.failure(FailureKind::Pages, what)
        })
    }

    fn next(
        &mut self,
        reply: &Reply,
        in_body: Option<&Next>,
        count: usize,
    ) -> Result<Option<Call>, Failure> {
        match (self.call.paging, in_body) {
            (Paging::Single, _) => Ok(None),
            (Paging::Numbered { per_page, short_ends }, _) => {
                self.numbered(reply, count, per_page, short_ends)
            }
            (Paging::Skip { per_page }, _) if count < per_page => Ok(None),
            (Paging::Skip { .. }, _) => Ok(Some(self.with("$skip", &self.collected.to_string()))),
            (Paging::Continuation, _) => {
                let token = reply.headers.continuation.as_deref();
                Ok(token.map(|token| self.with("continuationToken", token)))
            }
            (Paging::Start, Some(Next::Start(start))) => {
                if *start < self.collected {
                    let what = "the next page starts before the end of this one";
                    return Err(self.failure(FailureKind::Pages, what));
                }
                Ok(Some(self.with("start", &start.to_string())))
            }
            (Paging::Link, Some(Next::Url(text))) => self.link(text).map(Some),
            (Paging::Token(field), Some(Next::Token(token))) => {
                let mut call = self.call.clone();
                if let Some(body) = &mut call.body {
                    body.json.insert(field.to_owned(), token.as_str().into());
                }
                Ok(Some(call))
            }
            (Paging::Start | Paging::Link | Paging::Token(_), _) => Ok(None),
        }
    }

    fn numbered(
        &mut self,
        reply: &Reply,
        count: usize,
        per_page: usize,
        short_ends: bool,
    ) -> Result<Option<Call>, Failure> {
        let headers = &reply.headers;
        let more = match (headers.next_page, &headers.next_link) {
            (Some(number), _) => number,
            // Only the number is taken from the address: a service behind a proxy does not always
            // know its own name, and we never send a token where a header says.
            (None, Some(link)) => Some(page_number(&self.call.url, link).unwrap_or_default()),
            (None, None) => {
                let all = self.total.is_some_and(|total| self.collected >= total);
                let last = headers.has_links || all || count == 0;
                let last = last || (short_ends && count < per_page);
                (!last).then_some(self.number + 1)
            }
        };
        let Some(number) = more else { return Ok(None) };
        if number <= self.number {
            let what = "a page names itself or an earlier one as the next";
            return Err(self.failure(FailureKind::Pages, what));
        }
        self.number = number;
        Ok(Some(self.with("page", &number.to_string())))
    }

    fn link(&self, text: &str) -> Result<Call, Failure> {
        let url = self.call.url.join(text).ok();
        let url = url.filter(|url| {
            url.origin() == self.call.url.origin() && url.path() == self.call.url.path()
        });
        let Some(url) = url else {
            let what = "a page names a next page that is elsewhere";
            return Err(self.failure(FailureKind::Pages, what));
        };
        Ok(Call { url, ..self.call.clone() })
    }

    /// The question with one parameter more, or another value of it.
    fn with(&self, key: &str, value: &str) -> Call {
        let mut call = self.call.clone();
        let kept: Vec<(String, String)> = call
            .url
            .query_pairs()
            .filter(|(name, _)| name != key)
            .map(|(name, value)| (name.into_owned(), value.into_owned()))
            .collect();
        call.url.query_pairs_mut().clear().extend_pairs(kept).append_pair(key, value);
        call
    }
}

fn page_number(base: &Url, link: &str) -> Option<u64> {
    let url = base.join(link).ok()?;
    let (_, number) = url.query_pairs().find(|(name, _)| name == "page")?;
    number.parse().ok()
}
