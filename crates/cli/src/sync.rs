//! `muster sync`: apply one application now.

use std::time::Duration;

use proto::v1::ApplicationRequest;

use crate::client::{Hub, Options};
use crate::duration;
use crate::failure::Failure;
use crate::kind::Kind;
use crate::show::Console;
use crate::wait;

/// Apply an application now
///
/// Also one without automated sync, and one that failed and waits for its next attempt. The commit
/// is the one that the hub wants; `muster refresh` looks for a newer one first.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Its name
    application: String,
    /// Wait until it is synced and healthy
    #[arg(long)]
    wait: bool,
    /// How long to wait
    #[arg(
        long, value_name = "DURATION", default_value = "5m", value_parser = duration::parse,
        requires = "wait"
    )]
    timeout: Duration,
    /// Why, for the history
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    reason: String,
}

pub(crate) async fn run(
    args: Args,
    options: &Options,
    console: &mut Console,
) -> Result<(), Failure> {
    let Args { application, wait, timeout, reason } = args;
    let mut hub = Hub::connect(options, console).await?;
    let request = hub.request(ApplicationRequest { application: application.clone(), reason });
    let outcome = hub.client.sync(request).await;
    let done = hub.judge_named(outcome, Kind::Applications, &application).await?;
    console.say(&done.message);
    if wait {
        let goal = wait::Goal { name: Some(application), ..wait::Goal::default() };
        return wait::until(&goal, timeout, &mut hub, console).await;
    }
    Ok(())
}
