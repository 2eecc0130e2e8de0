//! What was seen of the world the last time, and what is another now.

use std::cell::RefCell;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use model::argo::{ClusterSecret, Decisions};
use model::cluster::Cluster;
use model::name::ClusterName;
use model::problem::Reason;
use model::provider::{Answer, Request};
use model::selector::Labels;
use model::tree::FileTree;

use super::entry::Entry;
use crate::dependencies::{Clusters, Dependencies, Fingerprint, Look};
use crate::fleet::Fleet;
use crate::set::{Generated, SetExpansion, Verdict};
use crate::{Options, Refs, RepoReference, Unavailable, World};

type Tree = Result<Arc<dyn FileTree>, Unavailable>;
type Named = Result<Arc<Refs>, Unavailable>;
type Answered = Result<Arc<Answer>, Unavailable>;

/// The world as it was, as far as anything depends on it.
#[derive(Default)]
pub(super) struct Seen {
    before: Option<Before>,
    trees: BTreeMap<RepoReference, Tracked<Tree>>,
    requests: BTreeMap<Request, Tracked<Answered>>,
    refs: BTreeMap<String, Tracked<Named>>,
}

struct Before {
    /// Sorted as in [`Fleet`]; `None` when it was not known which there are.
    clusters: Option<Vec<Cluster>>,
    /// Sorted.
    secrets: Vec<ClusterSecret>,
    decisions: Decisions,
    options: Options,
}

/// Something that sets depend on.
struct Tracked<T> {
    /// How many sets.
    users: usize,
    value: T,
}

/// What is another now.
#[derive(Default)]
pub(super) struct Changes {
    everything: bool,
    /// The labels of clusters that came, went or changed, before and after.
    labels: Vec<Labels>,
    /// Their names.
    clusters: HashSet<String>,
    /// Which of the selectors pick one of them.
    picks: RefCell<HashMap<String, bool>>,
    /// Whether other names are known, and which are no more.
    names: bool,
    gone: HashSet<ClusterName>,
    decisions: bool,
    trees: BTreeMap<RepoReference, TreeChange>,
    requests: BTreeSet<Request>,
    refs: BTreeSet<String>,
}

enum TreeChange {
    /// It can be read or cannot, unlike before, or for another reason.
    Turned,
    /// Another tree, and what is at its paths.
    Other { tree: Arc<dyn FileTree>, found: RefCell<HashMap<Look, Fingerprint>> },
}

impl Seen {
    pub(super) fn references(&self) -> impl Iterator<Item = &RepoReference> {
        self.trees.keys()
    }

    pub(super) fn listed(&self) -> impl Iterator<Item = &str> {
        self.refs.keys().map(String::as_str)
    }

    /// Looks at the world anew.
    pub(super) fn update(&mut self, world: &World<'_>, fleet: &Fleet<'_>) -> Changes {
        let mut changes = Changes::default();
        let clusters: Option<Vec<&Cluster>> = fleet.clusters().map(Iterator::collect);
        let mut secrets: Vec<&ClusterSecret> = world.cluster_secrets.iter().collect();
        secrets.sort_by(|a, b| secret_key(a).cmp(&secret_key(b)));
        match &mut self.before {
            Some(before) if before.options == world.options => {
                before.clusters(clusters, &mut changes);
                before.secrets(&secrets, &mut changes);
                if before.decisions != *world.decisions {
                    changes.decisions = true;
                    before.decisions = world.decisions.clone();
                }
            }
            before => {
                changes.everything = true;
                changes.names = true;
                *before = Some(Before {
                    clusters: clusters.map(|all| all.into_iter().cloned().collect()),
                    secrets: secrets.into_iter().cloned().collect(),
                    decisions: world.decisions.clone(),
                    options: world.options,
                });
            }
        }
        for (reference, tracked) in &mut self.trees {
            let now = world.repositories.tree(&reference.repo_url, &reference.revision);
            if let Some(change) = tree_change(&tracked.value, &now) {
                changes.trees.insert(reference.clone(), change);
            }
            tracked.value = now;
        }
        for (request, tracked) in &mut self.requests {
            let now = world.providers.answer(request);
            if !is_same(&tracked.value, &now) {
                changes.requests.insert(request.clone());
            }
            tracked.value = now;
        }
        for (url, tracked) in &mut self.refs {
            let now = world.repositories.refs(url);
            if !is_same(&tracked.value, &now) {
                changes.refs.insert(url.clone());
            }
            tracked.value = now;
        }
        changes
    }

