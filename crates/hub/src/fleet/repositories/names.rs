//! The branches and tags of repositories that a generator looks at, as they were listed last.
//!
//! A list that could not be read leaves the last one in force (law L2). None is kept over a restart:
//! until a repository was listed, its generators are held.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use generators::{Refs, Unavailable};
use model::problem::Problem;
use source::RepoUrl;

use super::{FORGET_AFTER, unavailable};

/// One repository.
#[derive(Debug, Default)]
struct Listing {
    /// Since when nobody needs it.
    idle_since: Option<Duration>,
    refs: Option<Arc<Refs>>,
    error: Option<String>,
}

impl Listing {
    fn is_new(&self) -> bool {
        self.refs.is_none() && self.error.is_none()
    }
}

#[derive(Debug, Default)]
pub(super) struct Names(BTreeMap<RepoUrl, Listing>);

impl Names {
    /// Says which are needed. Returns those that nobody looks at yet, or any more.
    pub(super) fn need(&mut self, needed: &BTreeSet<RepoUrl>, now: Duration) -> Vec<RepoUrl> {
        self.0.retain(|url, listing| {
            needed.contains(url)
                || now.saturating_sub(*listing.idle_since.get_or_insert(now)) < FORGET_AFTER
        });
        let mut new = Vec::new();
        for url in needed {
            let listing = self.0.entry(url.clone()).or_default();
            let was_idle = listing.idle_since.take().is_some();
            if was_idle || listing.is_new() {
                new.push(url.clone());
            }
        }
        new
    }

    pub(super) fn needed(&self) -> impl Iterator<Item = &RepoUrl> {
        self.0.iter().filter(|(_, listing)| listing.idle_since.is_none()).map(|(url, _)| url)
    }

    /// Takes over what a look brought. Returns whether generators see something else now.
    pub(super) fn take(&mut self, url: &RepoUrl, listed: Result<Arc<Refs>, String>) -> bool {
        let Some(listing) = self.0.get_mut(url) else { return false };
        let (refs, error) = match listed {
            Ok(refs) => (Some(refs), None),
            Err(error) => (listing.refs.clone(), Some(error)),
        };
        if listing.refs == refs && listing.error == error {
            return false;
        }
        listing.refs = refs;
        listing.error = error;
        true
    }

    pub(super) fn error_of(&self, url: &RepoUrl) -> Option<String> {
        self.0.get(url)?.error.clone()
    }

    /// What cannot be listed now, one problem for each repository that is needed.
    pub(super) fn problems(&self) -> impl Iterator<Item = Problem> {
        let needed = self.0.values().filter(|listing| listing.idle_since.is_none());
        needed.filter_map(|listing| {
            let stays = match listing.refs {
                Some(_) => "those that were listed before stay in force",
                None => "nothing of them is known",
            };
            let error = listing.error.as_ref()?;
            Some(unavailable(format!("{error} (its branches and tags; {stays})")))
        })
    }

    /// The last good lists, for one expansion.
    pub(super) fn listed(&self) -> BTreeMap<RepoUrl, Result<Arc<Refs>, String>> {
        let listed = |(url, listing): (&RepoUrl, &Listing)| {
            let none = || listing.error.clone().unwrap_or_else(|| NOT_YET.to_owned());
            (url.clone(), listing.refs.clone().ok_or_else(none))
        };
        self.0.iter().map(listed).collect()
    }
}

const NOT_YET: &str = "they have not been listed yet";

/// The list of a repository as a set names it.
pub(super) fn find(
    listed: &BTreeMap<RepoUrl, Result<Arc<Refs>, String>>,
    repo_url: &str,
) -> Result<Arc<Refs>, Unavailable> {
    let known = match RepoUrl::parse(repo_url) {
        Ok(url) => listed.get(&url).cloned().unwrap_or_else(|| Err(NOT_YET.to_owned())),
        Err(error) => Err(error.to_string()),
    };
    known.map_err(|message| Unavailable { message })
}
