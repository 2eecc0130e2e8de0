//! Expansion as its callers see it.

#![expect(clippy::unwrap_used, reason = "the helpers of tests fail as tests do")]

mod combined;
mod explain;
mod golden;
mod hostile;
mod incremental;
mod outside;
mod properties;
mod samples;
mod world;
