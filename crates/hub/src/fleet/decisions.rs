//! Decision objects that the spoke of one cluster reports, beside those of the fleet repository.
//!
//! `report` is where the session of that cluster brings what its spoke says; [`Believed`] is the
//! fleet's table of it: data with decisions, owned by the fleet's task.
//!
//! Whoever writes such objects steers the fleet, so only the cluster that the configuration names
//! is believed. What is not seen takes nothing away (law L2): before the first report, while the
//! spoke is away, or a resource is out of reach, the last objects stay in force and count as
//! incomplete. A controller that begins anew may empty its decisions for a moment; so what a list
//! lacks counts as gone only after a minute in which it did not come back.

mod report;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use model::argo::{Decisions, Unseen};
use model::decision::{DecisionList, DecisionObject, DecisionResource};
use model::name::ClusterName;
use model::problem::{Problem, Reason};
use model::status::Timestamp;
use serde_json::Value;

use crate::session::Gathered;
pub use report::DecisionReports;
use report::Link;
pub(crate) use report::Reporter;
pub(super) use report::Told;

/// How long what a list lacks may still come back.
const CONFIRM_AFTER: Duration = Duration::from_secs(60);
/// The most former objects that are kept for that time. With more, nothing counts as gone.
const MAX_EARLIER: usize = 2_000;
/// The end of a time that has not begun.
const NO_LIST_YET: Duration = Duration::MAX;
/// The most problems about objects of one name.
const MAX_CLASHES: usize = 20;
/// Where the decisions are in a status, unless the ConfigMap says otherwise.
const DEFAULT_LIST: &str = "clusters";

/// A namespace, which may be empty, and a name.
type Key = (Arc<str>, Arc<str>);

/// What is believed of the reported objects. A clone shares them.
#[derive(Debug, Clone)]
pub(super) struct Believed {
    /// Whose spoke is believed; nobody's by default.
    cluster: Option<ClusterName>,
    link: Link,
    last: Option<Arc<Gathered>>,
    resources: BTreeMap<DecisionResource, Known>,
}

#[derive(Debug, Clone, Default)]
struct Known {
    /// Of the last list that came whole.
    objects: Arc<BTreeMap<Key, Object>>,
    /// Why it is not the present one.
    trouble: Option<String>,
    /// What objects were in the last minute.
    earlier: Vec<Earlier>,
    /// Until when nothing counts as gone at all.
    unsure: Option<(Duration, &'static str)>,
}

#[derive(Debug, Clone)]
struct Object {
    told: DecisionObject,
    value: Arc<Value>,
}

#[derive(Debug, Clone)]
struct Earlier {
    key: Key,
    value: Arc<Value>,
    until: Duration,
}

impl Believed {
    #[must_use]
    pub(super) fn new(cluster: Option<ClusterName>) -> Self {
        Self { cluster, link: Link::default(), last: None, resources: BTreeMap::new() }
    }

    /// Takes over what the session says. Returns whether generators are given something else now.
    pub(super) fn take(&mut self, told: &Told, now: Duration) -> bool {
        let is_same = |(a, b): (&Arc<Gathered>, &Arc<Gathered>)| Arc::ptr_eq(a, b);
        let is_news =
            told.last.is_some() && !self.last.as_ref().zip(told.last.as_ref()).is_some_and(is_same);
        let turned = self.link != told.link;
        self.link = told.link.clone();
        if !is_news {
            return turned;
        }
        self.last.clone_from(&told.last);
        let Some(report) = &told.last else { return turned };
        for (resource, list) in &**report {
            let known = self.resources.entry(resource.clone());
            match list {
                DecisionList::Whole(objects) => {
                    known.or_insert_with(Known::first).list(objects, now);
                }
                DecisionList::Failed(reason) => {
                    known.or_insert_with(Known::first).trouble = Some(reason.clone());
                }
            }
        }
        // That somebody no longer looks says nothing about what is there (law L1).
        for (resource, known) in &mut self.resources {
            if !report.contains_key(resource) {
                known.trouble = Some("its agent does not watch them any more".to_owned());
            }
        }
        true
    }

    /// Lets go what was kept long enough. Returns whether that changes anything.
    pub(super) fn settle(&mut self, now: Duration) -> bool {
        let mut changed = false;
        for known in self.resources.values_mut() {
            let before = known.earlier.len();
            known.earlier.retain(|earlier| earlier.until > now);
            changed |= known.earlier.len() != before;
            changed |= known.unsure.take_if(|(until, _)| *until <= now).is_some();
        }
        changed
    }

