//! `cargo xtask COMMAND`: what the project does to itself.
//!
//! One file per command; each can be run alone, and `test` runs them all in the order of CI.
//! Nothing here is shipped to users: it may be plain and synchronous, and it stops at the first error.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line tool for developers"
)]

mod codegen;
mod stopwatch;
mod tidy;
mod tools;
mod workspace;

use clap::{Parser, Subcommand};
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
    /// Check the rules that no compiler checks
    Tidy(tidy::Arguments),
    /// Build the pinned control-plane tools, or check those in MUSTER_TOOLS_DIR
    Tools(tools::Arguments),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Codegen(arguments) => codegen::run(&arguments),
        Command::Tidy(arguments) => tidy::run(&arguments),
        Command::Tools(arguments) => tools::run(&arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
