//! The repositories of an organisation with their branches: the same walk for every service.

use std::collections::{BTreeMap, BTreeSet};

use futures::StreamExt as _;
use model::provider::{Branch, Items, Repository};

use crate::collector::Crawled;
use crate::failure::{Failure, FailureKind};
use crate::filter::Filters;
use crate::pages::Listing;
use crate::provider::{Branches, Forge, Probe};
use crate::site::Site;
use crate::wire::{FoundBranch, FoundRepository};

/// How many repositories are looked at at once; the requests in flight have a bound of their own.
const AT_ONCE: usize = 16;

/// What of a crawl failed.
#[derive(Default)]
struct Troubles {
    first: Option<Failure>,
    repositories: usize,
}

pub(crate) async fn crawl(site: &Site, forge: &dyn Forge, filters: &Filters) -> Crawled {
    let call = match forge.repositories() {
        Ok(call) => call,
        Err(failure) => return Crawled::failed(failure),
    };
    let listing = site.pages(call).await;
    let mut troubles = Troubles::default();
    let mut failure = listing.failure.clone();
    let found = if forge.lists_names() {
        details(site, forge, filters, &listing, &mut troubles).await
    } else {
        listing.repositories()
    };
    // Without a list there is nothing to say; with a part of it, what it names may be used.
    if found.is_empty() && failure.is_some() {
        return Crawled { items: None, failure };
    }
    let found = found
        .into_iter()
        .filter(|repository| forge.keeps(repository) && filters.may_pass(&repository.name, None));
    let asked = found.map(|repository| look_at(site, forge, filters, repository));
    let mut results = futures::stream::iter(asked).buffered(AT_ONCE);
    let mut repositories = Vec::new();
    while let Some(result) = results.next().await {
        match result {
            Ok(repository) => repositories.extend(repository),
            Err(error) => {
                let last = error.kind.ends_crawl();
                troubles.add(error);
                if last {
                    break;
                }
            }
        }
    }
    drop(results);
    failure = failure.or_else(|| troubles.summary());
    Crawled { items: Some(Items::Repositories(repositories)), failure }
}

/// For a service that lists names only.
async fn details(
    site: &Site,
    forge: &dyn Forge,
    filters: &Filters,
    listing: &Listing,
    troubles: &mut Troubles,
) -> Vec<FoundRepository> {
    let names = listing.names().into_iter().filter(|name| filters.may_pass(name, None));
    let asked = names.map(|name| async move { site.ask(&forge.detail(&name)?).await });
    let mut replies = futures::stream::iter(asked).buffered(AT_ONCE);
    let mut found = Listing::default();
    while let Some(reply) = replies.next().await {
        match reply {
            Ok(reply) => found.replies.push(reply),
            Err(failure) => {
                let failure: Failure = failure;
                let last = failure.kind.ends_crawl();
                troubles.add(failure);
                if last {
                    break;
                }
            }
        }
    }
    found.repositories()
}

impl Troubles {
    fn add(&mut self, failure: Failure) {
        self.repositories += 1;
        self.first.get_or_insert(failure);
    }

    fn summary(self) -> Option<Failure> {
        let first = self.first?;
        let message = match self.repositories {
            1 => format!("a repository could not be read: {}", first.message),
            count => {
                format!("{count} repositories could not be read, the first: {}", first.message)
            }
        };
        Some(Failure { kind: first.kind, message })
    }
}

/// A repository with its labels and branches; `None` when no filter takes it.
async fn look_at(
    site: &Site,
    forge: &dyn Forge,
    filters: &Filters,
    mut found: FoundRepository,
) -> Result<Option<Repository>, Failure> {
    if let Some(call) = forge.labels(&found)? {
        let listing = site.pages(call).await;
        complete(&listing)?;
        found.labels = listing.names();
    }
    if !filters.may_pass(&found.name, Some(&found.labels)) {
        return Ok(None);
    }
    let mut branches = Vec::new();
    for branch in branches_of(site, forge, &found).await? {
        if let Some(paths) = paths_of(site, forge, filters, &found, &branch).await? {
            branches.push(Branch { name: branch.name, sha: branch.sha, paths });
        }
    }
    let organization = match found.organization.as_str() {
        "" => forge.organization().to_owned(),
        known => known.to_owned(),
    };
    Ok(Some(Repository {
        organization,
        repository: found.name,
        repository_id: found.id,
        urls: found.urls,
        labels: found.labels,
        branches,
    }))
}

async fn branches_of(
    site: &Site,
    forge: &dyn Forge,
    found: &FoundRepository,
) -> Result<Vec<FoundBranch>, Failure> {
    match forge.branches(found)? {
        Branches::Known(branches) => Ok(branches),
        Branches::Ask(call) => {
            let listing = site.pages(call).await;
            complete(&listing)?;
            Ok(listing.branches())
        }
    }
}

fn complete(listing: &Listing) -> Result<(), Failure> {
    listing.failure.clone().map_or(Ok(()), Err)
}

/// The paths that were found at a branch; `None` when no filter takes it. As few are asked for as
/// are needed to know.
async fn paths_of(
    site: &Site,
    forge: &dyn Forge,
    filters: &Filters,
    repository: &FoundRepository,
    branch: &FoundBranch,
) -> Result<Option<BTreeSet<String>>, Failure> {
    if filters.takes_all_branches() {
        return Ok(Some(BTreeSet::new()));
    }
    let mut known: BTreeMap<&str, bool> = BTreeMap::new();
    let mut passes = false;
    'filters: for filter in filters.of_branch(&repository.name, &repository.labels, &branch.name) {
        let wanted = filter.exist.iter().map(|path| (path, true));
        for (path, wanted) in wanted.chain(filter.missing.iter().map(|path| (path, false))) {
            let path = path.trim_end_matches('/');
            let exists = match known.get(path) {
                Some(exists) => *exists,
                None => exists(site, forge, repository, branch, path).await?,
            };
            known.insert(path, exists);
            if exists != wanted {
                continue 'filters;
            }
        }
        passes = true;
        break;
    }
    let found = known.iter().filter(|(_, exists)| **exists).map(|(path, _)| *path);
    Ok(passes.then(|| found.map(str::to_owned).collect()))
}

async fn exists(
    site: &Site,
    forge: &dyn Forge,
    repository: &FoundRepository,
    branch: &FoundBranch,
    path: &str,
) -> Result<bool, Failure> {
    if path.split('/').any(|part| part == "..") {
        let what = "a path in a filter leads out of its repository with `..`";
        return Err(Failure::new(FailureKind::Request, what));
    }
    match forge.probe(repository, branch, path)? {
        Probe::Known(exists) => Ok(exists),
        Probe::Ask(call) => Ok(site.ask(&call).await?.page.is_some()),
        Probe::Listed(call, entry) => {
            let listing = site.pages(call).await;
            // An entry that was seen is there, even when the rest of the list is missing.
            if listing.names().contains(&entry) {
                return Ok(true);
            }
            complete(&listing)?;
            Ok(false)
        }
    }
}
