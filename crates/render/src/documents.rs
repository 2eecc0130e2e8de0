//! From documents to manifests: lists are flattened, each object is there once, sizes hold.

use std::collections::HashMap;

use model::canonical::{self, Digest};
use model::manifest::{self, Manifest, ManifestError, ObjectKey};
use model::yaml::{self, YamlError};
use serde_json::Value;

use crate::error::RenderError;
use crate::{Limits, Rendered};

/// Collects the objects of an application, remembering where each came from.
pub(crate) struct Documents<'a> {
    limits: &'a Limits,
    files: Vec<String>,
    manifests: Vec<Manifest>,
    origins: HashMap<ObjectKey, Origin>,
}

#[derive(Clone, Copy)]
struct Origin {
    file: usize,
    document: usize,
}

impl<'a> Documents<'a> {
    pub(crate) fn new(limits: &'a Limits) -> Self {
        Self { limits, files: Vec::new(), manifests: Vec::new(), origins: HashMap::new() }
    }

    /// Adds all objects of a text; `file` names it in messages.
    pub(crate) fn add_text(&mut self, file: &str, text: &[u8]) -> Result<(), RenderError> {
        self.add_text_where(file, text, |_| true)
    }

    /// Adds those objects of a text that `keep` wants.
    pub(crate) fn add_text_where(
        &mut self,
        file: &str,
        text: &[u8],
        keep: impl Fn(&Value) -> bool,
    ) -> Result<(), RenderError> {
        let limits = yaml::Limits::new(self.limits.output_bytes, self.limits.documents);
        let documents = yaml::read(text, limits).map_err(|error| read_error(file, error))?;
        self.files.push(file.to_owned());
        for (index, document) in documents.into_iter().enumerate() {
            if keep(&document) {
                self.add(index + 1, document)?;
            }
        }
        Ok(())
    }

    fn add(&mut self, document: usize, value: Value) -> Result<(), RenderError> {
        let items = match value {
            Value::Object(mut body) if is_list(&body) => body.remove("items"),
            value => return self.add_object(document, value),
        };
        let Some(Value::Array(items)) = items else { return Ok(()) };
        // Lists may stand in lists; the reader has bounded the depth.
        items.into_iter().try_for_each(|item| self.add(document, item))
    }

    fn add_object(&mut self, document: usize, value: Value) -> Result<(), RenderError> {
        let file = self.files.len() - 1;
        let failed = |source: ManifestError| RenderError::Manifest {
            file: self.files[file].clone(),
            document,
            source,
        };
        let manifest = Manifest::new(value).map_err(failed)?;
        let origin = Origin { file, document };
        if let Some(first) = self.origins.insert(manifest.key().clone(), origin) {
            return Err(RenderError::Duplicate {
                object: Box::new(manifest.key().clone()),
                first: self.place(first),
                second: self.place(origin),
            });
        }
        if self.manifests.len() == self.limits.documents {
            return Err(RenderError::Limit {
                what: "the application has".to_owned(),
                amount: format!("more than {} objects", self.limits.documents),
                limit: format!("{} objects of one application", self.limits.documents),
            });
        }
        self.manifests.push(manifest);
        Ok(())
    }

    fn place(&self, origin: Origin) -> String {
        format!("{}, document {}", self.files[origin.file], origin.document)
    }

    /// The objects in apply order, with their digest.
    pub(crate) fn finish(mut self) -> Result<Rendered, RenderError> {
        manifest::sort_for_apply(&mut self.manifests);
        // The digest of the digests: no copy of everything stands in memory at once.
        let mut digests = Vec::with_capacity(self.manifests.len() * 32);
        let mut total = 0;
        for manifest in &self.manifests {
            let bytes = canonical::of(manifest.body());
            total += bytes.len();
            if bytes.len() > manifest::MAX_MANIFEST_BYTES {
                let origin = self.origins.get(manifest.key());
                let place = origin.map(|origin| self.place(*origin)).unwrap_or_default();
                let what = format!("{} ({place})", manifest.key());
                return Err(over_limit(what, bytes.len(), manifest::MAX_MANIFEST_BYTES));
            }
            digests.extend_from_slice(Digest::of(&bytes).as_bytes());
        }
        if total > self.limits.output_bytes {
            return Err(over_limit("the application".into(), total, self.limits.output_bytes));
        }
        Ok(Rendered { manifests: self.manifests, digest: Digest::of(&digests) })
    }
}

pub(crate) fn over_limit(what: String, bytes: usize, limit: usize) -> RenderError {
    let (amount, limit) = (format!("{bytes} bytes"), format!("{limit} bytes"));
    RenderError::Limit { what: format!("{what} has"), amount, limit }
}

pub(crate) fn read_error(file: &str, source: YamlError) -> RenderError {
    RenderError::Yaml { file: file.to_owned(), source }
}

fn is_list(body: &serde_json::Map<String, Value>) -> bool {
    let kind = body.get("kind").and_then(Value::as_str).unwrap_or_default();
    kind.ends_with("List") && matches!(body.get("items"), Some(Value::Array(_) | Value::Null))
}
