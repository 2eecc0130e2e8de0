//! `muster pause`: leave an application as it is for now.

use proto::v1::ApplicationRequest;

use crate::client::{Hub, Options};
use crate::failure::Failure;
use crate::kind::Kind;
use crate::show::Console;

/// Stop applying and healing an application
///
/// The spoke goes on reporting: a new commit shows as OutOfSync, drift as an incident that stands.
/// Nothing is removed. `muster resume` ends it.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Its name
    application: String,
    /// Why, for the history
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    reason: String,
}

pub(crate) async fn run(
    args: Args,
    options: &Options,
    console: &mut Console,
) -> Result<(), Failure> {
    let Args { application, reason } = args;
    let mut hub = Hub::connect(options, console).await?;
    let request = hub.request(ApplicationRequest { application: application.clone(), reason });
    let outcome = hub.client.pause(request).await;
    let done = hub.judge_named(outcome, Kind::Applications, &application).await?;
    console.say(&done.message);
    Ok(())
}
