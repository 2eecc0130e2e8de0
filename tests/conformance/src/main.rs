//! Facts of a Kubernetes API server, each a small case that must hold on kube-sim and on a real control plane.
//!
//! The expected answers were taken from the real server, byte for byte but for what is different each time (`mask`):
//! `UPDATE_EXPECT=1 cargo xtask conformance --against real` takes them anew. Cases run at the same time, each in a
//! namespace of its own, and speak plain HTTP: a client library would hide what is compared here.
//!
//! A case lives in `cases/SECTION.rs`, is named by the fact, and is listed in its section. Where kube-sim differs on
//! purpose, the case is marked `real_only` with the name of a line in kube-sim's README.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for developers")]

mod case;
mod cases;
mod client;
mod diff;
mod kubeconfig;
mod mask;
mod report;
mod run;
mod shown;
mod side;

use anyhow::{Context, Result, bail};
use clap::{Parser, ValueEnum};
use futures::StreamExt;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

/// Cases at the same time. More would only make them wait for the two processors of a small machine.
const AT_ONCE: usize = 24;

#[derive(Parser)]
#[command(name = "conformance", about = "Facts of an API server, on kube-sim and on a real one")]
struct Arguments {
    /// Which server
    #[arg(long, value_enum, default_value = "sim")]
    against: Against,
    /// A control plane that is already running, instead of one of its own; namespaces are left behind in it
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Print every case, not only those that fail
    #[arg(long, short)]
    verbose: bool,
    /// Only cases whose section or name contains this
    filter: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Against {
    /// kube-sim
    Sim,
    /// kube-apiserver, etcd, kube-controller-manager, kube-scheduler and kwok
    Real,
}

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    // How a child asks to die with this program; see e2e::guard.
    if arguments.get(1).is_some_and(|first| first == "guard") {
        return e2e::guard::exec(&arguments[2..]);
    }
    e2e::guard::set_launcher(PathBuf::from("/proc/self/exe"), &["guard"]);
    match execute(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether all cases passed.
fn execute(arguments: &Arguments) -> Result<bool> {
    if case::updating() && arguments.against == Against::Sim {
        bail!("expected answers are taken from a real server: add --against real");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("no async runtime")?;
    runtime.block_on(Box::pin(run_all(arguments)))
}

async fn run_all(arguments: &Arguments) -> Result<bool> {
    let sections = cases::sections();
    let chosen = case::choose(&sections, arguments.filter.as_deref(), arguments.against);
    if chosen.is_empty() {
        bail!("no case or section contains {:?}", arguments.filter.as_deref().unwrap_or_default());
    }
    let side = Box::pin(side::start(arguments.against, arguments.kubeconfig.as_deref())).await?;
    let mut report = report::Report::start(arguments.verbose);
    let mut verdicts = futures::stream::iter(chosen.iter().enumerate())
        .map(|(number, chosen)| chosen.run(side.target(), number))
        .buffer_unordered(AT_ONCE);
    while let Some(verdict) = verdicts.next().await {
        report.add(verdict);
    }
    drop(verdicts);
    let passed = report.print(&sections, side.name());
    side.stop(passed).await?;
    Ok(passed)
}
