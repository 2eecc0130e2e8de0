//! What the fleet repository holds at each moment of a run. Pure.
//!
//! Two sets: `apps` makes an application of each directory for each cluster that a label picks,
//! `jobs` names its clusters one by one. Every object carries the value of its commit, so that one
//! look at a cluster says which commit is in it.

use std::collections::{BTreeMap, BTreeSet};

use crate::schedule::{Damage, SetId};

/// The directory of the set `jobs`.
pub const JOB: &str = "worker";
/// The label that the clusters generator selects by, and its two values.
pub const LABEL: &str = "env";
pub const PICKED: &str = "prod";
pub const UNPICKED: &str = "test";

/// The files below one directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directory {
    /// Counts up with every change.
    pub value: u64,
    pub extra: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    pub directories: BTreeMap<String, Directory>,
    /// The value of the directory of `jobs`.
    pub job: u64,
    pub jobs: BTreeSet<usize>,
    pub spoilt: BTreeMap<SetId, Damage>,
}

impl SetId {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Apps => "apps",
            Self::Jobs => "jobs",
        }
    }
}

#[must_use]
pub fn cluster_name(index: usize) -> String {
    format!("c-{index:04}")
}

#[must_use]
pub fn application_name(directory: &str, cluster: usize) -> String {
    format!("{directory}-{}", cluster_name(cluster))
}

/// The directory and the cluster of an application's name.
#[must_use]
pub fn parse_application(name: &str) -> Option<(&str, usize)> {
    let (directory, cluster) = name.split_once("-c-")?;
    Some((directory, cluster.parse().ok()?))
}

/// What an object of a directory says.
#[must_use]
pub fn value_of(directory: &str, value: u64) -> String {
    format!("{directory} {value}")
}

/// The names of the ConfigMaps of a directory.
#[must_use]
pub fn config_maps(directory: &str, extra: bool) -> Vec<String> {
    let extra = extra.then(|| format!("{directory}-extra"));
    std::iter::once(directory.to_owned()).chain(extra).collect()
}

impl Content {
    /// Every file of the commit.
    #[must_use]
    pub fn files(&self, url: &str) -> BTreeMap<String, String> {
        let mut files = BTreeMap::new();
        for (name, directory) in &self.directories {
            manifests(&mut files, &format!("apps/{name}"), name, directory);
        }
        let job = Directory { value: self.job, extra: false };
        manifests(&mut files, &format!("jobs/{JOB}"), JOB, &job);
        for set in [SetId::Apps, SetId::Jobs] {
            let document = match set {
                SetId::Apps => apps(url),
                SetId::Jobs => jobs(url, &self.jobs),
            };
            let document = match self.spoilt.get(&set) {
                None => document,
                Some(Damage::Syntax) => document.replace("spec:", "spec: {[\n"),
                Some(Damage::Template) => {
                    document.replace("project: default", "project: \"{{no.such}}\"")
                }
                Some(Damage::Missing) => continue,
            };
            files.insert(format!("muster/{}.yaml", set.name()), document);
        }
        files
    }
}

fn manifests(files: &mut BTreeMap<String, String>, path: &str, name: &str, directory: &Directory) {
    let value = value_of(name, directory.value);
    for map in config_maps(name, directory.extra) {
        files.insert(
            format!("{path}/{map}.yaml"),
            format!(
                "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {map}, namespace: default}}\n\
                 data: {{value: \"{value}\", fixed: \"of {name}\"}}\n"
            ),
        );
    }
    files.insert(
        format!("{path}/account.yaml"),
        format!(
            "apiVersion: v1\nkind: ServiceAccount\n\
             metadata: {{name: {name}, namespace: default, labels: {{value: \"{}\"}}}}\n",
            value.replace(' ', "-")
        ),
    );
}

fn template(url: &str, name: &str, path: &str, cluster: &str) -> String {
    format!(
        "  template:
    metadata: {{name: \"{name}\"}}
    spec:
      project: default
      source: {{repoURL: \"{url}\", path: \"{path}\"}}
      destination: {{cluster: \"{cluster}\", namespace: default}}
      syncPolicy: {{automated: {{prune: true, selfHeal: true}}}}
"
    )
}

fn apps(url: &str) -> String {
    format!(
        "apiVersion: muster.dev/v1alpha1
kind: ApplicationSet
metadata: {{name: apps}}
spec:
  generators:
    - matrix:
        generators:
          - clusters: {{selector: {{matchLabels: {{{LABEL}: {PICKED}}}}}}}
          - git: {{repoURL: \"{url}\", directories: [{{path: apps/*}}]}}
{}",
        template(url, "{{path.basename}}-{{name}}", "{{path}}", "{{name}}")
    )
}

fn jobs(url: &str, jobs: &BTreeSet<usize>) -> String {
    let element = |cluster: &usize| format!("          - {{to: {}}}\n", cluster_name(*cluster));
    let elements: String = jobs.iter().map(element).collect();
    format!(
        "apiVersion: muster.dev/v1alpha1
kind: ApplicationSet
metadata: {{name: jobs}}
spec:
  generators:
    - list:
        elements:
{elements}{}",
        template(url, &format!("{JOB}-{{{{to}}}}"), &format!("jobs/{JOB}"), "{{to}}")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_where_it_belongs() {
        assert_eq!(parse_application(&application_name("web", 7)), Some(("web", 7)));
        assert_eq!(parse_application("web"), None);
    }

    #[test]
    fn a_set_can_be_spoilt_in_every_way() {
        let mut content = Content {
            directories: BTreeMap::from([("web".into(), Directory { value: 1, extra: true })]),
            job: 1,
            jobs: BTreeSet::from([0, 1]),
            spoilt: BTreeMap::new(),
        };
        let good = content.files("http://git.example/fleet.git");
        assert_eq!(good.len(), 7, "{good:#?}");
        for how in [Damage::Syntax, Damage::Template, Damage::Missing] {
            content.spoilt.insert(SetId::Apps, how);
            let bad = content.files("http://git.example/fleet.git");
            assert_ne!(bad.get("muster/apps.yaml"), good.get("muster/apps.yaml"), "{how:?}");
            assert_eq!(bad.get("muster/jobs.yaml"), good.get("muster/jobs.yaml"));
        }
    }
}