    /// A set depends on `new` and no longer on `old`.
    pub(super) fn track(&mut self, old: &Dependencies, new: &Dependencies, world: &World<'_>) {
        let repositories = world.repositories;
        for reference in new.trees.keys() {
            use_of(&mut self.trees, reference, |reference| {
                repositories.tree(&reference.repo_url, &reference.revision)
            });
        }
        for request in &new.requests {
            use_of(&mut self.requests, request, |request| world.providers.answer(request));
        }
        for url in &new.refs {
            use_of(&mut self.refs, url, |url| repositories.refs(url));
        }
        self.forget(old);
    }

    /// A set no longer depends on this.
    pub(super) fn forget(&mut self, old: &Dependencies) {
        for reference in old.trees.keys() {
            release(&mut self.trees, reference);
        }
        for request in &old.requests {
            release(&mut self.requests, request);
        }
        for url in &old.refs {
            release(&mut self.refs, url);
        }
    }
}

fn use_of<K: Ord + Clone, V>(all: &mut BTreeMap<K, Tracked<V>>, key: &K, value: impl Fn(&K) -> V) {
    match all.get_mut(key) {
        Some(tracked) => tracked.users += 1,
        None => drop(all.insert(key.clone(), Tracked { users: 1, value: value(key) })),
    }
}

fn release<K: Ord, V>(all: &mut BTreeMap<K, Tracked<V>>, key: &K) {
    let Some(tracked) = all.get_mut(key) else { return };
    tracked.users -= 1;
    if tracked.users == 0 {
        all.remove(key);
    }
}

fn tree_change(old: &Tree, new: &Tree) -> Option<TreeChange> {
    match (old, new) {
        (Ok(old), Ok(new)) if Arc::ptr_eq(old, new) => None,
        (Ok(_), Ok(tree)) => {
            Some(TreeChange::Other { tree: Arc::clone(tree), found: RefCell::default() })
        }
        (Err(old), Err(new)) if old == new => None,
        _ => Some(TreeChange::Turned),
    }
}

fn is_same<T: PartialEq>(
    old: &Result<Arc<T>, Unavailable>,
    new: &Result<Arc<T>, Unavailable>,
) -> bool {
    match (old, new) {
        (Ok(old), Ok(new)) => Arc::ptr_eq(old, new) || old == new,
        (Err(old), Err(new)) => old == new,
        _ => false,
    }
}

impl Before {
    fn clusters(&mut self, now: Option<Vec<&Cluster>>, changes: &mut Changes) {
        let (Some(before), Some(now)) = (&self.clusters, &now) else {
            if self.clusters.is_some() != now.is_some() {
                changes.everything = true;
                changes.names = true;
            }
            self.clusters = now.map(|all| all.into_iter().cloned().collect());
            return;
        };
        let (gone, came) =
            difference(before, now, |a, b| crate::fleet::key(a).cmp(&crate::fleet::key(b)));
        if gone.is_empty() && came.is_empty() {
            return;
        }
        let labels = gone.iter().chain(&came).map(|one| one.metadata.labels.clone());
        changes.labels.extend(labels);
        let named = gone.iter().chain(&came).map(|one| one.metadata.name.to_string());
        changes.clusters.extend(named);
        let names = |all: &[&Cluster]| -> HashSet<ClusterName> {
            all.iter().map(|one| one.metadata.name.clone()).collect()
        };
        let (old, new) = (names(&gone), names(&came));
        // One of two clusters of a name may go, and the name stay.
        let is_there = |name: &ClusterName| now.iter().any(|one| one.metadata.name == *name);
        changes.gone =
            old.into_iter().filter(|name| !new.contains(name) && !is_there(name)).collect();
        let was_there = |name: &ClusterName| before.iter().any(|one| one.metadata.name == *name);
        // Even a count of the same names is shown, so any coming and going counts.
        changes.names =
            gone.len() != came.len() || !changes.gone.is_empty() || !new.iter().all(was_there);
        self.clusters = Some(now.iter().map(|one| (*one).clone()).collect());
    }

