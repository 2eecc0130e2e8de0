//! `muster delete`: take a stored resource away.

use proto::v1::DeleteRequest;

use crate::client::{Hub, Options};
use crate::failure::Failure;
use crate::kind::Kind;
use crate::show::Console;

/// Take a resource that `muster apply` stored out of the hub
///
/// Its applications are removed from their clusters under the deletion budget; what exceeds it is
/// parked until `muster approve`. A resource of the fleet repository is removed there, in Git.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// cluster, application or applicationset
    #[arg(value_name = "KIND", hide_possible_values = true, ignore_case = true)]
    kind: Kind,
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
    let Args { kind, name, reason } = args;
    let mut hub = Hub::connect(options, console).await?;
    let request = DeleteRequest { kind: kind.document().to_owned(), name: name.clone(), reason };
    let request = hub.request(request);
    let outcome = hub.client.delete(request).await;
    let done = hub.judge_named(outcome, kind, &name).await?;
    console.say(&done.message);
    Ok(())
}
