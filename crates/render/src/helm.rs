//! Helm by its official binary: `helm template` on a copy of a chart in the repository.
//!
//! Nothing is fetched: dependencies must be vendored in `charts/` or lie in the same repository
//! (`file://`). Objects that are Helm tests are left out, and so are hooks that run only before or
//! after a deletion or a rollback, which Muster never does in Helm's sense. Other hooks
//! (`pre-install`, `post-upgrade` and so on) are applied as ordinary objects.
//! `lookup` in a template gives nothing: no cluster can be reached.

mod chart;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use model::application::{HelmParameter, HelmSource};
use model::desired::DesiredApplication;
use model::tree::{FileTree, RepoPath, TreeError};
use serde_json::Value;

use crate::documents::Documents;
use crate::error::RenderError;
use crate::redact::Redactor;
use crate::sandbox::{Isolation, Run, RunError};
use crate::scratch::Scratch;
use crate::{ClusterFacts, Limits, Rendered};

/// The annotation that makes an object a hook.
const HOOK: &str = "helm.sh/hook";
/// API versions per flag: one flag for all could pass the kernel's 128 KiB for one argument.
const VERSIONS_PER_FLAG: usize = 64;

/// One release to render.
pub(crate) struct Release<'a> {
    pub(crate) application: &'a DesiredApplication,
    pub(crate) source: &'a HelmSource,
    pub(crate) path: &'a RepoPath,
    pub(crate) tree: &'a dyn FileTree,
    pub(crate) cluster: &'a ClusterFacts,
}

pub(crate) fn render(
    program: &Path,
    isolation: &Isolation,
    release: &Release<'_>,
    mut scratch: Scratch,
    limits: &Limits,
) -> Result<Rendered, RenderError> {
    chart::copy(release.tree, release.path, &mut scratch)?;
    let arguments = arguments(release, &mut scratch)?;
    let nowhere = || OsString::from("/nonexistent");
    let run = Run {
        tool: "helm",
        program,
        arguments,
        environment: vec![("HELM_PLUGINS", nowhere()), ("KUBECONFIG", nowhere())],
        scratch: &scratch,
    };
    let output = isolation.run(&run, limits).map_err(|error| match error {
        RunError::Other(error) => error,
        RunError::Failed(failed) => {
            let mut redactor = Redactor::new(&scratch);
            for parameter in &release.source.parameters {
                redactor.learn_value(&parameter.name, &parameter.value);
            }
            redactor.tool_failed("helm", failed, &scratch)
        }
    })?;
    drop(scratch);
    let mut documents = Documents::new(limits);
    documents.add_text_where("the output of helm", &output, is_applied)?;
    documents.finish()
}

fn arguments(release: &Release<'_>, scratch: &mut Scratch) -> Result<Vec<OsString>, RenderError> {
    let source = release.source;
    let application = release.application;
    let text = |text: &str, default: &str| match text {
        "" => default.to_owned(),
        text => text.to_owned(),
    };
    let name = text(&source.release_name, application.name.as_str());
    let kube_version = text(&source.kube_version, &release.cluster.kube_version);
    let namespace = text(&application.namespace, "default");
    for (field, text) in [
        ("source.helm.releaseName", &name),
        ("source.helm.kubeVersion", &kube_version),
        ("destination.namespace", &namespace),
    ] {
        check_argument(field, text)?;
    }
    let api_versions = match source.api_versions.as_slice() {
        [] => &release.cluster.api_versions,
        versions => versions,
    };

    let mut arguments: Vec<OsString> = vec![
        "template".into(),
        name.into(),
        scratch.repo(release.path).into(),
        format!("--namespace={namespace}").into(),
        format!("--kube-version={kube_version}").into(),
        "--skip-tests".into(),
    ];
    if !source.skip_crds {
        arguments.push("--include-crds".into());
    }
    for versions in api_versions.chunks(VERSIONS_PER_FLAG) {
        arguments.push(format!("--api-versions={}", versions.join(",")).into());
    }
    // Later wins, and `--set` wins over all files.
    for file in value_files(release, scratch)? {
        let mut argument = OsString::from("--values=");
        argument.push(file);
        arguments.push(argument);
    }
    for (index, parameter) in source.parameters.iter().enumerate() {
        arguments.push(set_argument(index, parameter)?.into());
    }
    Ok(arguments)
}

/// A value must not be taken for a flag, nor hold what no name holds.
fn check_argument(field: &str, text: &str) -> Result<(), RenderError> {
    if text.starts_with('-') || text.chars().any(char::is_control) {
        let rule = format!("{text:?} begins with '-' or holds a control character");
        return Err(RenderError::refused(field, rule));
    }
    Ok(())
}

