//! `cargo xtask tidy`: rules of the project that no compiler checks.
//!
//! It finds everything that is wrong, not the first thing, and changes nothing. It needs cargo and git, no
//! other tool: the rules about dependencies are those of `deny.toml`, for whoever has cargo-deny as well.

mod dependencies;
mod policy;
mod sources;

use anyhow::{Result, bail};

#[derive(clap::Args)]
pub(crate) struct Arguments {}

pub(crate) fn run(_arguments: &Arguments) -> Result<()> {
    let mut findings = dependencies::check()?;
    findings.extend(sources::check()?);
    for finding in &findings {
        println!("{finding}");
    }
    match findings.len() {
        0 => println!("tidy: nothing to say"),
        1 => bail!("tidy: 1 finding"),
        count => bail!("tidy: {count} findings"),
    }
    Ok(())
}
