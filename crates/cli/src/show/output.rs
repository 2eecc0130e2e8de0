//! The formats: tables for people, JSON and YAML for scripts.

use clap::ValueEnum;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::Console;
use crate::client::CallError;
use crate::failure::Failure;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Columns that fit 80 characters
    Table,
    /// All columns, never cut
    Wide,
    /// JSON, field names stable
    Json,
    /// The same as YAML
    Yaml,
}

impl Format {
    /// Whether it is for scripts.
    pub(crate) fn is_document(self) -> bool {
        matches!(self, Self::Json | Self::Yaml)
    }
}

/// The typed views, for tables.
pub(crate) fn parse_views<T: DeserializeOwned>(items: &[Value]) -> Result<Vec<T>, Failure> {
    let views = items.iter().map(T::deserialize);
    Ok(views.collect::<Result<_, _>>().map_err(CallError::Unreadable)?)
}

/// One document, as JSON or YAML.
pub(crate) fn print_document(
    value: &Value,
    format: Format,
    console: &mut Console,
) -> Result<(), Failure> {
    let mut text = match format {
        Format::Yaml => yaml(value),
        _ => serde_json::to_string_pretty(value).expect("JSON values are expressible in JSON"),
    };
    if !text.ends_with('\n') {
        text.push('\n');
    }
    console.print(&text)
}

/// A list: `{"items":[…]}`; or the only item by itself, when it was asked for by name.
pub(crate) fn print_items(
    items: &[Value],
    single: bool,
    format: Format,
    console: &mut Console,
) -> Result<(), Failure> {
    match items {
        [item] if single => print_document(item, format, console),
        _ => print_document(&json!({ "items": items }), format, console),
    }
}

/// One of many documents on a stream: JSON on one line, YAML after a `---`.
pub(crate) fn print_documents(
    value: &Value,
    format: Format,
    console: &mut Console,
) -> Result<(), Failure> {
    match format {
        Format::Yaml => console.print(&format!("---\n{}", yaml(value))),
        _ => console.print(&format!("{value}\n")),
    }
}

fn yaml(value: &Value) -> String {
    let mut text = serde_saphyr::to_string(value).expect("JSON values are expressible in YAML");
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yaml_keeps_text_that_looks_like_something_else() {
        let value = json!({"on": "yes", "version": "1.30", "commit": "1234567", "empty": []});
        let back = model::yaml::read(yaml(&value).as_bytes(), model::yaml::Limits::new(1 << 10, 1));
        assert_eq!(back.unwrap(), [value]);
    }
}
