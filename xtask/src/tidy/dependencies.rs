//! The direction of dependencies, and double versions, from what cargo resolved.

use super::policy::{self, Policy};
use crate::workspace;
use anyhow::{Context, Result};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// One target, so that the answer does not depend on the machine. The same one as in `deny.toml`.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Nouns and decisions: no tasks, no sockets, no clock, so no crate that brings them.
const PURE: [&str; 2] = ["model", "generators"];
const IMPURE: [&str; 9] =
    ["tokio", "tonic", "axum", "hyper", "reqwest", "rustls", "tracing", "rand", "tempfile"];

#[derive(Debug, Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    resolve: Resolve,
    workspace_members: BTreeSet<String>,
}

#[derive(Debug, Deserialize)]
struct Package {
    id: String,
    name: String,
    dependencies: Vec<Declared>,
}

#[derive(Debug, Deserialize)]
struct Declared {
    name: String,
    kind: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Debug, Deserialize)]
struct Node {
    id: String,
    dependencies: Vec<String>,
}

pub(crate) fn check() -> Result<Vec<String>> {
    let policy = policy::read()?;
    let metadata: Metadata = serde_json::from_str(&workspace::cargo(&[
        "metadata",
        "--format-version=1",
        "--locked",
        "--filter-platform",
        TARGET,
    ])?)
    .context("cargo metadata printed something else")?;
    let tree = workspace::cargo(&[
        "tree",
        "--workspace",
        "--locked",
        "--prefix=none",
        "--format={p}",
        "--edges=normal,build,dev",
        "--target",
        TARGET,
    ])?;
    let mut findings = direction(&policy, &parents(&metadata));
    findings.extend(impure(&metadata));
    findings.extend(doubles(&policy, &versions(&tree)));
    Ok(findings)
}

/// Crate name to the names of the crates that depend on it directly.
fn parents(metadata: &Metadata) -> BTreeMap<String, BTreeSet<String>> {
    let names: BTreeMap<&str, &str> = metadata
        .packages
        .iter()
        .map(|package| (package.id.as_str(), package.name.as_str()))
        .collect();
    let name = |id: &str| names.get(id).copied().unwrap_or(id).to_owned();
    let mut parents: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for node in &metadata.resolve.nodes {
        parents.entry(name(&node.id)).or_default();
        for dependency in &node.dependencies {
            parents.entry(name(dependency)).or_default().insert(name(&node.id));
        }
    }
    parents
}

fn direction(policy: &Policy, parents: &BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
    let mut findings = Vec::new();
    for ban in &policy.bans.deny {
        let Some(dependents) = parents.get(&ban.name) else { continue };
        let Some(wrappers) = &ban.wrappers else {
            let who = dependents.iter().cloned().collect::<Vec<_>>().join(", ");
            findings.push(format!("{who} must not use {}: {}", ban.name, ban.reason));
            continue;
        };
        for dependent in dependents.iter().filter(|name| !wrappers.contains(name)) {
            findings.push(format!("{dependent} must not depend on {}: {}", ban.name, ban.reason));
        }
    }
    findings
}

fn impure(metadata: &Metadata) -> Vec<String> {
    let ours = |package: &&Package| {
        metadata.workspace_members.contains(&package.id) && PURE.contains(&package.name.as_str())
    };
    let mut findings = Vec::new();
    for package in metadata.packages.iter().filter(ours) {
        let normal = package.dependencies.iter().filter(|dependency| dependency.kind.is_none());
        for dependency in normal.filter(|dependency| IMPURE.contains(&dependency.name.as_str())) {
            findings.push(format!(
                "{} must not depend on {}: it decides, without I/O, tasks or a clock",
                package.name, dependency.name
            ));
        }
    }
    findings
}

/// Crate name to its versions, from the lines `NAME vVERSION …` of `cargo tree`.
fn versions(tree: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut versions: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in tree.lines() {
        let mut words = line.split_whitespace();
        if let (Some(name), Some(version)) = (words.next(), words.next()) {
            let version = version.trim_start_matches('v').to_owned();
            versions.entry(name.to_owned()).or_default().insert(version);
        }
    }
    versions
}

fn doubles(policy: &Policy, versions: &BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
    let exceptions = &policy.bans.skip;
    let mut findings = Vec::new();
    for (name, all) in versions.iter().filter(|(_, all)| all.len() > 1) {
        let excepted = |version: &&String| exceptions.iter().any(|one| one.covers(name, version));
        let unexplained: Vec<&str> =
            all.iter().filter(|version| !excepted(version)).map(String::as_str).collect();
        if unexplained.len() > 1 {
            findings.push(format!(
                "{name} is there as {}: agree on one, or explain the old one in deny.toml under bans.skip",
                unexplained.join(" and ")
            ));
        }
    }
    let needed = |spec: &policy::Exception| {
        versions.iter().any(|(name, all)| {
            all.len() > 1 && all.iter().any(|version| spec.covers(name, version))
        })
    };
    for exception in exceptions.iter().filter(|one| !needed(one)) {
        findings.push(format!(
            "deny.toml excepts {}, but there is no such double version any more: remove the line",
            exception.spec
        ));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(text: &str) -> Policy {
        policy::parse(text).unwrap()
    }

    fn graph(edges: &[(&str, &str)]) -> BTreeMap<String, BTreeSet<String>> {
        let mut parents: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (parent, child) in edges {
            parents.entry((*child).to_owned()).or_default().insert((*parent).to_owned());
        }
        parents
    }

    #[test]
    fn only_the_named_parents_may_depend_on_a_crate() {
        let policy = policy(
            r#"[bans]
            deny = [{ crate = "gix", wrappers = ["source"], reason = "one importer" }, { crate = "openssl", reason = "no" }]
            skip = []"#,
        );
        assert_eq!(direction(&policy, &graph(&[("source", "gix")])), [""; 0]);
        assert_eq!(
            direction(&policy, &graph(&[("source", "gix"), ("hub", "gix"), ("cli", "openssl")])),
            ["hub must not depend on gix: one importer", "cli must not use openssl: no"]
        );
    }

    #[test]
    fn a_double_version_needs_an_explained_exception_and_an_exception_a_double() {
        let policy = policy(
            r#"[bans]
            deny = []
            skip = [{ crate = "syn@2", reason = "macros" }, { crate = "old@1", reason = "gone" }]"#,
        );
        let tree =
            "syn v2.0.1\nsyn v3.0.0 (proc-macro)\nold v1.0.0\nrand v0.9.0\nrand v0.10.0 (*)\n";
        assert_eq!(
            doubles(&policy, &versions(tree)),
            [
                "rand is there as 0.10.0 and 0.9.0: agree on one, or explain the old one in deny.toml under bans.skip",
                "deny.toml excepts old@1, but there is no such double version any more: remove the line",
            ]
        );
    }

    #[test]
    fn an_exception_covers_whole_version_numbers() {
        let policy = policy("[bans]\ndeny = []\nskip = [{ crate = \"syn@2\", reason = \"r\" }]");
        let exception = &policy.bans.skip[0];
        assert!(exception.covers("syn", "2.0.1"));
        assert!(!exception.covers("syn", "20.0.1"));
        assert!(!exception.covers("sync", "2.0.1"));
    }
}
