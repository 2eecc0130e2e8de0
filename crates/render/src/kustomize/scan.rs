//! Reads every kustomization that a build can reach, before kustomize does, and writes exactly the
//! files that they name into the scratch directory.
//!
//! Refused: anything remote, Helm charts, plugins that are programs or containers, paths that
//! leave the repository. What kustomize gets to read is our own copy of each kustomization: the
//! fields that were checked, with each path rewritten to start with `./` or `../`, so that it
//! cannot understand a file in another way than this scan did (Go's JSON reader, for one, takes
//! `helmcharts` for `helmCharts`).

mod place;
mod plugins;

use std::collections::BTreeSet;

use model::suggest;
use model::tree::{FileTree, RepoPath, TreeError};
use model::yaml;
use serde_json::{Map, Value};

use place::{Place, only_fields, relative, resolve};

use super::FILE_NAMES;
use crate::documents::read_error;
use crate::error::RenderError;
use crate::scratch::Scratch;

/// The most kustomizations that one build may reach.
const MAX_KUSTOMIZATIONS: usize = 1000;
/// The largest kustomization or plugin configuration in bytes.
const MAX_KUSTOMIZATION_BYTES: usize = 1 << 20;

/// Fields that hold no path and start no program.
const PLAIN_FIELDS: [&str; 16] = [
    "apiVersion",
    "kind",
    "metadata",
    "namePrefix",
    "nameSuffix",
    "namespace",
    "commonLabels",
    "labels",
    "commonAnnotations",
    "images",
    "imageTags",
    "replicas",
    "vars",
    "sortOptions",
    "generatorOptions",
    "buildMetadata",
];
/// Fields that hold paths, each checked below.
const PATH_FIELDS: [&str; 15] = [
    "resources",
    "bases",
    "components",
    "crds",
    "configurations",
    "openapi",
    "patches",
    "patchesStrategicMerge",
    "patchesJson6902",
    "replacements",
    "configMapGenerator",
    "secretGenerator",
    "generators",
    "transformers",
    "validators",
];
const HELM_FIELDS: [&str; 3] = ["helmCharts", "helmGlobals", "helmChartInflationGenerator"];
const PATCH_FIELDS: [&str; 4] = ["path", "patch", "target", "options"];
const GENERATOR_FIELDS: [&str; 9] =
    ["name", "namespace", "behavior", "literals", "files", "envs", "env", "options", "type"];
const REPLACEMENT_FIELDS: [&str; 4] = ["path", "source", "targets", "sourceValue"];

/// What the resources of a kustomization are used as.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Use {
    Objects,
    /// Configurations of plugins; their paths count from the kustomization that uses them.
    Plugins {
        base: RepoPath,
    },
}

/// Checks and writes everything that a build of `path` with these components reads.
pub(super) fn materialise(
    tree: &dyn FileTree,
    path: &RepoPath,
    components: &[RepoPath],
    scratch: &mut Scratch,
) -> Result<(), RenderError> {
    let mut scan = Scan { tree, scratch, queue: vec![], seen: BTreeSet::new() };
    scan.enqueue(path.clone(), Use::Objects);
    for component in components {
        scan.enqueue(component.clone(), Use::Objects);
    }
    while let Some((directory, usage)) = scan.queue.pop() {
        if scan.seen.len() > MAX_KUSTOMIZATIONS {
            return Err(RenderError::Limit {
                what: format!("the kustomization in {path} reaches"),
                amount: format!("more than {MAX_KUSTOMIZATIONS} others"),
                limit: MAX_KUSTOMIZATIONS.to_string(),
            });
        }
        scan.kustomization(&directory, &usage)?;
    }
    Ok(())
}

struct Scan<'a> {
    tree: &'a dyn FileTree,
    scratch: &'a mut Scratch,
    queue: Vec<(RepoPath, Use)>,
    seen: BTreeSet<(RepoPath, Use)>,
}

