//! Which resources a cluster serves: the built-in ones, shared by all clusters, and its own custom
//! ones. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::table::TypeHandle;
use crate::store::ResourceId;

/// The `scale` subresource of a resource: where its numbers lie, as dotted paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScalePaths {
    pub spec_replicas: Box<str>,
    pub status_replicas: Box<str>,
    pub selector: Option<Box<str>>,
}

/// One resource in one version.
#[derive(Debug, Clone)]
pub struct Resource {
    pub id: ResourceId,
    pub version: Box<str>,
    pub kind: Box<str>,
    pub list_kind: Box<str>,
    pub singular: Box<str>,
    pub short_names: Vec<Box<str>>,
    pub categories: Vec<Box<str>>,
    pub namespaced: bool,
    pub verbs: Vec<Box<str>>,
    pub has_status: bool,
    pub scale: Option<ScalePaths>,
    pub ty: TypeHandle,
    /// Made by a CustomResourceDefinition of this cluster.
    pub custom: bool,
    /// What `kubectl get` prints of a custom resource besides its name; empty for built-in ones.
    pub printer_columns: Vec<PrinterColumn>,
}

/// One of a definition's `additionalPrinterColumns`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PrinterColumn {
    pub name: Box<str>,
    /// `string`, `integer`, `number`, `boolean` or `date`.
    pub ty: Box<str>,
    pub format: Box<str>,
    pub description: Box<str>,
    /// Columns above 0 are shown with `-o wide` only.
    pub priority: i64,
    /// Such as `.status.phase`.
    pub json_path: Box<str>,
}

impl Resource {
    /// `v1`, or `apps/v1`.
    #[must_use]
    pub fn api_version(&self) -> String {
        match self.id.group() {
            "" => self.version.to_string(),
            group => format!("{group}/{}", self.version),
        }
    }
}

/// The resources that one cluster serves. Clones share what is built in.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    /// By resource, the served versions with the preferred one first.
    builtin: Arc<BTreeMap<ResourceId, Vec<Arc<Resource>>>>,
    custom: BTreeMap<ResourceId, Vec<Arc<Resource>>>,
}

impl Registry {
    /// The resource in this version.
    #[must_use]
    pub fn find(&self, group: &str, version: &str, plural: &str) -> Option<&Arc<Resource>> {
        let versions = self.versions(&ResourceId::new(group, plural))?;
        versions.iter().find(|resource| *resource.version == *version)
    }

    /// The versions of a resource, the preferred one first.
    #[must_use]
    pub fn versions(&self, id: &ResourceId) -> Option<&[Arc<Resource>]> {
        self.custom.get(id).or_else(|| self.builtin.get(id)).map(Vec::as_slice)
    }

    /// Every resource, each in all its versions.
    pub fn iter(&self) -> impl Iterator<Item = (&ResourceId, &[Arc<Resource>])> {
        self.builtin.iter().chain(&self.custom).map(|(id, versions)| (id, versions.as_slice()))
    }

    /// Serves a custom resource, in place of what it was before.
    pub fn set_custom(&mut self, id: ResourceId, versions: Vec<Arc<Resource>>) {
        self.custom.insert(id, versions);
    }

    /// Stops serving a custom resource.
    pub fn remove_custom(&mut self, id: &ResourceId) {
        self.custom.remove(id);
    }
}
