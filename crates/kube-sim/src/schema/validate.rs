//! Whether the values of a custom resource fit its schema, in the words of a real server. Pure.
//!
//! Built-in types are not judged here: their rules are code, see `admission`. Expressions
//! (`x-kubernetes-validations`) are not evaluated.

mod format;

use regex::Regex;
use serde_json::{Map, Value};

use super::table::TypeHandle;
use crate::api::status::Cause;

/// Where the real server puts what is wrong with no field in particular.
const NOWHERE: &str = "<nil>";

/// The causes of a 422; none when the object is valid, or of a built-in type.
#[must_use]
pub fn validate(value: &Value, ty: &TypeHandle) -> Vec<Cause> {
    let Some(schema) = ty.table.validation() else { return Vec::new() };
    let mut causes = validate_at(value, schema, "");
    let blocking =
        ["FieldValueRequired", "FieldValueTypeInvalid", "FieldValueTooLong", "FieldValueTooMany"];
    if has_expressions(schema) && causes.iter().any(|cause| blocking.contains(&&*cause.reason)) {
        let message = "Invalid value: null: some validation rules were not checked because the object was \
             invalid; correct the existing errors to complete validation";
        causes.push(cause("FieldValueInvalid", NOWHERE, message.to_owned()));
    }
    causes
}

/// Judges a value by a schema. `path` is where the value is.
pub(super) fn validate_at(value: &Value, schema: &Value, path: &str) -> Vec<Cause> {
    let mut judge = Judge { causes: Vec::new() };
    judge.value(value, schema, path);
    judge.causes
}

fn cause(reason: &str, field: &str, message: String) -> Cause {
    Cause { reason: reason.to_owned(), message, field: field.to_owned() }
}

fn has_expressions(schema: &Value) -> bool {
    match schema {
        Value::Object(members) => {
            members.contains_key("x-kubernetes-validations")
                || members.values().any(has_expressions)
        }
        Value::Array(items) => items.iter().any(has_expressions),
        _ => false,
    }
}

struct Judge {
    causes: Vec<Cause>,
}

impl Judge {
    fn add(&mut self, reason: &str, path: &str, message: String) {
        self.causes.push(cause(reason, path, message));
    }

    fn invalid(&mut self, path: &str, shown: &Value, rule: &str) {
        let message = format!("Invalid value: {shown}: {path} in body {rule}");
        self.add("FieldValueInvalid", path, message);
    }

    fn value(&mut self, value: &Value, schema: &Value, path: &str) {
        if value.is_null() && schema["nullable"] == true {
            return;
        }
        let fits = self.kind(value, schema, path);
        if fits {
            match value {
                Value::String(text) => self.string(text, schema, path),
                Value::Number(number) => self.number(number, schema, path),
                Value::Array(items) => self.array(items, schema, path),
                Value::Object(members) => self.object(members, schema, path),
                Value::Null | Value::Bool(_) => {}
            }
        }
        self.one_of_values(value, schema, path);
        self.parts(value, schema, path);
    }

    /// Whether the value is of the schema's type.
    fn kind(&mut self, value: &Value, schema: &Value, path: &str) -> bool {
        let found = kind(value);
        let wanted = match schema["type"].as_str() {
            _ if schema["x-kubernetes-int-or-string"] == true => "integer,string",
            Some(wanted) => wanted,
            None => return true,
        };
        let whole = || value.as_f64().is_some_and(|number| number.fract() == 0.0);
        let fits = wanted.split(',').any(|wanted| match wanted {
            "number" => value.is_number(),
            "integer" => found == "integer" || whole(),
            wanted => found == wanted,
        });
        if !fits {
            let message = format!(
                "Invalid value: \"{found}\": {path} in body must be of type {wanted}: \"{found}\""
            );
            self.add("FieldValueTypeInvalid", path, message);
        }
        fits
    }

    fn string(&mut self, text: &str, schema: &Value, path: &str) {
        let shown = Value::from(text);
        let length = u64::try_from(text.chars().count()).unwrap_or(u64::MAX);
        if let Some(most) = schema["maxLength"].as_u64().filter(|most| length > *most) {
            let message = format!("Too long: may not be more than {most} bytes");
            self.add("FieldValueTooLong", path, message);
        } else if let Some(least) = schema["minLength"].as_u64().filter(|least| length < *least) {
            self.invalid(path, &shown, &format!("should be at least {least} chars long"));
        } else if let Some(pattern) = schema["pattern"].as_str() {
            // A pattern that only Go understands accepts everything.
            if Regex::new(pattern).is_ok_and(|pattern| !pattern.is_match(text)) {
                self.invalid(path, &shown, &format!("should match '{pattern}'"));
            }
        }
        if let Some(format) = schema["format"].as_str().filter(|format| !format::fits(text, format))
        {
            let message =
                format!("Invalid value: {shown}: {path} in body must be of type {format}: {shown}");
            self.add("FieldValueTypeInvalid", path, message);
        }
    }

