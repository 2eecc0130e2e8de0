//! What demo and bench share: everything is built first, then a fleet runs in a folder of its own, and nothing is left when it ends.
//!
//! Ctrl-C works at any moment: dropping the fleet kills its processes, and no process outlives this one (`e2e::guard`).

use crate::{tools, workspace};
use anyhow::{Context, Result, bail};
use e2e::binaries::{BIN_DIR_VARIABLE, Binaries};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;
use tempfile::TempDir;
use tokio::signal::unix::{SignalKind, signal};

/// A program that was just killed may still have a file open that it was about to write.
const REMOVAL_ATTEMPTS: u32 = 20;
const REMOVAL_PAUSE: Duration = Duration::from_millis(100);

/// How the binaries are built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    /// As the tests build them: the first build is short.
    Debug,
    /// As users run them.
    Release,
}

/// How a run ended that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    Done,
    /// Ctrl-C, or the terminal went away.
    Interrupted,
}

/// Builds the control-plane tools and the Muster binaries, as far as they are not there. A folder that the user names in
/// `MUSTER_BIN_DIR` is taken as it is.
pub(crate) fn build(profile: Profile) -> Result<Binaries> {
    tools::run(&tools::Arguments { tools: Vec::new() })?;
    if std::env::var_os(BIN_DIR_VARIABLE).is_some_and(|folder| !folder.is_empty()) {
        return Ok(Binaries::default());
    }
    let mut arguments = vec!["build", "--locked", "-p", "hub", "-p", "spoke-agent", "-p", "cli"];
    let folder = match profile {
        Profile::Debug => "debug",
        Profile::Release => {
            // The load of some benches; in one build with the others, so that they share crates.
            arguments.extend(["-p", "fleet-sim", "--release"]);
            "release"
        }
    };
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(&arguments)
        .current_dir(workspace::root())
        .status()
        .context("cannot start cargo")?;
    if !status.success() {
        bail!("cargo {} failed ({status})", arguments.join(" "));
    }
    Ok(Binaries::in_folder(workspace::target()?.join(folder)))
}

/// Runs `body` with a new folder, which is removed at the end; when it fails the folder stays, and the error names it.
pub(crate) fn run(name: &str, body: impl AsyncFnOnce(&Path) -> Result<()>) -> Result<Ending> {
    let folder = tempfile::Builder::new()
        .prefix(&format!("muster-{name}-"))
        .tempdir()
        .context("cannot make a folder for temporary files")?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("no async runtime")?;
    let outcome = runtime.block_on(async {
        let interrupted = interruption()?;
        // Whatever is not chosen is dropped before the folder is removed, and with it all processes.
        tokio::select! {
            biased;
            () = interrupted => Ok(Ending::Interrupted),
            outcome = Box::pin(body(folder.path())) => outcome.map(|()| Ending::Done),
        }
    });
    drop(runtime);
    match outcome {
        Ok(ending) => remove(folder).map(|()| ending),
        Err(error) => {
            let path = folder.keep();
            Err(error.context(format!("all logs and files of this run are in {}", path.display())))
        }
    }
}

/// Ends with the first signal that asks this process to end.
fn interruption() -> Result<impl Future<Output = ()>> {
    let listen = |kind| signal(kind).context("cannot listen for signals");
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    let mut hangup = listen(SignalKind::hangup())?;
    Ok(async move {
        // Receiving a signal is cancel-safe.
        tokio::select! {
            _ = interrupt.recv() => (),
            _ = terminate.recv() => (),
            _ = hangup.recv() => (),
        }
    })
}

fn remove(folder: TempDir) -> Result<()> {
    let path = folder.path().to_owned();
    for _ in 1..REMOVAL_ATTEMPTS {
        if std::fs::remove_dir_all(&path).is_ok() {
            break;
        }
        thread::sleep(REMOVAL_PAUSE);
    }
    if !path.exists() {
        return Ok(());
    }
    folder.close().with_context(|| format!("cannot remove {}", path.display()))
}
