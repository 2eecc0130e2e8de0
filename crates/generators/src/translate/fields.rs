//! Fields of a document, read one by one; what stands in the way is collected.

use model::problem::Reason;
use model::selector::Labels;
use serde_json::Value;

use super::Untranslatable;

/// Collects what is refused. Each getter takes the path of the object it looks into, for messages.
#[derive(Default)]
pub(super) struct Reader {
    refusals: Vec<String>,
}

impl Reader {
    pub(super) fn refuse(&mut self, path: &str, advice: &str) {
        self.refusals.push(format!("{path}: {advice}"));
    }

    pub(super) fn refusal(self) -> Option<Untranslatable> {
        (!self.refusals.is_empty()).then(|| Untranslatable {
            reason: Reason::Unsupported,
            message: self.refusals.join("; "),
        })
    }

    fn wrong(&mut self, path: &str, field: &str, wanted: &str) {
        self.refuse(&format!("{path}.{field}"), &format!("{wanted} belongs here"));
    }

    pub(super) fn text(&mut self, object: &Value, path: &str, field: &str) -> String {
        match object.get(field) {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(_) => {
                self.wrong(path, field, "text");
                String::new()
            }
        }
    }

    pub(super) fn flag(&mut self, object: &Value, path: &str, field: &str) -> bool {
        match object.get(field) {
            None | Some(Value::Null) => false,
            Some(Value::Bool(flag)) => *flag,
            Some(_) => {
                self.wrong(path, field, "true or false");
                false
            }
        }
    }

    /// The items of a list, each with its path.
    pub(super) fn list<'a>(
        &mut self,
        object: &'a Value,
        path: &str,
        field: &str,
    ) -> Vec<(String, &'a Value)> {
        match object.get(field) {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(items)) => {
                let item = |(index, item)| (format!("{path}.{field}[{index}]"), item);
                items.iter().enumerate().map(item).collect()
            }
            Some(_) => {
                self.wrong(path, field, "a list");
                Vec::new()
            }
        }
    }

    pub(super) fn texts(&mut self, object: &Value, path: &str, field: &str) -> Vec<String> {
        let items = self.list(object, path, field);
        let texts = items.iter().map(|(_, item)| item.as_str().map(str::to_owned));
        texts.collect::<Option<Vec<_>>>().unwrap_or_else(|| {
            self.wrong(path, field, "a list of text");
            Vec::new()
        })
    }

    pub(super) fn labels(&mut self, object: &Value, path: &str, field: &str) -> Labels {
        let map = match object.get(field) {
            None | Some(Value::Null) => return Labels::new(),
            Some(map) => map.as_object(),
        };
        let entries = map.map(|map| {
            let entry = |(key, value): (&String, &Value)| {
                value.as_str().map(|value| (key.clone(), value.to_owned()))
            };
            map.iter().map(entry).collect::<Option<Labels>>()
        });
        entries.flatten().unwrap_or_else(|| {
            self.wrong(path, field, "a map of text");
            Labels::new()
        })
    }

    /// Refuses a field that is there and says anything at all.
    pub(super) fn refuse_set(&mut self, object: &Value, path: &str, field: &str, advice: &str) {
        if object.get(field).is_some_and(says_something) {
            self.refuse(&format!("{path}.{field}"), advice);
        }
    }
}

/// Whether a value differs from what Go takes for "not set".
pub(super) fn says_something(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(flag) => *flag,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(map) => map.values().any(says_something),
    }
}
