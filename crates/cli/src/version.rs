//! `muster version`: of this command and of the hub.

use proto::v1::VersionRequest;
use serde_json::json;

use crate::client::{Hub, Options};
use crate::failure::Failure;
use crate::show::{Console, Format, Sheet, print_document};

/// Show the version of this command and of the hub
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only of this command; asks no hub
    #[arg(long)]
    client: bool,
    #[arg(long, short, value_name = "FORMAT", default_value = "table", help = "How to print")]
    output: Format,
}

pub(crate) async fn run(
    args: &Args,
    options: &Options,
    console: &mut Console,
) -> Result<(), Failure> {
    let own = env!("CARGO_PKG_VERSION");
    if !args.output.is_document() {
        // Told at once: a hub that cannot be reached is no reason to hide it.
        let mut sheet = Sheet::default();
        sheet.field("Client", own);
        console.print(&sheet.finish())?;
    }
    let mut document = json!({ "client": own });
    if !args.client {
        let mut hub = Hub::connect(options, console).await?;
        let request = hub.request(VersionRequest {});
        let outcome = hub.client.version(request).await;
        let answer = hub.judge(outcome)?;
        if !args.output.is_document() {
            let mut sheet = Sheet::default();
            sheet.field("Hub", &answer.hub_version);
            sheet.field("Fleet", &answer.fleet);
            sheet.field("Epoch", &answer.epoch);
            return console.print(&sheet.finish());
        }
        document["hub"] = answer.hub_version.into();
        document["fleet"] = answer.fleet.into();
        document["epoch"] = answer.epoch.into();
    }
    if args.output.is_document() {
        print_document(&document, args.output, console)?;
    }
    Ok(())
}
