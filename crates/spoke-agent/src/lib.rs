//! The spoke agent: what one cluster of a fleet runs to keep itself as Git says.
//!
//! `run` wires the parts: `session` accepts what the hub wants and stores it, `engine` fetches,
//! renders, applies, watches and heals, and knows no hub. State that must survive is in Secrets of
//! the agent's namespace; the state directory holds caches only.
//!
//! Tasks, with what goes in and out, are listed in `session`, `engine` and `decisions`; `run` adds `renewal`,
//! which replaces the certificate at half of its life.

pub mod config;
pub mod decisions;
pub mod engine;
pub mod health;
pub mod identity;
pub mod inventory;
pub mod kubernetes;
pub mod manifests;
pub mod reconcile;
pub mod run;
pub mod secrets;
pub mod session;
