//! The compat dialect: `argoproj.io` sets, expanded as Argo CD 3.5 expands them, oddities included,
//! as far as laws L1 to L3 allow.
//!
//! Where Argo CD stops a whole set at one bad element, that element is held and its neighbours go on.

mod engine;
mod generator;
mod params;

use model::argo::ApplicationSet;

use crate::World;
use crate::set::SetExpansion;

/// Expands one set. Total: whatever is wrong is in the result.
pub(crate) fn expand_set(set: &ApplicationSet, world: &World<'_>) -> SetExpansion {
    let _ = world;
    SetExpansion::new(&set.name)
}
