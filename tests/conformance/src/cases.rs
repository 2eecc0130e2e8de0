//! The facts, a file for each section.

mod access;
mod apply;
mod apply_errors;
mod apply_schema;
mod crds;
mod defaults;
mod defaults_core;
mod definitions;
mod deletion;
mod discovery;
mod dry_run;
mod errors;
mod expired;
mod immutable;
mod lists;
mod merge;
mod owners;
mod patches;
mod secrets;
mod validation;
mod watches;
mod workloads;

use crate::case::Section;

/// All of them, in the order of the report.
pub(crate) fn sections() -> Vec<Section> {
    vec![
        apply::section(),
        apply_errors::section(),
        apply_schema::section(),
        merge::section(),
        owners::section(),
        dry_run::section(),
        secrets::section(),
        immutable::section(),
        errors::section(),
        validation::section(),
        patches::section(),
        lists::section(),
        watches::section(),
        expired::section(),
        deletion::section(),
        defaults::section(),
        defaults_core::section(),
        workloads::section(),
        definitions::section(),
        crds::section(),
        discovery::section(),
        access::section(),
    ]
}

/// Objects that many cases begin with.
mod given {
    use serde_json::{Value, json};

    pub(super) const MAPS: &str = "/api/v1/namespaces/{ns}/configmaps";
    pub(super) const MAP_A: &str = "/api/v1/namespaces/{ns}/configmaps/a";
    pub(super) const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/{ns}/deployments";
    pub(super) const DEPLOYMENT_A: &str = "/apis/apps/v1/namespaces/{ns}/deployments/a";

    /// The ConfigMap `a` with this data.
    pub(super) fn map(data: Value) -> Value {
        named("a", data)
    }

    /// A ConfigMap with this data.
    pub(super) fn named(name: &str, data: Value) -> Value {
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data})
    }

    /// The ConfigMap `a` with this metadata and nothing else.
    pub(super) fn map_with(metadata: Value) -> Value {
        let mut map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata});
        map["metadata"]["name"] = json!("a");
        map
    }

    /// The smallest Deployment `a`, with no replicas so that nothing follows from it.
    pub(super) fn deployment() -> Value {
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a"},
            "spec": {
                "replicas": 0,
                "selector": {"matchLabels": {"app": "a"}},
                "template": {
                    "metadata": {"labels": {"app": "a"}},
                    "spec": {"containers": [{"name": "c", "image": "registry.example/c:1"}]},
                },
            },
        })
    }
}

#[cfg(test)]
mod tests {
    /// The list of differences is complete: a case cannot be left out without a line that says why.
    #[test]
    fn each_case_that_is_not_for_the_simulator_names_a_line_of_its_readme() {
        let readme = include_str!("../../../crates/kube-sim/README.md");
        for section in super::sections() {
            for case in section.cases {
                if let Some(line) = case.real_only {
                    assert!(readme.contains(&format!("- **{line}**: ")), "{}: {line}", case.name);
                }
            }
        }
    }

    #[test]
    fn no_two_cases_have_one_name() {
        let sections = super::sections();
        let mut names: Vec<_> = sections
            .iter()
            .flat_map(|section| section.cases.iter().map(|case| case.name))
            .collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
