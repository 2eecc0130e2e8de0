//! The application's overrides as a kustomization of their own, over the one in the repository.

use std::path::PathBuf;

use model::application::KustomizeSource;
use model::tree::{FileTree, RepoPath};
use serde_json::{Map, Value, json};

use super::scan;
use crate::error::RenderError;
use crate::scratch::Scratch;

/// The components that the application adds, as paths of the repository.
pub(super) fn components(
    source: &KustomizeSource,
    path: &RepoPath,
) -> Result<Vec<RepoPath>, RenderError> {
    let component = |(index, text): (usize, &String)| {
        path.join(text).map_err(|source| RenderError::Path {
            field: format!("kustomize.components[{index}]"),
            source,
        })
    };
    source.components.iter().enumerate().map(component).collect()
}

/// Writes the overlay and says where it is. It lies in `input`, beside `repo`.
pub(super) fn write(
    source: &KustomizeSource,
    path: &RepoPath,
    tree: &dyn FileTree,
    scratch: &mut Scratch,
) -> Result<PathBuf, RenderError> {
    let from_here = |path: &RepoPath| format!("../repo/{}", path.as_str());
    let mut overlay = Map::new();
    let mut set = |name: &str, value: Value| overlay.insert(name.to_owned(), value);
    set("apiVersion", "kustomize.config.k8s.io/v1beta1".into());
    set("kind", "Kustomization".into());
    set("resources", json!([from_here(path)]));
    for (name, text) in [
        ("namePrefix", &source.name_prefix),
        ("nameSuffix", &source.name_suffix),
        ("namespace", &source.namespace),
    ] {
        if !text.is_empty() {
            set(name, text.as_str().into());
        }
    }
    if !source.components.is_empty() {
        set("components", components(source, path)?.iter().map(from_here).collect());
    }
    if !source.images.is_empty() {
        let images: Result<Vec<_>, _> = source.images.iter().map(|text| image(text)).collect();
        set("images", images?.into());
    }
    if !source.replicas.is_empty() {
        let replicas = source.replicas.iter();
        set("replicas", replicas.map(|r| json!({"name": r.name, "count": r.count})).collect());
    }
    if !source.common_labels.is_empty() {
        // Argo CD's `commonLabels` reach selectors too, as kustomize's own field of that name.
        set("labels", json!([{"pairs": source.common_labels, "includeSelectors": true}]));
    }
    if !source.common_annotations.is_empty() {
        set("commonAnnotations", json!(source.common_annotations));
    }
    if !source.patches.is_empty() {
        let mut patches = source.patches.clone();
        for (index, patch) in patches.iter_mut().enumerate() {
            let place = format!("source.kustomize.patches[{index}]");
            if let Some(file) = scan::patch_file(&place, patch, path)? {
                let file = scan::write_file(&place, &file, tree, scratch)?;
                patch["path"] = from_here(&file).into();
            }
        }
        set("patches", patches.into());
    }
    let text = Value::Object(overlay).to_string();
    scratch.write_input("kustomization.yaml", text.as_bytes())
}

/// `name=newName:newTag`, `name=newName`, `name:newTag`, and each with `@digest`.
fn image(text: &str) -> Result<Value, RenderError> {
    let (name, new) = match text.split_once('=') {
        Some((name, new)) => (name, Some(new)),
        None => (text, None),
    };
    let (rest, digest) = match new.unwrap_or(name).split_once('@') {
        Some((rest, digest)) => (rest, Some(digest)),
        None => (new.unwrap_or(name), None),
    };
    // A colon before a slash belongs to the port of a registry.
    let (base, tag) = match rest.rsplit_once(':') {
        Some((base, tag)) if !tag.contains('/') => (base, Some(tag)),
        _ => (rest, None),
    };
    let mut image = Map::new();
    let name = if new.is_some() { name } else { base };
    image.insert("name".to_owned(), name.into());
    for (field, value) in
        [("newName", new.is_some().then_some(base)), ("newTag", tag), ("digest", digest)]
    {
        if let Some(value) = value {
            image.insert(field.to_owned(), value.into());
        }
    }
    let says_nothing = image.len() == 1 || image.values().any(|value| value == "");
    if says_nothing || (tag.is_some() && digest.is_some()) {
        let rule = "write name:newTag, name@digest, name=newName, name=newName:newTag or \
                    name=newName@digest";
        return Err(RenderError::refused(format!("source.kustomize.images {text:?}"), rule));
    }
    Ok(Value::Object(image))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_read_as_argo_cd_writes_them() {
        let read = |text: &str| image(text).map(|value| value.to_string()).unwrap_or_default();
        for (text, value) in [
            ("nginx:1.2", json!({"name": "nginx", "newTag": "1.2"})),
            ("nginx=r:5000/n:2", json!({"name": "nginx", "newName": "r:5000/n", "newTag": "2"})),
            ("nginx=r:5000/n", json!({"name": "nginx", "newName": "r:5000/n"})),
            ("a/b@sha256:00", json!({"name": "a/b", "digest": "sha256:00"})),
            ("a=b@sha256:00", json!({"name": "a", "newName": "b", "digest": "sha256:00"})),
        ] {
            assert_eq!(read(text), value.to_string(), "{text}");
        }
        for bad in ["nginx", "", "=a", "a:", "a=", "r:5000/n", "a:1@sha256:00"] {
            assert_eq!(read(bad), "", "{bad}");
        }
    }
}
