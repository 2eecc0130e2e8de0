//! The types as OpenAPI v3 documents, as far as kubectl needs them.

use bytes::Bytes;
use http::{HeaderMap, Response};

use crate::cluster::State;

/// The answer to a GET below `/openapi`; `None` when the path is none. `query` is the part after
/// the question mark, undecoded.
pub(crate) fn answer(
    state: &State,
    path: &str,
    query: &str,
    headers: &HeaderMap,
) -> Option<Response<Bytes>> {
    let _ = (state, path, query, headers);
    None
}
