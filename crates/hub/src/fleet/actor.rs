//! The owner of the fleet's state: takes commands and news, persists, then publishes.
//!
//! Each pass through its loop handles one event, starts the looks at Git that are due, makes a plan
//! when something has changed, and answers who waits for it. What it decides is in `expansion` and
//! below; what persons ask for is in `actor/commands.rs`.

mod commands;

use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use collect::Collector;
use futures::FutureExt as _;
use generators::{Incremental, RepoReference};
use model::cluster::Cluster;
use model::id::{CommitId, Epoch};
use model::name::{ApplicationName, ClusterName};
use model::problem::{Problem, Reason};
use model::provider::Request;
use model::status::Timestamp;
use runtime::clock::Clock;
use runtime::error::chain;
use runtime::supervise::{Supervisor, blocking};
use source::{Mirrors, RepoUrl};
use tokio::sync::{Notify, mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::board::DesiredBoard;
use super::decisions::{Believed, Told};
use super::documents::{Documents, GitOrigin, Reading};
use super::expansion::{Moment, Outcome, work_out};
use super::handle::{COMMANDS, Command, FleetError, FleetHandle, RefreshOutcome, Reply};
use super::plan::{Approval, HUB};
use super::repositories::{Looked, Needed, Repositories};
use super::services::{self, Questions, Services};
use super::snapshot::{FleetSnapshot, Shared};
use super::state::{FleetState, Owner};
use super::stored::{self, Change, FleetStoreError, Kept, Pause};
use super::{ClusterSource, FleetOptions, FleetRepository};
use crate::ledger::{self, NewRecord};
use crate::store::{Store, Transaction, Write};

/// Plans are made at most this often. The first change is planned at once, so that one commit goes
/// out without delay; a storm of them costs five plans a second.
const PLAN_PAUSE: Duration = Duration::from_millis(200);
/// How long to wait before a plan that could not be made or stored is tried again.
const RETRY_PAUSE: Duration = Duration::from_secs(10);
/// How long `refresh` waits for slow repositories before it answers with what is in force. Below
/// the 30 s that the CLI gives a request.
const REFRESH_PATIENCE: Duration = Duration::from_secs(25);
/// Results of looks at Git: one for each that can run.
const LOOKS: usize = 4;
/// Answers of services: who asks waits until there is room.
const ANSWERS: usize = 8;
/// The owner wakes at least this often; nothing depends on it.
const IDLE: Duration = Duration::from_secs(3600);

/// Loads what was kept, publishes it, and starts the owner task.
pub async fn start(
    options: FleetOptions,
    store: Arc<dyn Store>,
    mirrors: Mirrors,
    clusters: Arc<dyn ClusterSource>,
    board: DesiredBoard,
    clock: Clock,
    supervisor: &Supervisor,
) -> Result<FleetHandle, FleetStoreError> {
    let reader = Arc::clone(&store);
    let kept = blocking("load the fleet", move || stored::load(reader.as_ref())).await;
    let kept = kept.map_err(|error| FleetStoreError::Unusable {
        what: "fleet".to_owned(),
        reason: error.to_string(),
    })??;
    let (commands_tx, commands) = mpsc::channel(COMMANDS);
    let (looks_tx, looks) = mpsc::channel(LOOKS);
    let (answers_tx, answers) = mpsc::channel(ANSWERS);
    let (snapshot_tx, snapshot) = watch::channel(Shared::default());
    let news = Arc::new(Notify::new());
    let shutdown = supervisor.token();
    let mut told = options.decisions.subscribe();
    // What was said before is taken at once, and no wake-up for it is lost.
    told.mark_changed();
    let inbox = Inbox { commands, looks, answers, told, clusters: Arc::clone(&news), shutdown };
    let parts = Parts { store, mirrors, clusters, board, clock, supervisor: supervisor.clone() };
    let results = Results { looks: looks_tx, answers: answers_tx };
    let mut fleet = Fleet::new(options, kept, parts, results, snapshot_tx);
    fleet.publish_all();
    supervisor.spawn_essential("fleet", async move { fleet.run(inbox).await });
    Ok(FleetHandle { commands: commands_tx, clusters: news, snapshot })
}

/// What the owner works with.
struct Parts {
    store: Arc<dyn Store>,
    mirrors: Mirrors,
    clusters: Arc<dyn ClusterSource>,
    board: DesiredBoard,
    clock: Clock,
    supervisor: Supervisor,
}

/// Everything that comes in.
struct Inbox {
    commands: mpsc::Receiver<Command>,
    looks: mpsc::Receiver<Look>,
    answers: mpsc::Receiver<Asked>,
    told: watch::Receiver<Told>,
    clusters: Arc<Notify>,
    shutdown: CancellationToken,
}

/// A look at a repository that ended; without a result it panicked.
struct Look {
    url: RepoUrl,
    looked: Option<Looked>,
}

/// A question that was asked; without an answer, who asked has panicked.
struct Asked {
    request: Request,
    told: Option<services::Told>,
}

/// Where tasks bring what they found.
struct Results {
    looks: mpsc::Sender<Look>,
    answers: mpsc::Sender<Asked>,
}

enum Event {
    Command(Command),
    Looked(Look),
    Asked(Asked),
    Decided(Told),
    Clusters,
    Time,
    Shutdown,
}

/// Who waits for a look at all of Git.
struct Waiting {
    reply: Reply<RefreshOutcome>,
    until: Duration,
}

struct Fleet {
    parts: Parts,
    epoch: Epoch,
    repository: Option<(GitOrigin, RepoReference)>,
    state: Arc<FleetState>,
    documents: Arc<Documents>,
    reading: Option<Arc<(CommitId, Reading)>>,
    /// The expansion of the last pass. It follows from what a pass looks at, whether or not that
    /// came into force.
    kept: Incremental,
    pauses: BTreeMap<ApplicationName, Pause>,
    /// The clusters that had joined when they could last be read.
    joined: Option<Vec<Cluster>>,
    repositories: Repositories,
    questions: Questions,
    collector: Result<Collector, String>,
    believed: Believed,
    /// What goes into the next transaction.
    commits: Vec<(RepoReference, CommitId)>,
    forgotten: Vec<RepoReference>,
    acts: Vec<NewRecord>,
    /// Whether anything that a plan looks at has changed since the last one.
    dirty: bool,
    not_before: Duration,
    /// Why the last pass changed nothing.
    failure: Option<String>,
    waiting: Vec<Waiting>,
    results: Results,
    snapshot: watch::Sender<Shared>,
}

impl Fleet {
    fn new(
        options: FleetOptions,
        kept: Kept,
        parts: Parts,
        results: Results,
        snapshot: watch::Sender<Shared>,
    ) -> Self {
        let FleetOptions { repository, poll_interval, services, decisions, epoch } = options;
        let Kept { state, documents, pauses, revisions } = kept;
        let now = parts.clock.now();
        let mut repositories = Repositories::new(poll_interval, epoch.id ^ epoch.counter);
        for (reference, commit) in revisions {
            repositories.restore(reference, commit, now);
        }
        let repository = repository.map(references);
        if let Some((_, reference)) = &repository {
            let revisions = BTreeMap::from([(reference.clone(), true)]);
            repositories.need(&Needed { revisions, ..Needed::default() }, now);
        }
        Self {
            parts,
            epoch,
            repository,
            state: Arc::new(state),
            documents: Arc::new(documents),
            reading: None,
            kept: Incremental::new(),
            pauses,
            joined: None,
            repositories,
            questions: Questions::new(services.interval, epoch.id ^ epoch.counter),
            collector: services.collector,
            believed: Believed::new(decisions.cluster().cloned()),
            commits: Vec::new(),
            forgotten: Vec::new(),
            acts: Vec::new(),
            dirty: true,
            not_before: now,
            failure: None,
            waiting: Vec::new(),
            results,
            snapshot,
        }
    }

    async fn run(&mut self, mut inbox: Inbox) {
        loop {
            self.start_looks();
            self.ask_services();
            self.dirty |= self.believed.settle(self.now());
            if self.dirty
                && self.now() >= self.not_before
                && let Err(error) = self.pass(BTreeMap::new()).await
            {
                tracing::error!(%error, "a plan could not be put in force");
            }
            self.answer_refreshes();
            match self.next(&mut inbox).await {
                Event::Command(command) => self.command(command).await,
                Event::Looked(look) => self.looked(look),
                Event::Asked(asked) => self.asked(asked),
                Event::Decided(told) => {
                    let now = self.now();
                    self.dirty |= self.believed.take(&told, now);
                }
                Event::Clusters => self.dirty = true,
                Event::Time => {}
                Event::Shutdown => return,
            }
        }
    }

    async fn next(&self, inbox: &mut Inbox) -> Event {
        let pause = self.wake_at().saturating_sub(self.now());
        // All arms are cancel-safe: what is not taken now is there the next time.
        tokio::select! {
            () = inbox.shutdown.cancelled() => Event::Shutdown,
            command = inbox.commands.recv() => command.map_or(Event::Shutdown, Event::Command),
            Some(look) = inbox.looks.recv() => Event::Looked(look),
            Some(asked) = inbox.answers.recv() => Event::Asked(asked),
            Ok(()) = inbox.told.changed() => Event::Decided(inbox.told.borrow_and_update().clone()),
            () = inbox.clusters.notified() => Event::Clusters,
            () = tokio::time::sleep(pause) => Event::Time,
        }
    }

    fn wake_at(&self) -> Duration {
        let plan = self.dirty.then_some(self.not_before);
        let patience = self.waiting.iter().map(|waiting| waiting.until).min();
        let (looks, questions) = (self.repositories.next_due(), self.questions.next_due());
        let times = [plan, patience, looks, questions, self.believed.next_due()];
        times.into_iter().flatten().min().unwrap_or_else(|| self.now() + IDLE)
    }

    fn now(&self) -> Duration {
        self.parts.clock.now()
    }

    fn wall(&self) -> Timestamp {
        Timestamp(self.parts.clock.wall_ms())
    }

    // Git.

    fn start_looks(&mut self) {
        for job in self.repositories.due(self.now()) {
            let (url, mirrors, looks) =
                (job.url.clone(), self.parts.mirrors.clone(), self.results.looks.clone());
            self.parts.supervisor.spawn(format!("look at {url}"), async move {
                let looked = blocking("look at Git", move || job.run(&mirrors)).await;
                if let Err(error) = &looked {
                    tracing::error!(%url, %error, "a repository could not be looked at");
                }
                // The owner is gone only when the process ends.
                let _gone = looks.send(Look { url, looked: looked.ok() }).await;
            });
        }
    }

    fn looked(&mut self, look: Look) {
        let now = self.now();
        let Some(looked) = look.looked else {
            return self.repositories.abandon(&look.url, now);
        };
        let change = self.repositories.settle(looked, now);
        self.commits.extend(change.commits);
        self.dirty |= change.relevant;
        for (url, error) in change.turns {
            let (action, message) = match error {
                Some(error) => ("SourceUnavailable", format!("what is in force stays: {error}")),
                None => ("SourceAvailable", format!("{url} can be read again")),
            };
            tracing::info!(%url, action, message, "a repository");
            let record = self.record(HUB, action, message);
            self.acts.push(record);
        }
    }

    // Services.

    fn ask_services(&mut self) {
        for request in self.questions.due(self.now()) {
            let (collector, answers) = (self.collector.clone(), self.results.answers.clone());
            let shutdown = self.parts.supervisor.token();
            self.parts.supervisor.spawn("ask a service", async move {
                let asking = AssertUnwindSafe(Services::ask(collector, request.clone()));
                // A question may be dropped at any time.
                let Some(asked) = shutdown.run_until_cancelled(asking.catch_unwind()).await else {
                    return;
                };
                if asked.is_err() {
                    tracing::error!("a service could not be asked: the collector panicked");
                }
                // The owner is gone only when the process ends.
                let _gone = answers.send(Asked { request, told: asked.ok() }).await;
            });
        }
    }

    fn asked(&mut self, Asked { request, told }: Asked) {
        let now = self.now();
        self.dirty |= self.questions.settle(&request, told, now);
    }

    fn record(&self, actor: &str, action: &str, message: String) -> NewRecord {
        NewRecord {
            at: self.wall(),
            actor: actor.to_owned(),
            action: action.to_owned(),
            application: None,
            cluster: None,
            commit: None,
            message,
            reason: String::new(),
        }
    }

    fn answer_refreshes(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        let now = self.now();
        if let Some(reason) = &self.failure {
            for Waiting { reply, .. } in self.waiting.drain(..) {
                drop(reply.send(Err(FleetError::Failed(reason.clone()))));
            }
            return;
        }
        let idle = self.repositories.is_idle(now) && self.questions.is_idle(now);
        let settled = !self.dirty && idle;
        let (ready, waiting): (Vec<_>, Vec<_>) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition(|waiting| settled || waiting.until <= now);
        self.waiting = waiting;
        for Waiting { reply, .. } in ready {
            let snapshot = self.snapshot.borrow().clone();
            let mut problems = snapshot.problems.clone();
            if !settled {
                let message = "not all repositories and services have answered yet; this is what \
                               is in force now";
                let (set, element) = (String::new(), String::new());
                let (reason, message) = (Reason::SourceUnavailable, message.to_owned());
                problems.push(Problem { set, element, reason, message });
            }
            // Who asked may have hung up.
            let _gone = reply.send(Ok(RefreshOutcome { commit: snapshot.commit, problems }));
        }
    }

    // Plans.

    /// One pass from what is known to what is in force. Returns the owners whose approval took
    /// effect.
    async fn pass(
        &mut self,
        approvals: BTreeMap<Owner, Approval>,
    ) -> Result<BTreeSet<Owner>, FleetError> {
        let read = self.parts.clusters.try_clusters();
        let unread =
            read.as_ref().err().map(|reason| format!("the clusters cannot be read: {reason}"));
        if let Some(reason) = &unread {
            tracing::error!(reason, "the clusters are taken as they were");
        }
        self.joined = read.ok().or_else(|| self.joined.take());
        // What comes in while the pass is under way is for the next one.
        self.dirty = false;
        let passed = match (self.joined.clone(), &unread) {
            (Some(joined), _) => self.attempt(joined, approvals).await,
            // An empty fleet would look like a removal of everything (law L2).
            (None, reason) => Err(reason.clone().unwrap_or_default()),
        };
        let again = passed.is_err() || unread.is_some();
        self.failure = passed.as_ref().err().cloned();
        self.dirty |= again;
        self.not_before = self.now() + if again { RETRY_PAUSE } else { PLAN_PAUSE };
        passed.map_err(FleetError::Failed)
    }

    async fn attempt(
        &mut self,
        joined: Vec<Cluster>,
        approvals: BTreeMap<Owner, Approval>,
    ) -> Result<BTreeSet<Owner>, String> {
        let moment = self.moment(joined, approvals);
        // A pass that panics takes the kept expansion with it, and the next one begins anew.
        let mut kept = std::mem::take(&mut self.kept);
        let passed = blocking("plan", move || {
            let outcome = work_out(moment, &mut kept);
            (outcome, kept)
        });
        match passed.await {
            Ok((outcome, kept)) => {
                tracing::debug!(evaluated = kept.evaluated().len(), "the expansion is up to date");
                self.kept = kept;
                self.put_in_force(outcome).await.map_err(|error| chain(&error))
            }
            Err(error) => Err(error.to_string()),
        }
    }

    fn moment(&self, joined: Vec<Cluster>, approvals: BTreeMap<Owner, Approval>) -> Moment {
        Moment {
            state: Arc::clone(&self.state),
            documents: Arc::clone(&self.documents),
            repository: self.repository.clone(),
            reading: self.reading.clone(),
            joined,
            trees: self.repositories.trees(),
            answers: self.questions.answers(),
            believed: self.believed.clone(),
            resolutions: self.repositories.resolutions(),
            unavailable: self.repositories.problems(),
            paused: self.pauses.keys().cloned().collect(),
            approvals,
            epoch: self.epoch,
            now: self.wall(),
        }
    }

    async fn put_in_force(&mut self, outcome: Outcome) -> Result<BTreeSet<Owner>, FleetError> {
        let Outcome { documents, reading, plan, needed, requests, snapshot } = outcome;
        self.replace(Arc::new(plan.state), documents, plan.acts).await?;
        self.reading = reading;
        self.publish_snapshot(snapshot);
        let forgotten = self.repositories.need(&needed, self.now());
        self.forgotten.extend(forgotten);
        let wanted = requests.iter().map(|(request, period)| (request, *period));
        self.questions.need(wanted, self.now());
        Ok(plan.approved)
    }

    /// Persists, then publishes.
    async fn replace(
        &mut self,
        state: Arc<FleetState>,
        documents: Arc<Documents>,
        acts: Vec<NewRecord>,
    ) -> Result<(), FleetStoreError> {
        let store = Arc::clone(&self.parts.store);
        let (old_state, old_documents) = (Arc::clone(&self.state), Arc::clone(&self.documents));
        let (new_state, new_documents) = (Arc::clone(&state), Arc::clone(&documents));
        let (commits, forgotten) = (self.commits.clone(), self.forgotten.clone());
        let acts: Vec<_> = self.acts.iter().cloned().chain(acts).collect();
        let prepared = blocking("prepare the store", move || {
            let before = (old_state.as_ref(), old_documents.as_ref());
            let after = (new_state.as_ref(), new_documents.as_ref());
            let change =
                Change { before, after, commits: &commits, forgotten: &forgotten, acts: &acts };
            let transactions = stored::transactions(store.as_ref(), &change)?;
            Ok::<_, FleetStoreError>((transactions, stored::unused_blobs(before, after)))
        });
        let (transactions, unused) = prepared.await.map_err(|error| {
            FleetStoreError::Unusable { what: "plan".to_owned(), reason: error.to_string() }
        })??;
        for transaction in transactions {
            self.parts.store.transact(transaction).await?;
        }
        self.commits.clear();
        self.forgotten.clear();
        self.acts.clear();
        let touched = self.state.touched(&state);
        self.state = state;
        self.documents = documents;
        self.publish(&touched);
        if !unused.is_empty() {
            self.forget_blobs(unused);
        }
        Ok(())
    }

    /// A blob that stays costs disk and nothing else.
    fn forget_blobs(&self, unused: BTreeSet<model::canonical::Digest>) {
        let store = Arc::clone(&self.parts.store);
        self.parts.supervisor.spawn("forget blobs", async move {
            let removed = blocking("forget blobs", move || {
                unused.iter().try_for_each(|digest| store.remove_blob(digest))
            });
            match removed.await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::warn!(%error, "a body that nobody needs stays"),
                Err(error) => tracing::warn!(%error, "bodies that nobody needs stay"),
            }
        });
    }

    fn publish_all(&mut self) {
        let clusters = self.state.clusters();
        self.publish(&clusters);
    }

    fn publish(&self, clusters: &BTreeSet<ClusterName>) {
        for (cluster, desired) in self.state.desired(clusters) {
            self.parts.board.publish(&cluster, desired);
        }
    }

    fn publish_snapshot(&self, snapshot: FleetSnapshot) {
        self.snapshot.send_if_modified(|current| {
            let changed = **current != snapshot;
            if changed {
                *current = Arc::new(snapshot);
            }
            changed
        });
    }

    /// A change that a person asked for, with its record, in one transaction.
    async fn persist(
        &self,
        mut writes: Vec<Write>,
        records: &[NewRecord],
    ) -> Result<(), FleetStoreError> {
        writes.extend(ledger::writes_for(records));
        self.parts.store.transact(Transaction { conditions: Vec::new(), writes }).await?;
        Ok(())
    }
}

fn references(repository: FleetRepository) -> (GitOrigin, RepoReference) {
    let FleetRepository { url: _, text, revision, path } = repository;
    let reference = RepoReference { repo_url: text.clone(), revision };
    (GitOrigin { url: text, path }, reference)
}
