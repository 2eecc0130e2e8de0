//! A Kubernetes API server in memory, cheap enough to run by the thousand and true enough to trust.
//!
//! A [`Cluster`] answers HTTP requests as a real API server does: as a `tower` service for an
//! in-process client, or over HTTPS for kubectl. Its state is one synchronous value behind one lock
//! that is never held over an await, so a cluster costs no task of its own; controllers are steps of
//! that value, run when the clock says that they are due. What it does is held to the real server by
//! one conformance suite that runs on both.
//!
//! It must not know Muster: nothing here imports a domain crate.
//!
#![doc = include_str!("../README.md")]

mod admission;
pub mod api;
mod cluster;
pub mod controllers;
pub mod merge;
mod objects;
pub mod schema;
pub mod serve;
pub mod store;

pub use cluster::{Cluster, Options, Service, Snapshot, Stats, User};
