//! `cargo xtask test`: everything that has to hold before a change is accepted. CI runs exactly this.
//!
//! The phases go from the cheapest to the dearest, and the first that fails ends the run. All cargo commands select the whole
//! workspace, so that every crate is built once, with one set of features; only clippy and the fuzz targets, which count what an
//! input reaches, keep results of their own.

use crate::conformance::{self, Against};
use crate::stopwatch::Stopwatch;
use crate::{codegen, fuzz, sim, tidy, tools, workspace};
use anyhow::{Context, Result, bail};
use e2e::binaries::BIN_DIR_VARIABLE;
use e2e::folder::E2E_DIR_VARIABLE;
use e2e::tools::{TOOLS_DIR_VARIABLE, Tools};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Everything but the tests on real control planes
    #[arg(long)]
    no_e2e: bool,
    /// Only these, and what they need; default: all, in this order
    #[arg(value_enum)]
    phases: Vec<Phase>,
    /// After `--`: passed on to the test binaries of `crates` and `e2e`, such as the name of one test
    #[arg(last = true)]
    filter: Vec<String>,
}

/// In the order in which they run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
enum Phase {
    /// cargo fmt --check
    Fmt,
    /// The rules that no compiler checks
    Tidy,
    /// The committed wire code is fresh
    Codegen,
    /// cargo clippy, with warnings as errors
    Clippy,
    /// All binaries and tests
    Build,
    /// The pinned control-plane tools
    Tools,
    /// Unit, property and component tests
    Crates,
    /// What kube-sim does, against the answers of a real API server
    Sim,
    /// A minute of search for each fuzz target
    Fuzz,
    /// Fleets of 50 spokes through the faults of 20 seeds
    Fleet,
    /// The facts of an API server on a real control plane
    Real,
    /// Black-box tests on real control planes
    E2e,
}

const ALL: [Phase; 12] = [
    Phase::Fmt,
    Phase::Tidy,
    Phase::Codegen,
    Phase::Clippy,
    Phase::Build,
    Phase::Tools,
    Phase::Crates,
    Phase::Sim,
    Phase::Fuzz,
    Phase::Fleet,
    Phase::Real,
    Phase::E2e,
];

/// Every e2e test starts up to three control planes of 0.4 GB: more at once would need more memory than a laptop has.
const E2E_THREADS: &str = "--test-threads=2";

impl Phase {
    fn name(self) -> &'static str {
        match self {
            Self::Fmt => "fmt",
            Self::Tidy => "tidy",
            Self::Codegen => "codegen",
            Self::Clippy => "clippy",
            Self::Build => "build",
            Self::Tools => "tools",
            Self::Crates => "crates",
            Self::Sim => "sim",
            Self::Fuzz => "fuzz",
            Self::Fleet => "fleet",
            Self::Real => "real",
            Self::E2e => "e2e",
        }
    }

    /// What has to run before it, even when it was not asked for.
    fn needs(self) -> &'static [Self] {
        match self {
            Self::Crates => &[Self::Tools],
            Self::Sim | Self::Fleet => &[Self::Build],
            Self::Real | Self::E2e => &[Self::Build, Self::Tools],
            _ => &[],
        }
    }

    fn run(self, filter: &[String]) -> Result<()> {
        match self {
            Self::Fmt => cargo(&["fmt", "--all", "--check"], &[]),
            Self::Tidy => tidy::run(&tidy::Arguments {}),
            Self::Codegen => codegen::run(&codegen::Arguments { check: true }),
            Self::Clippy => {
                let flags = ["--", "-D", "warnings"].map(str::to_owned);
                cargo(&["clippy", "--locked", "--workspace", "--all-targets"], &flags)
            }
            Self::Build => cargo(&["build", "--locked", "--workspace", "--all-targets"], &[]),
            Self::Tools => tools::run(&tools::Arguments { tools: Vec::new() }),
            Self::Crates => {
                let flags = with_separator(&[], filter);
                cargo(&["test", "--locked", "--workspace", "--exclude", "e2e"], &flags)
            }
            Self::Sim => conformance(Against::Sim),
            Self::Fuzz => fuzz::test(),
            Self::Fleet => sim::test(),
            Self::Real => conformance(Against::Real),
            Self::E2e => {
                let flags = with_separator(&[E2E_THREADS], filter);
                cargo(&["test", "--locked", "--workspace", "--test", "e2e"], &flags)
            }
        }
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let phases = plan(&arguments.phases, arguments.no_e2e);
    let total = Stopwatch::start();
    let mut times = Vec::new();
    for (index, phase) in phases.iter().enumerate() {
        println!("== [{}/{}] {}", index + 1, phases.len(), phase.name());
        let stopwatch = Stopwatch::start();
        let outcome = phase.run(&arguments.filter);
        times.push((phase.name(), stopwatch.elapsed()));
        if let Err(error) = outcome {
            print_times(&times, total, Some(*phase));
            return Err(error).with_context(|| {
                let name = phase.name();
                format!("the phase `{name}` failed; alone it is `cargo xtask test {name}`")
            });
        }
    }
    print_times(&times, total, None);
    Ok(())
}

