//! `muster approve`: let parked removals go on.

use clap::Subcommand;
use proto::v1::ApproveRequest;

use crate::client::{Hub, Options};
use crate::failure::Failure;
use crate::kind::Kind;
use crate::show::Console;

/// Let removals go on that wait for a person
///
/// Muster parks removals that exceed the budget of a set, the budget of an application's objects, or
/// that come from a hub which lost its store. `muster describe` shows what would be removed, and
/// the command to approve it.
#[derive(clap::Args)]
#[command(disable_help_subcommand = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Remove the applications that a set no longer makes
    #[command(aliases = ["appset", "applicationsets", "appsets"])]
    Applicationset {
        /// Its name
        name: String,
        /// The plan that was looked at; another one by now is refused
        #[arg(long, value_name = "HASH")]
        plan: String,
        /// Why, for the history
        #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
        reason: String,
    },
    /// Remove the objects that an application no longer has
    #[command(aliases = ["app", "applications", "apps"])]
    Application {
        /// Its name
        name: String,
        /// Why, for the history
        #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
        reason: String,
    },
    /// Let a cluster on hold follow this hub's removals
    #[command(alias = "clusters")]
    Cluster {
        /// Its name
        name: String,
        /// Why, for the history
        #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
        reason: String,
    },
}

pub(crate) async fn run(
    args: Args,
    options: &Options,
    console: &mut Console,
) -> Result<(), Failure> {
    let (kind, name, plan, reason) = match args.what {
        What::Applicationset { name, plan, reason } => (Kind::ApplicationSets, name, plan, reason),
        What::Application { name, reason } => (Kind::Applications, name, String::new(), reason),
        What::Cluster { name, reason } => (Kind::Clusters, name, String::new(), reason),
    };
    let mut hub = Hub::connect(options, console).await?;
    let request =
        ApproveRequest { kind: kind.singular().to_owned(), name: name.clone(), plan, reason };
    let request = hub.request(request);
    let outcome = hub.client.approve(request).await;
    let done = hub.judge_named(outcome, kind, &name).await?;
    console.say(&done.message);
    Ok(())
}
