//! The spoke's own API server: requests that say exactly what they need, and answers sorted by
//! what can be done about them.
//!
//! `kube::Client` carries the requests (its TLS, credentials and connection pool); its typed API
//! and its stores are not used, because a parsed object costs eleven times its JSON. Nothing in
//! here decides anything about an application.

pub mod answer;
pub mod client;
pub mod discovery;
pub mod fields;
pub mod metadata;
pub mod watch;
