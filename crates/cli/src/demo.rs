//! `muster demo`: a whole fleet in this process, and the main job of Muster told on it.
//!
//! The hub and the spokes are those of `muster-hub` and `muster-spoke`, with TLS on loopback, Git
//! and the embedded store; the clusters are simulated, unless the user names some. Only here do hub
//! and spoke meet in a shipped program.
//!
//! Tasks: `signals` (interrupt), those of [`fleet`] and of [`simulated`]. The order of the end
//! matters: spokes, namespaces of the user's clusters, hub, simulated clusters, and at last the
//! folder, when nothing writes to it any more.

mod access;
mod cluster;
mod contexts;
mod error;
mod fleet;
mod folder;
mod interrupt;
mod repository;
mod screen;
mod show;
mod simulated;
mod story;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use runtime::clock::Clock;
use runtime::error::chain;
use runtime::supervise::Supervisor;
use runtime::telemetry;
use tokio_util::sync::CancellationToken;

use crate::failure::Failure;
use crate::show::{Console, count};
use access::Access;
use cluster::Cluster;
use contexts::{Contexts, Made};
pub(crate) use error::DemoError;
use fleet::{Fleet, Operator, Place};
use folder::Folder;
use interrupt::{INTERRUPTED, Interrupt};
use repository::{Repository, SAMPLES, Sample};
use screen::{Note, Screen};
use show::{Done, Show, Telling};
use simulated::Simulated;
use story::Story;

/// What threads that wait for a program, such as helm, may take to end.
const THREADS_GRACE: Duration = Duration::from_secs(5);
const TASKS_GRACE: Duration = Duration::from_secs(2);
/// A signal and its effects are not noticed in the order of their causes.
const INTERRUPT_NOTICE: Duration = Duration::from_millis(200);
const LOG_FILE: &str = "demo.log";
const LOG_FILTER: &str = "info,kube_client=off,tower_http=off";
/// Of the log, when a step fails.
const LOG_LINES: usize = 10;

/// Show a fleet at work, without a cluster
///
/// Starts a hub, simulated clusters and their spokes in one process, and a sample fleet repository.
/// Then it walks from a commit to running applications, through a change by hand, a bad release and
/// a removal, and stays up to be played with until Ctrl-C, which leaves nothing behind. It needs git;
/// kustomize and helm are used when they are on PATH.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// How many clusters to simulate
    #[arg(long, value_name = "N", default_value_t = 3,
          value_parser = clap::value_parser!(u8).range(1..=50))]
    clusters: u8,
    /// Exit after the story, with 1 when a step failed
    #[arg(long)]
    once: bool,
    /// Use clusters of the kubeconfig instead, after asking
    #[arg(long, value_name = "A,B,C", value_delimiter = ',', conflicts_with = "clusters")]
    context: Vec<String>,
    /// The kubeconfig for --context [default: as kubectl]
    #[arg(long, value_name = "FILE", requires = "context")]
    kubeconfig: Option<PathBuf>,
    /// Do not ask before using clusters of the kubeconfig
    #[arg(long, requires = "context")]
    yes: bool,
    /// Where the hub listens on 127.0.0.1 [default: a free port]
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
    /// The folder for everything; must be empty or absent [default: a temporary one]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Leave the folder there at the end
    #[arg(long)]
    keep: bool,
}

/// How a demo ended that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Done,
    /// The user said no.
    Declined,
    /// Ctrl-C, or the terminal went away.
    Interrupted,
    /// Nobody reads what is printed.
    Unread,
}

