//! `muster-hub`: parses, starts logging and calls `init` or `run`.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};
use hub::config::Config;
use hub::init::{self, InitOptions};
use hub::run;
use runtime::clock::Clock;
use runtime::error::chain;
use runtime::supervise::Supervisor;
use runtime::{shutdown, telemetry};

/// The hub of a Muster fleet
#[derive(Parser)]
#[command(version, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make the fleet's CA, the hub's certificate and the first operator's context
    Init(InitArgs),
    /// Run the hub
    Run(RunArgs),
    /// Print the default configuration
    Config,
}

#[derive(clap::Args)]
struct InitArgs {
    /// The folder for keys, certificates and the store; it must not hold a fleet yet
    #[arg(long)]
    dir: PathBuf,
    /// The fleet's name, which stands in every certificate
    #[arg(long, default_value = "fleet")]
    fleet: String,
    /// Where spokes and people reach the hub
    #[arg(long, value_name = "HOST:PORT")]
    address: String,
    /// A further DNS name or IP address of the hub; may be repeated
    #[arg(long = "name")]
    names: Vec<String>,
}

#[derive(clap::Args)]
struct RunArgs {
    /// The folder that `muster-hub init` made
    #[arg(long)]
    dir: PathBuf,
    /// A configuration file; `muster-hub config` prints one with every key
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// One setting over the file, such as --set pollSeconds=30
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,
    /// The same as --set listen=ADDRESS
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
}

fn main() -> ExitCode {
    match command(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to tell when stderr is gone.
            let _ignored = writeln!(std::io::stderr(), "error: {}", chain(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

fn command(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Config => Ok(std::io::stdout().write_all(hub::config::DEFAULT.as_bytes())?),
        Command::Init(InitArgs { dir, fleet, address, names }) => {
            let options = InitOptions { dir, fleet, address, names };
            let summary = init::init(&options, &Clock::system())?;
            Ok(std::io::stdout().write_all(summary.as_bytes())?)
        }
        Command::Run(RunArgs { dir, config, settings, listen }) => {
            let mut config = Config::load(config.as_deref(), &settings)?;
            if let Some(listen) = listen {
                config.listen = listen;
            }
            let format = config.log.format.parse().context("log.format")?;
            telemetry::init(format, &config.log.filter)?;
            runtime::tls::install_provider();
            tokio::runtime::Builder::new_multi_thread()
                .enable_all()
                .build()
                .context("the async runtime cannot start")?
                .block_on(async {
                    let supervisor = Supervisor::new(shutdown::signals());
                    run::run(&dir, config, Clock::system(), supervisor).await
                })
        }
    }
}