/// Copies all files of values to names of ours: a comma in a name would split it for helm.
fn value_files(release: &Release<'_>, scratch: &mut Scratch) -> Result<Vec<PathBuf>, RenderError> {
    let source = release.source;
    let mut files = Vec::new();
    for (index, name) in source.value_files.iter().enumerate() {
        let field = format!("source.helm.valueFiles[{index}]");
        if let Some(text) = read_value_file(release, &field, name)? {
            files.push(scratch.write_input(&format!("values-{index:03}.yaml"), &text)?);
        }
    }
    if !source.values.trim().is_empty() {
        files.push(scratch.write_input("values-text.yaml", source.values.as_bytes())?);
    }
    if let Some(values) = &source.values_object {
        let text = values.to_string();
        files.push(scratch.write_input("values-object.json", text.as_bytes())?);
    }
    Ok(files)
}

fn read_value_file(
    release: &Release<'_>,
    field: &str,
    name: &str,
) -> Result<Option<Vec<u8>>, RenderError> {
    if name.contains("://") || name.starts_with(['-', '$']) {
        let rule = format!("{name:?} is not a file of this repository; copy it into it");
        return Err(RenderError::refused(field, rule));
    }
    // A leading slash counts from the root of the repository.
    let path = match name.strip_prefix('/') {
        Some(name) => RepoPath::parse(name),
        None => release.path.join(name),
    };
    let path = path.map_err(|source| RenderError::Path {
        field: field.trim_start_matches("source.").to_owned(),
        source,
    })?;
    match release.tree.read(&path, model::desired::MAX_DESIRED_BYTES as u64) {
        Ok(text) => Ok(Some(text)),
        Err(TreeError::NotFound { .. }) if release.source.ignore_missing_value_files => Ok(None),
        Err(error @ TreeError::NotFound { .. }) => {
            Err(RenderError::refused(field, error.to_string()))
        }
        Err(error) => Err(error.into()),
    }
}

fn set_argument(index: usize, parameter: &HelmParameter) -> Result<String, RenderError> {
    let field = format!("source.helm.parameters[{index}].name");
    check_argument(&field, &parameter.name)?;
    if parameter.name.is_empty() || parameter.name.contains(['=', ',']) {
        let rule = format!("{:?} is not the path of one value", parameter.name);
        return Err(RenderError::refused(field, rule));
    }
    let flag = if parameter.force_string { "--set-string" } else { "--set" };
    Ok(format!("{flag}={}={}", parameter.name, escape_commas(&parameter.value)))
}

/// As Argo CD does: a comma is part of the value, but for lists (`{a,b}`) and what is escaped.
fn escape_commas(value: &str) -> String {
    if value.starts_with('{') && value.ends_with('}') {
        return value.to_owned();
    }
    let mut escaped = String::with_capacity(value.len());
    let mut previous = None;
    for character in value.chars() {
        if character == ',' && previous != Some('\\') {
            escaped.push('\\');
        }
        escaped.push(character);
        previous = Some(character);
    }
    escaped
}

/// Whether an object is applied: no hook, or one that is more than a test or a farewell.
fn is_applied(object: &Value) -> bool {
    let annotations = object.get("metadata").and_then(|metadata| metadata.get("annotations"));
    let hook = annotations.and_then(|annotations| annotations.get(HOOK)).and_then(Value::as_str);
    hook.is_none_or(|hook| {
        hook.split(',').map(str::trim).filter(|event| !event.is_empty()).any(|event| {
            !event.starts_with("test")
                && !event.ends_with("-delete")
                && !event.ends_with("-rollback")
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn tests_and_farewells_are_left_out() {
        let kept = |hook: &str| is_applied(&json!({"metadata": {"annotations": {HOOK: hook}}}));
        for hook in ["pre-install", "post-install, pre-delete", "crd-install", "post-upgrade"] {
            assert!(kept(hook), "{hook}");
        }
        for hook in
            ["test", "test-success", "pre-delete", "post-rollback,pre-rollback", "test,post-delete"]
        {
            assert!(!kept(hook), "{hook}");
        }
        assert!(is_applied(&json!({"kind": "ConfigMap"})));
    }

    #[test]
    fn commas_stay_in_the_value() {
        assert_eq!(escape_commas("a,b"), "a\\,b");
        assert_eq!(escape_commas("a\\,b"), "a\\,b");
        assert_eq!(escape_commas("{a,b}"), "{a,b}");
        assert_eq!(escape_commas(",,"), "\\,\\,");
    }

    #[test]
    fn nothing_is_taken_for_a_flag() {
        assert!(check_argument("x", "--post-renderer=./x").is_err());
        assert!(check_argument("x", "a\nb").is_err());
        let parameter = |name: &str| HelmParameter {
            name: name.to_owned(),
            value: "-v".to_owned(),
            force_string: false,
        };
        assert_eq!(set_argument(0, &parameter("a.b")).unwrap(), "--set=a.b=-v");
        for name in ["-a", "", "a=b", "a,b"] {
            assert!(set_argument(0, &parameter(name)).is_err(), "{name}");
        }
    }
}
