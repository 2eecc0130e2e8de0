//! `cargo xtask COMMAND`: what the project does to itself.
//!
//! One file per command; each can be run alone, and `test` runs them all in the order of CI.
//! Nothing here is shipped to users: it may be plain and synchronous, and it stops at the first error.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line tool for developers"
)]

mod bench;
mod codegen;
mod conformance;
mod demo;
mod fuzz;
mod kube_types;
mod live;
mod sim;
mod stage;
mod stopwatch;
mod test;
mod tidy;
mod tools;
mod workspace;

use clap::{Parser, Subcommand};
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "What the Muster project does to itself", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Generate proto/src/generated from proto/muster/v1/*.proto
    Codegen(codegen::Arguments),
    /// Generate crates/kube-sim/types from the pinned API server
    KubeTypes(kube_types::Arguments),
    /// Check the rules that no compiler checks
    Tidy(tidy::Arguments),
    /// Run all checks and tests, as CI does
    Test(test::Arguments),
    /// Build the pinned control-plane tools, or check those in MUSTER_TOOLS_DIR
    Tools(tools::Arguments),
    /// Tell the whole story on three real control planes, and stay up for kubectl and muster
    Demo(demo::Arguments),
    /// Check the facts of a Kubernetes API server on kube-sim and on a real one
    Conformance(conformance::Arguments),
    /// Run a whole fleet in one process through faults that a seed decides
    Sim(sim::Arguments),
    /// Search for input that breaks parsers and templates
    Fuzz(fuzz::Arguments),
    /// Measure the figures of docs/benchmarks.md
    Bench(bench::Arguments),
    /// Become another program that dies with this one; see e2e::guard
    #[command(hide = true)]
    Guard {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        program: Vec<OsString>,
    },
}

fn main() -> ExitCode {
    // Not the path of this program: a build that it starts may replace the file.
    e2e::guard::set_launcher(PathBuf::from("/proc/self/exe"), &["guard"]);
    let outcome = match Arguments::parse().command {
        Command::Codegen(arguments) => codegen::run(&arguments).map(|()| ExitCode::SUCCESS),
        Command::KubeTypes(arguments) => kube_types::run(&arguments).map(|()| ExitCode::SUCCESS),
        Command::Tidy(arguments) => tidy::run(&arguments).map(|()| ExitCode::SUCCESS),
        Command::Test(arguments) => test::run(&arguments).map(|()| ExitCode::SUCCESS),
        Command::Tools(arguments) => tools::run(&arguments).map(|()| ExitCode::SUCCESS),
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Conformance(arguments) => conformance::run(&arguments),
        Command::Sim(arguments) => sim::run(&arguments).map(|()| ExitCode::SUCCESS),
        Command::Fuzz(arguments) => fuzz::run(&arguments).map(|()| ExitCode::SUCCESS),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Guard { program } => return e2e::guard::exec(&program),
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
