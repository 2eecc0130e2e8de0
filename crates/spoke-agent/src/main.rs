//! `muster-spoke`: parses, starts logging and calls `run`.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};
use runtime::clock::Clock;
use runtime::error::chain;
use runtime::supervise::Supervisor;
use runtime::{shutdown, telemetry};
use spoke_agent::config::Config;
use spoke_agent::run::{self, JoinArgs};

/// The agent of one Kubernetes cluster in a Muster fleet
#[derive(Parser)]
#[command(version, disable_help_subcommand = true)]
struct Cli {
    /// A configuration file; `muster-spoke config` prints one with every key
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// One setting over the file, such as --set git.allowHttp=true
    #[arg(long = "set", global = true, value_name = "KEY=VALUE")]
    settings: Vec<String>,
    /// The cluster to manage; default: the one this runs in
    #[arg(long, global = true, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Where caches are kept; the same as --set stateDir=DIR
    #[arg(long, global = true, value_name = "DIR")]
    state_dir: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Manage the cluster; joins first when it has no identity and a token is given
    Run(JoinArgs),
    /// Join a fleet, store the identity in the cluster, and exit
    Join(JoinArgs),
    /// Print the default configuration
    Config,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    // One thread is enough and costs the least memory; rendering and Git run on the blocking pool.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let result = runtime
        .context("the async runtime cannot start")
        .and_then(|runtime| runtime.block_on(main_async(cli)));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to tell when stderr is gone.
            let _ignored = writeln!(std::io::stderr(), "error: {}", chain(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

async fn main_async(cli: Cli) -> anyhow::Result<()> {
    if matches!(cli.command, Command::Config) {
        std::io::stdout().write_all(spoke_agent::config::DEFAULT.as_bytes())?;
        return Ok(());
    }
    let mut config = Config::load(cli.config.as_deref(), &cli.settings)?;
    if let Some(dir) = cli.state_dir {
        config.state_dir = dir;
    }
    let format = config.log.format.parse().context("log.format")?;
    telemetry::init(format, &config.log.filter)?;
    runtime::tls::install_provider();
    let client = run::client(cli.kubeconfig.as_deref()).await?;
    match cli.command {
        Command::Run(args) => {
            let supervisor = Supervisor::new(shutdown::signals());
            run::run(client, config, &args, Clock::system(), supervisor).await
        }
        Command::Join(args) => run::join(client, &config, &args).await.map(drop),
        Command::Config => Ok(()),
    }
}
