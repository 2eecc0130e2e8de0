//! Applications of the compat dialect as applications that a spoke can run.
//!
//! Pure. What would make another cluster state than Argo CD's is refused with the name of the field
//! ([`Untranslatable`]), so that the application is held: nothing is dropped that changes what
//! runs. What is dropped because it changes nothing here:
//!
//! - `revisionHistoryLimit`, `source.name`, a `ref` that no other source uses, `helm.version: v3`,
//!   `helm.passCredentials`, `helm.skipTests` (tests are never applied), the `force…` switches of
//!   kustomize's labels and annotations (they always win here);
//! - `syncPolicy.retry`: a spoke tries again by its own schedule;
//! - sync options that ask for what a spoke always does (`ServerSideApply`, `PruneLast`,
//!   `RespectIgnoreDifferences`, `FailOnSharedResource`, `SkipDryRunOnMissingResource`) or that only
//!   save work (`ApplyOutOfSyncOnly`, `ClientSideApplyMigration`).
//!
//! `metadata.finalizers` says what becomes of the objects on removal, as it does there: with
//! `resources-finalizer.argocd.argoproj.io` they are pruned, without it they are left alone.

mod destination;
mod fields;
mod source;
#[cfg(test)]
mod tests;

use model::application::{
    Application, ApplicationMetadata, ApplicationSpec, Automated, IgnoreDifference, Info,
    NamespaceMetadata, SyncOption, SyncPolicy,
};
use model::argo;
use model::problem::Reason;
use model::set::OnRemoval;
use model::suggest;

pub use destination::{Destinations, address};
use fields::Reader;
use serde_json::Value;

const CASCADE: &str = "resources-finalizer.argocd.argoproj.io";
const SKIP: &str = "argocd.argoproj.io/skip-reconcile";

/// An application in the form that is sent to a spoke.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Translation {
    pub application: Application,
    /// What its finalizers say; the compat dialect decides it for each application.
    pub on_removal: OnRemoval,
}

/// Why an application cannot be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Untranslatable {
    pub reason: Reason,
    /// Names every field that stands in the way.
    pub message: String,
}

/// Translates one application.
///
/// # Errors
/// When it asks for what Muster does not do, or its cluster is not known.
pub fn translate(
    application: &argo::Application,
    destinations: &Destinations<'_>,
) -> Result<Translation, Untranslatable> {
    let mut reader = Reader::default();
    let document = application.document.value();
    let metadata = &document["metadata"];
    let spec = &document["spec"];
    let mut on_removal = match reader.texts(metadata, "metadata", "finalizers") {
        finalizers if finalizers.iter().any(|one| one.starts_with(CASCADE)) => OnRemoval::Prune,
        _ => OnRemoval::Orphan,
    };
    let metadata = ApplicationMetadata {
        name: application.name.clone(),
        labels: reader.labels(metadata, "metadata", "labels"),
        annotations: reader.labels(metadata, "metadata", "annotations"),
    };
    if metadata.annotations.get(SKIP).is_some_and(|value| value == "true") {
        let advice = "Muster stops an application with `muster pause`";
        reader.refuse(&format!("metadata.annotations[{SKIP}]"), advice);
    }
    let source = reader.source(spec);
    let sync_policy = reader.sync_policy(&spec["syncPolicy"], &mut on_removal);
    let project = match reader.text(spec, "spec", "project") {
        project if project.is_empty() => "default".to_owned(),
        project => project,
    };
    let ignore_differences = reader.ignore_differences(spec);
    let info = reader.info(spec);
    let destination = &spec["destination"];
    let namespace = reader.text(destination, "spec.destination", "namespace");
    if let Some(untranslatable) = reader.refusal() {
        return Err(untranslatable);
    }
    let cluster = destinations.resolve(destination)?;
    let destination = model::application::Destination { cluster, namespace };
    let spec =
        ApplicationSpec { project, source, destination, sync_policy, ignore_differences, info };
    Ok(Translation { application: Application { metadata, spec }, on_removal })
}

