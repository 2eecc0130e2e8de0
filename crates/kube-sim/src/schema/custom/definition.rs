//! Whether a definition may be: its names and versions, and whether its schemas are structural.
//!
//! The main rules of the real server, in its words. Expressions (`x-kubernetes-validations`) are not
//! looked at.

use std::collections::BTreeSet;

use regex::Regex;
use serde_json::Value;

use super::{custom_type, list, text};
use crate::api::status::Cause;
use crate::schema::prune;
use crate::schema::validate::validate_at;

const TYPES: [&str; 6] = ["array", "boolean", "integer", "number", "object", "string"];
const COLUMN_TYPES: [&str; 5] = ["boolean", "date", "integer", "number", "string"];
/// What the parts of a schema that only restrict may not say.
const STRUCTURAL_ONLY: [&str; 10] = [
    "type",
    "description",
    "title",
    "default",
    "nullable",
    "additionalProperties",
    "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-embedded-resource",
    "x-kubernetes-int-or-string",
    "x-kubernetes-list-type",
];
const LABEL_RULE: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an \
    alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for \
    validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
const APPROVAL: &str = "api-approved.kubernetes.io";

/// What is wrong with a CustomResourceDefinition; the causes of a 422.
#[must_use]
pub fn check_definition(definition: &Value) -> Vec<Cause> {
    let mut causes = Causes(Vec::new());
    causes.names(definition);
    causes.versions(&definition["spec"]);
    causes.0
}

struct Causes(Vec<Cause>);

impl Causes {
    fn add(&mut self, reason: &str, field: impl Into<String>, message: impl Into<String>) {
        let (reason, field, message) = (reason.to_owned(), field.into(), message.into());
        self.0.push(Cause { reason, message, field });
    }

    fn required(&mut self, field: impl Into<String>, detail: &str) {
        let colon = if detail.is_empty() { "" } else { ": " };
        self.add("FieldValueRequired", field, format!("Required value{colon}{detail}"));
    }

    fn invalid(&mut self, field: impl Into<String>, value: &Value, detail: &str) {
        self.add("FieldValueInvalid", field, format!("Invalid value: {value}: {detail}"));
    }

    fn forbidden(&mut self, field: impl Into<String>, detail: &str) {
        self.add("FieldValueForbidden", field, format!("Forbidden: {detail}"));
    }

    fn supported(&mut self, field: impl Into<String>, value: &Value, known: &[&str]) {
        let known: Vec<String> = known.iter().map(|name| format!("\"{name}\"")).collect();
        let known = known.join(", ");
        let message = format!("Unsupported value: {value}: supported values: {known}");
        self.add("FieldValueNotSupported", field, message);
    }

