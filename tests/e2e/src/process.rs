//! Programs under supervision: started with a log file, watched, killed, restarted.

use crate::{deadline, guard};
use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::time::Duration;

/// A program that does not end within this time after SIGTERM gets SIGKILL.
const PATIENCE: Duration = Duration::from_secs(10);
/// Enough of a log to see why a program ended.
const SHOWN_LINES: usize = 15;

/// What to start.
#[derive(Debug, Clone)]
pub struct Program {
    /// Names the log file.
    pub name: String,
    pub binary: PathBuf,
    pub arguments: Vec<OsString>,
    pub environment: Vec<(OsString, OsString)>,
    /// The working folder; the log is `NAME.log` in it.
    pub folder: PathBuf,
}

impl Program {
    pub fn new(name: &str, binary: PathBuf, folder: &Path) -> Self {
        Self {
            name: name.to_owned(),
            binary,
            arguments: Vec::new(),
            environment: Vec::new(),
            folder: folder.to_owned(),
        }
    }

    pub fn args<A: Into<OsString>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    pub fn log(&self) -> PathBuf {
        self.folder.join(format!("{}.log", self.name))
    }

    /// Starts it. Its output is appended to the log, so that a restart keeps what was said before.
    pub fn start(self) -> Result<Process> {
        fs::create_dir_all(&self.folder)
            .with_context(|| format!("cannot make {}", self.folder.display()))?;
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.log())
            .with_context(|| format!("cannot write {}", self.log().display()))?;
        let mut command = guard::command(&self.binary)?;
        command
            .args(&self.arguments)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        let child = guard::spawn(command).with_context(|| format!("starting {}", self.name))?;
        Ok(Process { program: self, child, ended: None })
    }
}

/// A started program. Dropping it kills it.
#[derive(Debug)]
pub struct Process {
    program: Program,
    child: Child,
    ended: Option<ExitStatus>,
}

impl Process {
    pub fn name(&self) -> &str {
        &self.program.name
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn log(&self) -> PathBuf {
        self.program.log()
    }

    /// The whole log so far.
    pub fn log_text(&self) -> String {
        fs::read(self.log())
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// The exit status, once it has ended.
    pub fn exit_status(&mut self) -> Result<Option<ExitStatus>> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait()?;
        }
        Ok(self.ended)
    }

    /// An error with the end of the log when it has ended.
    pub fn check(&mut self) -> Result<()> {
        let Some(status) = self.exit_status()? else { return Ok(()) };
        let log = self.log_text();
        let lines: Vec<&str> = log.lines().collect();
        let tail = lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n");
        bail!("{} ended ({status}); {} ends with:\n{tail}", self.name(), self.log().display())
    }

    /// Asks `condition` until it answers, as long as this program runs.
    pub async fn wait_for<T>(
        &mut self,
        what: &str,
        limit: Duration,
        mut condition: impl AsyncFnMut() -> Result<Option<T>>,
    ) -> Result<T> {
        let label = format!("{what} from {} (log: {})", self.name(), self.log().display());
        deadline::until(&label, limit, async || {
            self.check()?;
            condition().await
        })
        .await
    }

    /// The first line of the log that contains `text`.
    pub async fn wait_for_line(&mut self, text: &str, limit: Duration) -> Result<String> {
        let path = self.log();
        self.wait_for(&format!("line with `{text}`"), limit, async || {
            let log = fs::read(&path).unwrap_or_default();
            let log = String::from_utf8_lossy(&log);
            Ok(log.lines().find(|line| line.contains(text)).map(str::to_owned))
        })
        .await
    }

    pub async fn wait_for_exit(&mut self, limit: Duration) -> Result<ExitStatus> {
        let label = format!("end of {}", self.name());
        deadline::until(&label, limit, async || self.exit_status()).await
    }

    /// SIGKILL, as a crash would end it. Returns when it is gone.
    pub fn kill(&mut self) -> Result<()> {
        if self.exit_status()?.is_none() {
            self.child.kill()?;
            self.ended = Some(self.child.wait()?);
        }
        Ok(())
    }

    /// SIGTERM, and SIGKILL when that does not help.
    pub async fn stop(&mut self) -> Result<ExitStatus> {
        if let Some(status) = self.exit_status()? {
            return Ok(status);
        }
        self.signal(Signal::TERM)?;
        if let Ok(status) = self.wait_for_exit(PATIENCE).await {
            return Ok(status);
        }
        self.kill()?;
        self.ended.context("a killed process has a status")
    }

    /// Stops or continues it, as a machine that hangs would.
    pub fn freeze(&self, frozen: bool) -> Result<()> {
        self.signal(if frozen { Signal::STOP } else { Signal::CONT })
    }

    /// Ends it, if it still runs, and starts the same program again.
    pub fn restart(&mut self) -> Result<()> {
        self.kill()?;
        *self = self.program.clone().start()?;
        Ok(())
    }

    /// What it has used so far.
    pub fn usage(&self) -> Result<Usage> {
        Usage::of(self.pid())
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let raw = i32::try_from(self.pid()).context("a pid is a positive i32")?;
        let pid = Pid::from_raw(raw).context("a pid is not 0")?;
        kill_process(pid, signal).with_context(|| format!("cannot signal {}", self.name()))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // A program that is already gone is what is wanted.
        drop(self.kill());
    }
}

/// Processor time and memory of a process, from `/proc`.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    pub cpu: Duration,
    /// Resident now, in bytes.
    pub resident: u64,
    /// The most that was ever resident, in bytes.
    pub peak: u64,
}

impl Usage {
    pub fn of(pid: u32) -> Result<Self> {
        let read = |file: &str| {
            let path = format!("/proc/{pid}/{file}");
            fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))
        };
        let (stat, status) = (read("stat")?, read("status")?);
        Ok(Self {
            cpu: cpu_time(&stat).context("/proc/PID/stat has no times")?,
            resident: kibibytes(&status, "VmRSS:").context("/proc/PID/status has no VmRSS")? * 1024,
            peak: kibibytes(&status, "VmHWM:").context("/proc/PID/status has no VmHWM")? * 1024,
        })
    }
}

/// User and system time. The kernel counts them in ticks, of which every Linux since 2.6 shows 100 a second.
fn cpu_time(stat: &str) -> Option<Duration> {
    // The second field is the name in parentheses and may hold spaces.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks: u64 = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    Some(Duration::from_millis(ticks * 10))
}

fn kibibytes(status: &str, key: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(key))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_spaces_does_not_shift_the_times() {
        let stat = "7 (a b) c) S 1 7 7 0 -1 4 1 0 0 0 150 50 0 0 20 0 9 0 5 1 2";
        assert_eq!(cpu_time(stat), Some(Duration::from_secs(2)));
    }

    #[test]
    fn this_process_has_used_something() {
        let usage = Usage::of(std::process::id()).unwrap();
        assert!(usage.peak >= usage.resident && usage.resident > 0, "{usage:?}");
    }
}
