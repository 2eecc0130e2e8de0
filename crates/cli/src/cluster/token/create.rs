//! `muster cluster token create`: the command that a new cluster joins with.

use std::time::Duration;

use clap::ValueEnum;
use model::status::Timestamp;
use proto::v1::{CreateTokenRequest, CreateTokenResponse};
use serde_json::json;

use crate::client::{Hub, Options};
use crate::duration;
use crate::failure::Failure;
use crate::show::{Console, Format, age, print_document};

/// Make a join token and print the command that uses it
///
/// Run the printed command against the new cluster. The token is shown once; the hub keeps its hash.
/// It works once, for the cluster that is named here, unless --reusable. Labels are the hub's: a
/// cluster cannot choose its own.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Name of the cluster that will join
    #[arg(long, required_unless_present = "reusable", conflicts_with = "reusable")]
    name: Option<String>,
    /// How long it may be used
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = duration::parse)]
    ttl: Duration,
    /// Label of the cluster; may be repeated
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = parse_label)]
    labels: Vec<(String, String)>,
    /// Let any number of clusters join with it; each names itself
    #[arg(long)]
    reusable: bool,
    /// Let a cluster in only after `muster cluster approve`
    #[arg(long)]
    manual_approval: bool,
    /// How to print
    #[arg(long, short, value_name = "FORMAT", default_value = "text")]
    output: Output,
    /// Why, for the history
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    reason: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// The join command
    Text,
    /// token, id, hub, caPin, expiresAt and command
    Json,
}

fn parse_label(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("write KEY=VALUE".to_owned()),
    }
}

pub(crate) async fn run(
    args: Args,
    options: &Options,
    console: &mut Console,
) -> Result<(), Failure> {
    let Args { name, ttl, labels, reusable, manual_approval, output, reason } = args;
    let mut hub = Hub::connect(options, console).await?;
    let request = hub.request(CreateTokenRequest {
        cluster: name.clone().unwrap_or_default(),
        ttl_seconds: ttl.as_secs(),
        reusable,
        manual_approval,
        labels: labels.into_iter().collect(),
        reason,
    });
    let outcome = hub.client.create_token(request).await;
    let answer = hub.judge(outcome)?;
    let command = join_command(&answer, reusable);
    if output == Output::Json {
        return print_json(&answer, &command, console);
    }
    let cluster = name.map_or_else(|| "any cluster".to_owned(), |name| format!("cluster {name}"));
    let left = age::remaining(Timestamp(answer.expires_at_ms), console.now());
    let uses = if reusable { "reusable" } else { "works once" };
    console.say(&format!("Token {} for {cluster}: {uses}, expires in {left}.", answer.id));
    console.say("Run this where the cluster's kubeconfig is, or in the cluster:");
    console.print(&format!("{command}\n"))?;
    if manual_approval {
        let name = if reusable { "NAME" } else { cluster.trim_start_matches("cluster ") };
        console.say(&format!("It then waits for: muster cluster approve {name}"));
    }
    Ok(())
}

/// The token goes through the environment: arguments are readable by every process on a machine.
fn join_command(answer: &CreateTokenResponse, reusable: bool) -> String {
    let CreateTokenResponse { token, hub, ca_pin, .. } = answer;
    let name = if reusable { " --name NAME" } else { "" };
    format!("MUSTER_TOKEN={token} muster-spoke join --hub {hub} --ca-pin {ca_pin}{name}")
}

fn print_json(
    answer: &CreateTokenResponse,
    command: &str,
    console: &mut Console,
) -> Result<(), Failure> {
    let document = json!({
        "id": answer.id,
        "token": answer.token,
        "hub": answer.hub,
        "caPin": answer.ca_pin,
        "expiresAt": age::utc(Timestamp(answer.expires_at_ms)),
        "command": command,
    });
    print_document(&document, Format::Json, console)
}
