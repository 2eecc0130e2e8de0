//! Process plumbing without a domain word: what any of our processes needs to start, run and stop.
//!
//! Nothing here knows of clusters, applications or Git. It imports none of our crates. This is the
//! only place that spawns tasks (`supervise`), reads the clock (`clock`) or configures TLS (`tls`),
//! so that the rest can be tested with time and certificates of its choice.
//!
//! Tasks: `supervise` owns no task of its own; `shutdown::signals` starts one, which ends with the
//! first signal handled twice or with the process.

pub mod backoff;
pub mod clock;
pub mod error;
pub mod shutdown;
pub mod supervise;
pub mod telemetry;
pub mod tls;
