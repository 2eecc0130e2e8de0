//! The hub: fleet repository, expansion, desired state, sessions, enrolment, fleet API

pub mod store;
