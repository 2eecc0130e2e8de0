//! All sets and all hand-written applications together: names are unique, clusters are known.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::application::Application;
use model::argo;
use model::name::{ApplicationName, SetName};
use model::problem::{Problem, Reason};
use model::set::ApplicationSet;

use crate::fleet::Fleet;
use crate::set::{self, Generated, SetExpansion, Verdict};
use crate::{RepoReference, World, compat};

/// What a fleet's sets and hand-written applications come to.
#[derive(Debug, Clone)]
pub struct Expansion {
    /// By name of the set.
    pub sets: Vec<SetExpansion>,
    /// What may run, by name.
    pub applications: Vec<GeneratedApplication>,
    /// What may not run now, of sets or written by hand, with the reason. Whatever already runs
    /// under such a name stays as it is (law L2).
    pub held: BTreeMap<ApplicationName, String>,
    /// Of all sets and of the hand-written applications, sorted.
    pub problems: Vec<Problem>,
}

/// An application and where it comes from.
#[derive(Debug, Clone)]
pub struct GeneratedApplication {
    pub application: Generated,
    /// `None` when a person wrote it.
    pub set: Option<SetName>,
    /// The element's id; empty when a person wrote it.
    pub element: String,
    /// The index in the set's generators; 0 when a person wrote it.
    pub generator: usize,
}

/// One claim to a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// Indices of the set and of the element in it.
    Element(usize, usize),
    /// The index of the application.
    Written(usize),
}

/// What a fleet says, in both dialects.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sources<'a> {
    pub sets: &'a [ApplicationSet],
    pub applications: &'a [Application],
    pub argo_sets: &'a [argo::ApplicationSet],
    pub argo_applications: &'a [argo::Application],
}

/// Expands all sets and adds the hand-written applications.
///
/// Two claims to one name hold each other, wherever they come from: which of them is meant is for
/// a person to say, and what runs under the name goes on.
#[must_use]
pub fn expand(sources: &Sources<'_>, world: &World<'_>) -> Expansion {
    let fleet = Fleet::new(world);
    let native = sources.sets.iter().map(|set| set::expand_in(set, &fleet, world));
    let argo = sources.argo_sets.iter().map(|set| compat::expand_set(set, &fleet.compat, world));
    let mut sets: Vec<SetExpansion> = native.chain(argo).collect();
    sets.sort_by(|a, b| a.set.cmp(&b.set));
    let mut all = All { sets, written: written(sources, &fleet), problems: Vec::new() };
    all.hold_duplicates();
    all.finish()
}

/// The repositories that could not be read, over all sets.
#[must_use]
pub fn missing(expansion: &Expansion) -> BTreeSet<RepoReference> {
    expansion.sets.iter().flat_map(|set| set.missing.iter().cloned()).collect()
}

struct Written {
    application: Generated,
    held: Option<(Reason, String)>,
}

fn written(sources: &Sources<'_>, fleet: &Fleet<'_>) -> Vec<Written> {
    let native = sources.applications.iter().map(|application| {
        let cluster = &application.spec.destination.cluster;
        let unknown = || (Reason::UnknownCluster, fleet.refusal(cluster));
        let application = Generated::Native(Arc::new(application.clone()));
        Written { application, held: (!fleet.accepts(cluster)).then(unknown) }
    });
    let argo = sources.argo_applications.iter().map(|application| {
        let application = Generated::Argo(Arc::new(application.clone()));
        Written { application, held: None }
    });
    native.chain(argo).collect()
}

struct All {
    sets: Vec<SetExpansion>,
    written: Vec<Written>,
    problems: Vec<Problem>,
}

impl All {
    /// The names that several claim, sorted, each with its claims in their order.
    fn contested(&self) -> Vec<(ApplicationName, Vec<Origin>)> {
        let mut claims: Vec<(&ApplicationName, Origin)> = Vec::new();
        for (set, expansion) in self.sets.iter().enumerate() {
            for (index, element) in expansion.elements.iter().enumerate() {
                if let Some(name) = element.verdict.name() {
                    claims.push((name, Origin::Element(set, index)));
                }
            }
        }
        for (index, written) in self.written.iter().enumerate() {
            claims.push((written.application.name(), Origin::Written(index)));
        }
        // Stable, and fast because names mostly come in order.
        claims.sort_by_key(|(name, _)| *name);
        let same = claims.chunk_by(|(a, _), (b, _)| a == b).filter(|same| same.len() > 1);
        let origins = |same: &[(&ApplicationName, Origin)]| {
            (same[0].0.clone(), same.iter().map(|(_, origin)| *origin).collect())
        };
        same.map(origins).collect()
    }