    /// When [`Believed::settle`] has something to do next.
    #[must_use]
    pub(super) fn next_due(&self) -> Option<Duration> {
        let due = |known: &Known| {
            let earlier = known.earlier.iter().map(|earlier| earlier.until);
            let unsure = known.unsure.map(|(until, _)| until).filter(|until| *until != NO_LIST_YET);
            earlier.chain(unsure).min()
        };
        self.resources.values().filter_map(due).min()
    }

    /// The objects of the fleet repository with the reported ones, and what people must know.
    #[must_use]
    pub(super) fn join(&self, own: &Arc<Decisions>) -> (Arc<Decisions>, Vec<Problem>) {
        let Some(cluster) = &self.cluster else { return (Arc::clone(own), Vec::new()) };
        let mut joined = Decisions::clone(own);
        let mut taken: BTreeSet<[String; 4]> =
            own.objects.iter().map(|object| identity(object)).collect();
        let (mut clashes, mut problems) = (0, Vec::new());
        for object in self.resources.values().flat_map(|known| known.objects.values()) {
            if taken.insert(identity(&object.value)) {
                joined.objects.push(Arc::clone(&object.value));
                continue;
            }
            clashes += 1;
            if clashes <= MAX_CLASHES {
                problems.push(clash(cluster, &object.value));
            }
        }
        let away = self.away(cluster);
        problems.extend(away.iter().map(|reason| problem(reason.clone())));
        joined.unseen.extend(away.into_iter().flat_map(|reason| self.unseen_of_all(&reason)));
        for (resource, known) in &self.resources {
            problems.extend(known.trouble.as_ref().map(|reason| {
                problem(format!("the {resource} that {cluster} reports are as they were: {reason}"))
            }));
            joined.unseen.extend(known.unseen(cluster, resource, &own.config_maps));
        }
        (Arc::new(joined), problems)
    }

    /// That everything which the cluster may report is not seen. Before the first report that is
    /// anything.
    fn unseen_of_all(&self, reason: &str) -> Vec<Unseen> {
        let unseen = |api_version| Unseen { api_version, object: None, reason: reason.to_owned() };
        let versions: BTreeSet<&str> =
            self.resources.keys().map(DecisionResource::api_version).collect();
        match versions.is_empty() {
            true => vec![unseen(None)],
            false => versions.into_iter().map(|one| unseen(Some(one.to_owned()))).collect(),
        }
    }

    /// Why the present state of the cluster is not known at all.
    fn away(&self, cluster: &ClusterName) -> Option<String> {
        match &self.link {
            Link::Never => Some(format!(
                "the cluster {cluster}, whose decisions are to be believed (decisions.cluster), has \
                 not connected since the hub started"
            )),
            Link::Open { reported: true, .. } => None,
            Link::Open { .. } => Some(format!(
                "the agent of {cluster} is connected and has not reported its decision objects; \
                 which ones it watches stands in its decisions.resources"
            )),
            Link::Closed { since } => Some(format!(
                "the agent of {cluster} is disconnected since {}, so its decision objects are as \
                 they were then",
                utc(*since)
            )),
        }
    }
}

impl Known {
    fn first() -> Self {
        // The end of this minute is set when the first list comes.
        Self { unsure: Some((NO_LIST_YET, "no list has come yet")), ..Self::default() }
    }

    /// A list that came whole takes the place of the one before.
    fn list(&mut self, objects: &[DecisionObject], now: Duration) {
        self.trouble = None;
        let until = now.saturating_add(CONFIRM_AFTER);
        if self.unsure.is_some_and(|(until, _)| until == NO_LIST_YET) {
            self.unsure =
                Some((until, "they were listed for the first time since the hub started"));
        }
        let mut next = BTreeMap::new();
        for told in objects {
            let key = (Arc::clone(told.namespace()), Arc::clone(told.name()));
            let same = self.objects.get(&key).filter(|before| before.told == *told);
            let object = same
                .cloned()
                .unwrap_or_else(|| Object { told: told.clone(), value: Arc::new(told.to_value()) });
            next.insert(key, object);
        }
        for (key, before) in &*self.objects {
            if next.get(key).is_some_and(|now| Arc::ptr_eq(&now.value, &before.value)) {
                continue;
            }
            let (key, value) = (key.clone(), Arc::clone(&before.value));
            self.earlier.push(Earlier { key, value, until });
        }
        if self.earlier.len() > MAX_EARLIER {
            self.earlier.clear();
            self.unsure = Some((until, "more of them have changed than can be told apart"));
        }
        self.objects = Arc::new(next);
    }

