//! Which resources a cluster serves: the built-in ones, shared by all clusters, and its own custom
//! ones. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::builtin;
use super::table::TypeHandle;
use crate::store::ResourceId;

/// The `scale` subresource of a resource: where its numbers lie, as dotted paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScalePaths {
    pub spec_replicas: Box<str>,
    pub status_replicas: Box<str>,
    /// In a custom resource a string; in a built-in one the selector itself, as an object.
    pub selector: Option<Box<str>>,
}

/// A subresource as discovery shows it, such as `status`, `scale`, `eviction` or `token`.
#[derive(Debug, Clone)]
pub struct Subresource {
    pub name: Box<str>,
    /// The kind that is sent and answered, which may be of another group, such as `autoscaling`.
    pub group: Box<str>,
    pub version: Box<str>,
    pub kind: Box<str>,
    pub verbs: Vec<Box<str>>,
    pub ty: TypeHandle,
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
    /// All of them, `status` and `scale` too.
    pub subresources: Vec<Subresource>,
    /// What `kubectl get` prints of a custom resource besides its name; empty for built-in ones.
    pub printer_columns: Vec<PrinterColumn>,
    pub ty: TypeHandle,
    /// Made by a CustomResourceDefinition of this cluster.
    pub custom: bool,
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

/// A group with its versions, the preferred one first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    pub name: Box<str>,
    pub versions: Vec<Box<str>>,
}

/// What every cluster serves.
#[derive(Debug, Default)]
pub(super) struct Builtin {
    resources: BTreeMap<ResourceId, Vec<Arc<Resource>>>,
    groups: Vec<Group>,
}

impl Builtin {
    /// Versions are added in the order of preference.
    pub(super) fn add_version(&mut self, group: &str, version: &str) {
        add_version(&mut self.groups, group, version);
    }

    pub(super) fn add(&mut self, resource: Resource) {
        self.resources.entry(resource.id.clone()).or_default().push(Arc::new(resource));
    }
}

/// The resources that one cluster serves. Clones share what is built in.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    /// By resource, the served versions with the preferred one first.
    builtin: Arc<Builtin>,
    custom: BTreeMap<ResourceId, Vec<Arc<Resource>>>,
}

impl Registry {
    /// What a new cluster serves. Cheap: the types are read once in a process.
    #[must_use]
    pub fn builtin() -> Self {
        Self { builtin: builtin::builtin(), custom: BTreeMap::new() }
    }

    /// The resource in this version.
    #[must_use]
    pub fn find(&self, group: &str, version: &str, plural: &str) -> Option<&Arc<Resource>> {
        let versions = self.versions(&ResourceId::new(group, plural))?;
        versions.iter().find(|resource| *resource.version == *version)
    }

    /// The resource of a kind in this version.
    #[must_use]
    pub fn by_kind(&self, group: &str, version: &str, kind: &str) -> Option<&Arc<Resource>> {
        self.iter()
            .filter(|(id, _)| id.group() == group)
            .flat_map(|(_, versions)| versions)
            .find(|resource| *resource.version == *version && *resource.kind == *kind)
    }

    /// The versions of a resource, the preferred one first.
    #[must_use]
    pub fn versions(&self, id: &ResourceId) -> Option<&[Arc<Resource>]> {
        self.custom.get(id).or_else(|| self.builtin.resources.get(id)).map(Vec::as_slice)
    }

    /// Every resource, each in all its versions.
    pub fn iter(&self) -> impl Iterator<Item = (&ResourceId, &[Arc<Resource>])> {
        let all = self.builtin.resources.iter().chain(&self.custom);
        all.map(|(id, versions)| (id, versions.as_slice()))
    }

    /// The groups in the order of discovery: the built-in ones, then the others by name.
    #[must_use]
    pub fn groups(&self) -> Vec<Group> {
        let mut groups = self.builtin.groups.clone();
        for resource in self.custom.values().flatten() {
            add_version(&mut groups, resource.id.group(), &resource.version);
        }
        // Resources of a group may have different versions: the order is that of the versions.
        for group in &mut groups[self.builtin.groups.len()..] {
            group.versions.sort_by_key(|version| version_order(version));
        }
        groups
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

fn add_version(groups: &mut Vec<Group>, name: &str, version: &str) {
    let place = groups.iter().position(|group| *group.name == *name).unwrap_or_else(|| {
        groups.push(Group { name: name.into(), versions: Vec::new() });
        groups.len() - 1
    });
    let versions = &mut groups[place].versions;
    if !versions.iter().any(|known| **known == *version) {
        versions.push(version.into());
    }
}

/// Sorts as Kubernetes prefers versions: v10, v2, v1, v2beta1, v1beta2, v1alpha1, then others by name.
pub(super) fn version_order(version: &str) -> impl Ord + use<> {
    use std::cmp::Reverse;
    let parsed = || {
        let rest = version.strip_prefix('v')?;
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let major: u32 = rest[..digits].parse().ok()?;
        let (stage, minor) = match &rest[digits..] {
            "" => (0, 0),
            rest => {
                let (stage, minor) = rest
                    .strip_prefix("beta")
                    .map(|minor| (1, minor))
                    .or_else(|| Some((2, rest.strip_prefix("alpha")?)))?;
                (stage, minor.parse::<u32>().ok()?)
            }
        };
        Some((stage, Reverse(major), Reverse(minor)))
    };
    // `None` would sort before `Some`.
    match parsed() {
        Some(order) => (0, Some(order), String::new()),
        None => (1, None, version.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_preferred_by_stability_then_by_number() {
        let mut versions = vec!["v1alpha1", "foo", "v1", "v2beta1", "v10", "v1beta2", "v2", "bar"];
        versions.sort_by_key(|version| version_order(version));
        let expected = ["v10", "v2", "v1", "v2beta1", "v1beta2", "v1alpha1", "bar", "foo"];
        assert_eq!(versions, expected);
    }
}
