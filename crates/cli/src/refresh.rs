//! `muster refresh`: look at Git now.

use std::time::Duration;

use model::problem::Problem;
use proto::v1::RefreshRequest;

use crate::client::{Hub, Options, values};
use crate::duration;
use crate::failure::Failure;
use crate::show::{Console, count, one_line, parse_views};

/// Look at the repositories now, and wait until what they say is in force
///
/// The hub also looks by itself every few minutes. In force means: the hub wants it; `muster wait`
/// tells when the clusters have it. Prints the commit of the fleet repository on stdout, problems
/// on stderr; with problems the exit code is 1, and what they concern stays as it was.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// How long the hub may take to read all repositories
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = duration::parse)]
    timeout: Duration,
}

pub(crate) async fn run(
    args: Args,
    options: &Options,
    console: &mut Console,
) -> Result<(), Failure> {
    let mut hub = Hub::connect(options, console).await?.with_timeout(args.timeout);
    let request = hub.request(RefreshRequest {});
    let outcome = hub.client.refresh(request).await;
    let answer = hub.judge(outcome)?;
    if answer.commit.is_empty() {
        console.say("No fleet repository is in force.");
    } else {
        console.print(&format!("{}\n", answer.commit))?;
    }
    let problems: Vec<Problem> = parse_views(&values(&answer.problems)?)?;
    for problem in &problems {
        console.say(&format!("problem: {}", one_line(&problem.to_string())));
    }
    match problems.len() {
        0 => Ok(()),
        number => Err(Failure::Unfinished {
            message: format!("{}; what they concern stays as it was", count(number, "problem")),
            hint: None,
        }),
    }
}
