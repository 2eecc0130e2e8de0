//! `muster cluster approve`: let a cluster in that waits.

use proto::v1::ClusterRequest;

use crate::client::{Hub, Options};
use crate::failure::Failure;
use crate::kind::Kind;
use crate::show::Console;

/// Let a cluster join that waits for approval
///
/// Only for tokens made with --manual-approval. `muster get clusters` shows it as Pending.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Its name
    name: String,
    /// Why, for the history
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    reason: String,
}

pub(crate) async fn run(
    args: Args,
    options: &Options,
    console: &mut Console,
) -> Result<(), Failure> {
    let Args { name, reason } = args;
    let mut hub = Hub::connect(options, console).await?;
    let request = hub.request(ClusterRequest { cluster: name.clone(), reason });
    let outcome = hub.client.approve_cluster(request).await;
    let done = hub.judge_named(outcome, Kind::Clusters, &name).await?;
    console.say(&done.message);
    Ok(())
}
