//! How a field looks when it is empty, from the Go sources that the pinned API server is built from.
//!
//! Only `type NAME struct { ... }` is read, and of a field its type's first character and its JSON tag: the
//! declarations of Kubernetes' API types are formatted by gofmt, one field a line.

use crate::workspace;
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const MODULES: [&str; 4] = [
    "k8s.io/api",
    "k8s.io/apimachinery",
    "k8s.io/apiextensions-apiserver",
    "k8s.io/kube-aggregator",
];

/// How a field is written when it has no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Presence {
    /// Being absent differs from being zero.
    pub(crate) pointer: bool,
    /// It is written even then, as zero or null.
    pub(crate) always: bool,
}

/// The folders of the modules.
pub(crate) struct Sources(BTreeMap<String, PathBuf>);

impl Sources {
    /// Those of the versions that xtask/tools/kubernetes pins, from Go's module cache.
    pub(crate) fn locate() -> Result<Self> {
        let mut download = vec!["mod", "download"];
        download.extend(MODULES);
        go(&download)?;
        let mut list = vec!["list", "-m", "-f", "{{.Path}} {{.Dir}}"];
        list.extend(MODULES);
        let folders = go(&list)?;
        let folders = folders.lines().filter_map(|line| line.split_once(' '));
        Ok(Self(folders.map(|(path, folder)| (path.to_owned(), PathBuf::from(folder))).collect()))
    }

    /// Of one module, such as `k8s.io/api`.
    pub(crate) fn folder(&self, module: &str) -> Result<&Path> {
        self.0.get(module).map(PathBuf::as_path).with_context(|| format!("{module} is not known"))
    }

    /// The fields of a type by their JSON names. `io.k8s.api.apps.v1.Deployment` is `Deployment` in the
    /// folder `apps/v1` of the module `k8s.io/api`.
    pub(crate) fn fields(&self, name: &str) -> Result<BTreeMap<String, Presence>> {
        let parts: Vec<&str> = name.split('.').skip(2).collect();
        let [module, folders @ .., ty] = parts.as_slice() else { bail!("{name} has no module") };
        let module = format!("k8s.io/{module}");
        let folder = self.0.get(&module).with_context(|| format!("{module} is not known"))?;
        let package = package(&folder.join(folders.iter().collect::<PathBuf>()))?;
        Ok(fields(&package, ty))
    }
}

fn go(arguments: &[&str]) -> Result<String> {
    let output = Command::new("go")
        .args(arguments)
        .current_dir(workspace::root().join("xtask/tools/kubernetes"))
        .env("GOFLAGS", "-mod=readonly")
        .env("GOWORK", "off")
        .output()
        .context("cannot start `go`: the table of types needs Go and its module cache")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("go {} failed: {}", arguments.join(" "), said.trim());
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// All Go code of a folder.
fn package(folder: &Path) -> Result<String> {
    let mut code = String::new();
    for entry in fs::read_dir(folder).with_context(|| format!("no {}", folder.display()))? {
        let path = entry?.path();
        let generated = path.to_string_lossy().contains("generated");
        if path.extension().is_some_and(|extension| extension == "go") && !generated {
            code += &fs::read_to_string(&path)?;
        }
    }
    Ok(code)
}

fn fields(package: &str, ty: &str) -> BTreeMap<String, Presence> {
    let head = format!("type {ty} struct {{");
    let lines = package.lines().skip_while(|line| line.trim_end() != head).skip(1);
    let mut found = BTreeMap::new();
    for line in lines.take_while(|line| !line.starts_with('}')) {
        let Some((declaration, tag)) = line.split_once("`json:\"") else { continue };
        let tag = tag.split('"').next().unwrap_or_default();
        let mut words = declaration.split_whitespace();
        let (name, kind) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        // An embedded struct is named by its type, such as `metav1.ObjectMeta`.
        let kind = if kind.is_empty() { name } else { kind };
        let mut options = tag.split(',');
        let json = options.next().unwrap_or_default();
        let options: Vec<&str> = options.collect();
        if options.contains(&"inline") {
            found.extend(inlined(package, name));
        } else {
            found.insert(json.to_owned(), presence(package, kind, &options));
        }
    }
    found
}

/// The fields of a struct that another has inline.
fn inlined(package: &str, ty: &str) -> BTreeMap<String, Presence> {
    if ty == "metav1.TypeMeta" || ty == "TypeMeta" {
        let text = Presence { pointer: false, always: false };
        return ["kind", "apiVersion"].map(|name| (name.to_owned(), text)).into();
    }
    fields(package, ty)
}

fn presence(package: &str, kind: &str, options: &[&str]) -> Presence {
    let omitted = options.contains(&"omitempty") && !is_struct(package, kind)
        || options.contains(&"omitzero");
    Presence { pointer: kind.starts_with('*'), always: !omitted }
}

/// Go leaves out an empty value of every kind but a struct.
fn is_struct(package: &str, kind: &str) -> bool {
    const SCALARS: [&str; 7] = ["string", "bool", "int", "int32", "int64", "float64", "byte"];
    if kind.starts_with(['*', '[']) || kind.starts_with("map[") || SCALARS.contains(&kind) {
        return false;
    }
    match kind.rsplit_once('.') {
        None => package.contains(&format!("\ntype {kind} struct {{")),
        // Names from other packages are structs but for these.
        Some((_, name)) => !OTHERS_SCALARS.contains(&name),
    }
}

/// The named strings and maps of other packages that the fields of API types have.
const OTHERS_SCALARS: [&str; 3] = ["UID", "ResourceList", "CoordinatedLeaseStrategy"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_and_what_is_always_written_are_told_from_the_declaration() {
        let code = "
type Inner struct {
	Port int32 `json:\"port\" protobuf:\"1\"`
}
type Kind string
type Outer struct {
	metav1.TypeMeta `json:\",inline\"`
	metav1.ObjectMeta `json:\"metadata,omitempty\"`
	// A comment with `ticks`.
	Replicas *int32 `json:\"replicas,omitempty\"`
	Paused   bool `json:\"paused,omitempty\"`
	Strategy Inner `json:\"strategy,omitempty\"`
	Time metav1.Time `json:\"time,omitempty,omitzero\"`
	Kinds Kind `json:\"kinds,omitempty\"`
	Rules []Inner `json:\"rules\"`
	Inner `json:\",inline\"`
}
";
        let shown: Vec<String> = fields(code, "Outer")
            .iter()
            .map(|(name, p)| {
                let word = |set: bool, word| if set { word } else { "" };
                format!("{name}{}{}", word(p.pointer, " pointer"), word(p.always, " always"))
            })
            .collect();
        let expected = [
            "apiVersion",
            "kind",
            "kinds",
            "metadata always",
            "paused",
            "port always",
            "replicas pointer",
            "rules always",
            "strategy always",
            "time",
        ];
        assert_eq!(shown, expected);
    }
}
