//! `muster cluster token …`: what a new cluster joins with.

mod create;
mod list;

use clap::Subcommand;

use crate::client::Options;
use crate::failure::Failure;
use crate::show::Console;

/// Make and list join tokens
#[derive(clap::Args)]
#[command(disable_help_subcommand = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Create(create::Args),
    List(list::Args),
}

pub(crate) async fn run(
    args: Args,
    options: &Options,
    console: &mut Console,
) -> Result<(), Failure> {
    match args.command {
        Command::Create(args) => create::run(args, options, console).await,
        Command::List(args) => list::run(args, options, console).await,
    }
}
