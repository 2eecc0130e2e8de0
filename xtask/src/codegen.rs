//! `cargo xtask codegen`: the Rust form of the wire contract, from `proto/muster/v1/*.proto`.
//!
//! The result is committed, so that building Muster needs neither `protoc` nor a build script; `--check`
//! compares without writing. Here the compiler is protox, which is plain Rust: this machine needs no
//! `protoc` either. What is generated is never edited by hand and never formatted by rustfmt.

use crate::workspace;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};

const PACKAGE: &str = "muster.v1";
const HEADER: &str =
    "// Generated from proto/muster/v1/*.proto by `cargo xtask codegen`. Do not edit.\n\n";

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Write nothing; fail when the committed code is stale
    #[arg(long)]
    pub(crate) check: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let proto = workspace::root().join("proto");
    let target = proto.join("src/generated").join(format!("{PACKAGE}.rs"));
    let fresh = generate(&proto)?;
    let committed = fs::read_to_string(&target).unwrap_or_default();
    let shown = target.strip_prefix(workspace::root()).unwrap_or(&target).display();
    match (first_difference(&committed, &fresh), arguments.check) {
        (None, _) => println!("{shown} is up to date"),
        (Some(line), true) => {
            bail!("{shown} is stale from line {line} on: run `cargo xtask codegen` and commit it")
        }
        (Some(_), false) => {
            write(&target, &fresh)?;
            println!("{shown} written");
        }
    }
    Ok(())
}

/// The generated file for all `.proto` files below `proto/muster/v1`.
fn generate(proto: &Path) -> Result<String> {
    let files = proto_files(&proto.join("muster/v1"))?;
    let descriptors = protox::compile(&files, [proto])
        .map_err(|error| anyhow::anyhow!("{error:?}")) // The debug form shows the line and a caret.
        .context("the .proto files do not compile")?;
    let out = tempfile::tempdir().context("no temporary folder")?;
    tonic_prost_build::configure()
        .build_transport(false) // Its `connect` would clash with the RPC; channels are ours.
        .emit_rerun_if_changed(false) // That is a build script's output; this is none.
        .out_dir(out.path())
        .compile_fds(descriptors)
        .context("the .proto files have no Rust form")?;
    let path = out.path().join(format!("{PACKAGE}.rs"));
    let code = fs::read_to_string(path)
        .with_context(|| format!("the .proto files declare no `package {PACKAGE};`"))?;
    Ok(format!("{HEADER}{code}"))
}

/// Sorted, so that the order of definitions does not depend on the file system.
fn proto_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "proto") {
            files.push(path);
        }
    }
    if files.is_empty() {
        bail!("{} holds no .proto file", folder.display());
    }
    files.sort();
    Ok(files)
}

fn write(target: &Path, code: &str) -> Result<()> {
    let folder = target.parent().context("the target has no folder")?;
    fs::create_dir_all(folder)?;
    fs::write(target, code).with_context(|| format!("cannot write {}", target.display()))
}

/// The number of the first line that differs; a missing line differs too.
fn first_difference(old: &str, new: &str) -> Option<usize> {
    if old == new {
        return None;
    }
    let equal = old.lines().zip(new.lines()).take_while(|(left, right)| left == right).count();
    Some(equal + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write_proto(folder: &Path, name: &str, text: &str) {
        let folder = folder.join("muster/v1");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(name), text).unwrap();
    }

    #[test]
    fn several_files_make_one_module_with_client_and_server() {
        let proto = tempfile::tempdir().unwrap();
        write_proto(
            proto.path(),
            "ping.proto",
            r#"syntax = "proto3"; package muster.v1;
               import "google/protobuf/duration.proto";
               message Ping { string text = 1; google.protobuf.Duration wait = 2; }"#,
        );
        write_proto(
            proto.path(),
            "echo.proto",
            r#"syntax = "proto3"; package muster.v1;
               import "muster/v1/ping.proto";
               service Echo { rpc Say(stream Ping) returns (stream Ping); }"#,
        );
        let code = generate(proto.path()).unwrap();
        for part in [
            "pub struct Ping",
            "::prost_types::Duration",
            "pub mod echo_client",
            "pub mod echo_server",
        ] {
            assert!(code.contains(part), "no `{part}` in\n{code}");
        }
        assert_eq!(code, generate(proto.path()).unwrap(), "same input, same bytes");
    }

    #[test]
    fn a_syntax_error_names_the_file() {
        let proto = tempfile::tempdir().unwrap();
        write_proto(proto.path(), "broken.proto", "syntax = \"proto3\"; message {");
        let error = format!("{:#}", generate(proto.path()).unwrap_err());
        assert!(error.contains("broken.proto"), "{error}");
    }

    #[test]
    fn the_first_differing_line_is_named() {
        assert_eq!(first_difference("a\nb\n", "a\nb\n"), None);
        assert_eq!(first_difference("a\nb\n", "a\nc\n"), Some(2));
        assert_eq!(first_difference("", "a\n"), Some(1));
        assert_eq!(first_difference("a\n", "a\nb\n"), Some(2));
    }
}
