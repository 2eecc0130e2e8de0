//! The two servers that the suite knows.

use crate::Against;
use crate::client::Target;
use crate::kubeconfig::Kubeconfig;
use anyhow::{Result, bail};
use e2e::control_plane::{ControlPlane, Options};
use e2e::folder::Folder;
use e2e::tools::Tools;
use std::path::Path;

/// A compaction deletes what is older than this, and half of the facts about `410` need one.
const COMPACTION: &str = "--etcd-compaction-interval=4s";
/// On top of the harness's own: volumes are bound and protected.
const CONTROLLERS: &str = "--controllers=persistentvolume-binder-controller,\
    persistentvolumeclaim-protection-controller,persistentvolume-protection-controller";

/// A server that runs.
pub(crate) struct Side {
    name: &'static str,
    target: Target,
    /// Where the real one's processes and logs are.
    real: Option<(ControlPlane, Folder)>,
}

pub(crate) async fn start(against: Against, kubeconfig: Option<&Path>) -> Result<Side> {
    if let Some(path) = kubeconfig {
        let target = Target::new(&Kubeconfig::read(path)?)?;
        return Ok(Side { name: "this server", target, real: None });
    }
    match against {
        Against::Real => real().await,
        Against::Sim => bail!("kube-sim does not serve yet"),
    }
}

async fn real() -> Result<Side> {
    let folder = Folder::new("conformance")?;
    let options = Options {
        nodes: 1,
        api_flags: vec![COMPACTION.to_owned()],
        controller_flags: vec![CONTROLLERS.to_owned()],
    };
    let plane = ControlPlane::start(folder.path(), &Tools::locate()?, &options).await?;
    let target = Target::new(&Kubeconfig::read(&plane.admin_kubeconfig())?)?;
    Ok(Side { name: "a real control plane", target, real: Some((plane, folder)) })
}

impl Side {
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    pub(crate) fn target(&self) -> &Target {
        &self.target
    }

    /// Ends it; its logs stay when something failed.
    pub(crate) async fn stop(self, passed: bool) -> Result<()> {
        if let Some((plane, mut folder)) = self.real {
            if !passed {
                folder.keep();
            }
            plane.stop().await?;
        }
        Ok(())
    }
}