impl Reader {
    fn sync_policy(&mut self, policy: &Value, on_removal: &mut OnRemoval) -> SyncPolicy {
        const PATH: &str = "spec.syncPolicy";
        let automated = policy.get("automated").filter(|block| !block.is_null()).map(|block| {
            let path = "spec.syncPolicy.automated";
            let enabled = block.get("enabled").is_none_or(|enabled| *enabled != Value::Bool(false));
            Automated {
                enabled,
                prune: self.flag(block, path, "prune"),
                self_heal: self.flag(block, path, "selfHeal"),
                allow_empty: self.flag(block, path, "allowEmpty"),
            }
        });
        let mut sync_options = Vec::new();
        for option in self.texts(policy, PATH, "syncOptions") {
            match sync_option(&option) {
                Asked::For(option) => sync_options.push(option),
                Asked::Nothing => {}
                Asked::Keep => *on_removal = OnRemoval::Orphan,
                Asked::Unknown(advice) => self.refuse("spec.syncPolicy.syncOptions", &advice),
            }
        }
        sync_options.sort();
        sync_options.dedup();
        let managed = policy.get("managedNamespaceMetadata").filter(|block| !block.is_null());
        let managed_namespace_metadata = managed.map(|block| {
            let path = "spec.syncPolicy.managedNamespaceMetadata";
            NamespaceMetadata {
                labels: self.labels(block, path, "labels"),
                annotations: self.labels(block, path, "annotations"),
            }
        });
        SyncPolicy { automated, sync_options, managed_namespace_metadata }
    }

    fn ignore_differences(&mut self, spec: &Value) -> Vec<IgnoreDifference> {
        let mut rules = Vec::new();
        for (path, rule) in self.list(spec, "spec", "ignoreDifferences") {
            for field in ["jqPathExpressions", "managedFieldsManagers"] {
                if !self.texts(rule, &path, field).is_empty() {
                    let advice = "Muster leaves out what jsonPointers name, and nothing else";
                    self.refuse(&format!("{path}.{field}"), advice);
                }
            }
            let [group, kind, name, namespace] =
                ["group", "kind", "name", "namespace"].map(|field| self.text(rule, &path, field));
            let is_pattern = |text: &String| text != "*" && text.contains(['*', '?', '[']);
            if [&group, &kind].into_iter().any(is_pattern) {
                self.refuse(
                    &path,
                    "of patterns only a single * is known; write a rule for each kind",
                );
            }
            let json_pointers = self.texts(rule, &path, "jsonPointers");
            rules.push(IgnoreDifference { group, kind, name, namespace, json_pointers });
        }
        rules
    }

    fn info(&mut self, spec: &Value) -> Vec<Info> {
        let items = self.list(spec, "spec", "info").into_iter();
        let mut info = Vec::new();
        for (path, item) in items {
            let [name, value] = ["name", "value"].map(|field| self.text(item, &path, field));
            info.push(Info { name, value });
        }
        info
    }
}

/// What a sync option asks a spoke for.
enum Asked {
    For(SyncOption),
    /// What it does anyway, or what is only a matter of speed.
    Nothing,
    /// Not to delete the objects with the application.
    Keep,
    Unknown(String),
}

fn sync_option(option: &str) -> Asked {
    const KNOWN: [&str; 8] = [
        "CreateNamespace=true",
        "ServerSideApply=true",
        "Validate=false",
        "Prune=false",
        "PruneLast=true",
        "Delete=false",
        "ApplyOutOfSyncOnly=true",
        "RespectIgnoreDifferences=true",
    ];
    let (name, value) = option.split_once('=').unwrap_or((option, ""));
    match (name.trim(), value.trim()) {
        ("CreateNamespace", "true") => Asked::For(SyncOption::CreateNamespace),
        ("ServerSideApply", "true") => Asked::For(SyncOption::ServerSideApply),
        ("Validate", "false") => Asked::For(SyncOption::NoValidation),
        ("Prune", "false") => Asked::For(SyncOption::NoPrune),
        ("PruneLast", "true") => Asked::For(SyncOption::PruneLast),
        ("Delete", "false") => Asked::Keep,
        ("CreateNamespace" | "ServerSideApply" | "PruneLast" | "Replace" | "Force", "false")
        | ("Validate" | "Prune" | "Delete", "true")
        | ("PrunePropagationPolicy", "foreground" | "background")
        | (
            "ApplyOutOfSyncOnly"
            | "RespectIgnoreDifferences"
            | "FailOnSharedResource"
            | "SkipDryRunOnMissingResource"
            | "ClientSideApplyMigration",
            "true" | "false",
        ) => Asked::Nothing,
        ("Replace" | "Force", "true") => Asked::Unknown(format!(
            "{option} replaces objects, and Muster always applies them; leave it out"
        )),
        (_, "confirm") => Asked::Unknown(format!(
            "{option} is not known; what is removed waits for `muster approve` beyond the budget"
        )),
        _ => Asked::Unknown(suggest::unknown("option", option, &KNOWN)),
    }
}
