//! `spec.source`: what a spoke's renderer takes, and what it does not.

use model::application::{
    DirectorySource, HelmParameter, HelmSource, KustomizeReplicas, KustomizeSource, Source,
};
use serde_json::Value;

use super::fields::{Reader, says_something};

const ENVIRONMENT: &str = "Muster replaces no $VARIABLES; write the value";

impl Reader {
    /// The one source of an application.
    pub(super) fn source(&mut self, spec: &Value) -> Source {
        self.refuse_set(spec, "spec", "sourceHydrator", "Muster does not render into branches");
        let sources = self.list(spec, "spec", "sources");
        match sources.as_slice() {
            // As there, `sources` wins.
            [] => self.one_source(&spec["source"], "spec.source"),
            [(path, source)] => self.one_source(source, path),
            [_, ..] => {
                let advice = "Muster runs one source for each application; make an application of \
                              each, or put them into one directory";
                self.refuse("spec.sources", advice);
                self.one_source(&Value::Null, "spec.source")
            }
        }
    }

    fn one_source(&mut self, source: &Value, path: &str) -> Source {
        if source.is_null() {
            let empty = String::new;
            let (directory, kustomize, helm) = (None, None, None);
            return Source {
                repo_url: empty(),
                target_revision: empty(),
                path: empty(),
                directory,
                kustomize,
                helm,
            };
        }
        let repo_url = self.text(source, path, "repoURL");
        if repo_url.starts_with("oci://") {
            let advice = "OCI registries are not fetched yet; use a Git repository";
            self.refuse(&format!("{path}.repoURL"), advice);
        }
        for (field, advice) in [
            ("chart", "charts of a Helm repository are not fetched yet; keep the chart in Git"),
            ("plugin", "a spoke runs no plugins; commit what the plugin makes"),
            ("tagPrefix", "tags are not looked up by prefix; write the whole tag"),
        ] {
            self.refuse_set(source, path, field, advice);
        }
        let directory_path = self.text(source, path, "path");
        let chart = source.get("chart").is_some_and(says_something);
        if repo_url.is_empty() || (directory_path.is_empty() && !chart) {
            self.refuse(path, "a source needs repoURL and path");
        }
        let block = |field: &str| source.get(field).filter(|block| says_something(block));
        Source {
            target_revision: self.text(source, path, "targetRevision"),
            path: directory_path,
            directory: block("directory")
                .map(|block| self.directory(block, &format!("{path}.directory"))),
            kustomize: block("kustomize")
                .map(|block| self.kustomize(block, &format!("{path}.kustomize"))),
            helm: block("helm").map(|block| self.helm(block, &format!("{path}.helm"))),
            repo_url,
        }
    }

    fn directory(&mut self, block: &Value, path: &str) -> DirectorySource {
        self.refuse_set(block, path, "jsonnet", "a spoke runs no Jsonnet; commit what it makes");
        DirectorySource {
            recurse: self.flag(block, path, "recurse"),
            include: self.text(block, path, "include"),
            exclude: self.text(block, path, "exclude"),
        }
    }

    fn kustomize(&mut self, block: &Value, path: &str) -> KustomizeSource {
        for (field, advice) in [
            ("version", "a spoke has one version of kustomize; leave it out"),
            ("kubeVersion", "kustomize sees the version of its cluster; leave it out"),
            ("apiVersions", "kustomize sees the versions of its cluster; leave it out"),
            ("ignoreMissingComponents", "a missing component is an error; take it out of the list"),
            ("labelWithoutSelector", "commonLabels reach selectors; use a patch instead"),
            ("labelIncludeTemplates", "commonLabels reach templates and selectors; leave it out"),
            ("commonAnnotationsEnvsubst", ENVIRONMENT),
        ] {
            self.refuse_set(block, path, field, advice);
        }
        let mut replicas = Vec::new();
        for (path, item) in self.list(block, path, "replicas") {
            let count = match &item["count"] {
                Value::String(text) => text.parse().ok(),
                Value::Number(number) => number.as_u64().and_then(|n| u32::try_from(n).ok()),
                _ => None,
            };
            match count {
                Some(count) => {
                    let name = self.text(item, &path, "name");
                    replicas.push(KustomizeReplicas { name, count });
                }
                None => self.refuse(&format!("{path}.count"), "a number belongs here"),
            }
        }
        KustomizeSource {
            name_prefix: self.text(block, path, "namePrefix"),
            name_suffix: self.text(block, path, "nameSuffix"),
            namespace: self.text(block, path, "namespace"),
            images: self.texts(block, path, "images"),
            replicas,
            common_labels: self.labels(block, path, "commonLabels"),
            common_annotations: self.labels(block, path, "commonAnnotations"),
            patches: self
                .list(block, path, "patches")
                .into_iter()
                .map(|(_, p)| p.clone())
                .collect(),
            components: self.texts(block, path, "components"),
        }
    }

    fn helm(&mut self, block: &Value, path: &str) -> HelmSource {
        for (field, advice) in [
            ("fileParameters", "files are not read into parameters; use valueFiles"),
            ("namespace", "a release goes to destination.namespace; write it there"),
            ("skipSchemaValidation", "values are always held against the chart's schema"),
        ] {
            self.refuse_set(block, path, field, advice);
        }
        if !matches!(self.text(block, path, "version").as_str(), "" | "v3") {
            self.refuse(&format!("{path}.version"), "a spoke has Helm 3 only; leave it out");
        }
        let value_files = self.texts(block, path, "valueFiles");
        for (index, file) in value_files.iter().enumerate() {
            let path = format!("{path}.valueFiles[{index}]");
            if file.contains('$') {
                self.refuse(&path, "no other source and no $VARIABLE can be named; write the path");
            } else if file.contains("://") {
                self.refuse(&path, "values are not fetched from URLs; keep the file in Git");
            } else if file.contains(['*', '?', '[']) {
                self.refuse(&path, "a pattern is taken as it is; name the files");
            }
        }
        let mut parameters = Vec::new();
        for (path, item) in self.list(block, path, "parameters") {
            let [name, value] = ["name", "value"].map(|field| self.text(item, &path, field));
            if value.contains('$') {
                self.refuse(&format!("{path}.value"), ENVIRONMENT);
            }
            let force_string = self.flag(item, &path, "forceString");
            parameters.push(HelmParameter { name, value, force_string });
        }
        let values_object = block.get("valuesObject").filter(|values| !values.is_null()).cloned();
        HelmSource {
            release_name: self.text(block, path, "releaseName"),
            value_files,
            // As there: with an object, the text does not count.
            values: match values_object {
                Some(_) => String::new(),
                None => self.text(block, path, "values"),
            },
            values_object,
            parameters,
            ignore_missing_value_files: self.flag(block, path, "ignoreMissingValueFiles"),
            skip_crds: self.flag(block, path, "skipCrds"),
            kube_version: self.text(block, path, "kubeVersion"),
            api_versions: self.texts(block, path, "apiVersions"),
        }
    }
}
