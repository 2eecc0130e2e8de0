//! Between a generator and the map it is written as.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{Generator, GeneratorKind, KINDS};
use crate::suggest;

impl TryFrom<Map<String, Value>> for Generator {
    type Error = String;

    fn try_from(mut map: Map<String, Value>) -> Result<Self, String> {
        let selector = match map.remove("selector") {
            None => None,
            Some(raw) => Some(parse("selector", raw)?),
        };
        let alias = match map.remove("as") {
            None => String::new(),
            Some(Value::String(alias)) if is_alias(&alias) => alias,
            Some(other) => return Err(format!("as is {other:.40}; it is the name of a parameter")),
        };
        let mut entries = map.into_iter();
        let (Some((name, mut raw)), extra) = (entries.next(), entries.next()) else {
            return Err(format!("a generator needs one kind: {}", KINDS.join(", ")));
        };
        if let Some((other, _)) = extra {
            return Err(format!(
                "a generator has exactly one kind, but this one has {name:?} and {other:?}; \
                 write them as two entries"
            ));
        }
        let template = raw.as_object_mut().and_then(|fields| fields.remove("template"));
        if let Some(other) = template.as_ref().filter(|template| !template.is_object()) {
            return Err(format!(
                "{name}.template is {other:.40}; it is a map of metadata and spec"
            ));
        }
        let generator = Self { kind: kind(&name, raw)?, selector, alias, template };
        if !generator.alias.is_empty() && generator.has_children() {
            return Err(format!("{name} takes no as; give it to the generators inside"));
        }
        if let Some(child) = generator.children().find(|child| child.template.is_some()) {
            return Err(format!(
                "{name}: its {} has a template, which only a generator of the set's own list can \
                 have; move it to {name}.template",
                child.kind.name()
            ));
        }
        Ok(generator)
    }
}

fn is_alias(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.chars().all(plain)
}

fn kind(name: &str, raw: Value) -> Result<GeneratorKind, String> {
    Ok(match name {
        "list" => GeneratorKind::List(parse(name, raw)?),
        "clusters" => GeneratorKind::Clusters(parse(name, raw)?),
        "git" => GeneratorKind::Git(parse(name, raw)?),
        "branches" | "tags" => {
            let refs: super::RefsGenerator = parse(name, raw)?;
            if name == "branches" && !refs.semver.is_empty() {
                return Err("branches.semver: only tags have versions".to_owned());
            }
            match name {
                "tags" => GeneratorKind::Tags(refs),
                _ => GeneratorKind::Branches(refs),
            }
        }
        "scmProvider" => GeneratorKind::ScmProvider(Box::new(parse(name, raw)?)),
        "pullRequest" => GeneratorKind::PullRequest(Box::new(parse(name, raw)?)),
        "plugin" => GeneratorKind::Plugin(parse(name, raw)?),
        "clusterDecisionResource" => GeneratorKind::Decisions(parse(name, raw)?),
        "matrix" => GeneratorKind::Matrix(parse(name, raw)?),
        "join" => GeneratorKind::Join(Box::new(parse(name, raw)?)),
        "merge" => GeneratorKind::Merge(parse(name, raw)?),
        _ => return Err(suggest::unknown("generator kind", name, &KINDS)),
    })
}

/// Parses the inside of a generator, with the path of the field that is wrong in the message.
pub(super) fn parse<T: DeserializeOwned>(name: &str, raw: Value) -> Result<T, String> {
    serde_path_to_error::deserialize(raw).map_err(|error| {
        let path = error.path().to_string();
        let at = match (name, path.as_str()) {
            (name, ".") => name,
            ("", path) => path,
            (name, path) => &format!("{name}.{path}"),
        };
        let colon = if at.is_empty() { "" } else { ": " };
        format!("{at}{colon}{}", suggest::hinted(&error.inner().to_string()))
    })
}

/// The entry of `map` whose key is one of `providers`, taken out; there must be exactly one.
pub(super) fn take_provider<T: DeserializeOwned>(
    map: &mut Map<String, Value>,
    fields: &[&str],
    providers: &[&str],
) -> Result<T, String> {
    let others: Vec<String> =
        map.keys().filter(|key| !fields.contains(&key.as_str())).cloned().collect();
    let known = || providers.join(", ");
    match others.as_slice() {
        [] => Err(format!("names no provider; known: {}", known())),
        [one] if providers.contains(&one.as_str()) => {
            let raw = map.remove(one).unwrap_or_default();
            let tagged = Value::Object(Map::from_iter([(one.clone(), raw)]));
            serde_path_to_error::deserialize(tagged).map_err(|error| {
                let (path, message) = (error.path().to_string(), error.inner().to_string());
                format!("{path}: {}", suggest::hinted(&message))
            })
        }
        [one] => {
            let all: Vec<&str> = providers.iter().chain(fields).copied().collect();
            Err(suggest::unknown("field or provider", one, &all))
        }
        [one, other, ..] => {
            match [one, other].into_iter().find(|name| !providers.contains(&name.as_str())) {
                Some(unknown) => {
                    let all: Vec<&str> = providers.iter().chain(fields).copied().collect();
                    Err(suggest::unknown("field or provider", unknown, &all))
                }
                None => Err(format!(
                    "has the providers {one:?} and {other:?}; write them as two generators"
                )),
            }
        }
    }
}

pub(super) fn to_value(part: impl Serialize) -> Value {
    serde_json::to_value(part).expect("generators are expressible in JSON")
}

impl From<Generator> for Map<String, Value> {
    fn from(generator: Generator) -> Self {
        let name = generator.kind.name();
        let mut value = match generator.kind {
            GeneratorKind::List(list) => to_value(list),
            GeneratorKind::Clusters(clusters) => to_value(clusters),
            GeneratorKind::Git(git) => to_value(git),
            GeneratorKind::Branches(refs) | GeneratorKind::Tags(refs) => to_value(refs),
            GeneratorKind::ScmProvider(scm) => to_value(scm),
            GeneratorKind::PullRequest(requests) => to_value(requests),
            GeneratorKind::Plugin(plugin) => to_value(plugin),
            GeneratorKind::Decisions(decisions) => to_value(decisions),
            GeneratorKind::Matrix(matrix) => to_value(matrix),
            GeneratorKind::Join(join) => to_value(join),
            GeneratorKind::Merge(merge) => to_value(merge),
        };
        if let (Some(template), Some(fields)) = (generator.template, value.as_object_mut()) {
            fields.insert("template".to_owned(), template);
        }
        let mut map = Self::from_iter([(name.to_owned(), value)]);
        if !generator.alias.is_empty() {
            map.insert("as".to_owned(), generator.alias.into());
        }
        if let Some(selector) = generator.selector {
            map.insert("selector".to_owned(), to_value(selector));
        }
        map
    }
}
