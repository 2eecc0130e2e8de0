//! Application sets, expanded: the bench of `generators` measures itself, case by case in processes of its own.

use super::{Figure, TALK, simulated};
use crate::live::{self, Note};
use crate::workspace;
use anyhow::{Context, Result, bail};
use std::process::Stdio;
use tokio::process::Command;

pub(super) const NAME: &str = "expand";

pub(super) async fn run() -> Result<Vec<Figure>> {
    let note = Note::default();
    note.set("sets are expanded");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    // What cargo and the bench say goes to the terminal; figures alone are on its stdout.
    let work = Command::new(cargo)
        .args(["bench", "--locked", "--quiet", "-p", "generators", "--bench", "expand"])
        .current_dir(workspace::root())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("cannot start cargo")?
        .wait_with_output();
    let output = live::during(TALK, &note, work).await?;
    if !output.status.success() {
        bail!("cargo bench -p generators --bench expand ended with {}", output.status);
    }
    simulated::figures(NAME, &String::from_utf8(output.stdout)?)
}
