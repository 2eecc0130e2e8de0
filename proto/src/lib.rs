//! The wire contract of Muster and its translation to the model.
//!
//! `v1` is generated from `proto/muster/v1` by `cargo xtask codegen` and committed, so that nobody
//! needs `protoc`. Inside Muster the types of [`session`] are used: a message that arrives becomes
//! one of them or an error, and nothing behind that border checks names or digests again.

pub mod channel;
mod convert;
pub mod session;

/// Generated from `proto/muster/v1/*.proto`.
#[rustfmt::skip]
#[expect(clippy::all, clippy::allow_attributes, reason = "generated code")]
pub mod v1 {
    include!("generated/muster.v1.rs");
}

/// The largest message either side takes, in bytes: gRPC's usual 4 MiB. Senders stay below a
/// quarter of it by cutting their batches.
pub const MAX_MESSAGE_BYTES: usize = 4 << 20;

/// What one batch of resources may weigh, in bytes, before the next one is begun.
pub const BATCH_BYTES: usize = 512 << 10;
