//! Runs one tool: cleared environment, own home, no input, bounded time, output and memory, and
//! no network where the kernel lets us take it away. What this does not do is in the crate's docs.

use std::ffi::OsString;
use std::io::{self, Read};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{self, RecvTimeoutError, SyncSender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};

use crate::Limits;
use crate::error::RenderError;
use crate::scratch::Scratch;
use crate::tools::is_executable;

/// How much of what a tool says on stderr is kept: the end, where an error is, and the begin, where
/// Go says why it gave up before it lists what every thread did.
const STDERR_BEGIN: usize = 512;
const STDERR_END: usize = 1536;
/// Nothing listens on port 1 of the loopback: a second belt where the network is still there.
const NO_PROXY: &str = "http://127.0.0.1:1";
/// Files a tool may have open; kustomize and helm use about twenty.
const OPEN_FILES: u64 = 512;
/// A probe that takes longer than this will not be waited for at each run.
const PROBE_TIME: Duration = Duration::from_secs(5);

/// Takes the network from a child where unprivileged user namespaces are allowed.
#[derive(Debug, Default)]
pub(crate) struct Isolation {
    unshare: OnceLock<Option<PathBuf>>,
}

/// One run of a tool.
pub(crate) struct Run<'a> {
    pub(crate) tool: &'static str,
    pub(crate) program: &'a Path,
    pub(crate) arguments: Vec<OsString>,
    /// Beside those that every run gets.
    pub(crate) environment: Vec<(&'static str, OsString)>,
    pub(crate) scratch: &'a Scratch,
}

/// A tool that ended by itself and was not content; its stderr still holds what it quotes.
pub(crate) struct Failed {
    pub(crate) status: String,
    pub(crate) stderr: String,
}

pub(crate) enum RunError {
    Failed(Failed),
    Other(RenderError),
}

impl Isolation {
    /// `unshare`, when it works here. Found out once; the places are fixed so that nobody's
    /// `PATH` decides what wraps our children.
    fn unshare(&self) -> Option<&Path> {
        let probe = || {
            let find = |name: &str| {
                ["/usr/bin", "/bin", "/usr/sbin", "/sbin"]
                    .map(|directory| Path::new(directory).join(name))
                    .into_iter()
                    .find(|file| is_executable(file))
            };
            let (unshare, nothing) = (find("unshare")?, find("true")?);
            let mut command = Command::new(&unshare);
            command.args(["-U", "-r", "-n"]).arg(nothing).env_clear();
            let works = execute(command, PROBE_TIME, 1024, None);
            matches!(works, Ok(ended) if ended.status.success()).then_some(unshare)
        };
        self.unshare.get_or_init(probe).as_deref()
    }

    /// Runs a tool and gives what it printed.
    pub(crate) fn run(&self, run: &Run<'_>, limits: &Limits) -> Result<Vec<u8>, RunError> {
        let ended = execute(self.command(run), limits.time, limits.output_bytes, Some(limits))
            .map_err(|error| RunError::Other(error.into_render_error(run.tool, limits)))?;
        let status = ended.status;
        if status.success() {
            return Ok(ended.stdout);
        }
        if let Some(signal) = status.signal() {
            let status = format!("signal {signal}");
            return Err(RunError::Other(RenderError::ToolKilled { tool: run.tool, status }));
        }
        if ran_out_of_memory(&ended.stderr) {
            let status = "out of memory".to_owned();
            return Err(RunError::Other(RenderError::ToolKilled { tool: run.tool, status }));
        }
        let status = format!("failed with exit code {}", status.code().unwrap_or(-1));
        Err(RunError::Failed(Failed { status, stderr: ended.stderr }))
    }

    fn command(&self, run: &Run<'_>) -> Command {
        let mut command = match self.unshare() {
            Some(unshare) => {
                let mut command = Command::new(unshare);
                command.args(["-U", "-r", "-n"]).arg(run.program);
                command
            }
            None => Command::new(run.program),
        };
        let home = run.scratch.home();
        command.args(&run.arguments).current_dir(&home).env_clear();
        for (name, directory) in [
            ("XDG_CONFIG_HOME", home.join("config")),
            ("XDG_CACHE_HOME", home.join("cache")),
            ("XDG_DATA_HOME", home.join("data")),
            ("TMPDIR", run.scratch.tmp()),
            ("HOME", home),
            // No program can be found by name: no git, no plugin, no shell.
            ("PATH", "/nonexistent".into()),
        ] {
            command.env(name, directory);
        }
        for name in ["http_proxy", "https_proxy", "all_proxy"] {
            command.env(name, NO_PROXY).env(name.to_uppercase(), NO_PROXY);
        }
        // Go's own soft limit collects garbage before the hard limit ends the process.
        command.env("GOMEMLIMIT", (run.scratch.limits().memory_bytes / 2).to_string());
        command.envs(run.environment.iter().map(|(name, value)| (name, value)));
        command
    }
}

struct Ended {
    status: ExitStatus,
    stdout: Vec<u8>,
    stderr: String,
}

