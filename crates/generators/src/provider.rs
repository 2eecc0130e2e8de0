//! What both dialects make of the answers of services: which repositories and pull requests a set
//! keeps, and which parameters they give.

pub(crate) mod filter;
pub(crate) mod parameters;
pub(crate) mod plural;
pub(crate) mod slug;
