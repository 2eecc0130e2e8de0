//! One run: acts and pauses in the order of the schedule, the laws after each, liveness at the calms.

mod acts;
mod calm;

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use runtime::clock::Clock;

use crate::fleet::Fleet;
use crate::laws::{self, InForce, Versions, Violation};
use crate::link::Wire;
use crate::model::Model;
use crate::schedule::{GitMode, Step, schedule};
use crate::seen::Seen;

/// What to run.
#[derive(Debug, Clone)]
pub struct Settings {
    pub seed: u64,
    pub spokes: usize,
    pub acts: usize,
}

/// What came of it.
#[derive(Debug)]
pub struct Report {
    pub violations: Vec<Violation>,
    /// Acts, requests to API servers, and pieces of data on the wires.
    pub events: u64,
    /// How long it took in the fleet.
    pub simulated: Duration,
}

pub(crate) struct Simulation {
    fleet: Fleet,
    model: Model,
    clock: Clock,
    log: Log,
    git: GitMode,
    seen: Vec<Seen>,
    /// Since when each spoke runs without a break.
    running: Vec<Option<Duration>>,
    /// Since when the hub cannot hear each spoke.
    silent: Vec<Option<Duration>>,
    /// The sessions that were open before, and the life of the hub that each spoke met last.
    welcomes: Vec<u64>,
    met: Vec<u64>,
    in_force: InForce,
    versions: Versions,
    violations: Vec<Violation>,
}

/// The diary of a run: what was done and what was found, with the time in the fleet.
struct Log {
    file: File,
    clock: Clock,
}

impl Log {
    fn line(&mut self, text: &str) {
        let now = self.clock.now();
        // A diary that cannot be written must not change the run.
        let _lost = writeln!(self.file, "{:>10.3} {text}", now.as_secs_f64());
    }
}

/// Runs a seed in `folder`, with its diary in `folder/log.txt`. It ends with the first violation.
///
/// # Errors
/// When the fleet cannot be started or an act cannot be carried out.
pub async fn run(folder: &Path, settings: &Settings) -> Result<Report> {
    let Settings { seed, spokes, acts } = *settings;
    let clock = Clock::system();
    let file = File::create(log_file(folder)).context("cannot write the log of the run")?;
    let mut log = Log { file, clock: clock.clone() };
    log.line(&format!("seed {seed}, {spokes} spokes, {acts} acts"));
    let model = Model::new(spokes);
    let (fleet, commit) = Fleet::start(folder, spokes, &model.content).await?;
    let now = clock.now();
    let mut simulation = Simulation {
        fleet,
        model,
        clock,
        log,
        git: GitMode::Serving,
        seen: vec![Seen::default(); spokes],
        running: vec![Some(now); spokes],
        silent: vec![None; spokes],
        welcomes: vec![0; spokes],
        met: vec![0; spokes],
        in_force: InForce::default(),
        versions: Versions::default(),
        violations: Vec::new(),
    };
    simulation.model.committed(&commit);
    simulation.log.line(&format!("the fleet is connected; commit {commit}"));
    let steps = schedule(seed, spokes, acts);
    let outcome = simulation.steps(&steps).await;
    let report = simulation.report(steps.len() as u64);
    simulation.fleet.stop().await;
    outcome.map(|()| report)
}

#[must_use]
pub fn log_file(folder: &Path) -> PathBuf {
    folder.join("log.txt")
}

impl Simulation {
    async fn steps(&mut self, steps: &[Step]) -> Result<()> {
        // From here on the laws hold without an exception: the first state is complete.
        self.settle().await?;
        for (number, Step { act, pause }) in steps.iter().enumerate() {
            if !self.violations.is_empty() {
                return Ok(());
            }
            self.log.line(&format!("[{number}] {act:?}, then {} ms", pause.as_millis()));
            self.act(act).await.with_context(|| format!("step {number}, {act:?}"))?;
            tokio::time::sleep(*pause).await;
            self.check().await?;
        }
        Ok(())
    }

