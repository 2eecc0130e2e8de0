//! Runs one black-box test.

use crate::folder::Folder;
use anyhow::{Context, Result};
use std::path::Path;

/// Runs `body` with a folder of its own on a runtime of its own.
///
/// # Panics
///
/// When the body fails: with its error and the folder, which then stays with the logs of all processes in it.
pub fn scenario(name: &str, body: impl AsyncFnOnce(&Path) -> Result<()>) {
    if let Err(error) = run(name, body) {
        panic!("{name} failed: {error:#}");
    }
}

fn run(name: &str, body: impl AsyncFnOnce(&Path) -> Result<()>) -> Result<()> {
    let mut folder = Folder::new(name)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("no async runtime")?;
    let outcome = runtime.block_on(body(folder.path()));
    if outcome.is_err() {
        folder.keep();
    }
    outcome.with_context(|| format!("logs are in {}", folder.path().display()))
}
