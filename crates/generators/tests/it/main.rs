//! Expansion as its callers see it.
// Clippy takes helpers for tests only where this stands.
#![cfg(test)]

mod golden;
mod properties;
mod world;
