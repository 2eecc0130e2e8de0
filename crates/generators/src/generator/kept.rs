//! The items that a combination of generators keeps, counted while they are made.

use std::cell::Cell;
use std::rc::Rc;

use model::selector::LabelSelector;

use super::{Evaluator, Fault, Item};
use crate::parameters;

/// The most combinations that are looked at for one set: selectors may leave few of many, and a
/// product inside a product counts each time.
const MAX_COMBINATIONS: usize = 4_000_000;

/// Whether the item stays. Of one that failed it is not known, so it is kept and held.
pub(super) fn is_picked(item: &Item, selector: Option<&LabelSelector>) -> bool {
    match (&item.outcome, selector) {
        (Ok(scope), Some(selector)) => selector.matches(&parameters::flatten(scope.map())),
        _ => true,
    }
}

/// Takes items one by one, so that only what is kept takes memory.
pub(super) struct Kept<'s> {
    pub(super) items: Vec<Item>,
    selector: Option<&'s LabelSelector>,
    /// Of all products of the set: one inside another is made again and again.
    looked_at: Rc<Cell<usize>>,
    most: usize,
}

/// There are more items than are allowed.
pub(super) enum Full {
    /// What is allowed: of items, or of those that selectors look at.
    Here { most: usize, is_before_selector: bool },
    /// A generator inside has more. It would have them for the next item as well, so that going on
    /// would only take time.
    Inside(Fault),
}

impl<'s> Kept<'s> {
    pub(super) fn new(selector: Option<&'s LabelSelector>, evaluator: &Evaluator<'_>) -> Self {
        let looked_at = Rc::clone(&evaluator.looked_at);
        Self { items: Vec::new(), selector, looked_at, most: evaluator.most() }
    }

    pub(super) fn push(&mut self, item: Item) -> Result<(), Full> {
        let looked_at = self.looked_at.get() + 1;
        self.looked_at.set(looked_at);
        if looked_at > MAX_COMBINATIONS {
            return Err(Full::Here { most: MAX_COMBINATIONS, is_before_selector: true });
        }
        if !is_picked(&item, self.selector) {
            return Ok(());
        }
        if self.items.len() == self.most {
            return Err(Full::Here { most: self.most, is_before_selector: false });
        }
        self.items.push(item);
        Ok(())
    }
}

impl Full {
    /// The fault, where `factors` says how many come from where.
    pub(super) fn fault(self, what: &str, factors: &str) -> Fault {
        match self {
            Self::Inside(fault) => fault,
            Self::Here { most, is_before_selector } => {
                let before = if is_before_selector { ", before selectors," } else { "" };
                Fault::over_cap(&format!("{what}{before} gives {factors} elements"), most)
            }
        }
    }
}
