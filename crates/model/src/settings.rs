//! Layered configuration: built-in defaults, a file over them, single settings over both.
//!
//! A key that the defaults do not have is a slip of the finger and an error with the nearest known
//! key. Nothing is read here: the caller brings the text.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use thiserror::Error;

use crate::suggest;
use crate::yaml;

/// The most bytes of a configuration file.
const LIMITS: yaml::Limits = yaml::Limits::new(1 << 20, 1);

#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{origin}: {message}")]
pub struct SettingsError {
    /// The file or flag that is wrong.
    pub origin: String,
    pub message: String,
}

/// Reads `defaults`, lays `file` (its name and text) over them, then each `KEY.PATH=VALUE`.
///
/// # Errors
/// When a layer is not YAML, names an unknown key, or a value has the wrong type.
pub fn layered<T: DeserializeOwned>(
    defaults: &str,
    file: Option<(&str, &[u8])>,
    settings: &[String],
) -> Result<T, SettingsError> {
    let mut merged = parse("the built-in defaults", defaults.as_bytes())?;
    if let Some((origin, text)) = file {
        overlay(&mut merged, parse(origin, text)?, "", origin)?;
    }
    for setting in settings {
        let origin = format!("--set {setting}");
        let value = setting_value(setting, &origin)?;
        overlay(&mut merged, value, "", &origin)?;
    }
    serde_path_to_error::deserialize(Value::Object(merged)).map_err(|error| {
        let message = format!("{}: {}", error.path(), error.inner());
        SettingsError { origin: "configuration".to_owned(), message }
    })
}

fn parse(origin: &str, text: &[u8]) -> Result<Map<String, Value>, SettingsError> {
    let invalid = |message: String| SettingsError { origin: origin.to_owned(), message };
    let documents = yaml::read(text, LIMITS).map_err(|error| invalid(error.to_string()))?;
    match documents.into_iter().next() {
        None => Ok(Map::new()),
        Some(Value::Object(map)) => Ok(map),
        Some(_) => Err(invalid("the file is not a mapping".to_owned())),
    }
}

/// `a.b=value` as a nested mapping; the value is read as YAML.
fn setting_value(setting: &str, origin: &str) -> Result<Map<String, Value>, SettingsError> {
    let invalid =
        |message: &str| SettingsError { origin: origin.to_owned(), message: message.to_owned() };
    let (path, text) = setting.split_once('=').ok_or_else(|| invalid("write KEY=VALUE"))?;
    let document = format!("value: {text}\n");
    let value = parse(origin, document.as_bytes())?.remove("value").unwrap_or(Value::Null);
    let nested = path
        .rsplit('.')
        .fold(value, |inner, key| Value::Object(Map::from_iter([(key.to_owned(), inner)])));
    match nested {
        Value::Object(map) => Ok(map),
        _ => Err(invalid("write KEY=VALUE")),
    }
}

/// Lays `over` over `base`; a key that `base` does not have is a slip of the finger.
fn overlay(
    base: &mut Map<String, Value>,
    over: Map<String, Value>,
    path: &str,
    origin: &str,
) -> Result<(), SettingsError> {
    for (key, value) in over {
        let full = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        let known: Vec<_> = base.keys().cloned().collect();
        match (base.get_mut(&key), value) {
            (None, _) => {
                let known: Vec<_> = known.iter().map(String::as_str).collect();
                let message = unknown(&full, &key, &known);
                return Err(SettingsError { origin: origin.to_owned(), message });
            }
            (Some(Value::Object(inner)), Value::Object(value)) => {
                overlay(inner, value, &full, origin)?;
            }
            (Some(slot), value) => *slot = value,
        }
    }
    Ok(())
}

fn unknown(full: &str, key: &str, known: &[&str]) -> String {
    let hint = suggest::nearest(key, known.iter().copied())
        .map(|name| format!("did you mean {name:?}? "))
        .unwrap_or_default();
    format!("unknown key {full:?}; {hint}known here: {}", known.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const DEFAULTS: &str = "listen: a\nstore: {cache: 1, path: x}\n";

    fn read(file: &str, settings: &[&str]) -> Result<Value, String> {
        let settings: Vec<_> = settings.iter().map(ToString::to_string).collect();
        let file = Some(("hub.yaml", file.as_bytes()));
        layered(DEFAULTS, file, &settings).map_err(|error| error.to_string())
    }

    #[test]
    fn later_layers_win_key_by_key() {
        let merged = read("store: {cache: 2}", &["store.path=z", "listen=b"]);
        assert_eq!(merged, Ok(json!({"listen": "b", "store": {"cache": 2, "path": "z"}})));
    }

    #[test]
    fn an_unknown_key_names_the_file_and_the_nearest_key() {
        let error = read("store: {cahe: 2}", &[]).unwrap_err();
        assert!(error.contains("hub.yaml: unknown key \"store.cahe\""), "{error}");
        assert!(error.contains("did you mean \"cache\"?"), "{error}");
        assert!(read("{}", &["nonsense"]).unwrap_err().contains("write KEY=VALUE"));
    }
}
