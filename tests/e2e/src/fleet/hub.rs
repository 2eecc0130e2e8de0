//! The hub as a process with its folder.

use crate::binaries::Binaries;
use crate::process::{Process, Program};
use crate::{deadline, port};
use anyhow::{Context, Result, bail};
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::process::Command;

const START_LIMIT: Duration = Duration::from_secs(60);
const FLEET: &str = "demo";

/// A running hub, or one that was killed and can be started again.
pub struct Hub {
    data: PathBuf,
    port: u16,
    process: Process,
}

impl Hub {
    /// Makes a fleet in `folder` and runs its hub with this fleet repository.
    pub(super) async fn start(
        folder: &Path,
        binaries: &Binaries,
        repository: &str,
        settings: &[String],
    ) -> Result<Self> {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let port = port::free()?;
        let address = format!("127.0.0.1:{port}");
        let data = folder.join("data");
        init(binaries, &data, &address).await?;
        let mut program = Program::new("hub", binaries.path("muster-hub")?, folder)
            .args(["run", "--dir", "data", "--listen", &address, "--set", "git.allowHttp=true"])
            .args(["--set".to_owned(), format!("fleetRepository.url={repository}")]);
        for setting in settings {
            program = program.args(["--set", setting]);
        }
        let mut hub = Self { data, port, process: program.start()? };
        hub.wait_until_listening().await?;
        Ok(hub)
    }

    /// Where spokes and people reach it.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Its keys, certificates and store.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// What the first operator's `muster` reads.
    pub fn context_file(&self) -> PathBuf {
        self.data.join("admin.yaml")
    }

    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// SIGKILL.
    pub fn kill(&mut self) -> Result<()> {
        self.process.kill()
    }

    /// Kills it, if it runs, and starts it in the same folder on the same port.
    pub async fn restart(&mut self) -> Result<()> {
        self.process.restart()?;
        self.wait_until_listening().await
    }

    /// Removes everything that the hub stored, but not its CA: the disk of the store was lost. The hub must not run.
    pub fn delete_store(&mut self) -> Result<()> {
        if self.process.exit_status()?.is_none() {
            bail!("the hub runs: kill it before its store is deleted");
        }
        let store = self.data.join("store");
        fs::remove_dir_all(&store).with_context(|| format!("cannot remove {}", store.display()))
    }

    pub async fn stop(mut self) -> Result<()> {
        self.process.stop().await.map(drop)
    }

    async fn wait_until_listening(&mut self) -> Result<()> {
        let port = self.port;
        let open =
            async || Ok(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.ok().map(drop));
        self.process.wait_for("open port", START_LIMIT, open).await
    }
}

async fn init(binaries: &Binaries, data: &Path, address: &str) -> Result<()> {
    let output = Command::new(binaries.path("muster-hub")?)
        .args(["init", "--fleet", FLEET, "--address", address, "--dir"])
        .arg(data)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .context("cannot start muster-hub")?;
    if !output.status.success() {
        bail!("muster-hub init failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    let context = data.join("admin.yaml");
    let limit = Duration::ZERO; // It is written before init ends.
    deadline::until("admin.yaml from muster-hub init", limit, async || {
        Ok(context.is_file().then_some(()))
    })
    .await
}
