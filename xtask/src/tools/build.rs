//! Builds one tool with `go build`.
//!
//! A binary appears under its final name only when it is whole. What Go says goes to a file beside it, which stays
//! when the build fails.

use super::pinned::Pinned;
use anyhow::{Context, Result, bail};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

/// How often a running build is looked at, and its seconds are shown anew.
const TICK: Duration = Duration::from_millis(250);
/// Enough of Go's output to see the cause; the rest is in the file.
const SHOWN_LINES: usize = 15;

/// The `go` to use. `tool` is what it is needed for first.
pub(crate) fn find_go(tool: &str) -> Result<PathBuf> {
    let go = PathBuf::from("go");
    let version = Command::new(&go).arg("version").stdin(Stdio::null()).output();
    if version.is_ok_and(|output| output.status.success()) {
        return Ok(go);
    }
    bail!(
        "`go` is not in the PATH: {tool} and the other control-plane tools are built with Go 1.26 or newer. Install it from \
         https://go.dev/dl or with your package manager, or name a folder that holds the tools in MUSTER_TOOLS_DIR"
    );
}

/// Builds `tool` into `folder`; calls `tick` while it takes.
pub(crate) fn build(
    go: &Path,
    tool: &Pinned,
    version: &str,
    folder: &Path,
    tick: impl FnMut(),
) -> Result<()> {
    let target = folder.join(tool.file_name(version));
    let part = folder.join(format!(".{}.part", tool.file_name(version)));
    let log = folder.join(format!("{}.log", tool.file_name(version)));
    let file = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
    let child = Command::new(go)
        .args(["build", "-trimpath", "-buildvcs=false", "-ldflags", &tool.linker_flags(version)])
        .arg("-o")
        .arg(&part)
        .arg(tool.package)
        .current_dir(tool.folder())
        .env("CGO_ENABLED", "0")
        .env("GOFLAGS", "-mod=readonly") // Neither go.mod nor go.sum changes behind our back.
        .env("GOWORK", "off")
        .stdin(Stdio::null())
        .stdout(file.try_clone()?)
        .stderr(file)
        .spawn()
        .with_context(|| format!("cannot start {}", go.display()))?;
    let status = wait(child, tick)?;
    if !status.success() {
        bail!(
            "building {} {version} failed ({status}); the whole output is in {}:\n{}",
            tool.name,
            log.display(),
            last_lines(&fs::read_to_string(&log).unwrap_or_default())
        );
    }
    fs::rename(&part, &target).with_context(|| format!("cannot make {}", target.display()))?;
    fs::remove_file(&log).with_context(|| format!("cannot remove {}", log.display()))
}

fn wait(mut child: Child, mut tick: impl FnMut()) -> Result<ExitStatus> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        tick();
        thread::sleep(TICK);
    }
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n")
}
