//! JSON bodies. A repeated key is legal and the later one wins, but people want to be told. Pure.

use serde_json::Value;

use crate::schema::duplicates;

/// Reads JSON and names the keys that came twice, as paths: `data.a`.
///
/// # Errors
/// When it is not JSON.
pub(crate) fn parse(text: &[u8]) -> serde_json::Result<(Value, Vec<String>)> {
    let value = serde_json::from_slice(text)?;
    Ok((value, duplicates(text)))
}
