//! Git through a program: `ssh` to a server, or `git upload-pack` on a local repository.
//!
//! The arguments are a list, never a line for a shell. The far side of ssh does run a shell: the
//! path is quoted, and `RepoUrl` has refused every character that could matter there.

use std::io::{self, Read, Write};
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gix::protocol::transport::Protocol;
use gix::protocol::transport::client::git::ConnectMode;
use gix::protocol::transport::client::git::blocking_io::Connection;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};

use super::wire::{Failure, Wire};
use crate::url::RepoUrl;

/// How much of what a program says on its error output is kept: the end, where the reason is.
const STDERR_BYTES: usize = 4096;
/// How long a program may take to end after it has closed its output.
const EXIT_GRACE: Duration = Duration::from_secs(2);

pub(super) struct Invocation {
    program: &'static str,
    arguments: Vec<String>,
}

/// ssh without questions, and only to a host whose key is known. With a key of our own it also
/// ignores the user's configuration, so that nothing on the machine changes what happens.
pub(super) fn ssh(url: &RepoUrl, key: Option<(&Path, &Path)>) -> Invocation {
    let mut arguments: Vec<String> =
        ["-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes", "-o", "ConnectTimeout=10"]
            .map(str::to_owned)
            .into();
    let mut option = |option: String| arguments.extend(["-o".to_owned(), option]);
    option("SendEnv=GIT_PROTOCOL".to_owned());
    if let Some((key_file, known_hosts_file)) = key {
        option("IdentitiesOnly=yes".to_owned());
        option("IdentityAgent=none".to_owned());
        option(format!("IdentityFile=\"{}\"", key_file.display()));
        option(format!("UserKnownHostsFile=\"{}\"", known_hosts_file.display()));
        option("GlobalKnownHostsFile=/dev/null".to_owned());
        arguments.extend(["-F", "none"].map(str::to_owned));
    }
    if let Some(port) = url.port() {
        arguments.extend(["-p".to_owned(), port.to_string()]);
    }
    if let Some(user) = url.user() {
        arguments.extend(["-l".to_owned(), user.to_owned()]);
    }
    // ssh takes an IPv6 address without brackets.
    let host = url.host().trim_start_matches('[').trim_end_matches(']');
    arguments.extend(["--".to_owned(), host.to_owned()]);
    arguments.push(format!("git-upload-pack '{}'", url.remote_path()));
    Invocation { program: "ssh", arguments }
}

pub(super) fn local(url: &RepoUrl) -> Invocation {
    let arguments = ["upload-pack", "--strict", "--", &url.remote_path()].map(str::to_owned);
    Invocation { program: "git", arguments: arguments.into() }
}

pub(super) fn transport(
    url: &RepoUrl,
    invocation: Invocation,
    wire: Arc<Wire>,
) -> Result<Connection<Output, Input>, Failure> {
    let process = Arc::new(Mutex::new(Process::start(&invocation, &wire)?));
    let output = Output { wire: Arc::clone(&wire), process: Arc::clone(&process) };
    let input = Input { wire, process };
    Ok(Connection::new(
        output,
        input,
        Protocol::V2,
        url.remote_path(),
        None::<(&str, Option<u16>)>,
        ConnectMode::Process,
        false,
    ))
}

/// A running program; killed when the connection is dropped.
struct Process {
    program: &'static str,
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: ChildStdout,
    stderr: Option<ChildStderr>,
    said: Vec<u8>,
}

impl Process {
    fn start(invocation: &Invocation, wire: &Wire) -> Result<Self, Failure> {
        let program = invocation.program;
        let failure = |detail: String| Failure::Program { program, detail };
        let mut command = Command::new(program);
        command
            .args(&invocation.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        // Variables such as GIT_DIR belong to whoever started us, and would redirect git.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("GIT_") {
                command.env_remove(name);
            }
        }
        command.env("GIT_PROTOCOL", "version=2").env("LC_ALL", "C");
        let context = wire.enter();
        let mut child = command.spawn().map_err(|error| failure(error.to_string()))?;
        drop(context);
        let missing = || failure("its pipes are missing".to_owned());
        Ok(Self {
            program,
            stdin: child.stdin.take(),
            stdout: child.stdout.take().ok_or_else(missing)?,
            stderr: child.stderr.take(),
            child,
            said: Vec::new(),
        })
    }

    /// Reads output; what the program says beside it is kept for the case that it fails.
    async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut words = [0; 512];
        loop {
            let Some(stderr) = &mut self.stderr else { return self.stdout.read(buffer).await };
            // Both reads are cancel-safe: what they do not return stays in the pipe.
            tokio::select! {
                read = self.stdout.read(buffer) => return read,
                read = stderr.read(&mut words) => match read {
                    Ok(count) if count > 0 => keep_end(&mut self.said, &words[..count]),
                    _ => self.stderr = None,
                },
            }
        }
    }

    /// Called at the end of the output: did it end well?
    async fn ended(&mut self) -> Option<Failure> {
        self.stdin = None;
        let mut rest = Vec::new();
        if let Some(stderr) = &mut self.stderr {
            let limited = tokio::time::timeout(EXIT_GRACE, stderr.read_to_end(&mut rest));
            // Words that come late are not worth waiting for.
            let _late = limited.await;
        }
        keep_end(&mut self.said, &rest);
        let status = tokio::time::timeout(EXIT_GRACE, self.child.wait()).await.ok()?.ok()?;
        (!status.success()).then(|| explain(self.program, &String::from_utf8_lossy(&self.said)))
    }
}

