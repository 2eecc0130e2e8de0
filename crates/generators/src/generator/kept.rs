//! The items that a combination of generators keeps, counted while they are made.

use model::selector::LabelSelector;

use super::{Fault, Item};
use crate::parameters;

/// The most combinations that are looked at, for selectors that leave few of many.
const MAX_COMBINATIONS: usize = 1_000_000;

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
    looked_at: usize,
    most: usize,
}

/// There are more items than are allowed.
pub(super) struct Full {
    /// What is allowed: of items, or of those that a selector looks at.
    pub(super) most: usize,
    pub(super) is_before_selector: bool,
}

impl<'s> Kept<'s> {
    pub(super) fn new(selector: Option<&'s LabelSelector>, most: usize) -> Self {
        Self { items: Vec::new(), selector, looked_at: 0, most }
    }

    pub(super) fn push(&mut self, item: Item) -> Result<(), Full> {
        self.looked_at += 1;
        if self.looked_at > MAX_COMBINATIONS {
            return Err(Full { most: MAX_COMBINATIONS, is_before_selector: true });
        }
        if !is_picked(&item, self.selector) {
            return Ok(());
        }
        if self.items.len() == self.most {
            return Err(Full { most: self.most, is_before_selector: false });
        }
        self.items.push(item);
        Ok(())
    }
}

impl Full {
    /// The fault, where `factors` says how many come from where.
    pub(super) fn fault(&self, what: &str, factors: &str) -> Fault {
        let before = if self.is_before_selector { ", before its selector," } else { "" };
        Fault::over_cap(&format!("{what}{before} gives {factors} elements"), self.most)
    }
}
