//! What all sets and hand-written applications come to, patched where something changed.
//!
//! Sets are kept as they are when taken alone. What a name that is claimed twice does to them lies
//! over that as an [`Overlay`], which is taken off before anything is compared or evaluated again.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use model::name::ApplicationName;
use model::problem::{Problem, Reason};

use super::SharedSources;
use super::entry::Entry;
use crate::expand::{Expansion, GeneratedApplication, duplicates, hold_element, written_element};
use crate::fleet::Fleet;
use crate::set::{Element, Generated, SetExpansion, Verdict};

/// The claimant that is no set: the hand-written applications.
const WRITTEN: usize = 0;

pub(super) struct Whole {
    pub(super) expansion: Expansion,
    written: Vec<Written>,
    /// Who claims a name; a set that claims it twice is there twice.
    claims: HashMap<ApplicationName, Claim>,
    /// The names with more than one claim now, and when they were last told of.
    doubles: BTreeSet<ApplicationName>,
    told: BTreeSet<ApplicationName>,
    overlays: HashMap<usize, Overlay>,
    update: Update,
}

#[derive(Debug)]
struct Written {
    application: Generated,
    held: Option<(Reason, String)>,
    /// What a double claim says over that.
    double: Option<String>,
}

enum Claim {
    One(usize),
    Many(Vec<usize>),
}

/// What stood in a set before duplicates were held.
#[derive(Default)]
struct Overlay {
    verdicts: Vec<(usize, Verdict)>,
    problems: Vec<Problem>,
}

/// What one update has changed so far.
#[derive(Default)]
struct Update {
    names: HashSet<ApplicationName>,
    /// The claimants of those names.
    claimants: HashSet<usize>,
    /// The sets whose problems are others; empty for the hand-written applications.
    problems: HashSet<String>,
    /// Whether double claims must be told of anew.
    tell: bool,
}

impl Default for Whole {
    fn default() -> Self {
        let expansion = Expansion {
            sets: Vec::new(),
            applications: Vec::new(),
            held: BTreeMap::new(),
            problems: Vec::new(),
        };
        Self {
            expansion,
            written: Vec::new(),
            claims: HashMap::new(),
            doubles: BTreeSet::new(),
            told: BTreeSet::new(),
            overlays: HashMap::new(),
            update: Update::default(),
        }
    }
}

impl Whole {
    /// The set as it is by itself; the place stays empty until it is put back.
    pub(super) fn take(&mut self, at: usize, entry: &Entry) -> SetExpansion {
        let empty = SetExpansion::new(&entry.key.name);
        let mut set = std::mem::replace(&mut self.expansion.sets[at], empty);
        self.uncover(entry.id, &mut set);
        set
    }

    fn uncover(&mut self, id: usize, set: &mut SetExpansion) {
        let Some(overlay) = self.overlays.remove(&id) else { return };
        self.update.tell = true;
        self.update.problems.insert(set.set.to_string());
        for (index, verdict) in overlay.verdicts {
            set.elements[index].verdict = verdict;
        }
        set.problems = overlay.problems;
    }

    /// Takes over what a set gives now.
    pub(super) fn put(&mut self, at: usize, id: usize, previous: SetExpansion, next: SetExpansion) {
        let old = named(previous.elements.iter().filter_map(by_name));
        let new = named(next.elements.iter().filter_map(by_name));
        self.exchange(id, &old, &new, is_same_element);
        if previous.problems != next.problems {
            self.update.problems.insert(next.set.to_string());
        }
        self.expansion.sets[at] = next;
    }

    /// A set is gone.
    pub(super) fn withdraw(&mut self, entry: &Entry, mut set: SetExpansion) {
        self.uncover(entry.id, &mut set);
        let old = named(set.elements.iter().filter_map(by_name));
        self.exchange(entry.id, &old, &HashMap::new(), is_same_element);
        self.update.problems.insert(set.set.to_string());
    }

