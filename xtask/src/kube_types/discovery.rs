//! The served resources, from the server's discovery documents.

use super::openapi::Schemas;
use anyhow::{Context, Result};
use e2e::control_plane::Api;
use serde::Deserialize;
use serde_json::Value;
use std::fmt::Write;

/// One version of one group, in the server's order: the most important group first, and of a group the
/// preferred version first.
pub(crate) struct GroupVersion {
    group: String,
    version: String,
    resources: Vec<Entry>,
}

/// A resource, or a subresource when its name has a slash.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    name: String,
    #[serde(default)]
    singular_name: String,
    namespaced: bool,
    kind: String,
    /// Where the kind is not of the group version that lists it.
    group: Option<String>,
    version: Option<String>,
    verbs: Vec<String>,
    #[serde(default)]
    short_names: Vec<String>,
    #[serde(default)]
    categories: Vec<String>,
}

pub(crate) async fn read(api: &Api) -> Result<Vec<GroupVersion>> {
    let core = get(api, "/api/v1").await?;
    let mut all = vec![group_version("", "v1", &core)?];
    for group in array(&get(api, "/apis").await?["groups"]) {
        let name = group["name"].as_str().context("a group has no name")?;
        for version in array(&group["versions"]) {
            let version = version["version"].as_str().context("a version has no name")?;
            let document = get(api, &format!("/apis/{name}/{version}")).await?;
            all.push(group_version(name, version, &document)?);
        }
    }
    Ok(all)
}

fn group_version(group: &str, version: &str, document: &Value) -> Result<GroupVersion> {
    let resources = Vec::deserialize(&document["resources"])
        .with_context(|| format!("the resources of {group}/{version}"))?;
    Ok(GroupVersion { group: group.to_owned(), version: version.to_owned(), resources })
}

/// Writes the resources; returns the names of the types that they need.
pub(crate) fn write(
    all: &[GroupVersion],
    schemas: &Schemas,
    text: &mut String,
) -> Result<Vec<String>> {
    let mut roots = Vec::new();
    for listed in all {
        let GroupVersion { group, version, resources } = listed;
        writeln!(text, "group {} {version}", if group.is_empty() { "-" } else { group })?;
        let mut main: Vec<&Entry> = resources.iter().filter(|r| !r.name.contains('/')).collect();
        main.sort_by(|a, b| a.name.cmp(&b.name));
        for entry in main {
            write!(text, "resource {} {}", entry.name, entry.kind)?;
            write_entry(listed, entry, schemas, &mut roots, text)?;
            let prefix = format!("{}/", entry.name);
            let mut subs: Vec<(&str, &Entry)> = resources
                .iter()
                .filter_map(|sub| Some((sub.name.strip_prefix(&prefix)?, sub)))
                .collect();
            subs.sort_by_key(|(name, _)| *name);
            for (name, sub) in subs {
                write!(text, "sub {name} {}", sub.kind)?;
                write_entry(listed, sub, schemas, &mut roots, text)?;
            }
        }
    }
    Ok(roots)
}

fn write_entry(
    listed: &GroupVersion,
    entry: &Entry,
    schemas: &Schemas,
    roots: &mut Vec<String>,
    text: &mut String,
) -> Result<()> {
    let group = entry.group.as_ref().unwrap_or(&listed.group);
    let version = entry.version.as_ref().unwrap_or(&listed.version);
    if (group, version) != (&listed.group, &listed.version) {
        write!(text, " of={group}/{version}")?;
    }
    // What takes its parameters from the query, such as a pod's log, has no type.
    if let Some(name) = schemas.of_kind(group, version, &entry.kind) {
        write!(text, " type={}", super::openapi::short(name)?)?;
        roots.push(name.to_owned());
    }
    if entry.namespaced && !entry.name.contains('/') {
        write!(text, " namespaced")?;
    }
    if !entry.singular_name.is_empty() {
        write!(text, " singular={}", entry.singular_name)?;
    }
    for (key, values) in
        [("verbs", &entry.verbs), ("short", &entry.short_names), ("categories", &entry.categories)]
    {
        if !values.is_empty() {
            write!(text, " {key}={}", values.join(","))?;
        }
    }
    writeln!(text)?;
    Ok(())
}

async fn get(api: &Api, path: &str) -> Result<Value> {
    api.get(path).await?.with_context(|| format!("the server does not serve {path}"))
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
