//! A simulated cluster as kubectl sees it: the real one, over HTTPS. The expected texts are those
//! that the same commands print against a real API server of the same version.

#![expect(clippy::unwrap_used, reason = "the helpers of tests fail as tests do")]

mod inspect;
mod kubectl;
mod workloads;
mod write;