pub(crate) fn run(args: &Args, console: &mut Console) -> Result<ExitCode, Failure> {
    let path = std::env::var_os("PATH");
    if !is_on_path("git", path.as_deref()) {
        return Err(DemoError::NoGit.into());
    }
    let samples = samples(path.as_deref());
    let mut tokio = tokio::runtime::Builder::new_multi_thread();
    let tokio = tokio.enable_all().build().map_err(Failure::Start)?;
    let screen = Screen::new(console.look(false).colour);
    let outcome = tokio.block_on(async {
        let clock = Clock::system();
        let supervisor = Supervisor::new(CancellationToken::new());
        let interrupt = Interrupt::listen(&supervisor, screen.clone())?;
        let folder = Folder::make(args.dir.as_deref(), args.keep)?;
        interrupt.holds(folder.clone());
        let show = Show::new(screen.clone(), clock.clone());
        let mut demo =
            Demo { args, samples, clock, supervisor, interrupt, folder, show, told: false };
        let outcome = demo.run(console).await;
        demo.supervisor.clone().join(TASKS_GRACE).await;
        Ok::<_, Failure>((demo.folder, demo.told, outcome))
    });
    tokio.shutdown_timeout(THREADS_GRACE);
    let (folder, told, outcome) = outcome?;
    let removed = folder.remove();
    let ending = outcome?;
    removed?;
    if ending == Ending::Interrupted {
        screen.line(&goodbye(&folder));
    }
    Ok(match ending {
        Ending::Interrupted if !told => ExitCode::from(INTERRUPTED),
        Ending::Declined => ExitCode::FAILURE,
        _ => ExitCode::SUCCESS,
    })
}

struct Demo<'a> {
    args: &'a Args,
    samples: Vec<&'static Sample>,
    clock: Clock,
    supervisor: Supervisor,
    interrupt: Interrupt,
    folder: Folder,
    show: Show,
    /// Whether the story came to its end.
    told: bool,
}

/// Where the applications run.
enum Ground {
    Simulated(Simulated),
    Contexts(Contexts),
}

impl Ground {
    fn clusters(&self) -> &[Cluster] {
        match self {
            Self::Simulated(simulated) => &simulated.clusters,
            Self::Contexts(contexts) => &contexts.clusters,
        }
    }

    fn kubeconfig(&self) -> Option<&Path> {
        match self {
            Self::Simulated(simulated) => Some(&simulated.kubeconfig),
            Self::Contexts(contexts) => contexts.kubeconfig.as_deref(),
        }
    }
}

/// What was started so far and must be ended.
#[derive(Default)]
struct Started {
    fleet: Option<Fleet>,
    made: Made,
}

