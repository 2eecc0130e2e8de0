//! Sessions with spokes: one state machine and one thin task per stream.
//!
//! Tasks: `session <cluster>` owns a [`machine::Machine`]; in: the stream, the board's watch and a
//! bounded channel of commands; out: the stream, the status board and the store.

pub mod machine;
mod registry;
mod service;
#[cfg(test)]
mod tests;

pub(crate) use registry::Registry;
pub(crate) use service::SessionService;
