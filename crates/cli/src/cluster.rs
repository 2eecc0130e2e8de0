//! `muster cluster …`: who belongs to the fleet. One file per subcommand.

mod approve;
mod label;
mod revoke;
mod token;

use clap::Subcommand;

use crate::client::Options;
use crate::failure::Failure;
use crate::show::Console;

/// Let clusters join, label them, and turn them away
#[derive(clap::Args)]
#[command(disable_help_subcommand = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Token(token::Args),
    Approve(approve::Args),
    Revoke(revoke::Args),
    Label(label::Args),
}

pub(crate) async fn run(
    args: Args,
    options: &Options,
    console: &mut Console,
) -> Result<(), Failure> {
    match args.command {
        Command::Token(args) => token::run(args, options, console).await,
        Command::Approve(args) => approve::run(args, options, console).await,
        Command::Revoke(args) => revoke::run(args, options, console).await,
        Command::Label(args) => label::run(args, options, console).await,
    }
}
