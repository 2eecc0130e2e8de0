//! `cargo xtask conformance`: the facts of a Kubernetes API server, checked on kube-sim and on a real one.
//!
//! The suite is a program of its own (`tests/conformance`), so that xtask does not have to be built with the simulator.
//! Its expected answers are those of the real server: `UPDATE_EXPECT=1 cargo xtask conformance --against real`.

use crate::{tools, workspace};
use anyhow::{Context, Result, bail};
use std::process::{Command, ExitCode};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Which server; default: one after the other
    #[arg(long, value_enum)]
    against: Option<Against>,
    /// Print every case, not only those that fail
    #[arg(long, short)]
    verbose: bool,
    /// Only cases whose section or name contains this, such as "dry run"
    filter: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Against {
    /// kube-sim
    Sim,
    /// kube-apiserver, etcd, kube-controller-manager, kube-scheduler and kwok
    Real,
}

impl Against {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sim => "sim",
            Self::Real => "real",
        }
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let sides = match arguments.against {
        Some(side) => vec![side],
        None => vec![Against::Sim, Against::Real],
    };
    if sides.contains(&Against::Real) {
        tools::run(&tools::Arguments { tools: Vec::new() })?;
    }
    let mut code = ExitCode::SUCCESS;
    for side in sides {
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.args(["run", "--quiet", "--locked", "-p", "conformance", "--", "--against"]);
        command.arg(side.name()).args(arguments.verbose.then_some("--verbose"));
        command.args(arguments.filter.as_deref());
        let status =
            command.current_dir(workspace::root()).status().context("cannot start cargo")?;
        if !status.success() {
            code = ExitCode::FAILURE;
        }
    }
    Ok(code)
}

/// Runs the suite that was built already, as a phase of `cargo xtask test`.
pub(crate) fn run_built(side: Against, command: &mut Command) -> Result<()> {
    let status = command.args(["--against", side.name()]).status();
    let status = status.context("cannot start the conformance suite")?;
    if !status.success() {
        bail!("some facts do not hold (`cargo xtask conformance --against {}`)", side.name());
    }
    Ok(())
}
