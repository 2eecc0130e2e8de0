//! `cargo xtask sim`: runs seeds of the fleet simulator, or one seed again.
//!
//! The simulator is a program of its own, so that xtask need not be built with the hub and the spoke.

use crate::workspace;
use anyhow::{Context, Result, bail};
use std::path::PathBuf;
use std::process::Command;

/// What `cargo xtask test` runs: the size is part of what a green run says.
const TEST_SEEDS: u64 = 20;
const TEST_SPOKES: usize = 50;
/// Twenty runs of this length fit in the time of a test; `cargo xtask sim` makes longer ones.
const TEST_ACTS: usize = 12;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The first seed
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many seeds, from the first on; default: one, or 20 when no seed is named
    #[arg(long)]
    seeds: Option<u64>,
    /// Clusters of the fleet
    #[arg(long, default_value_t = TEST_SPOKES)]
    spokes: usize,
    /// Acts and faults of each run
    #[arg(long, default_value_t = 40)]
    acts: usize,
    /// Build it as users' programs are built: worth it from some hundred seeds on
    #[arg(long)]
    release: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let Arguments { seed, seeds, spokes, acts, release } = arguments;
    let seeds = seeds.unwrap_or(if *seed == 1 { TEST_SEEDS } else { 1 });
    simulate(*seed, seeds, *spokes, *acts, *release)
}

/// The phase `fleet` of `cargo xtask test`.
pub(crate) fn test() -> Result<()> {
    simulate(1, TEST_SEEDS, TEST_SPOKES, TEST_ACTS, false)
}

fn simulate(seed: u64, seeds: u64, spokes: usize, acts: usize, release: bool) -> Result<()> {
    let program = build(release)?;
    let numbers = [
        ("--seed", seed.to_string()),
        ("--seeds", seeds.to_string()),
        ("--spokes", spokes.to_string()),
        ("--acts", acts.to_string()),
    ];
    let mut command = Command::new(program);
    command.arg("run");
    for (flag, number) in &numbers {
        command.args([flag, number.as_str()]);
    }
    command.arg("--keep").arg(workspace::target()?.join("sim"));
    let status =
        command.current_dir(workspace::root()).status().context("cannot start fleet-sim")?;
    if !status.success() {
        bail!("the simulator found something ({status}); its output says how to replay it");
    }
    Ok(())
}

/// Builds the simulator and says where it is.
pub(crate) fn build(release: bool) -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    // The whole workspace is selected, as by the tests, so that nothing is built a second time with
    // other features.
    let scope =
        if release { ["-p", "fleet-sim"].as_slice() } else { &["--workspace", "--all-targets"] };
    command.args(["build", "--locked"]).args(scope);
    if release {
        command.arg("--release");
    }
    let status = command.current_dir(workspace::root()).status().context("cannot start cargo")?;
    if !status.success() {
        bail!("cargo build failed ({status})");
    }
    Ok(workspace::target()?.join(if release { "release" } else { "debug" }).join("fleet-sim"))
}
