//! The benches on simulated clusters: `fleet-sim` makes the load, measures, and prints its figures.

use super::{Figure, TALK};
use crate::live::{self, Note};
use anyhow::{Context, Result, bail};
use e2e::binaries::Binaries;
use serde::Deserialize;
use std::path::Path;
use std::process::Stdio;
use tokio::process::Command;

/// A figure as `fleet-sim` prints it, one JSON document on each line.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    metric: String,
    value: f64,
    unit: String,
}

pub(crate) async fn run(
    bench: &'static str,
    folder: &Path,
    binaries: &Binaries,
) -> Result<Vec<Figure>> {
    let program = binaries.path("fleet-sim")?;
    let programs = program.parent().context("a program is in a folder")?;
    let note = Note::default();
    note.set("the load is running");
    let log = std::fs::File::create(folder.join("fleet-sim.log"))?;
    let work = Command::new(&program)
        .args(["bench", bench, "--folder"])
        .arg(folder)
        .arg("--bin-dir")
        .arg(programs)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
        .context("cannot start fleet-sim")?
        .wait_with_output();
    let output = live::during(TALK, &note, work).await?;
    if !output.status.success() {
        let said = std::fs::read_to_string(folder.join("fleet-sim.log")).unwrap_or_default();
        bail!("fleet-sim bench {bench} ended with {}: {}", output.status, said.trim());
    }
    figures(bench, &String::from_utf8(output.stdout)?)
}

/// The figures in what a program has printed.
pub(super) fn figures(bench: &'static str, text: &str) -> Result<Vec<Figure>> {
    let figure = |line: &str| {
        let Line { metric, value, unit } =
            serde_json::from_str(line).with_context(|| format!("{bench} said: {line}"))?;
        Ok(Figure::new(bench, &metric, value, &unit))
    };
    text.lines().map(figure).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_figure() {
        let text = "{\"metric\":\"seconds\",\"value\":1.5,\"unit\":\"s\"}\n";
        assert_eq!(figures("x", text).unwrap(), [Figure::new("x", "seconds", 1.5, "s")]);
        assert!(figures("x", "hello").is_err());
    }
}
