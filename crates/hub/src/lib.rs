//! The hub: from the fleet repository to each cluster's desired state, and back from the spokes'
//! reports to what people see. It has no cluster credentials and does not import kube (law L6).
//!
//! `run` wires the parts: `fleet` owns what is wanted, `session` streams it, `status` holds what
//! was reported, `enrol` and `pki` decide who belongs to the fleet, `ledger` records every act, and
//! `api` is the only way in for people. Each module's own page lists its tasks and channels; `run`
//! adds `listener`, `handshake` (one for each new connection), `hub certificate`, `status keeper`
//! and `watch` (one for each person who watches).

mod api;
mod clusters;
pub mod commands;
pub mod config;
pub mod enrol;
mod enrolment;
pub mod epoch;
pub mod fleet;
pub mod init;
pub mod ledger;
mod listen;
pub mod pki;
pub mod run;
mod services;
pub mod session;
pub mod status;
mod status_keeper;
pub mod store;
mod views;
