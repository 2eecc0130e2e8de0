//! One set: what it is, what its last evaluation looked at, and how it is evaluated again.

use std::collections::HashMap;
use std::sync::Arc;

use model::argo;
use model::name::SetName;
use model::set::ApplicationSet;
use serde_json::Value;

use crate::dependencies::{Dependencies, Record, Recorded};
use crate::fleet::Fleet;
use crate::incremental::period::Periods;
use crate::set::{self, Element, Generated, Previous, SetExpansion, Verdict};
use crate::{World, compat};

/// A set as its document has it.
#[derive(Debug, Clone)]
pub(super) enum Source {
    Native(Arc<ApplicationSet>),
    Argo(Arc<argo::ApplicationSet>),
}

/// Two sets of one name, of both dialects or in two files, are told apart by their order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Key {
    pub(super) name: SetName,
    pub(super) nth: usize,
}

#[derive(Debug)]
pub(super) struct Entry {
    /// The same as long as the key is there.
    pub(super) id: usize,
    pub(super) key: Key,
    pub(super) source: Source,
    pub(super) periods: Periods,
    pub(super) dependencies: Dependencies,
    /// Whether something could not be read in a way that says nothing about the next time.
    pub(super) is_volatile: bool,
    /// Whether it must be evaluated, whatever else changed.
    pub(super) is_new: bool,
    /// Whether what it gave before came from another document.
    pub(super) is_other: bool,
}

impl Entry {
    pub(super) fn new(id: usize, key: Key, source: Source) -> Self {
        Self {
            id,
            key,
            periods: source.periods(),
            source,
            dependencies: Dependencies::default(),
            is_volatile: false,
            is_new: true,
            is_other: false,
        }
    }

    pub(super) fn depend(&mut self, dependencies: Dependencies) {
        self.is_volatile = dependencies.is_volatile();
        self.dependencies = dependencies;
        self.is_new = false;
        self.is_other = false;
    }

    /// The set now, with what it looked at.
    pub(super) fn evaluate(
        &self,
        previous: &SetExpansion,
        fleet: &Fleet<'_>,
        world: &World<'_>,
    ) -> (SetExpansion, Dependencies) {
        let record = Record::default();
        let recorded = Recorded::new(world, &record);
        let mut next = match &self.source {
            Source::Native(set) => {
                let known = match self.is_other {
                    true => Previous::default(),
                    false => Previous::of(previous),
                };
                set::expand_again(set, &known, fleet, &recorded.world())
            }
            Source::Argo(set) => compat::expand_set(set, &fleet.compat, &recorded.world()),
        };
        keep_identity(previous, &mut next);
        let mut dependencies = record.finish();
        if let Source::Argo(set) = &self.source {
            assume(&set.spec["generators"], &mut dependencies);
        }
        (next, dependencies)
    }
}

impl Source {
    pub(super) fn name(&self) -> &SetName {
        match self {
            Self::Native(set) => &set.metadata.name,
            Self::Argo(set) => &set.name,
        }
    }

    pub(super) fn periods(&self) -> Periods {
        match self {
            Self::Native(_) => Periods::default(),
            Self::Argo(set) => Periods::of(&set.spec["generators"]),
        }
    }

    pub(super) fn is_identical(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Native(a), Self::Native(b)) => Arc::ptr_eq(a, b),
            (Self::Argo(a), Self::Argo(b)) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }

    pub(super) fn is_equal(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Native(a), Self::Native(b)) => Arc::ptr_eq(a, b) || a == b,
            (Self::Argo(a), Self::Argo(b)) => Arc::ptr_eq(a, b) || a == b,
            _ => false,
        }
    }
}

/// An application that came out the same is the same.
fn keep_identity(previous: &SetExpansion, next: &mut SetExpansion) {
    let known: HashMap<&str, &Element> =
        previous.elements.iter().map(|element| (element.id.as_str(), element)).collect();
    for element in &mut next.elements {
        let Some(Verdict::Ok(known)) = known.get(element.id.as_str()).map(|one| &one.verdict)
        else {
            continue;
        };
        match (&mut element.verdict, known) {
            (Verdict::Ok(Generated::Native(new)), Generated::Native(old)) if *new == *old => {
                *new = Arc::clone(old);
            }
            (Verdict::Ok(Generated::Argo(new)), Generated::Argo(old)) if *new == *old => {
                *new = Arc::clone(old);
            }
            _ => {}
        }
    }
}

/// What generators of the compat dialect look at without noting it: a set that fails before it
/// picks clusters depends on them all the same.
fn assume(generators: &Value, dependencies: &mut Dependencies) {
    let decides = has_kind(generators, "clusterDecisionResource");
    dependencies.decisions |= decides;
    let picks = decides || has_kind(generators, "clusters");
    if picks && (decides || dependencies.clusters.is_none()) {
        dependencies.clusters = crate::dependencies::Clusters::All;
    }
}

fn has_kind(generators: &Value, kind: &str) -> bool {
    generators.as_array().into_iter().flatten().any(|generator| {
        generator.as_object().into_iter().flatten().any(|(key, inside)| {
            key == kind || inside.get("generators").is_some_and(|inside| has_kind(inside, kind))
        })
    })
}
