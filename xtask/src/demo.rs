//! `cargo xtask demo`: the main job of Muster, from a commit to three clusters and back, on real control planes.
//!
//! It starts everything as a user would, tells the story with the seconds of each step, and stays up for kubectl and
//! `muster` until Ctrl-C. With `--once` it ends after the story.

mod access;
mod repository;
mod show;
mod story;

use crate::live::{self, Note, Stream};
use crate::stage::{self, Ending, Profile};
use anyhow::Result;
use std::process::ExitCode;

/// As a shell reports a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Exit after the story, with 1 when a step failed
    #[arg(long)]
    once: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    show::line("Muster demo: a Git commit reaches three Kubernetes control planes.");
    show::line("");
    let binaries = stage::build(Profile::Debug)?;
    let mut told = false;
    let ending = stage::run("demo", async |folder| {
        let mut show = show::Show::new();
        let outcome = story::tell(folder, &binaries, &mut show).await;
        show.table(outcome.is_err());
        let fleet = outcome?;
        told = true;
        if !arguments.once {
            show::line("");
            show::lines(&access::next_things(folder));
            show::line("Everything stays up until Ctrl-C.");
            std::future::pending::<()>().await;
        }
        let note = Note::default();
        note.set("stopping");
        live::during(Stream::Stdout, &note, async { drop(fleet) }).await;
        Ok(())
    })?;
    if ending == Ending::Interrupted {
        show::line("");
        show::line("Stopped; nothing is left running.");
        if !told {
            return Ok(ExitCode::from(INTERRUPTED));
        }
    }
    Ok(ExitCode::SUCCESS)
}