/// The phases to run, in order, with what they need.
fn plan(asked: &[Phase], no_e2e: bool) -> Vec<Phase> {
    let asked = if asked.is_empty() { &ALL[..] } else { asked };
    let mut phases: Vec<Phase> = asked.to_vec();
    if no_e2e {
        phases.retain(|phase| !matches!(phase, Phase::Real | Phase::E2e));
    }
    for phase in phases.clone() {
        phases.extend(phase.needs());
    }
    phases.sort();
    phases.dedup();
    phases
}

fn with_separator(own: &[&str], filter: &[String]) -> Vec<String> {
    if own.is_empty() && filter.is_empty() {
        return Vec::new();
    }
    let own = own.iter().map(|flag| (*flag).to_owned());
    std::iter::once("--".to_owned()).chain(own).chain(filter.iter().cloned()).collect()
}

/// Runs cargo with the environment of the tests. It is the same in every phase: a variable that differs could make cargo
/// build something twice.
fn cargo(arguments: &[&str], more: &[String]) -> Result<()> {
    let target = workspace::target()?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let line = arguments.iter().copied().chain(more.iter().map(String::as_str));
    println!("cargo {}", line.collect::<Vec<_>>().join(" "));
    let mut command = Command::new(cargo);
    command.args(arguments).args(more);
    let status = with_environment(&mut command, &target)?.status().context("cannot start cargo")?;
    if !status.success() {
        bail!("cargo {} failed ({status})", arguments.first().copied().unwrap_or_default());
    }
    Ok(())
}

fn conformance(side: Against) -> Result<()> {
    let target = workspace::target()?;
    let mut command = Command::new(target.join("debug").join("conformance"));
    conformance::run_built(side, with_environment(&mut command, &target)?)
}

fn with_environment<'a>(command: &'a mut Command, target: &Path) -> Result<&'a mut Command> {
    Ok(command
        .current_dir(workspace::root())
        .env(TOOLS_DIR_VARIABLE, Tools::locate()?.folder())
        .env(BIN_DIR_VARIABLE, target.join("debug"))
        .env(E2E_DIR_VARIABLE, target.join("e2e")))
}

fn print_times(times: &[(&str, Duration)], total: Stopwatch, failed: Option<Phase>) {
    println!("\n{:<10}{:>9}", "phase", "seconds");
    for (name, time) in times {
        let failed = failed.is_some_and(|phase| phase.name() == *name);
        let verdict = if failed { "failed" } else { "ok" };
        println!("{name:<10}{:>9.1}  {verdict}", time.as_secs_f64());
    }
    println!("{:<10}{:>9.1}", "total", total.elapsed().as_secs_f64());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_phases_run_in_order_and_e2e_can_be_left_out() {
        assert_eq!(plan(&[], false), ALL);
        assert_eq!(plan(&[], true), ALL[..10]);
    }

    #[test]
    fn a_phase_alone_brings_what_it_needs() {
        assert_eq!(plan(&[Phase::E2e], false), [Phase::Build, Phase::Tools, Phase::E2e]);
        assert_eq!(plan(&[Phase::Tidy, Phase::Fmt], false), [Phase::Fmt, Phase::Tidy]);
    }
}
