//! `muster cluster revoke`: turn a cluster away.

use proto::v1::ClusterRequest;

use crate::client::{Hub, Options};
use crate::failure::Failure;
use crate::kind::Kind;
use crate::show::Console;

/// Take a cluster's identity away
///
/// Its stream closes at once and it cannot connect again. What runs in the cluster goes on running;
/// to come back it needs a new token.
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
    let outcome = hub.client.revoke_cluster(request).await;
    let done = hub.judge_named(outcome, Kind::Clusters, &name).await?;
    console.say(&done.message);
    Ok(())
}
