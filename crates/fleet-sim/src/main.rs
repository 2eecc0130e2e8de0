//! `fleet-sim`: runs seeds, two at a time, and keeps what a failing one leaves behind.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line tool for developers"
)]

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError, mpsc};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::{Parser, Subcommand};
use fleet_sim::bench::{self, Figure};
use fleet_sim::simulation::{self, Report, Settings, log_file};
use runtime::clock::Clock;
use tempfile::TempDir;

/// How long one seed may take, by the clock on the wall. Only a run that hangs takes longer.
const PATIENCE: Duration = Duration::from_secs(900);

/// What is broken is often broken on every cluster.
const SHOWN: usize = 5;

/// A whole fleet in one process
#[derive(Parser)]
#[command(version, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run seeds and check the laws after each step
    Run(RunArgs),
    /// Make the load of a benchmark and print its figures, one JSON document on each line
    Bench(BenchArgs),
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Bench {
    /// Many spokes at one hub
    HubFleet,
    /// One spoke with a thousand objects
    SpokeMemory,
    /// How fast this simulator is
    SimEvents,
}

#[derive(clap::Args)]
struct BenchArgs {
    #[arg(value_enum)]
    name: Bench,
    /// A folder for everything that is made
    #[arg(long)]
    folder: PathBuf,
    /// Where muster-hub and muster-spoke are
    #[arg(long)]
    bin_dir: PathBuf,
    #[arg(long, default_value_t = 1_000)]
    spokes: usize,
    #[arg(long, default_value_t = 10)]
    applications: usize,
}

#[derive(clap::Args)]
struct RunArgs {
    /// The first seed
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many seeds, one after the other in number
    #[arg(long, default_value_t = 1)]
    seeds: u64,
    /// Clusters of the fleet
    #[arg(long, default_value_t = 50)]
    spokes: usize,
    /// Acts of each run
    #[arg(long, default_value_t = 40)]
    acts: usize,
    /// Seeds that run at a time
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Where what a failing seed leaves behind is kept
    #[arg(long, value_name = "DIR", default_value = "target/sim")]
    keep: PathBuf,
}

/// What came of one seed.
struct Done {
    seed: u64,
    outcome: Result<Report>,
    took: Duration,
    folder: TempDir,
}

fn main() -> ExitCode {
    runtime::tls::install_provider();
    let outcome = match Cli::parse().command {
        Command::Run(arguments) => run(&arguments),
        Command::Bench(arguments) => measure(&arguments).map(|()| true),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs all seeds; true when every one of them kept the laws.
fn run(arguments: &RunArgs) -> Result<bool> {
    let seeds = arguments.seed..arguments.seed + arguments.seeds;
    let queue = Mutex::new(seeds);
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
    let (sender, receiver) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..arguments.threads.max(1) {
            let (sender, next) = (sender.clone(), &next);
            scope.spawn(move || {
                while let Some(seed) = next() {
                    let settings =
                        Settings { seed, spokes: arguments.spokes, acts: arguments.acts };
                    if sender.send(one(&settings)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        let mut good = true;
        loop {
            match receiver.recv_timeout(PATIENCE) {
                Ok(done) => good &= tell(done?, arguments)?,
                Err(mpsc::RecvTimeoutError::Disconnected) => return Ok(good),
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    eprintln!("error: a run hangs: no seed ended within {PATIENCE:?}");
                    // Threads that hang cannot be joined.
                    std::process::exit(1);
                }
            }
        }
    })
}

fn measure(arguments: &BenchArgs) -> Result<()> {
    let BenchArgs { name, folder, bin_dir, spokes, applications } = arguments;
    let figures = match name {
        Bench::SimEvents => events()?,
        Bench::SpokeMemory => {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
            runtime.block_on(bench::spoke_memory(folder, bin_dir))?
        }
        Bench::HubFleet => {
            let settings = bench::Settings {
                binaries: bin_dir.clone(),
                spokes: *spokes,
                applications: *applications,
            };
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
            runtime.block_on(bench::hub_fleet(folder, &settings))?
        }
    };
    for figure in figures {
        println!("{}", serde_json::to_string(&figure)?);
    }
    Ok(())
}

/// Some seeds after each other on one thread.
#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn events() -> Result<Vec<Figure>> {
    let (mut events, mut seconds) = (0, 0.0);
    for seed in 1..=4 {
        let done = one(&Settings { seed, spokes: 50, acts: 40 })?;
        seconds += done.took.as_secs_f64();
        events += done.outcome?.events;
    }
    Ok(vec![Figure::new("events_per_second", events as f64 / seconds, "1/s")])
}

/// One seed in a runtime of its own, with a clock that jumps over waiting.
fn one(settings: &Settings) -> Result<Done> {
    let folder = tempfile::Builder::new().prefix("muster-sim-").tempdir()?;
    let trace = std::fs::File::create(folder.path().join("trace.txt"))?;
    let subscriber = tracing_subscriber::fmt()
        .with_writer(Mutex::new(trace))
        .with_ansi(false)
        .with_env_filter("info,kube_client=off,tower_http=off")
        .finish();
    let _trace = tracing::subscriber::set_default(subscriber);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .context("no async runtime")?;
    let path = folder.path().to_owned();
    let clock = runtime.block_on(async { Clock::system() });
    let began = clock.wall_ms();
    let outcome = runtime.block_on(Box::pin(simulation::run(&path, settings)));
    runtime.shutdown_timeout(Duration::from_secs(2));
    let took = u64::try_from(clock.wall_ms() - began).unwrap_or_default();
    Ok(Done { seed: settings.seed, outcome, took: Duration::from_millis(took), folder })
}

/// Prints what came of a seed, and keeps what it left when that was not good.
fn tell(done: Done, arguments: &RunArgs) -> Result<bool> {
    let Done { seed, outcome, took, folder } = done;
    let verdict = match &outcome {
        Ok(report) if report.violations.is_empty() => {
            println!(
                "seed {seed:>6}  ok      {:>8} events  {:>7.0} s simulated  {:>6.1} s",
                report.events,
                report.simulated.as_secs_f64(),
                took.as_secs_f64()
            );
            return Ok(true);
        }
        Ok(report) => {
            let shown = report.violations.iter().take(SHOWN).map(ToString::to_string);
            let more = report.violations.len().saturating_sub(SHOWN);
            let more = (more > 0).then(|| format!("and {more} more, in the log"));
            shown.chain(more).collect::<Vec<_>>().join("\n  ")
        }
        Err(error) => format!("{error:#}"),
    };
    let kept = keep(seed, &folder, &arguments.keep)?;
    println!("seed {seed:>6}  FAILED after {:.1} s\n  {verdict}", took.as_secs_f64());
    println!("  log: {}", kept.display());
    println!(
        "  replay: cargo xtask sim --seed {seed} --spokes {} --acts {}",
        arguments.spokes, arguments.acts
    );
    Ok(false)
}

fn keep(seed: u64, folder: &TempDir, target: &Path) -> Result<PathBuf> {
    std::fs::create_dir_all(target).with_context(|| format!("cannot make {}", target.display()))?;
    let mut first = None;
    for (file, name) in
        [(log_file(folder.path()), "log"), (folder.path().join("trace.txt"), "trace")]
    {
        let copy = target.join(format!("seed-{seed}.{name}"));
        if file.exists() {
            std::fs::copy(&file, &copy)?;
            first.get_or_insert(copy);
        }
    }
    match first {
        Some(copy) => Ok(copy),
        None => bail!("the run left no log"),
    }
}