    /// Takes over what persons wrote.
    pub(super) fn write(
        &mut self,
        sources: &SharedSources<'_>,
        fleet: &Fleet<'_>,
        names_changed: bool,
    ) {
        let native = sources.applications.iter().cloned().map(Generated::Native);
        let argo = sources.argo_applications.iter().cloned().map(Generated::Argo);
        let now = || native.clone().chain(argo.clone());
        let is_same = now().count() == self.written.len()
            && now().zip(&self.written).all(|(a, b)| is_same_application(&a, &b.application));
        if is_same && !names_changed {
            return;
        }
        let written = now().map(|application| {
            let cluster = application.native().map(|one| &one.spec.destination.cluster);
            let unknown = cluster.filter(|cluster| !fleet.accepts(cluster));
            let held = unknown.map(|cluster| (Reason::UnknownCluster, fleet.refusal(cluster)));
            Written { application, held, double: None }
        });
        let next: Vec<Written> = written.collect();
        let previous = std::mem::take(&mut self.written);
        self.update.tell |= previous.iter().any(|one| one.double.is_some());
        let pair = |one| (Written::name(one), one);
        let old = named(previous.iter().map(pair));
        let new = named(next.iter().map(pair));
        self.exchange(WRITTEN, &old, &new, is_same_written);
        self.update.problems.insert(String::new());
        self.written = next;
    }

    /// Notes which names a claimant claims no more, claims anew, or gives something else for.
    fn exchange<T>(
        &mut self,
        id: usize,
        old: &HashMap<&ApplicationName, Vec<&T>>,
        new: &HashMap<&ApplicationName, Vec<&T>>,
        is_same: impl Fn(&T, &T) -> bool,
    ) {
        for (name, before) in old {
            let now = new.get(name).map_or(&[][..], Vec::as_slice);
            let same = before.len() == now.len()
                && before.iter().zip(now).all(|(before, now)| is_same(before, now));
            if !same {
                self.update.names.insert((*name).clone());
            }
            for _ in now.len()..before.len() {
                self.release(name, id);
            }
        }
        for (name, now) in new {
            let before = old.get(name).map_or(0, Vec::len);
            if before == 0 {
                self.update.names.insert((*name).clone());
            }
            for _ in before..now.len() {
                self.claim(name, id);
            }
            // Their messages say which elements they are.
            self.update.tell |= self.doubles.contains(*name);
        }
        self.update.claimants.insert(id);
    }

    fn claim(&mut self, name: &ApplicationName, id: usize) {
        match self.claims.get_mut(name) {
            None => {
                self.claims.insert(name.clone(), Claim::One(id));
            }
            Some(Claim::Many(ids)) => ids.push(id),
            Some(claim @ Claim::One(_)) => {
                let Claim::One(first) = *claim else { return };
                *claim = Claim::Many(vec![first, id]);
                self.doubles.insert(name.clone());
                self.update.tell = true;
            }
        }
    }

    fn release(&mut self, name: &ApplicationName, id: usize) {
        match self.claims.get_mut(name) {
            None => {}
            Some(Claim::One(_)) => drop(self.claims.remove(name)),
            Some(claim @ Claim::Many(_)) => {
                let Claim::Many(ids) = claim else { return };
                if let Some(at) = ids.iter().position(|one| *one == id) {
                    ids.swap_remove(at);
                }
                if let [last] = ids[..] {
                    *claim = Claim::One(last);
                    self.doubles.remove(name);
                }
                self.update.tell = true;
            }
        }
    }

    /// Ends an update: what changed is told of, and the lists are patched.
    pub(super) fn settle(&mut self, entries: &[Entry]) {
        if self.update.tell {
            self.tell(entries);
        }
        let update = std::mem::take(&mut self.update);
        if !update.names.is_empty() {
            self.patch_applications(entries, &update);
        }
        if !update.problems.is_empty() {
            self.patch_problems(&update.problems);
        }
    }

