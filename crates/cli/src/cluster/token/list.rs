//! `muster cluster token list`.

use proto::v1::ListTokensRequest;

use crate::client::{Hub, Options, values};
use crate::failure::Failure;
use crate::show::{Console, Format, parse_views, print_items, tokens};

/// List join tokens, without their secrets
#[derive(clap::Args)]
pub(crate) struct Args {
    #[arg(long, short, value_name = "FORMAT", default_value = "table", help = "How to print")]
    output: Format,
}

pub(crate) async fn run(
    args: Args,
    options: &Options,
    console: &mut Console,
) -> Result<(), Failure> {
    let mut hub = Hub::connect(options, console).await?;
    let request = hub.request(ListTokensRequest {});
    let outcome = hub.client.list_tokens(request).await;
    let items = values(&hub.judge(outcome)?.tokens)?;
    if args.output.is_document() {
        return print_items(&items, false, args.output, console);
    }
    if items.is_empty() {
        console.say("No tokens.");
        return Ok(());
    }
    let look = console.look(args.output == Format::Wide);
    console.print(&tokens::table(&parse_views(&items)?, look).render(look))
}