    fn report(&self, steps: u64) -> Report {
        let requests: u64 = self.fleet.members.iter().map(|one| one.requests.count()).sum();
        let links = self.fleet.members.iter().filter_map(|one| one.link.as_ref());
        let pieces: u64 = links.map(crate::link::Link::pieces).sum();
        Report {
            violations: self.violations.clone(),
            events: steps + requests + pieces,
            simulated: self.clock.now(),
        }
    }

    fn found(&mut self, violations: Vec<Violation>) {
        for violation in violations {
            self.log.line(&format!("VIOLATION {violation}"));
            self.violations.push(violation);
        }
    }

    /// The laws over everything that can be seen now.
    async fn check(&mut self) -> Result<()> {
        self.look();
        let now = self.clock.now();
        let unhealed = laws::healed(&mut self.model, &self.seen, &self.running, now);
        self.found(unhealed);
        let ended: Vec<_> = self.fleet.members.iter().filter(|one| one.has_ended()).collect();
        let ended = ended.into_iter().map(|one| Violation {
            law: "L5",
            what: format!("the spoke of {} ended by itself", one.name),
        });
        self.found(ended.collect());
        if self.fleet.hub.is_running() {
            self.ask_the_hub().await?;
        }
        Ok(())
    }

    /// L1 to L4, L6 and L7 over the clusters in which something was written.
    fn look(&mut self) {
        let mut violations = Vec::new();
        for (cluster, member) in self.fleet.members.iter().enumerate() {
            let Some(after) = Seen::look(&member.cluster, &self.seen[cluster]) else { continue };
            let before = &self.seen[cluster];
            violations.extend(laws::vanished(&self.model, self.git, cluster, before, &after));
            violations.extend(laws::foreign(cluster, &after));
            violations.extend(laws::committed(&self.model, cluster, &after));
            self.seen[cluster] = after;
        }
        self.found(violations);
        self.note_sessions();
    }

    /// L2, L7, L8 and L10 over what the hub shows.
    async fn ask_the_hub(&mut self) -> Result<()> {
        let views = self.fleet.operator.applications().await?;
        let clusters = self.fleet.operator.clusters().await?;
        // The views and the clusters are looked at as of one moment, as far as two can be.
        self.look();
        let shrunk = self.in_force.shrunk(&self.model, &views);
        self.found(shrunk);
        self.found(laws::revisions(&self.model, &views));
        let two = self.versions.same(&views);
        self.found(two);
        let now = self.clock.now();
        let Self { model, silent, seen, .. } = &*self;
        let untrue = laws::truthful(model, &clusters, &views, silent, seen, now);
        self.found(untrue);
        Ok(())
    }

    /// Which life of the hub each spoke has met.
    fn note_sessions(&mut self) {
        let life = self.fleet.hub.life();
        for (cluster, member) in self.fleet.members.iter().enumerate() {
            let welcomes = member.traffic.welcomes();
            if welcomes > self.welcomes[cluster] {
                self.welcomes[cluster] = welcomes;
                self.met[cluster] = life;
            }
        }
    }

    /// Brings up to date who runs and who can be heard.
    fn note_reach(&mut self) {
        let now = self.clock.now();
        for (cluster, member) in self.fleet.members.iter().enumerate() {
            let running = member.is_running();
            if !running {
                self.running[cluster] = None;
            } else if self.running[cluster].is_none() {
                self.running[cluster] = Some(now);
            }
            let wire = member.link.as_ref().map_or(Wire::Clear, crate::link::Link::wire);
            let silent = !running || matches!(wire, Wire::Cut | Wire::Stalled);
            if !silent {
                self.silent[cluster] = None;
            } else if self.silent[cluster].is_none() {
                self.silent[cluster] = Some(now);
            }
        }
    }
}
