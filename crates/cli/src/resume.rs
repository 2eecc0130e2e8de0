//! `muster resume`: end a pause.

use proto::v1::ApplicationRequest;

use crate::client::{Hub, Options};
use crate::failure::Failure;
use crate::kind::Kind;
use crate::show::Console;

/// Apply and heal a paused application again
///
/// The spoke applies what the hub wants by now, which may be a newer commit than at the pause.
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
    let outcome = hub.client.resume(request).await;
    let done = hub.judge_named(outcome, Kind::Applications, &application).await?;
    console.say(&done.message);
    Ok(())
}