enum ExecuteError {
    Start(io::Error),
    Wait(io::Error),
    TimedOut,
    TooMuchOutput,
}

impl ExecuteError {
    fn into_render_error(self, tool: &'static str, limits: &Limits) -> RenderError {
        match self {
            Self::Start(source) => RenderError::Machine { what: format!("start {tool}"), source },
            Self::Wait(source) => RenderError::Machine { what: format!("wait for {tool}"), source },
            Self::TimedOut => RenderError::TimedOut { tool, seconds: limits.time.as_secs() },
            Self::TooMuchOutput => RenderError::Limit {
                what: format!("{tool} printed"),
                amount: format!("more than {} bytes", limits.output_bytes),
                limit: format!("{} bytes of manifests", limits.output_bytes),
            },
        }
    }
}

/// What the waiting thread says, once.
enum Waited {
    Ended,
    TooMuchOutput,
    Failed(io::Error),
}

/// Starts a command in its own process group and waits for its end, its output or the time.
///
/// Only this function reaps the child, after the last signal was sent: so a signal can never
/// reach another process that got the same number.
fn execute(
    mut command: Command,
    time: Duration,
    output_bytes: usize,
    limits: Option<&Limits>,
) -> Result<Ended, ExecuteError> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let mut child = command.spawn().map_err(ExecuteError::Start)?;
    if let Some(limits) = limits {
        restrict(&child, limits);
    }
    let stdout = child.stdout.take().map(|pipe| thread::spawn(move || head(pipe, output_bytes)));
    let stderr = child.stderr.take().map(|pipe| thread::spawn(move || ends(pipe)));
    let (waited_tx, waited_rx) = mpsc::sync_channel(1);
    let pid = Pid::from_child(&child);
    let waiter = thread::spawn(move || wait(stdout, pid, &waited_tx));
    let waited = waited_rx.recv_timeout(time);
    // Also after a good end: nothing that the tool left behind may live on.
    let _gone = rustix::process::kill_process_group(pid, Signal::KILL);
    let status = child.wait().map_err(ExecuteError::Wait)?;
    match waited {
        Ok(Waited::Ended) => {}
        Ok(Waited::TooMuchOutput) => return Err(ExecuteError::TooMuchOutput),
        Ok(Waited::Failed(error)) => return Err(ExecuteError::Wait(error)),
        // The reading threads are left to themselves: they end when the pipes do.
        Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
            return Err(ExecuteError::TimedOut);
        }
    }
    let stdout = waiter.join().ok().flatten().unwrap_or_default();
    let stderr = stderr.and_then(|thread| thread.join().ok()).unwrap_or_default();
    Ok(Ended { status, stdout, stderr })
}

fn wait(
    stdout: Option<JoinHandle<Option<Vec<u8>>>>,
    pid: Pid,
    waited_tx: &SyncSender<Waited>,
) -> Option<Vec<u8>> {
    let stdout = stdout.and_then(|thread| thread.join().ok()).flatten();
    let waited = match &stdout {
        None => Waited::TooMuchOutput,
        Some(_) => {
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
            match rustix::process::waitid(WaitId::Pid(pid), options) {
                Ok(_) => Waited::Ended,
                Err(error) => Waited::Failed(error.into()),
            }
        }
    };
    // Nobody listens any more when the time was up.
    let _late = waited_tx.send(waited);
    stdout
}

/// Everything, or nothing when it is more than the limit or cannot be read.
fn head(pipe: impl Read, limit: usize) -> Option<Vec<u8>> {
    let mut text = Vec::new();
    pipe.take(limit as u64 + 1).read_to_end(&mut text).ok()?;
    (text.len() <= limit).then_some(text)
}

/// The begin and the end, read to the last byte so that the writer never blocks.
fn ends(mut pipe: impl Read) -> String {
    let (mut begin, mut end, mut left_out) = (Vec::new(), Vec::new(), false);
    let mut chunk = [0; 4096];
    while let Ok(count @ 1..) = pipe.read(&mut chunk) {
        let (first, rest) = chunk[..count].split_at(count.min(STDERR_BEGIN - begin.len()));
        begin.extend_from_slice(first);
        end.extend_from_slice(rest);
        let surplus = end.len().saturating_sub(STDERR_END);
        left_out |= surplus > 0;
        end.drain(..surplus);
    }
    if left_out {
        begin.extend_from_slice(b" [...] ");
    }
    begin.append(&mut end);
    String::from_utf8_lossy(&begin).trim().to_owned()
}

/// Go's own end when memory is refused to it; the words are in its runtime.
fn ran_out_of_memory(stderr: &str) -> bool {
    stderr.lines().any(|line| {
        line.starts_with("fatal error: ")
            && (line.contains("out of memory") || line.contains("allocate memory"))
    })
}

