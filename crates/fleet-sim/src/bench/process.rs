//! A program as a process of its own, and what the kernel says of it.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tokio::process::{Child, Command};

/// Hundredths of a second: what the kernel counts CPU time in, on every Linux that we run on.
const TICK: Duration = Duration::from_millis(10);

/// Dropping it kills the program.
pub(super) struct Process {
    child: Child,
    pid: u32,
}

impl Process {
    /// Starts a program whose words go to a file.
    pub(super) fn start(command: &mut Command, log: &Path) -> Result<Self> {
        let log = fs::File::options().create(true).append(true).open(log)?;
        let child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {:?}", command.as_std().get_program()))?;
        let pid = child.id().context("the process has ended already")?;
        Ok(Self { child, pid })
    }

    pub(super) async fn kill(mut self) -> Result<()> {
        self.child.kill().await.context("the process cannot be killed")
    }

    /// A line such as `VmRSS` of its status, in bytes.
    pub(super) fn memory(&self, field: &str) -> Result<u64> {
        let path = format!("/proc/{}/status", self.pid);
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        memory(&text, field).with_context(|| format!("{path} has no {field}"))
    }

    /// The CPU time that it has used.
    pub(super) fn cpu(&self) -> Result<Duration> {
        let path = format!("/proc/{}/stat", self.pid);
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        cpu(&text).with_context(|| format!("{path} is not as expected"))
    }
}

fn memory(status: &str, field: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1_024)
}

fn cpu(stat: &str) -> Option<Duration> {
    // The name of the program may hold spaces; what follows its bracket does not.
    let rest = stat.rsplit_once(')')?.1;
    let mut fields = rest.split_whitespace().skip(11);
    let mut next = || fields.next()?.parse::<u32>().ok();
    Some(TICK * (next()? + next()?))
}

/// Runs a program to its end.
pub(super) async fn complete(command: &mut Command) -> Result<()> {
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output().await?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{:?} failed: {}", command.as_std().get_program(), said.trim());
    }
    Ok(())
}

/// Of a million bytes.
#[expect(clippy::cast_precision_loss, reason = "a process has far less than 2^52 bytes")]
pub(super) fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_is_read_rightly() {
        assert_eq!(memory("VmHWM:\t   10 kB\nVmRSS:\t    2 kB\n", "VmRSS"), Some(2_048));
        let stat = "7 (a ) b) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0";
        assert_eq!(cpu(stat), Some(Duration::from_secs(2)));
    }
}
