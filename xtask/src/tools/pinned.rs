//! Which tools there are. Their versions stand in `xtask/tools/MODULE/go.mod` and nowhere else.
//!
//! The modules are apart because their needs differ: etcd, Kubernetes and Helm do not agree on the versions of
//! what they share, and `kubernetes/go.mod` has to map every staging module to its release.

use crate::workspace;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::PathBuf;

/// One tool and how its binary learns its version.
#[derive(Debug)]
pub(crate) struct Pinned {
    pub(crate) name: &'static str,
    /// The folder below `xtask/tools`.
    module: &'static str,
    /// What `go build` builds.
    pub(crate) package: &'static str,
    /// The Go module whose version is the tool's version.
    versioned_by: &'static str,
    stamp: Stamp,
}

/// The variables that the linker sets. Without them a kube-apiserver reports `v0.0.0-master`.
#[derive(Debug)]
enum Stamp {
    /// The binary reads its version from the build information or from a constant.
    None,
    Kubernetes,
    Variable {
        name: &'static str,
        with_v: bool,
    },
}

const KUBERNETES: &str = "k8s.io/kubernetes";

/// In build order: kube-apiserver compiles most of what the other three need.
static TOOLS: [Pinned; 8] = [
    kubernetes("kube-apiserver", "k8s.io/kubernetes/cmd/kube-apiserver"),
    kubernetes("kube-controller-manager", "k8s.io/kubernetes/cmd/kube-controller-manager"),
    kubernetes("kube-scheduler", "k8s.io/kubernetes/cmd/kube-scheduler"),
    kubernetes("kubectl", "k8s.io/kubernetes/cmd/kubectl"),
    Pinned {
        name: "etcd",
        module: "etcd",
        package: "go.etcd.io/etcd/server/v3",
        versioned_by: "go.etcd.io/etcd/server/v3",
        stamp: Stamp::None,
    },
    Pinned {
        name: "kwok",
        module: "kwok",
        package: "sigs.k8s.io/kwok/cmd/kwok",
        versioned_by: "sigs.k8s.io/kwok",
        stamp: Stamp::Variable { name: "sigs.k8s.io/kwok/pkg/consts.Version", with_v: false },
    },
    Pinned {
        name: "kustomize",
        module: "kustomize",
        package: "sigs.k8s.io/kustomize/kustomize/v5",
        versioned_by: "sigs.k8s.io/kustomize/kustomize/v5",
        stamp: Stamp::Variable {
            name: "sigs.k8s.io/kustomize/api/provenance.version",
            with_v: true,
        },
    },
    Pinned {
        name: "helm",
        module: "helm",
        package: "helm.sh/helm/v4/cmd/helm",
        versioned_by: "helm.sh/helm/v4",
        stamp: Stamp::Variable { name: "helm.sh/helm/v4/internal/version.version", with_v: true },
    },
];

const fn kubernetes(name: &'static str, package: &'static str) -> Pinned {
    Pinned {
        name,
        module: "kubernetes",
        package,
        versioned_by: KUBERNETES,
        stamp: Stamp::Kubernetes,
    }
}

/// The tools of these names, in build order; all of them for no name.
pub(crate) fn select(names: &[String]) -> Result<Vec<&'static Pinned>> {
    for name in names {
        if !TOOLS.iter().any(|tool| tool.name == name) {
            let known: Vec<&str> = TOOLS.iter().map(|tool| tool.name).collect();
            bail!("there is no tool `{name}`: known are {}", known.join(", "));
        }
    }
    let wanted = |tool: &&Pinned| names.is_empty() || names.iter().any(|name| name == tool.name);
    Ok(TOOLS.iter().filter(wanted).collect())
}

impl Pinned {
    /// The folder of its go.mod.
    pub(crate) fn folder(&self) -> PathBuf {
        workspace::root().join("xtask/tools").join(self.module)
    }

    /// As go.mod has it, with the `v`.
    pub(crate) fn version(&self) -> Result<String> {
        let path = self.folder().join("go.mod");
        let text =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        required_version(&text, self.versioned_by).with_context(|| {
            format!("{} requires no version of {}", path.display(), self.versioned_by)
        })
    }

    /// The name of the binary in the cache.
    pub(crate) fn file_name(&self, version: &str) -> String {
        format!("{}-{version}", self.name)
    }

    /// What `-ldflags` gets.
    pub(crate) fn linker_flags(&self, version: &str) -> String {
        let mut flags = vec!["-s -w".to_owned()];
        match &self.stamp {
            Stamp::None => {}
            Stamp::Variable { name, with_v } => {
                let version = if *with_v { version } else { version.trim_start_matches('v') };
                flags.push(format!("-X {name}={version}"));
            }
            Stamp::Kubernetes => flags.extend(kubernetes_stamp(version)),
        }
        flags.join(" ")
    }
}

fn kubernetes_stamp(version: &str) -> Vec<String> {
    let mut parts = version.trim_start_matches('v').split('.');
    let (major, minor) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let mut flags = Vec::new();
    for package in ["k8s.io/component-base/version", "k8s.io/client-go/pkg/version"] {
        flags.push(format!("-X {package}.gitVersion={version}"));
        flags.push(format!("-X {package}.gitMajor={major}"));
        flags.push(format!("-X {package}.gitMinor={minor}"));
        flags.push(format!("-X {package}.gitTreeState=clean"));
    }
    flags
}

/// The version in a `require` line of go.mod, alone or in a block.
fn required_version(go_mod: &str, module: &str) -> Option<String> {
    go_mod.lines().find_map(|line| {
        let mut words = line.split_whitespace().skip_while(|word| *word == "require");
        let is_module = words.next() == Some(module);
        let version = words.next().filter(|word| word.starts_with('v'));
        version.filter(|_| is_module).map(str::to_owned)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tool_has_a_pinned_version_and_checksums() {
        for tool in &TOOLS {
            let version = tool.version().unwrap();
            assert!(version.split('.').count() == 3, "{}: {version}", tool.name);
            assert!(tool.folder().join("go.sum").is_file(), "{}", tool.name);
        }
    }

    #[test]
    fn the_require_line_counts_and_neither_replace_nor_tool_does() {
        let go_mod = "tool k8s.io/x\nreplace k8s.io/x => k8s.io/x v9.9.9\nrequire (\n\tk8s.io/xy v1.0.0\n\tk8s.io/x v1.2.3 // indirect\n)\n";
        assert_eq!(required_version(go_mod, "k8s.io/x").as_deref(), Some("v1.2.3"));
        assert_eq!(required_version("require a/b v0.1.0", "a/b").as_deref(), Some("v0.1.0"));
        assert_eq!(required_version(go_mod, "k8s.io/z"), None);
    }

    #[test]
    fn an_unknown_tool_is_named_beside_the_known_ones() {
        let error = select(&["kubelet".into()]).unwrap_err().to_string();
        assert!(error.contains("`kubelet`") && error.contains("kube-apiserver"), "{error}");
    }

    #[test]
    fn kubernetes_is_stamped_with_its_version() {
        let flags = TOOLS[0].linker_flags("v1.36.3");
        assert!(flags.contains("-X k8s.io/component-base/version.gitVersion=v1.36.3"), "{flags}");
        assert!(flags.contains("-X k8s.io/client-go/pkg/version.gitMinor=36"), "{flags}");
    }
}
