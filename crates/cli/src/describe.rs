//! `muster describe`: one thing in full, for people.

use proto::v1::ListRequest;
use serde_json::Value;

use crate::client::{Hub, Options};
use crate::failure::Failure;
use crate::get::find;
use crate::kind::Kind;
use crate::show::{Console, Look, applications, clusters, parse_views, sets};

/// Show one cluster, application or application set in full
///
/// An application with its three levels (desired by the hub, accepted by the spoke, applied to the
/// cluster), its resources and its drift incidents; a set with held elements and parked removals,
/// and the command that approves them. For scripts: `muster get KIND NAME -o json`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// cluster, application or applicationset
    #[arg(value_name = "KIND", hide_possible_values = true, ignore_case = true)]
    kind: Kind,
    /// Its name
    name: String,
}

pub(crate) async fn run(
    args: Args,
    options: &Options,
    console: &mut Console,
) -> Result<(), Failure> {
    let Args { kind, name } = args;
    let mut hub = Hub::connect(options, console).await?;
    let request =
        ListRequest { kind: kind.plural().to_owned(), name, detail: true, ..Default::default() };
    let items = find(kind, request, &mut hub).await?;
    let text = sheet(kind, &items, console.look(false))?;
    console.print(&text)
}

fn sheet(kind: Kind, items: &[Value], look: Look) -> Result<String, Failure> {
    let sheets: Vec<String> = match kind {
        Kind::Clusters => {
            parse_views(items)?.iter().map(|view| clusters::sheet(view, look)).collect()
        }
        Kind::Applications => {
            parse_views(items)?.iter().map(|view| applications::sheet(view, look)).collect()
        }
        Kind::ApplicationSets => {
            parse_views(items)?.iter().map(|view| sets::sheet(view, look)).collect()
        }
    };
    Ok(sheets.join("\n"))
}