    /// Takes off what was said of double claims and says it anew.
    fn tell(&mut self, entries: &[Entry]) {
        let mut claimants: HashSet<usize> = self.overlays.keys().copied().collect();
        for name in &self.doubles {
            if let Some(Claim::Many(ids)) = self.claims.get(name) {
                claimants.extend(ids);
            }
        }
        claimants.insert(WRITTEN);
        let mut origins: BTreeMap<ApplicationName, Vec<Origin>> = BTreeMap::new();
        for (at, entry) in entries.iter().enumerate() {
            if !claimants.contains(&entry.id) {
                continue;
            }
            let mut set = self.take(at, entry);
            set.elements.iter().enumerate().for_each(|(index, element)| {
                if let Some(name) = element.verdict.name().filter(|one| self.doubles.contains(*one))
                {
                    let origin = Origin::Element { at, id: entry.id, index };
                    origins.entry(name.clone()).or_default().push(origin);
                }
            });
            std::mem::swap(&mut set, &mut self.expansion.sets[at]);
        }
        for (index, written) in self.written.iter_mut().enumerate() {
            written.double = None;
            if self.doubles.contains(written.name()) {
                let name = written.name().clone();
                origins.entry(name).or_default().push(Origin::Written { index });
            }
        }
        for (name, origins) in &origins {
            let texts: Vec<String> = origins.iter().map(|one| self.describe(*one)).collect();
            for (origin, message) in origins.iter().zip(duplicates(name, &texts)) {
                self.cover(*origin, name, message);
            }
        }
        self.update.problems.insert(String::new());
        self.update.claimants.extend(claimants);
        self.update.names.extend(std::mem::take(&mut self.told));
        self.update.names.extend(self.doubles.iter().cloned());
        self.told.clone_from(&self.doubles);
    }

    fn describe(&self, origin: Origin) -> String {
        match origin {
            Origin::Element { at, index, .. } => {
                let set = &self.expansion.sets[at];
                crate::expand::element_text(&set.set, &set.elements[index].id)
            }
            Origin::Written { .. } => crate::expand::WRITTEN_TEXT.to_owned(),
        }
    }

    fn cover(&mut self, origin: Origin, name: &ApplicationName, message: String) {
        match origin {
            Origin::Element { at, id, index } => {
                let set = &mut self.expansion.sets[at];
                let problems = || Overlay { problems: set.problems.clone(), ..Overlay::default() };
                let overlay = self.overlays.entry(id).or_insert_with(problems);
                let verdict = set.elements[index].verdict.clone();
                if matches!(verdict, Verdict::Ok(_)) {
                    overlay.verdicts.push((index, verdict));
                }
                self.update.problems.insert(set.set.to_string());
                hold_element(set, index, name, message);
            }
            Origin::Written { index } => self.written[index].double = Some(message),
        }
    }

    fn patch_applications(&mut self, entries: &[Entry], update: &Update) {
        let mut made: BTreeMap<&ApplicationName, GeneratedApplication> = BTreeMap::new();
        let mut held: BTreeMap<&ApplicationName, &String> = BTreeMap::new();
        let sets = entries.iter().zip(&self.expansion.sets);
        for (_, set) in sets.filter(|(entry, _)| update.claimants.contains(&entry.id)) {
            for element in &set.elements {
                let Some(name) = element.verdict.name() else { continue };
                if !update.names.contains(name) {
                    continue;
                }
                match &element.verdict {
                    Verdict::Ok(application) => {
                        made.insert(name, generated(set, element, application));
                    }
                    Verdict::Held { reason, .. } => {
                        held.entry(name).or_insert(reason);
                    }
                }
            }
        }
        for written in self.written.iter().filter(|one| update.names.contains(one.name())) {
            match written.reason() {
                Some(reason) => {
                    held.entry(written.name()).or_insert(reason);
                }
                None => {
                    made.insert(written.name(), written.generated());
                }
            }
        }
        for name in &update.names {
            match held.get(name) {
                Some(reason) => {
                    self.expansion.held.insert(name.clone(), (*reason).clone());
                }
                None => drop(self.expansion.held.remove(name)),
            }
        }
        replace(&mut self.expansion.applications, &update.names, made.into_values().collect());
    }

