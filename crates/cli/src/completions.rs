//! `muster completions`: for the shell.

use clap_complete::{Shell, generate};

use crate::failure::Failure;
use crate::show::Console;

/// Print completions for a shell
///
/// For bash: `muster completions bash > /etc/bash_completion.d/muster`; for zsh: into a file
/// `_muster` in a folder of $fpath; for fish: `muster completions fish >
/// ~/.config/fish/completions/muster.fish`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Which one
    shell: Shell,
}

pub(crate) fn run(args: &Args, console: &mut Console) -> Result<(), Failure> {
    let mut script = Vec::new();
    generate(args.shell, &mut crate::command(), "muster", &mut script);
    console.print(&String::from_utf8_lossy(&script))
}
