//! Real control planes, Git servers and Muster processes for black-box tests, demo and benchmarks.
//!
//! Nothing here knows a type of Muster: it starts the installed binaries, reads what they print and looks at the
//! clusters with kubectl, as a user would. It speaks to nothing but loopback, keeps everything it makes in one
//! folder, and leaves no process behind, even when it is killed itself.

pub mod binaries;
pub mod control_plane;
pub mod deadline;
pub mod fleet;
pub mod folder;
pub mod git_server;
pub mod guard;
pub mod port;
pub mod process;
pub mod scenario;
pub mod tools;