    fn secrets(&mut self, now: &[&ClusterSecret], changes: &mut Changes) {
        let (gone, came) = difference(&self.secrets, now, |a, b| secret_key(a).cmp(&secret_key(b)));
        if gone.is_empty() && came.is_empty() {
            return;
        }
        let labels = gone.iter().chain(&came).map(|one| one.labels.clone().unwrap_or_default());
        changes.labels.extend(labels);
        changes.clusters.extend(gone.iter().chain(&came).map(|one| one.name.clone()));
        self.secrets = now.iter().map(|one| (*one).clone()).collect();
    }
}

fn secret_key(secret: &ClusterSecret) -> impl Ord + '_ {
    let ClusterSecret { name, server, project, labels, annotations } = secret;
    (name, server, project, labels, annotations)
}

/// What only the one or the other of two sorted lists has.
fn difference<'o, 'n, T: PartialEq>(
    old: &'o [T],
    new: &[&'n T],
    order: impl Fn(&T, &T) -> Ordering,
) -> (Vec<&'o T>, Vec<&'n T>) {
    let (mut gone, mut came) = (Vec::new(), Vec::new());
    let (mut old, mut new) = (old.iter().peekable(), new.iter().copied().peekable());
    loop {
        let ordering = match (old.peek(), new.peek()) {
            (None, None) => return (gone, came),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(a), Some(b)) => order(a, b),
        };
        let a = old.next_if(|_| ordering != Ordering::Greater);
        let b = new.next_if(|_| ordering != Ordering::Less);
        if a.is_none() || b.is_none() || a != b {
            gone.extend(a);
            came.extend(b);
        }
    }
}

impl Changes {
    /// Whether the names of clusters that are known are others, or their number is.
    pub(super) fn names_changed(&self) -> bool {
        self.names
    }

    /// Whether a set may give something else now.
    pub(super) fn affect(&self, entry: &Entry, last: &SetExpansion) -> bool {
        let dependencies = &entry.dependencies;
        self.everything
            || entry.is_volatile
            || (self.decisions && dependencies.decisions)
            || self.picked(&dependencies.clusters)
            || contain(&dependencies.names, |name| self.clusters.contains(name))
            || (self.names && self.turns_destinations(last))
            || dependencies.trees.iter().any(|(reference, looks)| {
                self.trees.get(reference).is_some_and(|change| change.affects(looks))
            })
            || contain(&dependencies.requests, |request| self.requests.contains(request))
            || contain(&dependencies.refs, |url| self.refs.contains(url))
    }

    fn picked(&self, clusters: &Clusters) -> bool {
        let selectors = match clusters {
            _ if self.labels.is_empty() => return false,
            Clusters::All => return true,
            Clusters::Selected(selectors) => selectors,
        };
        let mut picks = self.picks.borrow_mut();
        selectors.iter().any(|(text, selector)| match picks.get(text) {
            Some(known) => *known,
            None => {
                let picks_one = self.labels.iter().any(|labels| selector.matches(labels));
                picks.insert(text.clone(), picks_one);
                picks_one
            }
        })
    }

    /// Whether a destination was refused, which names the others, or is refused now.
    fn turns_destinations(&self, last: &SetExpansion) -> bool {
        let refused = last.problems.iter().any(|one| one.reason == Reason::UnknownCluster);
        refused
            || last.elements.iter().any(|element| match &element.verdict {
                Verdict::Ok(Generated::Native(application)) => {
                    self.gone.contains(&application.spec.destination.cluster)
                }
                // Held because of its name, it may be refused as well.
                Verdict::Held { .. } => true,
                Verdict::Ok(Generated::Argo(_)) => false,
            })
    }
}

fn contain<T>(all: &BTreeSet<T>, is_meant: impl Fn(&T) -> bool) -> bool {
    all.iter().any(is_meant)
}

impl TreeChange {
    fn affects(&self, looks: &BTreeMap<Look, Fingerprint>) -> bool {
        let (tree, found) = match self {
            Self::Turned => return true,
            Self::Other { tree, found } => (tree, found),
        };
        let mut found = found.borrow_mut();
        looks.iter().any(|(look, fingerprint)| {
            let now = match found.get(look) {
                Some(now) => *now,
                None => {
                    let now = look.take(&**tree);
                    found.insert(look.clone(), now);
                    now
                }
            };
            !fingerprint.is_same(now)
        })
    }
}
