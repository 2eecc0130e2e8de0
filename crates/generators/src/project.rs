//! AppProjects: which repositories and destinations the applications of a project may have.
//!
//! Pure. Globs mean what they mean to the anchor: in `sourceRepos` `*` stays within a segment and
//! `**` does not, in `destinations` `*` matches everything; `!` before a pattern denies. What an
//! AppProject asks for beyond that is not enforced, and [`Projects::new`] says so for each.

mod glob;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use model::application::Application;
use model::argo::Project;
use model::cluster::Cluster;
use model::problem::{Problem, Reason};
use serde_json::Value;

use crate::translate::address;
use glob::Pattern;

/// What is in an AppProject and has no effect here, unless it allows everything anyway.
const NOT_ENFORCED: [&str; 10] = [
    "clusterResourceWhitelist",
    "clusterResourceBlacklist",
    "namespaceResourceWhitelist",
    "namespaceResourceBlacklist",
    "roles",
    "syncWindows",
    "signatureKeys",
    "sourceIntegrity",
    "destinationServiceAccounts",
    "sourceNamespaces",
];

/// The rules of all projects that have a document. A project without one has no rules.
#[derive(Debug, Default)]
pub struct Projects {
    rules: BTreeMap<String, Rules>,
    /// What the documents ask for and Muster does not enforce.
    pub problems: Vec<Problem>,
}

#[derive(Debug)]
struct Rules {
    repositories: Vec<Pattern>,
    destinations: Vec<Place>,
    own_clusters_only: bool,
}

/// One entry of `destinations`; an absent name or server matches nothing.
#[derive(Debug)]
struct Place {
    name: Option<Pattern>,
    server: Option<Pattern>,
    namespace: Pattern,
}

impl Projects {
    #[must_use]
    pub fn new<'a>(projects: impl IntoIterator<Item = &'a Project>) -> Self {
        let mut all = Self::default();
        for project in projects {
            all.problems.extend(not_enforced(project));
            all.rules.insert(project.name.to_string(), Rules::new(&project.spec));
        }
        all.problems.sort();
        all
    }

    /// Whether its project lets an application be. `cluster` is where it goes, when it is known.
    ///
    /// # Errors
    /// With what the project does not permit.
    pub fn check(
        &self,
        application: &Application,
        cluster: Option<&Cluster>,
    ) -> Result<(), String> {
        let spec = &application.spec;
        let Some(rules) = self.rules.get(&spec.project) else { return Ok(()) };
        let project = &spec.project;
        let repository = &spec.source.repo_url;
        if !rules.permits_repository(repository) {
            return Err(format!(
                "AppProject {project} does not permit the repository {repository:?}; add it to \
                 its sourceRepos"
            ));
        }
        let name = &spec.destination.cluster;
        let server = cluster.map(address).unwrap_or_default();
        let namespace = &spec.destination.namespace;
        if !rules.permits_destination(name.as_str(), &server, namespace) {
            return Err(format!(
                "AppProject {project} does not permit namespace {namespace:?} of cluster {name} \
                 ({server}); add it to its destinations"
            ));
        }
        if rules.own_clusters_only && cluster.is_none_or(|one| one.spec.project != *project) {
            return Err(format!(
                "AppProject {project} permits clusters of its own only, and {name} is none; set \
                 spec.project of the cluster"
            ));
        }
        Ok(())
    }
}

impl Rules {
    fn new(spec: &Value) -> Self {
        let list = |field: &str| spec.get(field).and_then(Value::as_array).into_iter().flatten();
        let repository = |item: &Value| {
            let text = item.as_str().unwrap_or_default();
            match text.strip_prefix('!') {
                Some(denied) => Pattern::within_segments(&format!("!{}", normal_url(denied))),
                None => Pattern::within_segments(&normal_url(text)),
            }
        };
        let destination = |item: &Value| {
            let text = |field: &str| item.get(field).and_then(Value::as_str).unwrap_or_default();
            let pattern =
                |field: &str| Some(text(field)).filter(|text| !text.is_empty()).map(Pattern::free);
            Place {
                name: pattern("name"),
                server: pattern("server"),
                namespace: Pattern::free(text("namespace")),
            }
        };
        Self {
            repositories: list("sourceRepos").map(repository).collect(),
            destinations: list("destinations").map(destination).collect(),
            own_clusters_only: spec["permitOnlyProjectScopedClusters"] == Value::Bool(true),
        }
    }

    /// A pattern that denies refuses what it matches, and permits all else.
    fn permits_repository(&self, url: &str) -> bool {
        let url = normal_url(url);
        let mut permitted = false;
        for pattern in &self.repositories {
            match pattern.matches(&url) {
                true => permitted = true,
                false if pattern.denies() => return false,
                false => {}
            }
        }
        permitted
    }

    fn permits_destination(&self, name: &str, server: &str, namespace: &str) -> bool {
        let mut permitted = false;
        for place in &self.destinations {
            let matches = |pattern: &Option<Pattern>, text: &str| {
                pattern.as_ref().is_some_and(|pattern| pattern.matches(text))
            };
            let denies = |pattern: &Option<Pattern>| pattern.as_ref().is_some_and(Pattern::denies);
            let by_name = matches(&place.name, name);
            let by_server = matches(&place.server, server);
            let in_namespace = place.namespace.matches(namespace);
            if (by_name || by_server) && in_namespace {
                permitted = true;
                continue;
            }
            let denied = (!by_name && denies(&place.name))
                || (!by_server && denies(&place.server) && in_namespace)
                || (!in_namespace && place.namespace.denies() && (by_server || by_name));
            if denied {
                return false;
            }
        }
        permitted
    }
}

/// One repository under its several spellings: without `.git`, a slash at the end, or the case of
/// letters; `git@host:path` is `ssh://git@host/path`.
fn normal_url(url: &str) -> String {
    let url = url.trim().to_lowercase();
    let url = url.strip_suffix('/').unwrap_or(&url);
    let url = url.strip_suffix(".git").unwrap_or(url);
    match url.split_once(':') {
        Some((host, path)) if !url.contains("://") && host.contains('@') => {
            format!("ssh://{host}/{}", path.trim_start_matches('/'))
        }
        _ => url.to_owned(),
    }
}

fn not_enforced(project: &Project) -> Option<Problem> {
    let spec = &project.spec;
    let anything = |value: &Value| {
        let all = |item: &Value| item["group"] == "*" && item["kind"] == "*";
        value.as_array().is_some_and(|items| items.iter().any(all))
    };
    let mut fields: Vec<&str> = NOT_ENFORCED
        .into_iter()
        .filter(|field| match spec.get(*field) {
            None | Some(Value::Null) => false,
            Some(Value::Array(items)) if items.is_empty() => *field == "namespaceResourceWhitelist",
            Some(value) => !(field.ends_with("Whitelist") && anything(value)),
        })
        .collect();
    // There, a project permits no cluster-wide objects that it does not list.
    if !spec.get("clusterResourceWhitelist").is_some_and(says_any) {
        fields.insert(0, "clusterResourceWhitelist (none)");
    }
    (!fields.is_empty()).then(|| Problem {
        set: String::new(),
        element: format!("AppProject {}", project.name),
        reason: Reason::Unsupported,
        message: format!(
            "Muster enforces sourceRepos and destinations, and not: {}; what these forbid is not \
             forbidden",
            fields.join(", ")
        ),
    })
}

fn says_any(value: &Value) -> bool {
    value.as_array().is_some_and(|items| !items.is_empty())
}
