//! What a generator plugin answers: `{"output": {"parameters": [{…}, …]}}`.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Content, Page, WireError, json, page};

#[derive(Deserialize)]
struct Answer {
    output: Output,
}

#[derive(Deserialize)]
struct Output {
    parameters: Vec<Map<String, Value>>,
}

pub(super) fn parse(bytes: &[u8]) -> Result<Page, WireError> {
    let Answer { output: Output { parameters } } = json(bytes)?;
    Ok(page(Content::Parameters(parameters)))
}
