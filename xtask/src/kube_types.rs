//! `cargo xtask kube-types`: the types and resources of the pinned API server, for kube-sim.
//!
//! Three sources make the table. Discovery says which resources there are; the OpenAPI documents say
//! what fields a type has and how lists merge; the Go sources of the same version say which fields are
//! pointers or left out when empty, which no document of the server tells and which decides how an object
//! looks after a round trip. A second file has the numbers of fields in protobuf, from beside the Go sources.
//! Both are committed, so that building Muster needs none of them; `--check`
//! compares without writing.

mod discovery;
mod go_source;
mod openapi;
mod protobuf;

use crate::{tools, workspace};
use anyhow::{Context, Result, bail};
use e2e::control_plane::{ControlPlane, Options};
use e2e::tools::Tools;
use std::fs;
use std::path::{Path, PathBuf};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Write nothing; fail when the committed table is stale
    #[arg(long)]
    pub(crate) check: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    tools::run(&tools::Arguments { tools: vec!["etcd".to_owned(), "kube-apiserver".to_owned()] })?;
    let table = tokio::runtime::Runtime::new()?.block_on(generate())?;
    let numbers = protobuf::write(&table, &go_source::Sources::locate()?)?;
    write(&target(), &table, arguments.check)?;
    write(&target().with_file_name("protobuf.txt"), &numbers, arguments.check)
}

fn write(target: &Path, fresh: &str, check: bool) -> Result<()> {
    let committed = fs::read_to_string(target).unwrap_or_default();
    let shown = target.strip_prefix(workspace::root()).unwrap_or(target).display();
    if committed == fresh {
        println!("{shown} is up to date");
    } else if check {
        let equal = committed.lines().zip(fresh.lines()).take_while(|(old, new)| old == new);
        let line = equal.count() + 1;
        bail!("{shown} is stale from line {line} on: run `cargo xtask kube-types` and commit it")
    } else {
        fs::write(target, fresh).with_context(|| format!("cannot write {shown}"))?;
        println!("{shown} written: {} lines, {} kB", fresh.lines().count(), fresh.len() / 1000);
    }
    Ok(())
}

fn target() -> PathBuf {
    workspace::root().join("crates/kube-sim/types/kubernetes.txt")
}

async fn generate() -> Result<String> {
    let folder = tempfile::tempdir().context("no temporary folder")?;
    let plane = ControlPlane::start(folder.path(), &Tools::locate()?, &Options::default()).await?;
    let api = plane.api();
    let version = api.get("/version").await?.context("the server tells no version")?;
    let resources = discovery::read(api).await?;
    let schemas = openapi::read(api).await?;
    plane.stop().await?;
    let mut text = format!(
        "# The types and resources of Kubernetes {}, by `cargo xtask kube-types`. Do not edit.\n\
         # The form is described in crates/kube-sim/src/schema/builtin.rs.\n",
        version["gitVersion"].as_str().context("the version has no gitVersion")?
    );
    let roots = discovery::write(&resources, &schemas, &mut text)?;
    openapi::write(&schemas, roots, &go_source::Sources::locate()?, &mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_table_is_of_the_pinned_version() {
        let pinned = workspace::root().join("xtask/tools/kubernetes/go.mod");
        let pinned = fs::read_to_string(pinned).unwrap();
        let version = pinned.lines().find_map(|line| line.split("k8s.io/kubernetes v").nth(1));
        let version = version.and_then(|rest| rest.split_whitespace().next()).unwrap();
        let table = fs::read_to_string(target()).unwrap();
        let head = table.lines().next().unwrap();
        let wanted = format!("Kubernetes v{version}, ");
        assert!(head.contains(&wanted), "{head}: run `cargo xtask kube-types`");
    }
}
