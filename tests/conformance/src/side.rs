//! The two servers that the suite knows.

use crate::Against;
use crate::client::Target;
use crate::kubeconfig::Kubeconfig;
use anyhow::{Result, ensure};
use e2e::control_plane::{ControlPlane, Options};
use e2e::folder::Folder;
use e2e::tools::Tools;
use kube_sim::serve::{Server, Tls, serve};
use kube_sim::{Cluster, Options as SimOptions, controllers::Behaviour};
use runtime::clock::Clock;
use runtime::supervise::Supervisor;
use std::path::Path;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// A compaction deletes what is older than this, and half of the facts about `410` need one.
const COMPACTION: &str = "--etcd-compaction-interval=4s";
/// With the default of 20 requests a second the cases about workloads would wait for each other.
const CONTROLLERS_PACE: [&str; 2] = ["--kube-api-qps=300", "--kube-api-burst=600"];
/// On top of the harness's own: volumes are bound and protected.
const CONTROLLERS: &str = "--controllers=persistentvolume-binder-controller,\
    persistentvolumeclaim-protection-controller,persistentvolume-protection-controller";

/// A server that runs.
pub(crate) struct Side {
    name: &'static str,
    target: Target,
    own: Own,
}

/// What was started for this run.
enum Own {
    /// Nothing.
    None,
    /// A real one, and where its logs are.
    Real(Box<ControlPlane>, Folder),
    Sim(Server, Supervisor),
}

/// How long tasks of the simulator may take to end.
const GRACE: Duration = Duration::from_secs(2);

pub(crate) async fn start(against: Against, kubeconfig: Option<&Path>) -> Result<Side> {
    if let Some(path) = kubeconfig {
        let target = Target::new(&Kubeconfig::read(path)?)?;
        return Ok(Side { name: "this server", target, own: Own::None });
    }
    match against {
        Against::Real => real().await,
        Against::Sim => sim().await,
    }
}

async fn real() -> Result<Side> {
    let folder = Folder::new("conformance")?;
    let options = Options {
        // As many as kube-sim begins with.
        nodes: 2,
        api_flags: vec![COMPACTION.to_owned()],
        controller_flags: [&CONTROLLERS_PACE[..], &[CONTROLLERS]]
            .concat()
            .into_iter()
            .map(str::to_owned)
            .collect(),
    };
    let plane = ControlPlane::start(folder.path(), &Tools::locate()?, &options).await?;
    let target = Target::new(&Kubeconfig::read(&plane.admin_kubeconfig())?)?;
    Ok(Side { name: "a real control plane", target, own: Own::Real(Box::new(plane), folder) })
}

async fn sim() -> Result<Side> {
    let clock = Clock::system();
    let supervisor = Supervisor::new(CancellationToken::new());
    let options = SimOptions { seed: 1, clock: clock.clone(), behaviour: Behaviour::default() };
    let cluster = Cluster::new(options);
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let server = serve(&cluster, listener, &Tls::new(&clock)?, &supervisor)?;
    let token = supervisor.token();
    supervisor.spawn("controllers", async move {
        // Both only wait between steps: cancel-safe.
        tokio::select! { () = cluster.drive() => (), () = token.cancelled() => () }
    });
    let target = Target::new(&Kubeconfig::parse(&server.kubeconfig("sim"))?)?;
    Ok(Side { name: "kube-sim", target, own: Own::Sim(server, supervisor) })
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
        match self.own {
            Own::None => (),
            Own::Real(plane, mut folder) => {
                if !passed {
                    folder.keep();
                }
                plane.stop().await?;
            }
            Own::Sim(server, supervisor) => {
                server.stop().await;
                let late = supervisor.join(GRACE).await;
                ensure!(late.is_empty(), "these tasks did not end: {}", late.join(", "));
            }
        }
        Ok(())
    }
}
