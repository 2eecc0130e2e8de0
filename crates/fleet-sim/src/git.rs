//! A real Git repository behind a server that can be told to misbehave.
//!
//! The server has a thread and a runtime of its own: what it does takes real time, while the time
//! of the simulation waits for the blocking call that asked.

mod server;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

pub use server::GitServer;

/// Git without anybody's configuration.
fn git(repository: &Path) -> Command {
    let mut command = Command::new("git");
    command
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_DIR", repository);
    command
}

/// The bare repository; commits are written straight into it, one process each.
pub struct Repository {
    path: PathBuf,
    /// Seconds since 1970 of the next commit: dates are part of a commit's name.
    time: u64,
}

impl Repository {
    /// Makes `NAME.git` below the server's folder.
    pub fn create(server: &GitServer, name: &str) -> Result<Self> {
        let path = server.folder().join(format!("{name}.git"));
        let made = git(&path).args(["init", "--quiet", "--bare", "--initial-branch=main"]).output();
        checked("init", made)?;
        // A spoke asks for a commit by its name.
        let set = git(&path).args(["config", "uploadpack.allowAnySHA1InWant", "true"]).output();
        checked("config", set)?;
        Ok(Self { path, time: 1_700_000_000 })
    }

    /// Replaces everything in the branch by these files, and returns the commit. Blocks.
    pub fn commit(&mut self, files: &BTreeMap<String, String>, message: &str) -> Result<String> {
        self.time += 1;
        let mut stream = format!(
            "commit refs/heads/main\ncommitter Ada <ada@example.com> {} +0000\ndata {}\n{message}\n",
            self.time,
            message.len()
        );
        if self.head().is_ok() {
            stream.push_str("from refs/heads/main^0\n");
        }
        stream.push_str("deleteall\n");
        for (path, text) in files {
            let bytes = text.len();
            write!(stream, "M 100644 inline {path}\ndata {bytes}\n{text}\n")?;
        }
        let mut child = git(&self.path)
            .args(["fast-import", "--quiet", "--force"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("`git` is not in the PATH: the simulator commits with it")?;
        child.stdin.take().context("stdin is piped")?.write_all(stream.as_bytes())?;
        checked("fast-import", child.wait_with_output())?;
        self.head()
    }

    fn head(&self) -> Result<String> {
        let text = std::fs::read_to_string(self.path.join("refs/heads/main"))?;
        Ok(text.trim().to_owned())
    }
}

fn checked(what: &str, output: std::io::Result<std::process::Output>) -> Result<Vec<u8>> {
    let output = output.context("`git` is not in the PATH: the simulator needs it")?;
    if !output.status.success() {
        bail!("git {what} failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(output.stdout)
}
