//! Serves one empty cluster until Ctrl-C and writes its kubeconfig, to try kubectl by hand:
//!
//! ```text
//! cargo run -p kube-sim --example cluster -- sim.kubeconfig
//! kubectl --kubeconfig sim.kubeconfig get namespaces
//! ```

use std::time::Duration;

use anyhow::{Context as _, Result};
use kube_sim::serve::{Tls, serve};
use kube_sim::{Cluster, Options};
use runtime::clock::Clock;
use runtime::supervise::Supervisor;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> Result<()> {
    let file = std::env::args().nth(1).context("name the kubeconfig that is to be written")?;
    let clock = Clock::system();
    let tls = Tls::new(&clock)?;
    let options =
        Options { seed: 1, clock, behaviour: kube_sim::controllers::Behaviour::default() };
    let cluster = Cluster::new(options);
    let supervisor = Supervisor::new(CancellationToken::new());
    supervisor.spawn("controllers", cluster.clone().drive());
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let server = serve(&cluster, listener, &tls, &supervisor)?;
    std::fs::write(&file, server.kubeconfig("sim"))
        .with_context(|| format!("cannot write {file}"))?;
    #[expect(clippy::print_stdout, reason = "an example talks to the person who runs it")]
    {
        println!("ready kubeconfig={file} server={}", server.url());
    }
    tokio::signal::ctrl_c().await?;
    server.stop().await;
    supervisor.join(Duration::from_secs(2)).await;
    Ok(())
}
