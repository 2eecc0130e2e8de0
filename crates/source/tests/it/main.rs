//! The crate against real repositories, made with git and served from files, over HTTP, HTTPS and
//! a stand-in for ssh. Everything stays on loopback.

mod damage;
mod failures;
mod fixture;
mod folders;
mod hostile;
mod http;
mod mirrors;
mod server;
mod ssh;