fn keep_end(said: &mut Vec<u8>, more: &[u8]) {
    said.extend_from_slice(more);
    let excess = said.len().saturating_sub(STDERR_BYTES);
    said.drain(..excess);
}

/// The reason that a program gave, by the words that ssh and git have used for many years.
fn explain(program: &'static str, said: &str) -> Failure {
    let line = said.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or("no reason");
    let has = |words: &[&str]| words.iter().any(|word| said.contains(word));
    // The line that says why stands before the last one, where ssh speaks only of a lost connection.
    let telling = |words: &[&str]| {
        let found = said.lines().find(|line| words.iter().any(|word| line.contains(word)));
        format!("{program}: {}", found.unwrap_or(line).trim())
    };
    let host_key = ["Host key verification failed", "No ECDSA host key", "key is known for"];
    let gone = ["does not appear to be a git repository", "not found", "No such file", "dubious"];
    let refused = ["Permission denied", "Too many authentication failures"];
    if has(&host_key) {
        Failure::Untrusted { detail: telling(&host_key) }
    } else if has(&refused) {
        Failure::Refused { detail: telling(&refused) }
    } else if has(&gone) {
        Failure::NoRepository { detail: telling(&gone) }
    } else {
        Failure::Unreachable { detail: format!("{program}: {line}") }
    }
}

fn lock(process: &Mutex<Process>) -> MutexGuard<'_, Process> {
    process.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) struct Output {
    wire: Arc<Wire>,
    process: Arc<Mutex<Process>>,
}

impl Output {
    fn next(&self, buffer: &mut [u8]) -> Result<usize, Failure> {
        let mut process = lock(&self.process);
        let count = self
            .wire
            .wait(process.read(buffer))?
            .map_err(|error| Failure::Cut { detail: error.to_string() })?;
        self.wire.received(count)?;
        if count == 0
            && let Some(failure) = self.wire.wait(process.ended())?
        {
            return Err(failure);
        }
        Ok(count)
    }
}

impl Read for Output {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.next(buffer).map_err(|failure| self.wire.fail(failure))
    }
}

pub(super) struct Input {
    wire: Arc<Wire>,
    process: Arc<Mutex<Process>>,
}

impl Write for Input {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut process = lock(&self.process);
        let Some(stdin) = &mut process.stdin else { return Err(io::ErrorKind::BrokenPipe.into()) };
        match self.wire.wait(stdin.write(bytes)).map_err(|failure| self.wire.fail(failure))? {
            // A program that has ended explains itself to the next read, which must take place.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(bytes.len()),
            written => written,
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        let mut process = lock(&self.process);
        let Some(stdin) = &mut process.stdin else { return Ok(()) };
        match self.wire.wait(stdin.flush()).map_err(|failure| self.wire.fail(failure))? {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            flushed => flushed,
        }
    }
}

impl Drop for Output {
    /// Ends the program and waits for it, so that no zombie outlives the connection.
    fn drop(&mut self) {
        let mut process = lock(&self.process);
        process.stdin = None;
        // Nothing is left to do for a program that cannot be killed.
        let _ended = self.wire.wait(async {
            let ended = tokio::time::timeout(EXIT_GRACE / 10, process.child.wait()).await;
            if ended.is_err() {
                process.child.kill().await.ok();
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(url: &str, key: Option<(&Path, &Path)>) -> String {
        let invocation = ssh(&RepoUrl::parse(url).unwrap(), key);
        format!("{} {}", invocation.program, invocation.arguments.join(" "))
    }

    #[test]
    fn ssh_never_asks_and_never_trusts_a_stranger() {
        let common = "ssh -o BatchMode=yes -o StrictHostKeyChecking=yes -o ConnectTimeout=10 \
                      -o SendEnv=GIT_PROTOCOL";
        assert_eq!(
            line("git@git.example:o/r.git", None),
            format!("{common} -l git -- git.example git-upload-pack 'o/r.git'")
        );
        assert_eq!(
            line("ssh://[::1]:2222/o/r", Some((Path::new("/k"), Path::new("/h")))),
            format!(
                "{common} -o IdentitiesOnly=yes -o IdentityAgent=none -o IdentityFile=\"/k\" \
                 -o UserKnownHostsFile=\"/h\" -o GlobalKnownHostsFile=/dev/null -F none \
                 -p 2222 -- ::1 git-upload-pack '/o/r'"
            )
        );
    }

    #[test]
    fn a_program_is_understood_by_its_words() {
        let explain = |said| explain("ssh", said);
        assert!(matches!(
            explain("No ED25519 host key is known for h and ...\nHost key verification failed.\n"),
            Failure::Untrusted { .. }
        ));
        assert!(matches!(
            explain("git@h: Permission denied (publickey).\r\n"),
            Failure::Refused { detail } if detail == "ssh: git@h: Permission denied (publickey)."
        ));
        assert!(matches!(
            explain("ERROR: Repository not found.\nfatal: x"),
            Failure::NoRepository { detail } if detail == "ssh: ERROR: Repository not found."
        ));
        assert!(matches!(
            explain("ssh: connect to host h port 22: Connection refused\n"),
            Failure::Unreachable { .. }
        ));
    }
}
