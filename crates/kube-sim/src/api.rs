//! Requests to answers: paths, verbs, media types, errors.

pub mod status;
