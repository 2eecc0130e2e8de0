//! The crate against real repositories, made with git and served from files, over HTTP, HTTPS and
//! a stand-in for ssh. Everything stays on loopback.

#![expect(clippy::unwrap_used, reason = "the helpers of tests fail as tests do")]

mod damage;
mod failures;
mod fixture;
mod folders;
mod hostile;
mod http;
mod mirrors;
mod server;
mod ssh;
