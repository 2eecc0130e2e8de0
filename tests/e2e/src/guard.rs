//! No child outlives the harness, not even when the harness is killed with SIGKILL.
//!
//! Linux can send a process a signal when its parent is gone (`PR_SET_PDEATHSIG`), but the process has to ask for it
//! itself. So a child is started through this program: it asks, and then becomes the child by `exec`. Without it a
//! kube-apiserver that lost its etcd ignores even SIGTERM and stays for ever.

use anyhow::{Context, Result, bail};
use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode};
use std::sync::{OnceLock, mpsc};
use std::thread;

/// The program and its first arguments that lead to [`exec`].
static LAUNCHER: OnceLock<Vec<OsString>> = OnceLock::new();
const LAUNCHER_NAME: &str = "e2e-exec";

/// Says how [`exec`] is reached from this program. Without this call it is the binary `e2e-exec` beside it.
pub fn set_launcher(program: PathBuf, arguments: &[&str]) {
    let mut launcher = vec![program.into_os_string()];
    launcher.extend(arguments.iter().map(OsString::from));
    // The first caller decides; there is only one, in a `main`.
    drop(LAUNCHER.set(launcher));
}

/// A command that runs `program`, guarded. Start it with [`spawn`] only.
pub(crate) fn command(program: &Path) -> Result<Command> {
    let launcher = match LAUNCHER.get() {
        Some(launcher) => launcher.clone(),
        None => vec![beside_this_program()?.into_os_string()],
    };
    let (first, rest) = launcher.split_first().context("the launcher is empty")?;
    let mut command = Command::new(first);
    command.args(rest).arg(std::process::id().to_string()).arg(program);
    Ok(command)
}

fn beside_this_program() -> Result<PathBuf> {
    let this = std::env::current_exe().context("this program does not know its own path")?;
    // A test binary is in `deps`, one below the binaries.
    for folder in this.ancestors().skip(1).take(2) {
        let candidate = folder.join(LAUNCHER_NAME);
        if candidate.is_file() {
            return Ok(candidate);
        }
    }
    bail!("no `{LAUNCHER_NAME}` beside {}: run `cargo build --package e2e`", this.display())
}

/// The other side of [`command`]: `ARGUMENTS` are the pid of the parent, the program and its arguments.
///
/// It returns only when something went wrong.
pub fn exec(arguments: &[OsString]) -> ExitCode {
    match try_exec(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::from(127), // As a shell answers for a program that is not there.
    }
}

fn try_exec(arguments: &[OsString]) -> io::Result<()> {
    let [parent, program, rest @ ..] = arguments else {
        return Err(io::Error::other("usage: PARENT PROGRAM [ARGUMENT…]"));
    };
    // Ctrl-C reaches only the harness, which then stops its children in order.
    rustix::process::setpgid(None, None)?;
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    // The parent may have died before the request: then nobody will send the signal.
    let now = rustix::process::getppid().map(|pid| pid.as_raw_nonzero().to_string());
    if now.as_deref() != parent.to_str() {
        return Ok(());
    }
    Err(Command::new(program).args(rest).exec())
}

type Job = (Command, mpsc::SyncSender<io::Result<Child>>);

/// Starts a child from a thread that lives as long as this process.
///
/// The signal is sent when the *thread* that started the child ends, and a thread of an async runtime may end at any time.
pub(crate) fn spawn(command: Command) -> Result<Child> {
    static SPAWNER: OnceLock<mpsc::SyncSender<Job>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (jobs_tx, jobs_rx) = mpsc::sync_channel::<Job>(1);
        thread::spawn(move || {
            for (mut command, reply) in jobs_rx {
                // The caller waits for the reply.
                drop(reply.send(command.spawn()));
            }
        });
        jobs_tx
    });
    let (reply_tx, reply_rx) = mpsc::sync_channel(1);
    spawner.send((command, reply_tx)).context("the spawner thread is gone")?;
    reply_rx.recv().context("the spawner thread is gone")?.context("cannot start the launcher")
}
