//! Sessions with spokes: one state machine and one thin task per stream.
//!
//! Tasks: `session <cluster>` owns a [`machine::Machine`]; in: the stream, the board's watch and a
//! bounded channel of commands; out: the stream, the status board and the store.

mod decisions;
pub mod machine;
mod registry;
mod service;
#[cfg(test)]
mod tests;

pub use decisions::Gathered;
pub(crate) use registry::Registry;
pub(crate) use service::SessionService;
