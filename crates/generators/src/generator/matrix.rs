//! `matrix`: every combination of its children's items; each child sees all that stand before it.

use model::selector::LabelSelector;

use super::{Evaluator, Fault, Generator, Item, join_ids};
use crate::parameters;
use crate::template::Scope;

/// The most combinations that are looked at, for selectors that leave few of many.
const MAX_COMBINATIONS: usize = 1_000_000;

/// Walks the combinations depth first, so that only what is kept takes memory.
pub(super) fn product(
    evaluator: &mut Evaluator<'_>,
    children: &[Generator],
    selector: Option<&LabelSelector>,
    outer_id: &str,
    outer: &Scope,
) -> Result<Vec<Item>, Fault> {
    let mut walk = Walk { evaluator, selector, items: Vec::new(), looked_at: 0 };
    let (first, rest) = children.split_first().expect("a matrix is compiled with children");
    // Without its first child a matrix has seen nothing; a later one fails for one item only.
    for item in walk.evaluator.items(first, outer_id, outer)? {
        walk.combine(item, rest)?;
    }
    Ok(walk.items)
}

struct Walk<'e, 'a, 's> {
    evaluator: &'e mut Evaluator<'a>,
    selector: Option<&'s LabelSelector>,
    items: Vec<Item>,
    looked_at: usize,
}

impl Walk<'_, '_, '_> {
    fn combine(&mut self, item: Item, rest: &[Generator]) -> Result<(), Fault> {
        let (Ok(scope), Some((child, rest))) = (&item.outcome, rest.split_first()) else {
            return self.keep(item);
        };
        match self.evaluator.items(child, &item.id, scope) {
            Ok(items) => items.into_iter().try_for_each(|item| self.combine(item, rest)),
            Err(fault) => {
                self.keep(Item { id: join_ids(&item.id, child.label()), outcome: Err(fault) })
            }
        }
    }

    fn keep(&mut self, item: Item) -> Result<(), Fault> {
        self.looked_at += 1;
        if self.looked_at > MAX_COMBINATIONS {
            return Err(Fault::too_many("matrix, before its selector,", MAX_COMBINATIONS));
        }
        let is_picked = match (&item.outcome, self.selector) {
            (Ok(scope), Some(selector)) => selector.matches(&parameters::flatten(scope.map())),
            _ => true,
        };
        let most = self.evaluator.most();
        if is_picked && self.items.len() == most {
            return Err(Fault::too_many("matrix", most));
        }
        if is_picked {
            self.items.push(item);
        }
        Ok(())
    }
}