impl Demo<'_> {
    async fn run(&mut self, console: &mut Console) -> Result<Ending, Failure> {
        telemetry::init_file(&self.log_file(), LOG_FILTER).map_err(|error| DemoError::Setup {
            what: "the log cannot be written",
            reason: chain(&error),
        })?;
        self.introduce();
        let screen = self.show.screen().clone();
        let interrupt = self.interrupt.clone();
        // All that begins with a question to the user's clusters, and may take long.
        let ground = tokio::select! {
            biased;
            () = interrupt.interrupted() => return Ok(Ending::Interrupted),
            () = screen.unread() => return Ok(Ending::Unread),
            ground = self.ground() => ground?,
        };
        let Some(ground) = ground else {
            screen.line("Nothing was changed.");
            return Ok(Ending::Declined);
        };
        let mut started = Started::default();
        let outcome = tokio::select! {
            biased;
            () = interrupt.interrupted() => Ok(Ending::Interrupted),
            () = screen.unread() => Ok(Ending::Unread),
            outcome = Box::pin(self.live(&ground, &mut started, console)) => outcome,
        };
        let outcome = match outcome {
            // Ctrl-C in a terminal also reaches the programs that the hub and the spokes have
            // started: what fails by that is no failure of the demo.
            Err(failure) if !interrupt.comes_within(INTERRUPT_NOTICE).await => {
                self.explain(&failure);
                Err(failure)
            }
            Err(_) => Ok(Ending::Interrupted),
            ended => ended,
        };
        let stopped = self.stop(&ground, started).await;
        let ending = outcome?;
        stopped?;
        Ok(ending)
    }

    fn log_file(&self) -> PathBuf {
        self.folder.path().join(LOG_FILE)
    }

    fn introduce(&self) {
        let screen = self.show.screen();
        let clusters = match self.args.context.as_slice() {
            [] => count(usize::from(self.args.clusters), "simulated cluster"),
            contexts => count(contexts.len(), "cluster") + " of yours",
        };
        screen.line(&screen.bold(&format!("Muster demo: from a commit to {clusters}")));
        screen
            .line("The hub and the spokes run in this process: with TLS, Git and a store on disk.");
        for sample in missing(&self.samples) {
            let (tool, kind) = (sample.tool.unwrap_or_default(), sample.kind);
            screen.line(&format!(
                "{tool} is not on PATH: the sample's {kind} application is left out."
            ));
        }
    }

    /// The clusters; none when the user does not want it.
    async fn ground(&self) -> Result<Option<Ground>, Failure> {
        let Args { context, kubeconfig, yes, clusters, .. } = self.args;
        if context.is_empty() {
            let folder = self.folder.path();
            let number = usize::from(*clusters);
            let simulated = Simulated::start(number, folder, &self.clock, &self.supervisor).await?;
            return Ok(Some(Ground::Simulated(simulated)));
        }
        let contexts = Contexts::find(context, kubeconfig.clone(), &self.samples).await?;
        contexts.check().await?;
        let agreed = contexts.ask(*yes, self.show.screen()).await?;
        Ok(agreed.then_some(Ground::Contexts(contexts)))
    }

    /// Starts the fleet, tells the story and stays up, until a part of the fleet breaks.
    async fn live(
        &mut self,
        ground: &Ground,
        started: &mut Started,
        console: &mut Console,
    ) -> Result<Ending, Failure> {
        let Self { args, samples, clock, supervisor, interrupt, folder, show, told } = self;
        let clusters = ground.clusters();
        let number = count(clusters.len(), "cluster");
        // The start of simulated clusters counts, the time for an answer does not.
        let begun = match ground {
            Ground::Simulated(_) => Duration::ZERO,
            Ground::Contexts(_) => clock.now(),
        };
        let repository = Repository::create(&folder.path().join("fleet")).await?;
        let Started { fleet, made } = started;
        let title = format!("Start the hub and {number}");
        let operator = show
            .step(&title, async |telling| {
                telling.note("starting the hub");
                let place = Place {
                    folder: folder.path(),
                    port: args.port,
                    clock: clock.clone(),
                    supervisor: supervisor.clone(),
                };
                let fleet = fleet.insert(Fleet::start(place, &repository)?);
                let broken = fleet.broken();
                let joining = async {
                    if let Ground::Contexts(contexts) = ground {
                        interrupt.last_words(contexts.by_hand());
                        contexts.make_namespaces(made).await?;
                    }
                    let mut operator = Operator::connect(fleet, console).await?;
                    for cluster in clusters {
                        let join = operator.join_args(&cluster.name).await?;
                        let namespace = match ground {
                            Ground::Simulated(_) => simulated::AGENT_NAMESPACE,
                            Ground::Contexts(_) => contexts::AGENT_NAMESPACE,
                        };
                        let state_dir = folder.path().join("spokes").join(&cluster.name);
                        fleet.add_spoke(cluster, join, namespace, state_dir, clock.clone())?;
                    }
                    operator.all_connected(clusters.len(), telling).await?;
                    Ok::<_, Failure>(operator)
                };
                let operator = fleet::whole(broken, joining).await?;
                let found = format!("{} connected", named(clusters));
                Ok(Done { found, took: clock.now() - begun, value: operator })
            })
            .await?;
        let Some(fleet) = fleet else { return Ok(Ending::Interrupted) };
        let access = Access {
            folder: folder.path(),
            context_file: fleet.context_file(),
            kubeconfig: ground.kubeconfig(),
            repository: &repository,
        };
        access.write()?;
        let screen = show.screen().clone();
        if !args.once {
            screen.line("   To look at it from another terminal:");
            screen.line(&format!("     {}", access::source_line(folder.path())));
            screen.line("     muster get applications --watch");
        }
        let mut story =
            Story { operator, repository: &repository, clusters, samples: samples.clone() };
        let outcome = fleet.while_whole(story.tell(show)).await;
        show.table();
        outcome?;
        *told = true;
        if args.once {
            return Ok(Ending::Done);
        }
        screen.line("");
        screen.lines(&access::next_things(folder.path(), clusters));
        screen.line("");
        screen.line("All of it stays up until Ctrl-C.");
        Err(fleet.broken().await.into())
    }

    /// The end of what runs. The user's clusters are as they were before.
    async fn stop(&mut self, ground: &Ground, started: Started) -> Result<(), Failure> {
        let Started { fleet, made } = started;
        let screen = self.show.screen().clone();
        let clock = self.clock.clone();
        let note = Note::default();
        let telling = Telling::new(&screen, &note, &clock);
        telling.note("stopping");
        let stopping = async {
            if let Some(fleet) = &fleet {
                fleet.stop_spokes().await;
            }
            let cleaned = match ground {
                Ground::Contexts(contexts) if !made.is_empty() => {
                    screen.line("");
                    screen.line("Removing the namespaces that the demo made.");
                    contexts.clean(&made, &telling).await.inspect_err(|_| {
                        screen.lines(&contexts.by_hand());
                    })
                }
                _ => Ok(()),
            };
            if let Some(fleet) = &fleet {
                fleet.stop().await;
            }
            cleaned
        };
        let cleaned = screen.during(&clock, &note, stopping).await;
        Ok(cleaned?)
    }

    /// What the log has to say about a failure, since the folder goes.
    fn explain(&self, failure: &Failure) {
        let screen = self.show.screen();
        tracing::error!(reason = %chain(failure), "the demo failed");
        let log = std::fs::read_to_string(self.log_file()).unwrap_or_default();
        let told: Vec<&str> = log
            .lines()
            .filter(|line| line.contains(" WARN ") || line.contains("ERROR "))
            .filter(|line| !line.contains("the demo failed"))
            .collect();
        let end = &told[told.len().saturating_sub(LOG_LINES)..];
        if !end.is_empty() {
            screen.line("");
            screen.line("The end of the log, as far as it is about failures:");
            end.iter().for_each(|line| screen.line(&format!("  {line}")));
        }
        screen.line("");
        if self.folder.is_kept() {
            screen.line(&format!("The whole log is {}", self.log_file().display()));
        } else {
            screen.line("With --keep the whole log stays.");
        }
    }
}

