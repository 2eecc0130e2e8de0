//! Nouns and their rules: what a fleet, a cluster, an application set and a status are.
//!
//! Everything here is synchronous and pure: no I/O, no clock, no randomness, no await. Text from
//! outside becomes one of these types once, at the edge, and is not checked again inside.
//! Everyone imports this crate; it imports none of ours.

pub mod application;
pub mod argo;
pub mod canonical;
pub mod cluster;
pub mod decision;
pub mod desired;
pub mod document;
pub mod generator;
pub mod id;
pub mod identity;
pub mod manifest;
pub mod name;
pub mod problem;
pub mod provider;
pub mod selector;
pub mod set;
pub mod settings;
pub mod status;
pub mod suggest;
pub mod token;
pub mod tree;
pub mod view;
pub mod yaml;
