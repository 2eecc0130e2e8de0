//! `spoke-apply`: how long a commit of 200 applications takes, and what it costs the spoke and the API server.

use super::Figure;
use super::fleet;
use anyhow::Result;
use e2e::binaries::Binaries;
use std::path::Path;
use std::time::Duration;

pub(crate) const NAME: &str = "spoke-apply";

pub(crate) async fn run(folder: &Path, binaries: &Binaries) -> Result<Vec<Figure>> {
    let mut fleet = fleet::start(folder, binaries, Vec::new()).await?;
    let commit = fleet::commit(&fleet).await?;
    let spoke_before = fleet.members[0].spoke.usage()?.cpu;
    let server_before = fleet.members[0].plane.process("kube-apiserver")?.usage()?.cpu;
    let took = fleet::apply(&fleet, &commit).await?;
    let spoke = fleet.members[0].spoke.usage()?;
    let server = fleet.members[0].plane.process("kube-apiserver")?.usage()?;
    let seconds = |metric, time: Duration| Figure::new(NAME, metric, time.as_secs_f64(), "s");
    Ok(vec![
        seconds("seconds", took),
        seconds("spoke_cpu_seconds", spoke.cpu.saturating_sub(spoke_before)),
        Figure::new(NAME, "spoke_vmhwm_mb", megabytes(spoke.peak), "MB"),
        seconds("apiserver_cpu_seconds", server.cpu.saturating_sub(server_before)),
    ])
}

/// Of a million bytes.
#[expect(clippy::cast_precision_loss, reason = "a process has far less than 2^52 bytes")]
pub(crate) fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
