//! The muster command: one file per command, whose doc comment is its manual.
//!
//! A command parses its words, asks the hub through [`client`] and prints through [`show`]. It
//! keeps no state and decides nothing about the fleet: the hub is the only way in. Data goes to
//! stdout, talk to stderr. `main.rs` calls [`main`]; nobody else does.
//!
//! Tasks: none of its own.

mod apply;
mod approve;
mod client;
mod cluster;
mod completions;
mod delete;
mod demo;
mod describe;
mod duration;
mod expand;
mod failure;
mod get;
mod history;
mod kind;
mod pause;
mod refresh;
mod resume;
mod show;
mod sync;
mod version;
mod wait;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use runtime::clock::Clock;

use failure::Failure;
use show::Console;

/// Run Kubernetes clusters from Git, as one fleet
///
/// The hub reads the fleet repository and tells the spoke of each cluster which commit to run.
/// This command asks the hub: what runs where, since when, and why.
#[derive(Parser)]
#[command(name = "muster", version, disable_help_subcommand = true, after_help = EXIT_CODES)]
pub struct Cli {
    #[command(flatten)]
    connection: client::Options,
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 done, 1 failed, 2 wrong usage.";

#[derive(Subcommand)]
enum Command {
    Get(get::Args),
    Describe(describe::Args),
    History(history::Args),
    Wait(wait::Args),
    Apply(apply::Args),
    Delete(delete::Args),
    Sync(sync::Args),
    Pause(pause::Args),
    Resume(resume::Args),
    Refresh(refresh::Args),
    Approve(approve::Args),
    Cluster(cluster::Args),
    Expand(expand::Args),
    Demo(demo::Args),
    Version(version::Args),
    Completions(completions::Args),
}

/// The command line as clap knows it, for help, completions and tests.
#[must_use]
pub fn command() -> clap::Command {
    Cli::command()
}

/// The whole process: parse, run, report.
#[must_use]
pub fn main() -> ExitCode {
    runtime::tls::install_provider();
    let cli = Cli::parse();
    let mut console = Console::of_process(Clock::system());
    match run(cli, &mut console) {
        Ok(code) => code,
        Err(failure) => report(&failure, &mut console),
    }
}

fn run(cli: Cli, console: &mut Console) -> Result<ExitCode, Failure> {
    let Cli { connection, command } = cli;
    if let Command::Demo(args) = &command {
        return demo::run(args, console);
    }
    let mut tokio = tokio::runtime::Builder::new_current_thread();
    let tokio = tokio.enable_all().build().map_err(Failure::Start)?;
    let hub = &connection;
    match command {
        Command::Get(args) => tokio.block_on(get::run(args, hub, console)),
        Command::Describe(args) => tokio.block_on(describe::run(args, hub, console)),
        Command::History(args) => tokio.block_on(history::run(args, hub, console)),
        Command::Wait(args) => tokio.block_on(wait::run(args, hub, console)),
        Command::Apply(args) => tokio.block_on(apply::run(args, hub, console)),
        Command::Delete(args) => tokio.block_on(delete::run(args, hub, console)),
        Command::Sync(args) => tokio.block_on(sync::run(args, hub, console)),
        Command::Pause(args) => tokio.block_on(pause::run(args, hub, console)),
        Command::Resume(args) => tokio.block_on(resume::run(args, hub, console)),
        Command::Refresh(args) => tokio.block_on(refresh::run(args, hub, console)),
        Command::Approve(args) => tokio.block_on(approve::run(args, hub, console)),
        Command::Cluster(args) => tokio.block_on(cluster::run(args, hub, console)),
        Command::Expand(args) => expand::run(args, console),
        // Has a runtime of its own, with threads.
        Command::Demo(_) => Ok(()),
        Command::Version(args) => tokio.block_on(version::run(&args, hub, console)),
        Command::Completions(args) => completions::run(&args, console),
    }?;
    Ok(ExitCode::SUCCESS)
}

/// Prints the error with its causes, then the hints. A reader that went away, such as `head`, is
/// no error.
fn report(failure: &Failure, console: &mut Console) -> ExitCode {
    if failure.is_broken_pipe() {
        return ExitCode::SUCCESS;
    }
    console.say_error(&runtime::error::chain(failure));
    for hint in failure.hints() {
        console.say(&format!("hint: {hint}"));
    }
    failure.exit_code()
}