    fn patch_problems(&mut self, sets: &HashSet<String>) {
        let problems = &mut self.expansion.problems;
        problems.retain(|problem| !sets.contains(&problem.set));
        let those = self.expansion.sets.iter().filter(|set| sets.contains(set.set.as_str()));
        problems.extend(those.flat_map(|set| set.problems.iter().cloned()));
        if sets.contains("") {
            problems.extend(self.written.iter().flat_map(Written::problems));
        }
        problems.sort();
    }
}

/// One claim to a name, and where it stands.
#[derive(Debug, Clone, Copy)]
enum Origin {
    Element { at: usize, id: usize, index: usize },
    Written { index: usize },
}

impl Written {
    fn name(&self) -> &ApplicationName {
        self.application.name()
    }

    fn reason(&self) -> Option<&String> {
        self.held.as_ref().map(|(_, message)| message).or(self.double.as_ref())
    }

    fn problems(&self) -> Vec<Problem> {
        let held = self.held.clone();
        let double = self.double.clone().map(|message| (Reason::DuplicateName, message));
        let problem = |(reason, message)| Problem {
            set: String::new(),
            element: written_element(self.name()),
            reason,
            message,
        };
        held.into_iter().chain(double).map(problem).collect()
    }

    fn generated(&self) -> GeneratedApplication {
        let application = self.application.clone();
        GeneratedApplication { application, set: None, element: String::new(), generator: 0 }
    }
}

fn generated(
    set: &SetExpansion,
    element: &Element,
    application: &Generated,
) -> GeneratedApplication {
    GeneratedApplication {
        application: application.clone(),
        set: Some(set.set.clone()),
        element: element.id.clone(),
        generator: element.generator,
    }
}

/// Puts `made` where the names were; both are sorted by name.
fn replace(
    all: &mut Vec<GeneratedApplication>,
    names: &HashSet<ApplicationName>,
    made: Vec<GeneratedApplication>,
) {
    let find = |all: &[GeneratedApplication], name: &ApplicationName| {
        all.binary_search_by(|one| one.name().cmp(name))
    };
    let mut gone: Vec<usize> = names.iter().filter_map(|name| find(all, name).ok()).collect();
    let stays = gone.len() == made.len() && made.iter().all(|one| find(all, one.name()).is_ok());
    if stays {
        for one in made {
            if let Ok(at) = find(all, one.name()) {
                all[at] = one;
            }
        }
        return;
    }
    gone.sort_unstable();
    let (mut at, mut gone) = (0, gone.into_iter().peekable());
    all.retain(|_| {
        at += 1;
        gone.next_if_eq(&(at - 1)).is_none()
    });
    all.extend(made);
    // Two sorted runs: one pass for the sort.
    all.sort_by(|a, b| a.name().cmp(b.name()));
}

fn named<'t, T>(
    all: impl Iterator<Item = (&'t ApplicationName, &'t T)>,
) -> HashMap<&'t ApplicationName, Vec<&'t T>> {
    let mut map: HashMap<&ApplicationName, Vec<&T>> = HashMap::with_capacity(all.size_hint().0);
    for (name, one) in all {
        map.entry(name).or_default().push(one);
    }
    map
}

fn by_name(element: &Element) -> Option<(&ApplicationName, &Element)> {
    element.verdict.name().map(|name| (name, element))
}

fn is_same_element(a: &Element, b: &Element) -> bool {
    let verdict = match (&a.verdict, &b.verdict) {
        (Verdict::Ok(a), Verdict::Ok(b)) => is_same_application(a, b),
        (Verdict::Held { reason: a, .. }, Verdict::Held { reason: b, .. }) => a == b,
        _ => false,
    };
    verdict && a.id == b.id && a.generator == b.generator
}

fn is_same_written(a: &Written, b: &Written) -> bool {
    is_same_application(&a.application, &b.application) && a.held == b.held
}

fn is_same_application(a: &Generated, b: &Generated) -> bool {
    match (a, b) {
        (Generated::Native(a), Generated::Native(b)) => Arc::ptr_eq(a, b),
        (Generated::Argo(a), Generated::Argo(b)) => Arc::ptr_eq(a, b),
        _ => false,
    }
}
