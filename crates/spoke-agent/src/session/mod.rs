//! The session with the hub: a state machine, its storage in the cluster, and one thin task.
//!
//! Task `session` owns a [`machine::Machine`]. In: the stream, the engine's reports (bounded
//! channel), decision objects (`watch`). Out: the stream, the engine's desired set (`watch`) and its commands (bounded channel).

mod decisions;
pub mod machine;
pub mod storage;
pub mod task;
