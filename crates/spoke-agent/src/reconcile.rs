//! The decisions of the engine, each a synchronous function without clock or I/O: what to send,
//! whether to force, when to repair again, what may be removed.

pub mod conflict;
pub mod heal;
pub mod payload;
pub mod prune;
