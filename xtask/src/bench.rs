//! `cargo xtask bench`: the figures of `docs/benchmarks.md`, measured on a real control plane with release builds.
//!
//! A figure is measured from outside, by clients and by `/proc`; nothing in Muster knows that it is being measured.

mod apply;
mod expand;
mod fleet;
mod heal;
mod idle;
mod simulated;

use crate::live::Stream;
use crate::stage::{self, Ending, Profile};
use anyhow::{Context, Result};
use e2e::binaries::Binaries;
use serde::Serialize;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// As a shell reports a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;
/// Progress; figures alone are on stdout.
pub(crate) const TALK: Stream = Stream::Stderr;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Only these; default: all of them
    #[arg(value_enum)]
    names: Vec<Bench>,
    /// Also write the figures to this file, as `[{"bench","metric","value","unit"}]`
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
enum Bench {
    /// 200 applications of 6 objects from one commit onto one cluster
    SpokeApply,
    /// The same fleet at rest, and how soon foreign edits are repaired
    SpokeIdle,
    /// 1,000 spokes with 10 applications each at one hub
    HubFleet,
    /// The memory of one spoke with 1,000 objects of 20 kinds
    SpokeMemory,
    /// How fast the fleet simulator is
    SimEvents,
    /// Application sets expanded on one core, in each dialect
    Expand,
}

const ALL: [Bench; 6] = [
    Bench::SpokeApply,
    Bench::SpokeIdle,
    Bench::HubFleet,
    Bench::SpokeMemory,
    Bench::SimEvents,
    Bench::Expand,
];

/// One measured number.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Figure {
    bench: &'static str,
    metric: String,
    value: f64,
    unit: String,
}

impl Figure {
    pub(crate) fn new(bench: &'static str, metric: &str, value: f64, unit: &str) -> Self {
        // More digits than a second measurement would repeat only pretend to be exact.
        let value = (value * 1_000.0).round() / 1_000.0;
        Self { bench, metric: metric.to_owned(), value, unit: unit.to_owned() }
    }
}

impl Bench {
    fn name(self) -> &'static str {
        match self {
            Self::SpokeApply => apply::NAME,
            Self::SpokeIdle => idle::NAME,
            Self::HubFleet => "hub-fleet",
            Self::SpokeMemory => "spoke-memory",
            Self::SimEvents => "sim-events",
            Self::Expand => expand::NAME,
        }
    }

    async fn run(self, folder: &Path, binaries: &Binaries) -> Result<Vec<Figure>> {
        match self {
            Self::SpokeApply => apply::run(folder, binaries).await,
            Self::SpokeIdle => idle::run(folder, binaries).await,
            Self::Expand => expand::run().await,
            Self::HubFleet | Self::SpokeMemory | Self::SimEvents => {
                simulated::run(self.name(), folder, binaries).await
            }
        }
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let benches = selected(&arguments.names);
    // Expansion is a library, and needs no program.
    let binaries = match benches.iter().any(|bench| *bench != Bench::Expand) {
        true => stage::build(Profile::Release)?,
        false => Binaries::default(),
    };
    let mut figures = Vec::new();
    for bench in benches {
        TALK.line(&format!("{}:", bench.name()));
        let ending = stage::run(bench.name(), async |folder| {
            figures.extend(bench.run(folder, &binaries).await?);
            Ok(())
        })
        .with_context(|| format!("the bench `{}` failed", bench.name()))?;
        if ending == Ending::Interrupted {
            TALK.line("Stopped; nothing is left running.");
            return Ok(ExitCode::from(INTERRUPTED));
        }
    }
    for line in table(&figures) {
        Stream::Stdout.line(&line);
    }
    if let Some(path) = &arguments.json {
        let text = serde_json::to_string_pretty(&figures)? + "\n";
        fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Each at most once, in a fixed order.
fn selected(names: &[Bench]) -> Vec<Bench> {
    let mut benches = if names.is_empty() { ALL.to_vec() } else { names.to_vec() };
    benches.sort();
    benches.dedup();
    benches
}

fn table(figures: &[Figure]) -> Vec<String> {
    let row = |bench: &str, metric: &str, value: &str, unit: &str| {
        format!("{bench:<13}{metric:<40}{value:>10}  {unit}").trim_end().to_owned()
    };
    let mut lines = vec![row("bench", "metric", "value", "unit")];
    for Figure { bench, metric, value, unit } in figures {
        lines.push(row(bench, metric, &value.to_string(), unit));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_documents_with_four_fields() {
        let figure = Figure::new("spoke-apply", "seconds", 9.876_54, "s");
        let json = serde_json::to_string(&[figure]).unwrap();
        assert_eq!(
            json,
            r#"[{"bench":"spoke-apply","metric":"seconds","value":9.877,"unit":"s"}]"#
        );
    }

    #[test]
    fn a_bench_that_is_named_twice_runs_once() {
        assert_eq!(selected(&[]), ALL);
        assert_eq!(selected(&[Bench::SpokeIdle, Bench::SpokeIdle]), [Bench::SpokeIdle]);
    }
}
