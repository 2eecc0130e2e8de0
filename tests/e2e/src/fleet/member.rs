//! One cluster of the fleet: its control plane and its spoke.

use crate::binaries::Binaries;
use crate::control_plane::ControlPlane;
use crate::process::{Process, Program};
use crate::tools::Tools;
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The manifests that a user applies for a spoke.
const DEPLOY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/spoke");
/// What of them the harness needs: the agent itself runs as a process here, not as a pod.
const MANIFESTS: [&str; 5] = [
    "namespace.yaml",
    "serviceaccount.yaml",
    "clusterrole.yaml",
    "clusterrolebinding.yaml",
    "role.yaml",
];
/// Names in those manifests.
const NAMESPACE: &str = "muster-system";
const ACCOUNT: &str = "muster-spoke";
const JOIN_LIMIT: Duration = Duration::from_secs(60);

pub struct Member {
    name: String,
    pub plane: ControlPlane,
    pub spoke: Process,
    kubeconfig: PathBuf,
}

impl Member {
    /// Gives the spoke its account, lets it join with `token` (what `muster cluster token create` printed) and runs it.
    pub(super) async fn join(
        name: &str,
        plane: ControlPlane,
        spoke: &Spoke<'_>,
        token: &Value,
    ) -> Result<Self> {
        for file in MANIFESTS {
            let path = Path::new(DEPLOY).join(file);
            let manifests = fs::read_to_string(&path)
                .with_context(|| format!("cannot read {}", path.display()))?;
            plane.apply_admin(&manifests).await?;
        }
        let kubeconfig = plane.service_account_kubeconfig(NAMESPACE, ACCOUNT).await?;
        join(spoke, &kubeconfig, token).await?;
        let process = spoke.program("spoke", "run", &kubeconfig)?.start()?;
        Ok(Self { name: name.to_owned(), plane, spoke: process, kubeconfig })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// The spoke's own kubeconfig, with the spoke's rights.
    pub fn spoke_kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    pub async fn stop(mut self) -> Result<()> {
        self.spoke.stop().await?;
        self.plane.stop().await
    }
}

/// How a spoke is started.
pub(super) struct Spoke<'a> {
    pub(super) folder: &'a Path,
    pub(super) binaries: &'a Binaries,
    pub(super) tools: &'a Tools,
    pub(super) settings: &'a [String],
}

impl Spoke<'_> {
    /// `muster-spoke COMMAND` in the folder of the spoke, with kustomize and helm in its path.
    fn program(&self, name: &str, command: &str, kubeconfig: &Path) -> Result<Program> {
        let mut program = Program::new(name, self.binaries.path("muster-spoke")?, self.folder)
            .args([command, "--state-dir", "state", "--set", "git.allowHttp=true", "--kubeconfig"])
            .args([kubeconfig])
            .env("PATH", self.search_path()?);
        for setting in self.settings {
            program = program.args(["--set", setting]);
        }
        Ok(program)
    }

    fn search_path(&self) -> Result<OsString> {
        let inherited = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::iter::once(self.tools.folder().to_owned());
        let folders = folders.chain(std::env::split_paths(&inherited));
        std::env::join_paths(folders).context("the path of the tools has a colon in it")
    }
}

async fn join(spoke: &Spoke<'_>, kubeconfig: &Path, token: &Value) -> Result<()> {
    let field = |name: &str| {
        token[name].as_str().with_context(|| format!("the token has no `{name}`: {token}"))
    };
    let program = spoke
        .program("join", "join", kubeconfig)?
        .args(["--hub", field("hub")?, "--ca-pin", field("caPin")?])
        .env("MUSTER_TOKEN", field("token")?);
    let mut process = program.start()?;
    let status = process.wait_for_exit(JOIN_LIMIT).await?;
    if !status.success() {
        bail!("muster-spoke join ended ({status}): {}", process.log_text().trim());
    }
    Ok(())
}