/// What is said to who pressed Ctrl-C, when it is true.
fn goodbye(folder: &Folder) -> String {
    if folder.is_kept() {
        format!("Stopped; everything is in {}.", folder.path().display())
    } else {
        "Stopped; nothing is left behind.".to_owned()
    }
}

/// `eu-1, eu-2 and eu-3 are`, or `eu-1 to eu-9 are` where there are many.
fn named(clusters: &[Cluster]) -> String {
    let names: Vec<&str> = clusters.iter().map(|cluster| cluster.name.as_str()).collect();
    match names.as_slice() {
        [] => "none is".to_owned(),
        [one] => format!("{one} is"),
        [first, last] => format!("{first} and {last} are"),
        [first, second, third] if first.len() + second.len() + third.len() < 16 => {
            format!("{first}, {second} and {third} are")
        }
        _ => format!("{} clusters are", names.len()),
    }
}

/// The samples that can be rendered here.
fn samples(path: Option<&OsStr>) -> Vec<&'static Sample> {
    SAMPLES.iter().filter(|sample| sample.tool.is_none_or(|tool| is_on_path(tool, path))).collect()
}

fn missing(present: &[&Sample]) -> Vec<&'static Sample> {
    let absent = |sample: &&Sample| present.iter().all(|one| one.name != sample.name);
    SAMPLES.iter().filter(absent).collect()
}

fn is_on_path(program: &str, path: Option<&OsStr>) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    let Some(path) = path else { return false };
    std::env::split_paths(path).filter(|folder| folder.is_absolute()).any(|folder| {
        let data = folder.join(program).metadata();
        data.is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
    })
}