/// Sets the limits of a running child. It has run for some microseconds without them, which is
/// enough to start and not enough to do harm; setting them before would need unsafe code.
#[cfg(target_os = "linux")]
fn restrict(child: &Child, limits: &Limits) {
    use rustix::process::{Resource, Rlimit, prlimit};
    let pid = Pid::from_child(child);
    for (resource, value) in [
        // Data rather than address space: Go reserves far more addresses than it ever uses.
        (Resource::Data, limits.memory_bytes),
        (Resource::Cpu, limits.time.as_secs().max(1)),
        (Resource::Fsize, limits.tree_bytes as u64),
        (Resource::Nofile, OPEN_FILES),
        (Resource::Core, 0),
    ] {
        let limit = Rlimit { current: Some(value), maximum: Some(value) };
        if let Err(error) = prlimit(Some(pid), resource, limit) {
            tracing::debug!(?resource, %error, "a limit of the renderer could not be set");
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn restrict(_child: &Child, _limits: &Limits) {}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn output_and_status_come_back() {
        let ended = execute(shell("cat; echo out; echo err >&2; exit 3"), PROBE_TIME, 100, None);
        let Ok(ended) = ended else { panic!("it runs") };
        assert_eq!((ended.stdout.as_slice(), ended.stderr.as_str()), (&b"out\n"[..], "err"));
        assert_eq!(ended.status.code(), Some(3));
    }

    #[test]
    fn the_time_limit_ends_the_whole_group() {
        let folder = tempfile::tempdir().unwrap();
        let pid_file = folder.path().join("pid");
        let script = format!("sleep 600 & echo $! > {}; wait", pid_file.display());
        let ended = execute(shell(&script), Duration::from_millis(500), 100, None);
        assert!(matches!(ended, Err(ExecuteError::TimedOut)));
        let pid: i32 = std::fs::read_to_string(pid_file).unwrap().trim().parse().unwrap();
        // The signal is sent; when it takes effect is the kernel's, so the state is looked at until
        // it does. A process that sleeps on would keep this test from ending.
        let state = || {
            let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            state.rsplit(") ").next().unwrap_or_default().chars().next()
        };
        while !matches!(state(), None | Some('Z' | 'X')) {
            thread::yield_now();
        }
    }

    #[test]
    fn a_tool_that_closes_its_output_is_still_limited_in_time() {
        let script = "exec >&- 2>&-; sleep 600";
        let ended = execute(shell(script), Duration::from_millis(50), 100, None);
        assert!(matches!(ended, Err(ExecuteError::TimedOut)));
    }

    #[test]
    fn too_much_output_ends_the_tool() {
        let ended = execute(shell("while :; do echo yes; done"), PROBE_TIME, 1000, None);
        assert!(matches!(ended, Err(ExecuteError::TooMuchOutput)));
    }

    #[test]
    fn the_begin_and_the_end_of_stderr_are_kept() {
        let text = ends(format!("fatal\n{}the error\n", "x".repeat(10_000)).as_bytes());
        assert!(text.starts_with("fatal\nxx") && text.ends_with("xthe error"), "{text}");
        assert!(text.len() < 2100);
        assert_eq!(ends(&b"short\n"[..]), "short");
    }

    /// Runs a program as a tool is run.
    fn run(program: &str, arguments: &[&str]) -> String {
        let folder = tempfile::tempdir().unwrap();
        let limits = Limits::default();
        let scratch = Scratch::new(folder.path(), &limits).unwrap();
        let run = Run {
            tool: "test",
            program: Path::new(program),
            arguments: arguments.iter().map(Into::into).collect(),
            environment: vec![],
            scratch: &scratch,
        };
        match Isolation::default().run(&run, &limits) {
            Ok(output) => String::from_utf8(output).unwrap(),
            Err(RunError::Failed(failed)) => panic!("{}: {}", failed.status, failed.stderr),
            Err(RunError::Other(error)) => panic!("{error}"),
        }
    }

    #[test]
    fn nothing_of_our_environment_comes_through() {
        let output = run("/usr/bin/env", &[]);
        let mut names: Vec<_> =
            output.lines().filter_map(|line| Some(line.split_once('=')?.0)).collect();
        names.sort_unstable();
        assert_eq!(
            names,
            [
                "ALL_PROXY",
                "GOMEMLIMIT",
                "HOME",
                "HTTPS_PROXY",
                "HTTP_PROXY",
                "PATH",
                "TMPDIR",
                "XDG_CACHE_HOME",
                "XDG_CONFIG_HOME",
                "XDG_DATA_HOME",
                "all_proxy",
                "http_proxy",
                "https_proxy"
            ]
        );
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn there_is_no_network_where_the_kernel_lets_us() {
        if Isolation::default().unshare().is_none() {
            eprintln!("user namespaces are not allowed here: this test did not run");
            return;
        }
        let devices = run("/bin/cat", &["/proc/self/net/dev"]);
        let devices: Vec<_> = devices.lines().filter_map(|line| line.split_once(':')).collect();
        assert!(devices.iter().all(|(name, _)| name.trim() == "lo"), "{devices:?}");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_limits_of_the_process_are_set() {
        let script = "while [ \"$(ulimit -c)\" != 0 ]; do :; done; ulimit -d; ulimit -t; ulimit -n";
        assert_eq!(run("/bin/sh", &["-c", script]), "1048576\n90\n512\n");
    }
}
