//! The fleet repository that the demo commits: an application set and three applications, one of each kind of source.

use e2e::git_server::Repo;

/// The directory that the hub reads its resources from.
pub(crate) const SETS: &str = "muster";
/// The Deployment that the story breaks and mends.
pub(crate) const WEB_DEPLOYMENT: &str = "apps/web/deployment.yaml";
/// The stand-in for kubelets takes every image but those with the tag `broken`.
pub(crate) const BROKEN_TAG: &str = "broken";

const FILES: [(&str, &str); 9] = [
    (WEB_DEPLOYMENT, include_str!("repository/web/deployment.yaml")),
    ("apps/web/service.yaml", include_str!("repository/web/service.yaml")),
    ("apps/web/settings.yaml", include_str!("repository/web/settings.yaml")),
    ("apps/billing/kustomization.yaml", include_str!("repository/billing/kustomization.yaml")),
    ("apps/billing/deployment.yaml", include_str!("repository/billing/deployment.yaml")),
    ("apps/ledger/Chart.yaml", include_str!("repository/ledger/Chart.yaml")),
    ("apps/ledger/values.yaml", include_str!("repository/ledger/values.yaml")),
    ("apps/ledger/templates/ledger.yaml", include_str!("repository/ledger/templates/ledger.yaml")),
    ("README.md", "The fleet repository of the demo: applications in apps/, sets in muster/.\n"),
];

/// Writes everything into the work tree; nothing is committed yet.
pub(crate) fn write(repository: &Repo) -> anyhow::Result<()> {
    for (path, text) in FILES {
        repository.write(path, text)?;
    }
    let set = include_str!("repository/apps.yaml").replace("REPOSITORY", repository.url());
    repository.write(&format!("{SETS}/apps.yaml"), &set)
}

/// The Deployment with a tag that no kubelet of the demo can pull.
pub(crate) fn broken_deployment() -> String {
    let good = include_str!("repository/web/deployment.yaml");
    good.replace("web:1.0", &format!("web:{BROKEN_TAG}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_broken_deployment_differs_in_its_tag_only() {
        let good = include_str!("repository/web/deployment.yaml");
        let broken = broken_deployment();
        let differing: Vec<_> = good.lines().zip(broken.lines()).filter(|(a, b)| a != b).collect();
        assert_eq!(differing.len(), 1, "{differing:?}");
        assert!(differing[0].1.ends_with(":broken"));
    }
}
