//! `muster history`: who did what, from which commit.

use model::view::Record;
use proto::v1::HistoryRequest;

use crate::client::{Hub, Options, values};
use crate::failure::Failure;
use crate::show::{Console, Format, parse_views, print_items, records};

/// Show what was done, newest first
///
/// Each record is one act: applied, healed, removed, parked, approved, enrolled, and who did it.
/// -o wide adds the time, the reason given and the full identity.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only this application
    application: Option<String>,
    /// Only what concerns this cluster
    #[arg(long)]
    cluster: Option<String>,
    /// At most this many records
    #[arg(
        long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..)
    )]
    limit: u32,
    #[arg(long, short, value_name = "FORMAT", default_value = "table", help = "How to print")]
    output: Format,
}

pub(crate) async fn run(
    args: Args,
    options: &Options,
    console: &mut Console,
) -> Result<(), Failure> {
    let Args { application, cluster, limit, output } = args;
    let mut hub = Hub::connect(options, console).await?;
    let request = hub.request(HistoryRequest {
        application: application.unwrap_or_default(),
        cluster: cluster.unwrap_or_default(),
        limit,
    });
    let outcome = hub.client.history(request).await;
    let items = values(&hub.judge(outcome)?.records)?;
    if output.is_document() {
        return print_items(&items, false, output, console);
    }
    if items.is_empty() {
        console.say("No records.");
        return Ok(());
    }
    let look = console.look(output == Format::Wide);
    console.print(&records::table(&parse_views::<Record>(&items)?, look).render(look))
}