impl Scan<'_> {
    fn enqueue(&mut self, directory: RepoPath, usage: Use) {
        if self.seen.insert((directory.clone(), usage.clone())) {
            self.queue.push((directory, usage));
        }
    }

    fn kustomization(&mut self, directory: &RepoPath, usage: &Use) -> Result<(), RenderError> {
        let file = find(self.tree, directory)?;
        let name = file.as_str();
        let text = self.tree.read(&file, MAX_KUSTOMIZATION_BYTES as u64)?;
        let value = yaml::read_one(&text, MAX_KUSTOMIZATION_BYTES)
            .map_err(|error| read_error(name, error))?;
        let Value::Object(mut fields) = value else {
            return Err(RenderError::refused(name, "a kustomization is a mapping"));
        };
        for (field, value) in &mut fields {
            let place = Place { directory, file: name, field: field.clone() };
            self.field(&place, value, usage)?;
        }
        // `write_repo` keeps the first: a kustomization that serves two uses has one text.
        self.scratch.write_repo(&file, Value::Object(fields).to_string().as_bytes())
    }

    fn field(
        &mut self,
        place: &Place<'_>,
        value: &mut Value,
        usage: &Use,
    ) -> Result<(), RenderError> {
        let field = place.field.as_str();
        if HELM_FIELDS.contains(&field) {
            return Err(place.refuse(
                "Helm charts inside of a kustomization are not rendered; make the chart an \
                 application of its own",
            ));
        }
        if PLAIN_FIELDS.contains(&field) || value.is_null() {
            return Ok(());
        }
        if !PATH_FIELDS.contains(&field) {
            let known: Vec<_> = PATH_FIELDS.into_iter().chain(PLAIN_FIELDS).collect();
            return Err(place.refuse(suggest::unknown("field", field, &known)));
        }
        if field == "openapi" {
            let Value::Object(map) = value else { return Err(place.refuse("it is a mapping")) };
            only_fields(place, map, &["path", "version"])?;
            return self.path_field(place, map);
        }
        let Value::Array(items) = value else { return Err(place.refuse("it is a list")) };
        for (index, item) in items.iter_mut().enumerate() {
            let place = place.item(index, "");
            match field {
                "resources" | "bases" => self.resource(&place, item, usage)?,
                "components" => self.directory(&place, item)?,
                "crds" | "configurations" => self.file(&place, item)?,
                "generators" | "transformers" | "validators" => self.plugin(&place, item)?,
                "patchesStrategicMerge" => self.strategic_patch(&place, item)?,
                // Old files hold strategic merge patches here.
                "patches" if item.is_string() => self.strategic_patch(&place, item)?,
                "patches" | "patchesJson6902" => {
                    self.path_field_of(&place, item, &PATCH_FIELDS)?;
                }
                "replacements" => self.path_field_of(&place, item, &REPLACEMENT_FIELDS)?,
                _ => self.generator(&place, item)?,
            }
        }
        Ok(())
    }

    /// A file of manifests, or a directory with a kustomization.
    fn resource(
        &mut self,
        place: &Place<'_>,
        item: &mut Value,
        usage: &Use,
    ) -> Result<(), RenderError> {
        let path = self.path(place, item)?;
        match (self.read(place, &path), usage) {
            (Ok(Some(text)), Use::Objects) => self.scratch.write_repo(&path, &text),
            (Ok(Some(text)), Use::Plugins { base }) => {
                let text = self.plugin_documents(path.as_str(), base, &text)?;
                self.scratch.write_repo(&path, text.as_bytes())
            }
            (Ok(None), _) => {
                self.enqueue(path, usage.clone());
                Ok(())
            }
            (Err(error), _) => Err(error),
        }
    }

    fn directory(&mut self, place: &Place<'_>, item: &mut Value) -> Result<(), RenderError> {
        let path = self.path(place, item)?;
        self.enqueue(path, Use::Objects);
        Ok(())
    }

    fn file(&mut self, place: &Place<'_>, item: &mut Value) -> Result<(), RenderError> {
        let path = self.path(place, item)?;
        self.copy(place, &path)
    }

    fn copy(&mut self, place: &Place<'_>, path: &RepoPath) -> Result<(), RenderError> {
        if self.scratch.has(path) {
            return Ok(());
        }
        match self.read(place, path)? {
            Some(text) => self.scratch.write_repo(path, &text),
            None => Err(place.refuse(format!("{path} is a directory; name a file"))),
        }
    }

    fn strategic_patch(&mut self, place: &Place<'_>, item: &mut Value) -> Result<(), RenderError> {
        match item.as_str() {
            Some(text) if is_inline(text) => Ok(()),
            _ => self.file(place, item),
        }
    }

    /// An entry whose `path`, when it has one, is a file.
    fn path_field_of(
        &mut self,
        place: &Place<'_>,
        item: &mut Value,
        fields: &[&str],
    ) -> Result<(), RenderError> {
        let Value::Object(map) = item else { return Err(place.refuse("it is a mapping")) };
        only_fields(place, map, fields)?;
        self.path_field(place, map)
    }

    fn path_field(
        &mut self,
        place: &Place<'_>,
        map: &mut Map<String, Value>,
    ) -> Result<(), RenderError> {
        match map.get_mut("path") {
            Some(Value::String(text)) if text.is_empty() => Ok(()),
            Some(path) if !path.is_null() => self.file(&place.sub("path"), path),
            _ => Ok(()),
        }
    }

    /// A config map or secret generator.
    fn generator(&mut self, place: &Place<'_>, item: &mut Value) -> Result<(), RenderError> {
        let Value::Object(map) = item else { return Err(place.refuse("it is a mapping")) };
        only_fields(place, map, &GENERATOR_FIELDS)?;
        self.generator_sources(place, map)
    }

    fn generator_sources(
        &mut self,
        place: &Place<'_>,
        map: &mut Map<String, Value>,
    ) -> Result<(), RenderError> {
        for (field, value) in map.iter_mut() {
            let place = place.sub(field);
            match (field.as_str(), value) {
                ("files", Value::Array(items)) => {
                    for (index, item) in items.iter_mut().enumerate() {
                        self.key_and_file(&place.item(index, ""), item)?;
                    }
                }
                ("envs", Value::Array(items)) => {
                    for (index, item) in items.iter_mut().enumerate() {
                        self.env_file(&place.item(index, ""), item)?;
                    }
                }
                ("env", value @ Value::String(_)) if value != "" => self.env_file(&place, value)?,
                ("files" | "envs" | "env", value) if !value.is_null() && value != "" => {
                    return Err(place.refuse("it is not of the right type"));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// A file of `KEY=value` lines. For a line of a key alone kustomize takes the value from its
    /// environment, which is not part of the commit.
    fn env_file(&mut self, place: &Place<'_>, item: &mut Value) -> Result<(), RenderError> {
        let path = self.path(place, item)?;
        let text = self.read(place, &path)?.unwrap_or_default();
        for (index, line) in String::from_utf8_lossy(&text).lines().enumerate() {
            let line = line.trim();
            if !line.is_empty() && !line.starts_with('#') && !line.contains('=') {
                let rule = format!("{path}, line {}, has no '='; write KEY=value", index + 1);
                return Err(place.refuse(rule));
            }
        }
        self.copy(place, &path)
    }

    /// `key=path` or `path`.
    fn key_and_file(&mut self, place: &Place<'_>, item: &mut Value) -> Result<(), RenderError> {
        let Some((key, path)) = item.as_str().and_then(|text| text.split_once('=')) else {
            return self.file(place, item);
        };
        let (key, mut path) = (key.to_owned(), Value::from(path));
        self.file(place, &mut path)?;
        *item = format!("{key}={}", path.as_str().unwrap_or_default()).into();
        Ok(())
    }

    /// Resolves a path and rewrites it, relative to the kustomization and beginning with a dot.
    fn path(&self, place: &Place<'_>, item: &mut Value) -> Result<RepoPath, RenderError> {
        let Some(text) = item.as_str().filter(|text| !text.is_empty()) else {
            return Err(place.refuse("it is a path"));
        };
        let path = resolve(place, text)?;
        *item = relative(place.directory, &path).into();
        Ok(path)
    }

    /// The content of a file; `None` for a directory.
    fn read(&self, place: &Place<'_>, path: &RepoPath) -> Result<Option<Vec<u8>>, RenderError> {
        match self.tree.read(path, self.scratch.limits().tree_bytes as u64) {
            Ok(text) => Ok(Some(text)),
            Err(TreeError::NotAFile { .. }) => Ok(None),
            Err(error @ TreeError::NotFound { .. }) => Err(place.refuse(error.to_string())),
            Err(error) => Err(error.into()),
        }
    }
}

/// The one kustomization of a directory.
fn find(tree: &dyn FileTree, directory: &RepoPath) -> Result<RepoPath, RenderError> {
    let entries = tree.list(directory)?;
    let mut found = FILE_NAMES.iter().filter(|name| entries.iter().any(|e| e.name == **name));
    match (found.next(), found.next()) {
        (Some(name), None) => directory
            .join(name)
            .map_err(|source| RenderError::Path { field: "path".to_owned(), source }),
        (Some(first), Some(second)) => Err(RenderError::refused(
            directory.to_string(),
            format!("{first} and {second} are both there; keep one"),
        )),
        (None, _) => Err(RenderError::refused(
            directory.to_string(),
            format!("no kustomization is there; it is called {}", FILE_NAMES.join(" or ")),
        )),
    }
}

/// A patch of the application's overrides: its file, when it names one.
pub(super) fn patch_file(
    place: &str,
    patch: &Value,
    directory: &RepoPath,
) -> Result<Option<RepoPath>, RenderError> {
    let place = Place { directory, file: "the application", field: place.to_owned() };
    let Value::Object(map) = patch else { return Err(place.refuse("it is a mapping")) };
    only_fields(&place, map, &PATCH_FIELDS)?;
    match map.get("path") {
        Some(Value::String(text)) if !text.is_empty() => resolve(&place, text).map(Some),
        None | Some(Value::Null | Value::String(_)) => Ok(None),
        Some(_) => Err(place.sub("path").refuse("it is a path")),
    }
}

/// Writes a file that the overlay names.
pub(super) fn write_file(
    place: &str,
    path: &RepoPath,
    tree: &dyn FileTree,
    scratch: &mut Scratch,
) -> Result<RepoPath, RenderError> {
    let directory = RepoPath::root();
    let place = Place { directory: &directory, file: "the application", field: place.to_owned() };
    Scan { tree, scratch, queue: vec![], seen: BTreeSet::new() }.copy(&place, path)?;
    Ok(path.clone())
}

fn is_inline(text: &str) -> bool {
    text.contains('\n') || text.trim_start().starts_with('{')
}
