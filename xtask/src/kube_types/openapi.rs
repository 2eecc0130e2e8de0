//! The types, from the server's OpenAPI documents: fields, how lists and maps merge, defaults.

use super::go_source::{Presence, Sources};
use anyhow::{Context, Result, bail, ensure};
use e2e::control_plane::Api;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

const REF: &str = "#/components/schemas/";
const PREFIX: &str = "io.k8s.";

/// Every schema of every document, by name.
pub(crate) struct Schemas(BTreeMap<String, Value>);

pub(crate) async fn read(api: &Api) -> Result<Schemas> {
    let index = api.get("/openapi/v3").await?.context("the server has no OpenAPI v3")?;
    let paths = index["paths"].as_object().context("the OpenAPI index has no paths")?;
    let mut all = BTreeMap::new();
    for path in paths.keys().filter(|path| path.starts_with("api")) {
        let document = api.get(&format!("/openapi/v3/{path}")).await?;
        let document = document.with_context(|| format!("no OpenAPI document of {path}"))?;
        let Some(schemas) = document["components"]["schemas"].as_object() else { continue };
        all.extend(schemas.iter().map(|(name, schema)| (name.clone(), schema.clone())));
    }
    Ok(Schemas(all))
}

impl Schemas {
    /// The schema of a kind; those that are of every group version (options, watch events) are none.
    pub(crate) fn of_kind(&self, group: &str, version: &str, kind: &str) -> Option<&str> {
        let is_it = |schema: &Value| {
            let kinds = schema["x-kubernetes-group-version-kind"].as_array();
            let Some([only]) = kinds.map(Vec::as_slice) else { return false };
            only["group"] == group && only["version"] == version && only["kind"] == kind
        };
        self.0.iter().find(|(_, schema)| is_it(schema)).map(|(name, _)| name.as_str())
    }
}

/// A type's name without what all of them begin with.
pub(crate) fn short(name: &str) -> Result<&str> {
    name.strip_prefix(PREFIX).with_context(|| format!("the type {name} is not of Kubernetes"))
}

/// Writes these types and all that they refer to, by name.
pub(crate) fn write(
    schemas: &Schemas,
    roots: Vec<String>,
    sources: &Sources,
    text: &mut String,
) -> Result<()> {
    let mut writer = Writer { schemas, done: BTreeMap::new(), wanted: BTreeSet::new() };
    writer.wanted.extend(roots);
    // What a request may carry and no resource refers to.
    for name in ["DeleteOptions", "Status"] {
        writer.wanted.insert(format!("io.k8s.apimachinery.pkg.apis.meta.v1.{name}"));
    }
    while let Some(name) = writer.wanted.pop_first() {
        if !writer.done.contains_key(&name) {
            let written = writer.write_type(&name, sources);
            let written = written.with_context(|| format!("the type {name}"))?;
            writer.done.insert(name, written);
        }
    }
    writer.done.values().for_each(|written| text.push_str(written));
    Ok(())
}

struct Writer<'a> {
    schemas: &'a Schemas,
    done: BTreeMap<String, String>,
    wanted: BTreeSet<String>,
}

impl Writer<'_> {
    fn write_type(&mut self, name: &str, sources: &Sources) -> Result<String> {
        let schema = &self.schemas.0[name];
        let mut text = format!("type {}", short(name)?);
        if schema["x-kubernetes-map-type"] == "atomic" {
            text.push_str(" atomic");
        }
        text.push('\n');
        let required: Vec<&str> = strings(&schema["required"]).collect();
        let presence = sources.fields(name)?;
        let fields = schema["properties"].as_object().context("it has no fields")?;
        for (field, schema) in fields {
            let ty = self.expression(schema)?;
            write!(text, "  {field} {ty}")?;
            if required.contains(&field.as_str()) {
                text.push_str(" required");
            }
            let presence = presence.get(field).with_context(|| {
                format!("the Go sources know no field {field}: are they of the same version?")
            })?;
            match presence {
                Presence { pointer: true, always: true } => text.push_str(" pointer always"),
                Presence { pointer: true, always: false } => text.push_str(" pointer"),
                Presence { pointer: false, always: true } => text.push_str(" always"),
                Presence { pointer: false, always: false } => {}
            }
            write_patch(schema, &mut text)?;
            write_default(schema, &mut text)?;
            text.push('\n');
        }
        Ok(text)
    }

    /// The type of a field, item or value: scalars by name, `[KEYS]` before the type of an item, `{KIND}`
    /// before that of a value, `!` before a type that is atomic here alone.
    fn expression(&mut self, schema: &Value) -> Result<String> {
        if let Some(name) = reference(schema) {
            let atomic = if schema["x-kubernetes-map-type"] == "atomic" { "!" } else { "" };
            return Ok(format!("{atomic}{}", self.named(name)?));
        }
        let format = schema["format"].as_str().unwrap_or_default();
        Ok(match (schema["type"].as_str().unwrap_or_default(), format) {
            ("string", "byte") => "bytes".to_owned(),
            ("string", "date-time") => "time".to_owned(),
            ("string", _) => "string".to_owned(),
            ("integer", "int32") => "int32".to_owned(),
            ("integer", _) => "int64".to_owned(),
            ("number", _) => "number".to_owned(),
            ("boolean", _) => "bool".to_owned(),
            ("array", _) => {
                let item = self.expression(&schema["items"])?;
                let merge = match schema["x-kubernetes-list-type"].as_str() {
                    Some("map") => {
                        strings(&schema["x-kubernetes-list-map-keys"]).collect::<Vec<_>>().join(",")
                    }
                    Some("set") => "set".to_owned(),
                    _ => String::new(),
                };
                format!("[{merge}]{item}")
            }
            ("object", _) if schema["additionalProperties"].is_object() => {
                let item = self.expression(&schema["additionalProperties"])?;
                let atomic = schema["x-kubernetes-map-type"] == "atomic";
                format!("{{{}}}{item}", if atomic { "atomic" } else { "" })
            }
            (kind, format) => bail!("no form for a field of type {kind:?}, format {format:?}"),
        })
    }

    fn named(&mut self, name: &str) -> Result<String> {
        let scalar = match name.rsplit_once('.').map_or(name, |(_, last)| last) {
            "Quantity" => "quantity",
            "IntOrString" => "intorstring",
            "Time" => "time",
            "MicroTime" => "microtime",
            _ => "",
        };
        if !scalar.is_empty() {
            return Ok(scalar.to_owned());
        }
        let schema = self.schemas.0.get(name).with_context(|| format!("no type {name}"))?;
        // Raw extensions, sets of fields, free JSON.
        if schema
            .get("properties")
            .is_none_or(|fields| fields.as_object().is_none_or(Map::is_empty))
        {
            return Ok("any".to_owned());
        }
        self.wanted.insert(name.to_owned());
        Ok(short(name)?.to_owned())
    }
}