    fn hold_duplicates(&mut self) {
        for (name, origins) in self.contested() {
            let texts: Vec<String> = origins.iter().map(|origin| self.describe(*origin)).collect();
            for (origin, message) in origins.iter().zip(duplicates(&name, &texts)) {
                self.hold(*origin, &name, message);
            }
        }
    }

    fn hold(&mut self, origin: Origin, name: &ApplicationName, message: String) {
        let reason = Reason::DuplicateName;
        match origin {
            Origin::Element(set, index) => {
                hold_element(&mut self.sets[set], index, name, message);
            }
            Origin::Written(index) => {
                let written = &mut self.written[index];
                match &written.held {
                    Some(_) => self.problems.push(written_problem(written, reason, message)),
                    None => written.held = Some((reason, message)),
                }
            }
        }
    }

    fn describe(&self, origin: Origin) -> String {
        match origin {
            Origin::Element(set, index) => {
                let set = &self.sets[set];
                element_text(&set.set, &set.elements[index].id)
            }
            Origin::Written(_) => WRITTEN_TEXT.to_owned(),
        }
    }

    fn finish(self) -> Expansion {
        let Self { sets, written, mut problems } = self;
        let (mut applications, mut held) = (Vec::new(), BTreeMap::new());
        for set in &sets {
            problems.extend(set.problems.iter().cloned());
            for element in &set.elements {
                match &element.verdict {
                    Verdict::Ok(application) => applications.push(GeneratedApplication {
                        application: application.clone(),
                        set: Some(set.set.clone()),
                        element: element.id.clone(),
                        generator: element.generator,
                    }),
                    Verdict::Held { name: Some(name), reason } => {
                        held.entry(name.clone()).or_insert_with(|| reason.clone());
                    }
                    Verdict::Held { name: None, .. } => {}
                }
            }
        }
        for written in &written {
            match &written.held {
                Some((reason, message)) => {
                    problems.push(written_problem(written, *reason, message.clone()));
                    let name = written.application.name().clone();
                    held.entry(name).or_insert_with(|| message.clone());
                }
                None => applications.push(GeneratedApplication {
                    application: written.application.clone(),
                    set: None,
                    element: String::new(),
                    generator: 0,
                }),
            }
        }
        applications.sort_by(|a, b| a.name().cmp(b.name()));
        problems.sort();
        Expansion { sets, applications, held, problems }
    }
}

impl GeneratedApplication {
    #[must_use]
    pub fn name(&self) -> &ApplicationName {
        self.application.name()
    }
}

/// The name by which problems know an application that a person wrote.
pub(crate) fn written_element(name: &ApplicationName) -> String {
    format!("Application {name}")
}

fn written_problem(written: &Written, reason: Reason, message: String) -> Problem {
    let element = written_element(written.application.name());
    Problem { set: String::new(), element, reason, message }
}

/// What a claim to a name is called when a person wrote it.
pub(crate) const WRITTEN_TEXT: &str = "an Application document";

/// What a claim to a name is called when an element of a set makes it.
pub(crate) fn element_text(set: &SetName, element: &str) -> String {
    format!("{element} of the set {set}")
}

/// What each of several claims to a name is told, in their order.
pub(crate) fn duplicates(name: &ApplicationName, texts: &[String]) -> Vec<String> {
    let more = match texts.len() {
        2 => String::new(),
        count => format!(" ({count} in all)"),
    };
    let message = |(index, text): (usize, &String)| {
        let other = &texts[usize::from(index == 0)];
        let name = name.as_str();
        format!(
            "two applications have the name {name:?}: {text} and {other}{more}; all are held \
             until the names differ"
        )
    };
    texts.iter().enumerate().map(message).collect()
}

/// Holds an element whose name another claims as well.
pub(crate) fn hold_element(
    set: &mut SetExpansion,
    index: usize,
    name: &ApplicationName,
    message: String,
) {
    let element = &mut set.elements[index];
    if matches!(element.verdict, Verdict::Ok(_)) {
        element.verdict = Verdict::Held { name: Some(name.clone()), reason: message.clone() };
    }
    let (id, set_name) = (element.id.clone(), set.set.to_string());
    let reason = Reason::DuplicateName;
    set.problems.push(Problem { set: set_name, element: id, reason, message });
    set.problems.sort();
}
