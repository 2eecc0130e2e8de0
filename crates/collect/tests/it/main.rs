//! The collector against services on loopback that answer as the real ones do, from files in
//! `tests/recorded`, and as services in trouble do.

#![expect(clippy::unwrap_used, reason = "the helpers of tests fail as tests do")]

mod faults;
mod guard;
mod paging;
mod providers;
mod server;
mod services;
mod sharing;
mod support;