/// A reference is alone, or in an `allOf` beside a default.
fn reference(schema: &Value) -> Option<&str> {
    let target = schema["$ref"].as_str().or_else(|| schema["allOf"][0]["$ref"].as_str());
    target?.strip_prefix(REF)
}

fn write_patch(schema: &Value, text: &mut String) -> Result<()> {
    let strategies = schema["x-kubernetes-patch-strategy"].as_str().unwrap_or_default();
    for strategy in strategies.split(',').filter(|strategy| !strategy.is_empty()) {
        match (strategy, schema["x-kubernetes-patch-merge-key"].as_str()) {
            ("merge", Some(key)) => write!(text, " merge={key}")?,
            ("merge", None) => text.push_str(" merge"),
            ("retainKeys", _) => text.push_str(" retain"),
            ("replace", _) => {} // What happens to a field without a strategy.
            (other, _) => bail!("the patch strategy {other:?} is new"),
        }
    }
    Ok(())
}

/// The document shows Go's zero values as defaults too; those no server fills in.
fn write_default(schema: &Value, text: &mut String) -> Result<()> {
    let default = match schema.get("default") {
        None | Some(Value::Null | Value::Bool(false)) => return Ok(()),
        Some(Value::String(value)) if value.is_empty() => return Ok(()),
        Some(Value::Number(value)) if value.as_f64() == Some(0.0) => return Ok(()),
        Some(Value::Object(value)) if value.is_empty() => return Ok(()),
        Some(default) => default.to_string(),
    };
    ensure!(!default.contains(char::is_whitespace), "the default {default} has a space");
    write!(text, " default={default}")?;
    Ok(())
}

fn strings(value: &Value) -> impl Iterator<Item = &str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_field_is_one_word_for_its_type_and_a_word_for_each_exception() {
        let field = |schema: Value| {
            let schemas = Schemas(BTreeMap::from([(
                "io.k8s.api.core.v1.Thing".to_owned(),
                json!({"type": "object", "properties": {"a": {"type": "string"}}}),
            )]));
            let mut writer =
                Writer { schemas: &schemas, done: BTreeMap::new(), wanted: BTreeSet::new() };
            let mut text = writer.expression(&schema).unwrap();
            write_patch(&schema, &mut text).unwrap();
            write_default(&schema, &mut text).unwrap();
            text
        };
        let thing =
            json!({"default": {}, "allOf": [{"$ref": format!("{REF}io.k8s.api.core.v1.Thing")}]});
        assert_eq!(field(thing.clone()), "api.core.v1.Thing");
        let mut atomic = thing.clone();
        atomic["x-kubernetes-map-type"] = json!("atomic");
        assert_eq!(field(atomic), "!api.core.v1.Thing");
        let list = json!({
            "type": "array", "items": thing, "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["port", "protocol"],
            "x-kubernetes-patch-strategy": "merge,retainKeys", "x-kubernetes-patch-merge-key": "port",
        });
        assert_eq!(field(list), "[port,protocol]api.core.v1.Thing merge=port retain");
        assert_eq!(field(json!({"type": "string", "default": "TCP"})), "string default=\"TCP\"");
        assert_eq!(field(json!({"type": "string", "default": ""})), "string");
        let map = json!({"type": "object", "additionalProperties": {"type": "integer"}});
        assert_eq!(field(map), "{}int64");
    }
}