    fn names(&mut self, definition: &Value) {
        let spec = &definition["spec"];
        let (group, plural) = (text(&spec["group"]), text(&spec["names"]["plural"]));
        let name = &definition["metadata"]["name"];
        if text(name) != format!("{plural}.{group}") {
            self.invalid("metadata.name", name, r#"must be spec.names.plural+"."+spec.group"#);
        }
        let protected = ["k8s.io", "kubernetes.io"].iter().any(|end| {
            group.strip_suffix(end).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        });
        if protected && text(&definition["metadata"]["annotations"][APPROVAL]).is_empty() {
            let detail = format!(
                "protected groups must have approval annotation \"{APPROVAL}\", see https://github.com/kubernetes/enhancements/pull/1111"
            );
            self.required(format!("metadata.annotations[{APPROVAL}]"), &detail);
        }
        if group.is_empty() {
            self.required("spec.group", "");
        }
        match text(&spec["scope"]) {
            "Cluster" | "Namespaced" => {}
            "" => self.required("spec.scope", ""),
            _ => self.supported("spec.scope", &spec["scope"], &["Cluster", "Namespaced"]),
        }
        for field in ["plural", "singular", "kind", "listKind"] {
            let name = &spec["names"][field];
            let path = format!("spec.names.{field}");
            let mixed = field.ends_with("ind");
            if text(name).is_empty() {
                // The others have defaults that follow from the kind.
                if field == "plural" || mixed {
                    self.required(path, "");
                }
            } else if !is_label(&if mixed {
                text(name).to_lowercase()
            } else {
                text(name).to_owned()
            }) {
                let prefix =
                    if mixed { "may have mixed case, but should otherwise match: " } else { "" };
                self.invalid(path, name, &format!("{prefix}{LABEL_RULE}"));
            }
        }
        if spec["preserveUnknownFields"] == true {
            let detail = "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead";
            self.invalid("spec.preserveUnknownFields", &Value::Bool(true), detail);
        }
    }

    fn versions(&mut self, spec: &Value) {
        let versions: Vec<&Value> = list(&spec["versions"]).collect();
        let names: BTreeSet<&str> = versions.iter().map(|version| text(&version["name"])).collect();
        if names.len() < versions.len() {
            self.invalid("spec.versions", &spec["versions"], "must contain unique version names");
        }
        if versions.iter().filter(|version| version["storage"] == true).count() != 1 {
            let detail = "must have exactly one version marked as storage version";
            self.invalid("spec.versions", &spec["versions"], detail);
        }
        // What all versions have in common the real server names once.
        let place = |index: usize, field: &str, common: &str| {
            let all_equal = versions.iter().all(|version| version[field] == versions[0][field]);
            if all_equal {
                format!("spec.{common}")
            } else {
                format!("spec.versions[{index}].{field}")
            }
        };
        for (index, version) in versions.iter().enumerate() {
            if !is_label(text(&version["name"])) {
                let path = format!("spec.versions[{index}].name");
                self.invalid(path, &version["name"], LABEL_RULE);
            }
            let schema = &version["schema"]["openAPIV3Schema"];
            if schema.is_object() {
                let path = format!("{}.openAPIV3Schema", place(index, "schema", "validation"));
                self.schema(&path, schema, Part::Root);
            } else {
                let path = format!("spec.versions[{index}].schema.openAPIV3Schema");
                self.required(path, "");
            }
            let path = place(index, "subresources", "subresources");
            self.scale(&path, &version["subresources"]["scale"]);
            let path = place(index, "additionalPrinterColumns", "additionalPrinterColumns");
            self.columns(&path, &version["additionalPrinterColumns"]);
        }
        let mut known = BTreeSet::new();
        self.0.retain(|cause| known.insert((cause.field.clone(), cause.message.clone())));
    }

    fn scale(&mut self, path: &str, scale: &Value) {
        if !scale.is_object() {
            return;
        }
        for (field, parent) in [("specReplicasPath", ".spec"), ("statusReplicasPath", ".status")] {
            let path = format!("{path}.scale.{field}");
            let value = &scale[field];
            if text(value).is_empty() {
                self.required(path, "");
            } else if !text(value).starts_with(&format!("{parent}.")) {
                self.invalid(path, value, &format!("should be a json path under {parent}"));
            }
        }
    }

    fn columns(&mut self, path: &str, columns: &Value) {
        for (index, column) in list(columns).enumerate() {
            let rule = format!("must be one of {}", COLUMN_TYPES.join(","));
            match text(&column["type"]) {
                "" => self.required(format!("{path}[{index}].type"), &rule),
                ty if COLUMN_TYPES.contains(&ty) => {}
                _ => self.invalid(format!("{path}[{index}].type"), &column["type"], &rule),
            }
            let json_path = &column["jsonPath"];
            let path = format!("{path}[{index}].JSONPath");
            if text(json_path).is_empty() {
                self.required(path, "");
            } else if !text(json_path).starts_with('.') {
                self.invalid(path, json_path, "must be a simple json path starting with .");
            }
        }
    }
}

/// Where a schema stands, which decides what it must say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Root,
    Field,
    Item,
}

impl Causes {
    fn schema(&mut self, path: &str, schema: &Value, part: Part) {
        let free = schema["x-kubernetes-preserve-unknown-fields"] == true
            || schema["x-kubernetes-int-or-string"] == true;
        let type_path = format!("{path}.type");
        match (text(&schema["type"]), part) {
            ("", Part::Root) => self.required(type_path, "must not be empty at the root"),
            (ty, Part::Root) if ty != "object" => {
                self.invalid(type_path, &schema["type"], "must be object at the root");
            }
            ("", _) if free => {}
            ("", Part::Field) => {
                self.required(type_path, "must not be empty for specified object fields");
            }
            ("", Part::Item) => {
                self.required(type_path, "must not be empty for specified array items");
            }
            (ty, _) if !TYPES.contains(&ty) => self.supported(type_path, &schema["type"], &TYPES),
            ("array", _) if !schema["items"].is_object() => {
                self.required(format!("{path}.items"), "must be specified");
            }
            _ => {}
        }
        self.content(path, schema);
        if schema["x-kubernetes-list-type"] == "map" {
            self.map_keys(path, schema);
        }
        if part == Part::Root || schema["x-kubernetes-embedded-resource"] == true {
            self.metadata(path, schema);
        }
        if let Some(default) = schema.get("default") {
            self.default(path, schema, default);
        }
        for (name, member) in schema["properties"].as_object().into_iter().flatten() {
            self.schema(&format!("{path}.properties[{name}]"), member, Part::Field);
        }
        if schema["items"].is_object() {
            self.schema(&format!("{path}.items"), &schema["items"], Part::Item);
        }
        if schema["additionalProperties"].is_object() {
            let path = format!("{path}.additionalProperties");
            self.schema(&path, &schema["additionalProperties"], Part::Field);
        }
        self.restrictions(path, schema, false);
    }

