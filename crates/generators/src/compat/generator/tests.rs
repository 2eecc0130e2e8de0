//! Sets of generators with what they give.
