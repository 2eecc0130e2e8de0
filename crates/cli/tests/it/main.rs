//! The `muster` process against a hub on loopback: real arguments, real mTLS, real exit codes.

#![expect(clippy::unwrap_used, reason = "the helpers are part of the tests")]

mod asking;
mod changing;
mod collecting;
mod comparing;
mod compat;
mod demo;
mod expanding;
mod failing;
mod fake;
mod guide;
mod help;
mod offline;
mod tool;
mod waiting;
