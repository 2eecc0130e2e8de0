//! Puts the pieces of a report of decision objects together. Pure; the machine of a session has one.

use std::collections::BTreeMap;

use model::decision::{DecisionList, DecisionResource, MAX_BYTES, MAX_OBJECTS, MAX_RESOURCES};
use proto::session::Decisions;

/// A whole report: what the spoke knows of each resource that it watches.
pub type Gathered = BTreeMap<DecisionResource, DecisionList>;

/// The pieces so far.
#[derive(Debug, Default)]
pub(super) struct Gathering {
    /// The sequence that is under way, and when none is, the last one.
    sequence: u64,
    under_way: bool,
    lists: Gathered,
    objects: usize,
    bytes: usize,
}

impl Gathering {
    /// Adds a piece. Gives the report when it was the last one.
    ///
    /// # Errors
    /// What of it breaks the contract.
    pub(super) fn take(&mut self, piece: Decisions) -> Result<Option<Gathered>, &'static str> {
        let Decisions { sequence, lists, last } = piece;
        if self.under_way && sequence != self.sequence
            || !self.under_way && sequence <= self.sequence
        {
            return Err("decision objects whose sequence is out of turn");
        }
        self.under_way = !last;
        self.sequence = sequence;
        for (resource, list) in lists {
            self.add(resource, list)?;
        }
        if !last {
            return Ok(None);
        }
        (self.objects, self.bytes) = (0, 0);
        Ok(Some(std::mem::take(&mut self.lists)))
    }

    fn add(&mut self, resource: DecisionResource, list: DecisionList) -> Result<(), &'static str> {
        if let DecisionList::Whole(objects) = &list {
            self.objects += objects.len();
            self.bytes += objects.iter().map(|object| object.body().len()).sum::<usize>();
        }
        if self.objects > MAX_OBJECTS || self.bytes > MAX_BYTES {
            return Err("more decision objects than are taken");
        }
        match (self.lists.get_mut(&resource), list) {
            (None, list) => drop(self.lists.insert(resource, list)),
            (Some(DecisionList::Whole(all)), DecisionList::Whole(more)) => all.extend(more),
            _ => return Err("a list of decision objects that has failed and has not"),
        }
        if self.lists.len() > MAX_RESOURCES {
            return Err("decision objects of more resources than are taken");
        }
        Ok(())
    }
}