    /// Why there may be more than the list has, or what it lacks may come back.
    fn unseen(
        &self,
        cluster: &ClusterName,
        resource: &DecisionResource,
        config_maps: &[Value],
    ) -> Vec<Unseen> {
        let api_version = Some(resource.api_version().to_owned());
        let whole =
            |reason: String| Unseen { api_version: api_version.clone(), object: None, reason };
        let mut unseen: Vec<_> = self
            .trouble
            .iter()
            .map(|reason| whole(format!("the {resource} of {cluster} are as they were: {reason}")))
            .collect();
        // Without a list there is nothing that could be gone.
        let unsure = self.unsure.filter(|(until, _)| *until != NO_LIST_YET);
        unseen.extend(unsure.map(|(_, why)| {
            whole(format!(
                "of the {resource} of {cluster} nothing counts as gone before {} seconds have \
                 passed: {why}",
                CONFIRM_AFTER.as_secs()
            ))
        }));
        let described = config_maps.iter().filter(|map| {
            map["data"]["apiVersion"]
                .as_str()
                .is_some_and(|version| version == resource.api_version())
        });
        let described: Vec<&Value> = described.map(|map| &map["data"]).collect();
        unseen.extend(self.earlier.iter().filter_map(|earlier| {
            let now = self.objects.get(&earlier.key).map(|object| &*object.value);
            let lacking = lacking(&described, &earlier.value, now)?;
            Some(Unseen {
                api_version: api_version.clone(),
                object: Some(Arc::clone(&earlier.value)),
                reason: format!(
                    "{} of the {resource} of {cluster} has lost {lacking}, which counts as gone \
                     when it stays away for {} seconds",
                    earlier.key.1,
                    CONFIRM_AFTER.as_secs()
                ),
            })
        }));
        unseen.dedup();
        unseen
    }
}

/// What an object had and has no more, in words: decisions, or what selectors knew it by.
fn lacking(described: &[&Value], before: &Value, now: Option<&Value>) -> Option<String> {
    let before_names = names(described, before);
    let Some(now) = now else {
        return (!before_names.is_empty()).then(|| "itself".to_owned());
    };
    if before["metadata"]["labels"] != now["metadata"]["labels"] && !before_names.is_empty() {
        return Some("its labels".to_owned());
    }
    let now = names(described, now);
    let gone: Vec<_> = before_names.difference(&now).map(|(_, _, name)| name.as_str()).collect();
    match gone.as_slice() {
        [] => None,
        few if few.len() <= 3 => Some(few.join(", ")),
        many => Some(format!("{} and {} more", many[0], many.len() - 1)),
    }
}

/// The clusters that an object chooses, as each of the ConfigMaps reads it.
fn names(described: &[&Value], object: &Value) -> BTreeSet<(String, String, String)> {
    let mut names = BTreeSet::new();
    for data in described {
        let key = |field: &str| data[field].as_str().unwrap_or_default();
        let list = Some(key("statusListKey")).filter(|list| !list.is_empty());
        let (list, by) = (list.unwrap_or(DEFAULT_LIST), key("matchKey"));
        let items = object["status"][list].as_array().map(Vec::as_slice).unwrap_or_default();
        names.extend(items.iter().filter_map(|item| {
            let name = match item.get(by)? {
                Value::Null => return None,
                Value::String(name) => name.clone(),
                other => other.to_string(),
            };
            Some((list.to_owned(), by.to_owned(), name))
        }));
    }
    names
}

fn identity(object: &Value) -> [String; 4] {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let metadata = &object["metadata"];
    [&object["apiVersion"], &object["kind"], &metadata["namespace"], &metadata["name"]].map(text)
}

fn clash(cluster: &ClusterName, object: &Value) -> Problem {
    let [api_version, kind, namespace, name] = identity(object);
    let message = format!(
        "the {kind} {namespace}/{name} of {api_version} is in the fleet repository, and {cluster} \
         reports one too; the one of the fleet repository is taken: remove it there to follow the \
         other"
    );
    Problem { reason: Reason::DuplicateName, ..problem(message) }
}

fn problem(message: String) -> Problem {
    let (set, element) = (String::new(), String::new());
    Problem { set, element, reason: Reason::SourceUnavailable, message }
}

fn utc(at: Timestamp) -> String {
    match jiff::Timestamp::from_millisecond(at.0) {
        Ok(instant) => instant.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        Err(_) => "an unknown time".to_owned(),
    }
}
