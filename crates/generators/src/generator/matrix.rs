//! `matrix`: every combination of its children's items; each child sees all that stand before it.

use model::problem::Reason;
use model::selector::LabelSelector;

use super::kept::{Full, Kept};
use super::{Evaluator, Fault, Generator, Item, grouped, join_ids};
use crate::template::Scope;

/// Walks the combinations depth first, so that only what is kept takes memory.
pub(super) fn product(
    evaluator: &mut Evaluator<'_>,
    children: &[Generator],
    selector: Option<&LabelSelector>,
    outer_id: &str,
    outer: &Scope,
) -> Result<Vec<Item>, Fault> {
    let kept = Kept::new(selector, evaluator);
    let mut walk = Walk { evaluator, kept, counts: vec![Count::default(); children.len()] };
    let (first, rest) = children.split_first().expect("a matrix is compiled with children");
    // Without its first child a matrix has seen nothing; a later one fails for one item only.
    let items = walk.evaluator.items(first, outer_id, outer)?;
    walk.counts[0].add(items.len());
    for item in items {
        if let Err(full) = walk.combine(item, rest) {
            return Err(full.fault("matrix", &factors(&walk.counts)));
        }
    }
    Ok(walk.kept.items)
}

/// How many items one child gave, over all the combinations before it.
#[derive(Debug, Clone, Copy, Default)]
struct Count {
    least: Option<usize>,
    most: usize,
}

impl Count {
    fn add(&mut self, count: usize) {
        self.least = Some(self.least.map_or(count, |least| least.min(count)));
        self.most = self.most.max(count);
    }
}

/// `200 × 600 = 120,000`, as far as the children have been evaluated.
fn factors(counts: &[Count]) -> String {
    let seen = counts.iter().filter(|count| count.least.is_some());
    let even = seen.clone().all(|count| count.least == Some(count.most));
    let product = seen.clone().fold(1_usize, |product, count| product.saturating_mul(count.most));
    let factors: Vec<String> = seen.map(|count| grouped(count.most)).collect();
    let up_to = if even { "" } else { "up to " };
    format!("{up_to}{} = {}", factors.join(" × "), grouped(product))
}

struct Walk<'e, 'a, 's> {
    evaluator: &'e mut Evaluator<'a>,
    kept: Kept<'s>,
    counts: Vec<Count>,
}

impl Walk<'_, '_, '_> {
    fn combine(&mut self, item: Item, rest: &[Generator]) -> Result<(), Full> {
        let (Ok(scope), Some((child, rest))) = (&item.outcome, rest.split_first()) else {
            return self.kept.push(item);
        };
        match self.evaluator.items(child, &item.id, scope) {
            Ok(items) => {
                let depth = self.counts.len() - rest.len() - 1;
                self.counts[depth].add(items.len());
                items.into_iter().try_for_each(|item| self.combine(item, rest))
            }
            Err(fault) if fault.reason == Reason::TooManyElements => Err(Full::Inside(fault)),
            Err(fault) => {
                self.kept.push(Item { id: join_ids(&item.id, child.label()), outcome: Err(fault) })
            }
        }
    }
}
