//! The configuration of generators, transformers and validators: only kustomize's own are run.

use model::tree::RepoPath;
use model::yaml;
use serde_json::{Map, Value};

use super::place::Place;
use super::{
    MAX_KUSTOMIZATION_BYTES, MAX_KUSTOMIZATIONS, REPLACEMENT_FIELDS, Scan, Use, is_inline,
};
use crate::documents::read_error;
use crate::error::RenderError;

/// Kustomize's built-in plugins but for two: HelmChartInflationGenerator starts helm, and
/// ValueAddTransformer is undocumented and reads files in a way of its own.
const BUILTIN_PLUGINS: [&str; 16] = [
    "AnnotationsTransformer",
    "ConfigMapGenerator",
    "HashTransformer",
    "IAMPolicyGenerator",
    "ImageTagTransformer",
    "LabelTransformer",
    "NamespaceTransformer",
    "PatchJson6902Transformer",
    "PatchStrategicMergeTransformer",
    "PatchTransformer",
    "PrefixSuffixTransformer",
    "PrefixTransformer",
    "ReplacementTransformer",
    "ReplicaCountTransformer",
    "SecretGenerator",
    "SuffixTransformer",
];

impl Scan<'_> {
    /// The configuration of a plugin: inline, in a file, or a kustomization that makes some.
    pub(super) fn plugin(
        &mut self,
        place: &Place<'_>,
        item: &mut Value,
    ) -> Result<(), RenderError> {
        match item.as_str() {
            Some(text) if is_inline(text) => {
                let name = format!("{}, {}", place.file, place.field);
                let text = text.to_owned();
                *item = self.plugin_documents(&name, place.directory, text.as_bytes())?.into();
                Ok(())
            }
            _ => self.resource(place, item, &Use::Plugins { base: place.directory.clone() }),
        }
    }

    /// Checks configurations of plugins and gives them back with their paths rewritten.
    pub(super) fn plugin_documents(
        &mut self,
        name: &str,
        directory: &RepoPath,
        text: &[u8],
    ) -> Result<String, RenderError> {
        let limits = yaml::Limits::new(MAX_KUSTOMIZATION_BYTES, MAX_KUSTOMIZATIONS);
        let documents = yaml::read(text, limits).map_err(|error| read_error(name, error))?;
        let mut texts = Vec::new();
        for (index, mut document) in documents.into_iter().enumerate() {
            let field = format!("document {}", index + 1);
            let place = Place { directory, file: name, field };
            self.plugin_document(&place, &mut document)?;
            texts.push(document.to_string());
        }
        Ok(texts.join("\n---\n"))
    }

    fn plugin_document(
        &mut self,
        place: &Place<'_>,
        document: &mut Value,
    ) -> Result<(), RenderError> {
        let Value::Object(map) = document else { return Err(place.refuse("it is a mapping")) };
        let text = |field: &str| map.get(field).and_then(Value::as_str).unwrap_or_default();
        let kind = text("kind").to_owned();
        if text("apiVersion") != "builtin" || !BUILTIN_PLUGINS.contains(&kind.as_str()) {
            return Err(place.refuse(format!(
                "{kind} is not a built-in plugin of kustomize; programs, containers and Helm are \
                 not run"
            )));
        }
        if map.pointer_annotations().any(|key| key.starts_with("config.kubernetes.io/function")) {
            return Err(place.refuse("a plugin that is a container is not run"));
        }
        for field in map.keys() {
            // Go reads keys without regard to case; the paths below are found by exact name.
            let folded = field.to_lowercase();
            let known = ["path", "paths", "files", "envs", "env", "replacements"];
            if !field.is_ascii() || (known.contains(&folded.as_str()) && *field != folded) {
                return Err(place.refuse(format!("the field {field:?} is not known")));
            }
        }
        for field in ["path", "paths", "replacements"] {
            let place = place.sub(field);
            match (field, map.get_mut(field)) {
                (_, None | Some(Value::Null)) => {}
                ("path", Some(path)) if path == "" => {}
                ("path", Some(path)) => self.file(&place, path)?,
                (_, Some(Value::Array(items))) => {
                    for (index, item) in items.iter_mut().enumerate() {
                        let place = place.item(index, "");
                        match field {
                            "paths" => self.strategic_patch(&place, item)?,
                            _ => self.path_field_of(&place, item, &REPLACEMENT_FIELDS)?,
                        }
                    }
                }
                _ => return Err(place.refuse("it is a list")),
            }
        }
        self.generator_sources(place, map)
    }
}

/// The annotations of a document's metadata.
trait Annotations {
    fn pointer_annotations(&self) -> impl Iterator<Item = &String>;
}

impl Annotations for Map<String, Value> {
    fn pointer_annotations(&self) -> impl Iterator<Item = &String> {
        let annotations = self.get("metadata").and_then(|metadata| metadata.get("annotations"));
        annotations.and_then(Value::as_object).into_iter().flat_map(Map::keys)
    }
}
