//! `muster wait`: until applications are where they should be.

use std::time::Duration;

use clap::{Subcommand, ValueEnum};
use model::status::{Health, SyncStatus};
use model::view::{ApplicationView, StatusSource};
use proto::v1::ListRequest;

use crate::client::{Hub, Options, Watch};
use crate::duration;
use crate::failure::Failure;
use crate::kind::Kind;
use crate::show::applications::remarks;
use crate::show::{Console, count, one_line, parse_views};

/// Wait until applications are synced, healthy or both
///
/// Only what a connected spoke says now counts; the last word of one that is away does not. Exits
/// with 1 and says what is missing when the time is over. A hub that restarts meanwhile is waited
/// for.
#[derive(clap::Args)]
#[command(disable_help_subcommand = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Wait for one application, those of a set, or all
    ///
    /// With --set or --all there must be at least one: an empty fleet is not a healthy one.
    #[command(aliases = ["app", "applications", "apps"])]
    Application {
        #[command(flatten)]
        which: Which,
        /// What to wait for
        #[arg(long = "for", value_name = "STATE", default_value = "both")]
        state: State,
        /// And until this commit is in the cluster: its SHA or the beginning of it
        #[arg(long, value_name = "SHA", value_parser = parse_revision)]
        revision: Option<String>,
        /// How long to wait
        #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = duration::parse)]
        timeout: Duration,
    },
}

#[derive(clap::Args)]
#[group(required = true, multiple = false)]
struct Which {
    /// This application; one that is not there yet is waited for
    name: Option<String>,
    /// All applications of the fleet
    #[arg(long)]
    all: bool,
    /// All applications of this application set
    #[arg(long)]
    set: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum State {
    /// The cluster holds what Git says
    Synced,
    /// The objects are healthy
    Healthy,
    /// Synced and healthy
    #[default]
    Both,
}

fn parse_revision(text: &str) -> Result<String, String> {
    let hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if hex && (4..=40).contains(&text.len()) {
        Ok(text.to_lowercase())
    } else {
        Err("write 4 to 40 hexadecimal digits of a commit".to_owned())
    }
}

/// What is waited for.
#[derive(Debug, Default)]
pub(crate) struct Goal {
    /// One application; else those of `set`; else all.
    pub(crate) name: Option<String>,
    pub(crate) set: Option<String>,
    pub(crate) state: State,
    pub(crate) revision: Option<String>,
}

pub(crate) async fn run(
    args: Args,
    options: &Options,
    console: &mut Console,
) -> Result<(), Failure> {
    let What::Application { which, state, revision, timeout } = args.what;
    let Which { name, all: _, set } = which;
    let mut hub = Hub::connect(options, console).await?;
    until(&Goal { name, set, state, revision }, timeout, &mut hub, console).await
}

/// Waits, and prints what was reached on stdout.
pub(crate) async fn until(
    goal: &Goal,
    timeout: Duration,
    hub: &mut Hub,
    console: &mut Console,
) -> Result<(), Failure> {
    // What was missing last, for the message when the time is over.
    let mut last = None;
    match tokio::time::timeout(timeout, reach(goal, hub, console, &mut last)).await {
        Ok(reached) => console.print(&reached?),
        Err(_) => Err(not_in_time(goal, timeout, last, hub, console).await),
    }
}

/// Returns the lines to print once nothing is missing.
async fn reach(
    goal: &Goal,
    hub: &mut Hub,
    console: &mut Console,
    last: &mut Option<Progress>,
) -> Result<String, Failure> {
    let request = ListRequest {
        kind: Kind::Applications.plural().to_owned(),
        name: goal.name.clone().unwrap_or_default(),
        set: goal.set.clone().unwrap_or_default(),
        ..Default::default()
    };
    let mut watch = Watch::new(hub, request);
    loop {
        let views = match watch.next(console).await {
            Ok(items) => parse_views(&items)?,
            // It may be about to be made.
            Err(failure) if failure.is_not_found() => {
                tokio::time::sleep(crate::client::RETRY).await;
                Vec::new()
            }
            Err(failure) => return Err(failure),
        };
        let progress = goal.progress(&views);
        if progress.total > 0 && progress.missing.is_empty() {
            return Ok(views.iter().map(|view| goal.reached(view)).collect());
        }
        *last = Some(progress);
    }
}

/// How far the applications are.
#[derive(Debug, Default, PartialEq)]
struct Progress {
    total: usize,
    /// One line for each application that is not there yet.
    missing: Vec<String>,
}

impl Goal {
    fn progress(&self, views: &[ApplicationView]) -> Progress {
        let missing = views.iter().filter(|view| !self.holds(view)).map(line);
        Progress { total: views.len(), missing: missing.collect() }
    }

    fn holds(&self, view: &ApplicationView) -> bool {
        let synced = view.sync == SyncStatus::Synced && view.applied == Some(view.version);
        let healthy = view.health == Health::Healthy;
        let state = match self.state {
            State::Synced => synced,
            State::Healthy => healthy,
            State::Both => synced && healthy,
        };
        let applied = view.applied_revision.map(|commit| commit.to_string()).unwrap_or_default();
        let revision = self.revision.as_deref().is_none_or(|wanted| applied.starts_with(wanted));
        view.source == StatusSource::Live && view.removal.is_empty() && state && revision
    }

    fn state(&self) -> &'static str {
        match self.state {
            State::Synced => "synced",
            State::Healthy => "healthy",
            State::Both => "synced and healthy",
        }
    }

    fn reached(&self, view: &ApplicationView) -> String {
        let commit = view.applied_revision.map(|commit| format!(" at {}", commit.short()));
        format!("application/{} {}{}\n", view.name, self.state(), commit.unwrap_or_default())
    }

    fn nothing(&self) -> String {
        match (&self.name, &self.set) {
            (Some(name), _) => format!("there is no application {name:?}"),
            (None, Some(set)) => format!("application set {set:?} has no applications"),
            (None, None) => "there are no applications".to_owned(),
        }
    }
}

fn line(view: &ApplicationView) -> String {
    let applied = view.applied_revision.map_or("nothing".to_owned(), |commit| commit.short());
    let state = match view.source {
        StatusSource::Live => format!("{}, {}, {applied} applied", view.sync, view.health),
        StatusSource::LastKnown => format!("cluster {} is not connected", view.cluster),
        StatusSource::NeverSeen => format!("cluster {} never reported it", view.cluster),
    };
    let parts: Vec<_> = [state].into_iter().chain(remarks(view)).collect();
    one_line(&format!("{}: {}", view.name, parts.join("; ")))
}

async fn not_in_time(
    goal: &Goal,
    timeout: Duration,
    last: Option<Progress>,
    hub: &mut Hub,
    console: &mut Console,
) -> Failure {
    let after = format!("not {} after {}", goal.state(), duration::text(timeout));
    let Some(progress) = last else {
        let message = format!("{after}: the hub sent no list");
        return Failure::Unfinished { message, hint: None };
    };
    if progress.total == 0 {
        let hint = match &goal.name {
            Some(name) => hub.not_found(Kind::Applications, name).await.hints().pop(),
            None => None,
        };
        return Failure::Unfinished { message: format!("{after}: {}", goal.nothing()), hint };
    }
    for line in &progress.missing {
        console.say(line);
    }
    let missing = progress.missing.len();
    let total = count(progress.total, "application");
    let revision = goal.revision.as_ref().map(|sha| format!(" at {sha}")).unwrap_or_default();
    let message = format!("{missing} of {total} {after}{revision}");
    let hint = goal.name.as_ref().map(|name| format!("muster describe application {name}"));
    Failure::Unfinished { message, hint }
}
