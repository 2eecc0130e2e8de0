//! Who belongs to the fleet: join tokens, clusters and their certificates.
//!
//! `record` is what is kept, `machine` decides (pure: records and a time in; writes, ledger entries
//! and an outcome out), `service` reads, commits and signs. Invariants, each with a test:
//! - A token's secret is never stored; only its hash is.
//! - Everything that a certificate rests on is committed before the certificate is signed, so that
//!   a crash between the two burns no token: the same key asks again and gets the same certificate.
//! - A cluster's name comes from the token or, with a reusable token, was free; labels come from
//!   people only.
//! - A new certificate becomes the current one when it is first used; then the old one is worth
//!   nothing, and its use is recorded, because somebody has a copy of the key.
//! - Every change is one transaction together with its ledger entry.

mod labels;
mod machine;
pub mod record;
mod refusal;
mod service;

#[cfg(test)]
mod tests;

pub use labels::LabelError;
pub use machine::{KubeSystem, LabelChange, MAX_TOKEN_TTL, NewToken, TokenScope};
pub use record::{ClusterRecord, ClusterState};
pub use refusal::Refusal;
pub use service::{
    Adoption, CreatedToken, EnrolError, Enrolment, JoinRequest, Joined, JoinedIdentity,
    SignedCluster,
};
