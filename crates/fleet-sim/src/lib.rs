//! A whole fleet in one process: the real hub, real spokes and real TLS over loopback, on simulated
//! clusters; a seed decides what goes wrong, and the laws of `ARCHITECTURE.md` are checked after each
//! step.
//!
//! # What a seed decides, and what it does not
//! A seed decides the schedule: which acts and faults, in which order, with which pauses. A run has
//! one thread and a clock of its own that stands still while there is work and jumps when there is
//! none, so a simulated hour takes as long as the work in it, and a slow machine sees the same run
//! as a fast one, nearly: sockets, keys, jitter and the threads for Git are real, so two runs of a
//! seed can differ in who comes first. A replay runs the same schedule; a fault that needs a rare
//! order may take several.
//!
//! # What is real
//! The hub from `hub::run`, the spoke from `spoke_agent::run`, gRPC and TLS over loopback through a
//! proxy per spoke, Git over HTTP with git's own server. Simulated are the API servers
//! (`kube-sim`) and the disk of the hub's store (its in-memory backend, kept, lost or restored by the
//! simulation). All spokes share one Git mirror. Certificates do not expire within a run: the time
//! of day is real.
//!
//! Tasks: `wire` and `connection` per spoke (`link`), `cluster` per cluster (its controllers), `hub`
//! and `spoke` for each life of theirs; the Git server has a thread of its own.

pub mod bench;
pub mod content;
pub mod dice;
pub mod fleet;
pub mod git;
pub mod hub;
pub mod laws;
pub mod link;
pub mod manifests;
pub mod member;
pub mod model;
pub mod operator;
pub mod schedule;
pub mod seen;
pub mod simulation;