    fn content(&mut self, path: &str, schema: &Value) {
        let has = |key: &str| schema[key].is_object();
        if has("properties") && has("additionalProperties") {
            let detail = "additionalProperties and properties are mutual exclusive";
            self.forbidden(format!("{path}.additionalProperties"), detail);
        }
        if schema["$ref"].is_string() {
            self.forbidden(format!("{path}.$ref"), "$ref is not supported");
        }
        if schema["uniqueItems"] == true {
            let detail =
                "uniqueItems cannot be set to true since the runtime complexity becomes quadratic";
            self.forbidden(format!("{path}.uniqueItems"), detail);
        }
        if let Some(pattern) = schema["pattern"].as_str()
            && let Err(error) = Regex::new(pattern)
        {
            // Go and Rust word what is wrong differently.
            let error = error.to_string();
            let error = error.lines().last().unwrap_or_default().trim_start_matches("error: ");
            let detail = format!(
                "must be a valid regular expression, but isn't: error parsing regexp: {error}"
            );
            self.invalid(format!("{path}.pattern"), &schema["pattern"], &detail);
        }
        if schema["x-kubernetes-embedded-resource"] == true
            && schema["x-kubernetes-preserve-unknown-fields"] != true
            && !has("properties")
        {
            let detail = "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields";
            self.required(format!("{path}.properties"), detail);
        }
    }

    fn map_keys(&mut self, path: &str, schema: &Value) {
        let keys: Vec<&str> = list(&schema["x-kubernetes-list-map-keys"]).map(text).collect();
        if keys.is_empty() {
            let detail = "must not be empty if x-kubernetes-list-type is map";
            self.required(format!("{path}.x-kubernetes-list-map-keys"), detail);
        }
        let items = &schema["items"];
        for key in keys {
            let is_required = list(&items["required"]).any(|required| required == key);
            if !is_required && items["properties"][key].get("default").is_none() {
                let detail = "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property";
                self.required(format!("{path}.items.properties[{key}].default"), detail);
            }
        }
    }

    fn metadata(&mut self, path: &str, schema: &Value) {
        let fields = schema["properties"]["metadata"]["properties"].as_object();
        let other = |name: &String| name != "name" && name != "generateName";
        if fields.is_some_and(|fields| fields.keys().any(other)) {
            let detail = "must not specify anything other than name and generateName, but metadata is implicitly specified";
            self.forbidden(format!("{path}.properties[metadata]"), detail);
        }
    }

    fn default(&mut self, path: &str, schema: &Value, default: &Value) {
        let path = format!("{path}.default");
        if default.is_null() {
            return;
        }
        let mut pruned = default.clone();
        if !prune(&mut pruned, &custom_type(schema, "")).is_empty() && pruned != *default {
            self.invalid(path, default, "must not have unknown fields");
            return;
        }
        for cause in validate_at(default, schema, "") {
            let field = format!("{path}{}{}", dot(&cause.field), cause.field);
            self.0.push(Cause { field, ..cause });
        }
    }

    /// `allOf`, `anyOf`, `oneOf` and `not` only restrict what the schema around them describes.
    fn restrictions(&mut self, path: &str, schema: &Value, inside: bool) {
        if inside {
            // The one exception is how an integer or string says what it is.
            let union = |schema: &Value| {
                schema.as_object().is_some_and(|schema| schema.len() == 1)
                    && matches!(text(&schema["type"]), "integer" | "string")
            };
            for key in STRUCTURAL_ONLY {
                let is_set = schema.get(key).is_some_and(|value| *value != Value::Bool(false));
                if is_set && !(key == "type" && union(schema) && path.contains(".anyOf[")) {
                    self.forbidden(format!("{path}.{key}"), "must be empty to be structural");
                }
            }
            for (name, member) in schema["properties"].as_object().into_iter().flatten() {
                self.restrictions(&format!("{path}.properties[{name}]"), member, true);
            }
            if schema["items"].is_object() {
                self.restrictions(&format!("{path}.items"), &schema["items"], true);
            }
        }
        for key in ["allOf", "anyOf", "oneOf"] {
            for (index, part) in list(&schema[key]).enumerate() {
                self.restrictions(&format!("{path}.{key}[{index}]"), part, true);
            }
        }
        if schema["not"].is_object() {
            self.restrictions(&format!("{path}.not"), &schema["not"], true);
        }
    }
}

fn dot(field: &str) -> &'static str {
    if field.is_empty() { "" } else { "." }
}

fn is_label(name: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(inner)
        && !name.ends_with('-')
        && name.len() <= 63
}
