//! `cargo xtask fuzz`: searches for input that breaks a promise of a parser or template, with libFuzzer.
//!
//! The flags of the compiler that count which code an input reaches are stable ones, so no other toolchain
//! is needed; only a C++ compiler, for libFuzzer itself. What is found is kept in
//! `tests/fuzz/corpus/TARGET`, and from then on every `cargo test` takes it again.

use crate::workspace;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command};

/// Each is a function of `tests/fuzz/src/lib.rs`.
const TARGETS: [&str; 5] = ["handlebars", "fasttemplate", "gotemplate", "documents", "providers"];
/// What `cargo xtask test` gives each target.
const TEST_SECONDS: u64 = 60;
/// One core each on the smallest machine that runs the tests.
const AT_ONCE: usize = 2;
/// Coverage of edges by counters, with the table that tells libFuzzer which code they belong to.
const COVERAGE: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares";
/// Longer inputs find nothing that shorter ones do not, at a fraction of the speed.
const MAX_LENGTH: u32 = 4096;
/// An input that takes longer than this, or more memory, breaks the limits that templates have.
const MAX_INPUT_SECONDS: u32 = 10;
const MAX_MEMORY_MIB: u32 = 1024;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How long each target is searched
    #[arg(long, default_value_t = TEST_SECONDS)]
    seconds: u64,
    /// Only these; default: all
    targets: Vec<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let targets: Vec<&str> = match &arguments.targets[..] {
        [] => TARGETS.to_vec(),
        named => named.iter().map(String::as_str).collect(),
    };
    if let Some(unknown) = targets.iter().find(|name| !TARGETS.contains(name)) {
        bail!("there is no target {unknown:?}; known: {}", TARGETS.join(", "));
    }
    let programs = build(&targets)?;
    for pair in programs.chunks(AT_ONCE) {
        let searches: Result<Vec<_>> =
            pair.iter().map(|program| Search::start(program, arguments.seconds)).collect();
        searches?.into_iter().try_for_each(Search::finish)?;
    }
    Ok(())
}

/// The phase `fuzz` of `cargo xtask test`.
pub(crate) fn test() -> Result<()> {
    run(&Arguments { seconds: TEST_SECONDS, targets: Vec::new() })
}

struct Program {
    target: String,
    path: PathBuf,
}

/// Builds with coverage in a folder of its own, so that the flags rebuild nothing else.
fn build(targets: &[&str]) -> Result<Vec<Program>> {
    let folder = workspace::target()?.join("fuzz");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    // With the target named, build scripts and macros are built without coverage.
    let host = host()?;
    let mut command = Command::new(cargo);
    command
        .args(["build", "--locked", "--profile", "fuzz", "-p", "fuzz", "--features", "search"])
        .args(["--target", &host])
        .arg("--target-dir")
        .arg(&folder)
        .env("RUSTFLAGS", COVERAGE)
        .current_dir(workspace::root());
    for target in targets {
        command.arg("--bin").arg(format!("fuzz-{target}"));
    }
    if !command.status()?.success() {
        bail!("the fuzz targets could not be built; they need a C++ compiler such as g++");
    }
    let program = |target: &&str| Program {
        target: (*target).to_owned(),
        path: folder.join(&host).join("fuzz").join(format!("fuzz-{target}")),
    };
    Ok(targets.iter().map(program).collect())
}

fn host() -> Result<String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("-vV").output()?;
    let text = String::from_utf8(output.stdout)?;
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc -vV does not tell the host")?.to_owned())
}

/// One target that is being searched.
struct Search {
    target: String,
    child: Child,
    log: PathBuf,
    found: PathBuf,
}

impl Search {
    fn start(program: &Program, seconds: u64) -> Result<Self> {
        let Program { target, path } = program;
        let folder = workspace::target()?.join("fuzz").join("runs").join(target);
        // The search adds to its first folder; what is kept in the repository is only read.
        let (grown, found) = (folder.join("corpus"), folder.join("found"));
        fs::create_dir_all(&grown)?;
        fs::create_dir_all(&found)?;
        let kept = workspace::root().join("tests/fuzz/corpus").join(target);
        let log = folder.join("log");
        let child = Command::new(path)
            .arg(&grown)
            .arg(&kept)
            .arg(format!("-max_total_time={seconds}"))
            .arg(format!("-max_len={MAX_LENGTH}"))
            .arg(format!("-timeout={MAX_INPUT_SECONDS}"))
            .arg(format!("-rss_limit_mb={MAX_MEMORY_MIB}"))
            .arg(format!("-artifact_prefix={}/", found.display()))
            .args(["-print_final_stats=1", "-verbosity=1"])
            .stdout(fs::File::create(folder.join("out"))?)
            .stderr(fs::File::create(&log)?)
            .spawn()
            .with_context(|| format!("{} cannot be started", path.display()))?;
        Ok(Self { target: target.clone(), child, log, found })
    }

    fn finish(mut self) -> Result<()> {
        let status = self.child.wait()?;
        let log = fs::read(&self.log)?;
        let log = String::from_utf8_lossy(&log);
        if !status.success() {
            let tail: Vec<&str> = log.lines().rev().take(40).collect();
            tail.iter().rev().for_each(|line| eprintln!("{line}"));
            bail!(
                "the target {} broke: its input is in {}; mend it, and keep the input in \
                 tests/fuzz/corpus/{}",
                self.target,
                self.found.display(),
                self.target
            );
        }
        let number = |name: &str| stat(&log, name).unwrap_or("?");
        println!(
            "{:<14} {} inputs, {} of them new ways, at most {} MiB",
            self.target,
            number("number_of_executed_units"),
            number("new_units_added"),
            number("peak_rss_mb"),
        );
        Ok(())
    }
}

/// A line like `stat::peak_rss_mb: 52`.
fn stat<'a>(log: &'a str, name: &str) -> Option<&'a str> {
    let line = log.lines().find_map(|line| line.strip_prefix("stat::")?.strip_prefix(name))?;
    Some(line.trim_start_matches(':').trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_has_seeds() {
        let corpus = workspace::root().join("tests/fuzz/corpus");
        for target in TARGETS {
            let folder = corpus.join(target);
            assert!(fs::read_dir(&folder).unwrap().next().is_some(), "{target} has no seed");
        }
    }

    #[test]
    fn the_statistics_of_a_run_are_found() {
        let log = "stat::number_of_executed_units: 1234\nstat::peak_rss_mb:       52\n";
        assert_eq!(stat(log, "peak_rss_mb"), Some("52"));
        assert_eq!(stat(log, "number_of_executed_units"), Some("1234"));
    }
}
