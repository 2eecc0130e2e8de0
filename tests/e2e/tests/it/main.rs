//! Black-box tests of Muster on real control planes, and of the harness that runs them.
//!
//! They need the tools of `cargo xtask tools` and the built binaries; `cargo xtask test` sees to both.

mod convergence;
mod decisions;
mod faults;
mod fixture;
mod guard;
mod harness;
mod release;
mod removal;