    fn number(&mut self, number: &serde_json::Number, schema: &Value, path: &str) {
        let Some(value) = number.as_f64() else { return };
        let shown = Value::Number(number.clone());
        let in_int32 = number.as_i64().is_none_or(|number| i32::try_from(number).is_ok());
        if schema["format"] == "int32" && !in_int32 {
            let message = format!(
                "Invalid value: \"\": Checked value must be of type integer with format int32 in {path}"
            );
            self.add("FieldValueInvalid", NOWHERE, message);
        }
        let limit = |key: &str| schema[key].as_f64();
        if limit("multipleOf").is_some_and(|factor| (value / factor).fract() != 0.0) {
            let factor = &schema["multipleOf"];
            self.invalid(path, &shown, &format!("should be a multiple of {factor}"));
        }
        if let Some(most) = limit("maximum") {
            let exclusive = schema["exclusiveMaximum"] == true;
            if value > most || (exclusive && value >= most) {
                let or = if exclusive { "" } else { " or equal to" };
                self.invalid(
                    path,
                    &shown,
                    &format!("should be less than{or} {}", schema["maximum"]),
                );
            }
        }
        if let Some(least) = limit("minimum") {
            let exclusive = schema["exclusiveMinimum"] == true;
            if value < least || (exclusive && value <= least) {
                let or = if exclusive { "" } else { " or equal to" };
                let least = &schema["minimum"];
                self.invalid(path, &shown, &format!("should be greater than{or} {least}"));
            }
        }
    }

    /// How many items or properties there are.
    fn count(&mut self, count: usize, schema: &Value, path: &str, what: &str) {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        if let Some(most) = schema[format!("max{what}")].as_u64().filter(|most| count > *most) {
            let plural = if most == 1 { "" } else { "s" };
            let message = format!("Too many: {count}: must have at most {most} item{plural}");
            self.add("FieldValueTooMany", path, message);
        } else if let Some(least) =
            schema[format!("min{what}")].as_u64().filter(|least| count < *least)
        {
            let rule = format!("should have at least {least} {}", what.to_lowercase());
            self.invalid(path, &Value::from(count), &rule);
        }
    }

    fn array(&mut self, items: &[Value], schema: &Value, path: &str) {
        self.count(items.len(), schema, path, "Items");
        for (index, item) in items.iter().enumerate() {
            self.value(item, &schema["items"], &format!("{path}[{index}]"));
        }
        let keys: Vec<&str> = match schema["x-kubernetes-list-type"].as_str() {
            Some("set") => Vec::new(),
            Some("map") => strings(&schema["x-kubernetes-list-map-keys"]).collect(),
            _ => return,
        };
        let key_of = |item: &Value| match item {
            item if keys.is_empty() => item.clone(),
            item => keys
                .iter()
                .map(|key| ((*key).to_owned(), item[*key].clone()))
                .collect::<Map<_, _>>()
                .into(),
        };
        let mut known = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let path = format!("{path}[{index}]");
            if !keys.is_empty() && !item.is_object() {
                let rule = "must be an object for an array of list-type map";
                self.add("FieldValueInvalid", &path, format!("Invalid value: {item}: {rule}"));
                continue;
            }
            let key = key_of(item);
            if known.contains(&key) {
                self.add("FieldValueDuplicate", &path, format!("Duplicate value: {key}"));
            } else {
                known.push(key);
            }
        }
    }

    fn object(&mut self, members: &Map<String, Value>, schema: &Value, path: &str) {
        self.count(members.len(), schema, path, "Properties");
        let identity: &[&str] = match schema["x-kubernetes-embedded-resource"] == true {
            true => &["apiVersion", "kind"],
            false => &[],
        };
        for name in strings(&schema["required"]).chain(identity.iter().copied()) {
            if !members.contains_key(name) {
                self.add("FieldValueRequired", &join(path, name), "Required value".to_owned());
            }
        }
        for (name, value) in members {
            let schema = match schema["properties"].get(name) {
                Some(schema) => schema,
                None => &schema["additionalProperties"],
            };
            self.value(value, schema, &join(path, name));
        }
    }

    fn one_of_values(&mut self, value: &Value, schema: &Value, path: &str) {
        let Some(known) = schema["enum"].as_array() else { return };
        if !known.contains(value) {
            let known: Vec<String> = known.iter().map(Value::to_string).collect();
            let known = known.join(", ");
            let message = format!("Unsupported value: {value}: supported values: {known}");
            self.add("FieldValueNotSupported", path, message);
        }
    }

    /// The combinations of schemas. What an integer or string says of itself holds by its type.
    fn parts(&mut self, value: &Value, schema: &Value, path: &str) {
        let judged = |key: &str| -> Vec<Vec<Cause>> {
            let parts = schema[key].as_array().into_iter().flatten();
            parts.map(|part| validate_at(value, part, path)).collect()
        };
        let refuse = |rule: String| {
            cause(
                "FieldValueInvalid",
                NOWHERE,
                format!("Invalid value: \"\": \"{path}\" must {rule}"),
            )
        };
        let any = judged("anyOf");
        if !any.is_empty() && any.iter().all(|causes| !causes.is_empty()) {
            self.causes.push(refuse("validate at least one schema (anyOf)".to_owned()));
            self.causes.extend(any.into_iter().next().unwrap_or_default());
        }
        let one = judged("oneOf");
        let fitting = one.iter().filter(|causes| causes.is_empty()).count();
        if !one.is_empty() && fitting != 1 {
            let found = match fitting {
                0 => "none valid".to_owned(),
                count => format!("{count} valid alternatives"),
            };
            self.causes
                .push(refuse(format!("validate one and only one schema (oneOf). Found {found}")));
            if fitting == 0 {
                self.causes.extend(one.into_iter().next().unwrap_or_default());
            }
        }
        let all = judged("allOf");
        if all.iter().any(|causes| !causes.is_empty()) {
            self.causes.push(refuse("validate all the schemas (allOf)".to_owned()));
            self.causes.extend(all.into_iter().flatten());
        }
        if schema["not"].is_object() && validate_at(value, &schema["not"], path).is_empty() {
            self.causes.push(refuse("not validate the schema (not)".to_owned()));
        }
    }
}

/// What the validator calls a value.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn strings(value: &Value) -> impl Iterator<Item = &str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str)
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}
