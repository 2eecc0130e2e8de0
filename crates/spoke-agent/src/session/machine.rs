//! The spoke's side of a session: what it has accepted, what it may remove, what it reports.
//!
//! It decides and does nothing else: no await, clock or channel. The caller carries actions out in
//! order, and `Persist` before anything that follows it: only what is stored is acknowledged.
//! The laws it keeps: nothing is removed without a tombstone (L1), nothing at all before
//! `SyncComplete`, nothing on hold before a person confirms (L4), and without a hub it simply goes
//! on with what it has (L5).

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use model::canonical::Digest;
use model::desired::{Tombstone, VersionedApplication, root_digest};
use model::id::{Epoch, Nonce, Term};
use model::name::{ApplicationName, ClusterName};
use model::status::{self, ApplicationStatus, Incident};
use proto::session::{
    Command, Parting, Rejection, Report, SignedRecord, ToHub, ToSpoke, Upsert, Welcome,
};

use super::decisions;
use crate::decisions::Reported;
use crate::engine::DesiredSet;

/// How many finished commands are remembered, so that one that is sent again is not done again.
/// A hub has a handful under way; 256 outlasts any reconnect.
const REMEMBERED_COMMANDS: usize = 256;
/// How many incidents wait for a hub that is away; beyond it the oldest are dropped.
const MAX_INCIDENTS: usize = 1_000;
/// How many statuses go in one report: about 1 KiB each, so well below a message.
const REPORT_STATUSES: usize = 200;
/// How many resources go in one piece of `Versions`.
const VERSIONS_PIECE: usize = 5_000;

/// What outlives the process: the accepted state, and what is known of the hub.
#[derive(Debug, Clone, PartialEq)]
pub struct Accepted {
    pub cluster: ClusterName,
    pub last_epoch: Option<Epoch>,
    pub last_term: Term,
    /// True from meeting a hub of an unknown or older epoch until a person confirms it.
    pub hold: bool,
    pub applications: BTreeMap<ApplicationName, VersionedApplication>,
    pub removals: BTreeMap<ApplicationName, Removal>,
    pub done_commands: VecDeque<String>,
    pub record: SignedRecord,
}

/// A tombstone that has been accepted.
#[derive(Debug, Clone, PartialEq)]
pub struct Removal {
    pub tombstone: Tombstone,
    /// Whether it may be carried out; until then its application stays in force.
    pub released: bool,
    /// How many objects were pruned and left, once it has been carried out while no hub listened.
    pub finished: Option<(u32, u32)>,
}

impl Accepted {
    #[must_use]
    pub fn new(cluster: ClusterName) -> Self {
        Self {
            cluster,
            last_epoch: None,
            last_term: Term::default(),
            hold: false,
            applications: BTreeMap::new(),
            removals: BTreeMap::new(),
            done_commands: VecDeque::new(),
            record: SignedRecord::default(),
        }
    }

    /// The digest of what the spoke has, for the hub to compare.
    #[must_use]
    pub fn root(&self) -> Digest {
        let versions: Vec<_> = self.kept().map(|one| (one.name(), one.version())).collect();
        root_digest(versions.iter().map(|(name, version)| (*name, version)))
    }

    /// What the spoke has and no tombstone waits for. An application that is still in force but is
    /// to be removed does not count: a hub that wants it again must send it again, which is what
    /// takes its tombstone back.
    fn kept(&self) -> impl Iterator<Item = &VersionedApplication> {
        self.applications.values().filter(|one| !self.removals.contains_key(one.name()))
    }

    /// What the engine shall see to: never a removal that is not released.
    #[must_use]
    pub fn desired(&self) -> DesiredSet {
        let due = |removal: &Removal| removal.released && removal.finished.is_none();
        let released = self.removals.iter().filter(|(_, removal)| due(removal));
        DesiredSet {
            applications: self.applications.clone(),
            removals: released
                .map(|(name, removal)| (name.clone(), removal.tombstone.clone()))
                .collect(),
        }
    }
}

#[derive(Debug)]
pub enum Event {
    /// A stream is open and `Hello` was sent on it.
    Opened,
    Received(ToSpoke),
    Closed,
    Status(ApplicationStatus),
    Incident(Incident),
    /// What is known of decision objects now.
    Decisions(Arc<Reported>),
    /// The engine has carried a tombstone out.
    Removed {
        name: ApplicationName,
        version: Digest,
        pruned: u32,
        orphaned: u32,
    },
    CommandDone {
        id: String,
        error: Option<String>,
    },
}

#[derive(Debug, PartialEq)]
pub enum Action {
    /// Store [`Machine::accepted`] before going on; when that fails, close the stream.
    Persist,
    /// Hand [`Accepted::desired`] to the engine.
    Publish,
    Send(ToHub),
    Run {
        id: String,
        command: Command,
    },
    /// End this stream; what remains is tried again after the pause.
    Close(Parting),
}

/// What is true of the present stream only.
#[derive(Debug)]
struct Stream {
    /// Set by `Welcome`; nothing else is legal before it.
    epoch: Option<Epoch>,
    /// The report that the hub has not taken yet.
    report: Option<SentReport>,
    /// Whether the hub was told about hold and held removals as they are now.
    told: Option<(bool, Vec<ApplicationName>)>,
    /// Whether the hub asked for decision objects.
    wants_decisions: bool,
    /// The decision objects that it was told last.
    decided: Option<Arc<Reported>>,
    /// The sequence of them that it has not taken yet.
    deciding: Option<u64>,
}

#[derive(Debug)]
struct SentReport {
    sequence: u64,
    statuses: Vec<ApplicationName>,
    incidents: Vec<Incident>,
    gone: Vec<ApplicationName>,
    full: bool,
}

#[derive(Debug)]
pub struct Machine {
    accepted: Accepted,
    stream: Option<Stream>,
    statuses: BTreeMap<ApplicationName, ApplicationStatus>,
    /// Statuses that the hub does not have in their present form.
    dirty: BTreeSet<ApplicationName>,
    gone: BTreeSet<ApplicationName>,
    incidents: BTreeMap<u64, Incident>,
    /// The next report replaces everything that the hub has.
    full: bool,
    sequence: u64,
    running: BTreeSet<String>,
    /// `None` when nothing is watched, or not everything was looked at yet: then nothing is said.
    decisions: Option<Arc<Reported>>,
}

impl Machine {
    #[must_use]
    pub fn new(accepted: Accepted) -> Self {
        Self {
            accepted,
            stream: None,
            statuses: BTreeMap::new(),
            dirty: BTreeSet::new(),
            gone: BTreeSet::new(),
            incidents: BTreeMap::new(),
            full: false,
            sequence: 0,
            running: BTreeSet::new(),
            decisions: None,
        }
    }

    #[must_use]
    pub fn accepted(&self) -> &Accepted {
        &self.accepted
    }

    /// The digest over all statuses, for the hub to see whether it has them.
    #[must_use]
    pub fn status_digest(&self) -> Digest {
        status::digest(self.statuses.values())
    }

    pub fn handle(&mut self, event: Event) -> Vec<Action> {
        let mut actions = Vec::new();
        match event {
            Event::Opened => {
                self.stream = Some(Stream {
                    epoch: None,
                    report: None,
                    told: None,
                    wants_decisions: false,
                    decided: None,
                    deciding: None,
                });
            }
            Event::Received(message) => self.receive(message, &mut actions),
            Event::Closed => self.closed(),
            Event::Status(status) => self.status(status),
            Event::Incident(incident) => {
                self.incidents.insert(incident.id, incident);
                while self.incidents.len() > MAX_INCIDENTS {
                    self.incidents.pop_first();
                }
            }
            Event::Removed { name, version, pruned, orphaned } => {
                self.removed(name, version, pruned, orphaned, &mut actions);
            }
            Event::CommandDone { id, error } => self.command_done(id, error, &mut actions),
            Event::Decisions(reported) => self.decisions = Some(reported),
        }
        self.report(&mut actions);
        self.report_decisions(&mut actions);
        actions
    }

    /// What was on its way may not have arrived: it is to be reported again.
    fn closed(&mut self) {
        let Some(sent) = self.stream.take().and_then(|stream| stream.report) else { return };
        self.full |= sent.full;
        self.dirty
            .extend(sent.statuses.into_iter().filter(|name| self.statuses.contains_key(name)));
        self.gone.extend(sent.gone);
    }

    fn receive(&mut self, message: ToSpoke, actions: &mut Vec<Action>) {
        let Some(stream) = &self.stream else { return };
        match (message, stream.epoch) {
            (ToSpoke::Welcome(welcome), None) => self.welcome(welcome, actions),
            (ToSpoke::Refused(parting) | ToSpoke::GoAway(parting), _) => {
                actions.push(Action::Close(parting));
            }
            (ToSpoke::Desired { nonce, upserts, tombstones }, Some(_)) => {
                self.desired(nonce, upserts, tombstones, actions);
            }
            (ToSpoke::SyncComplete { epoch, .. }, Some(current)) if epoch == current => {
                self.sync_complete(actions);
            }
            (ToSpoke::Command { id, command }, Some(_)) => self.command(id, command, actions),
            (ToSpoke::ReportAck { sequence }, Some(_)) => self.report_taken(sequence),
            (ToSpoke::DecisionsAck { sequence }, Some(_)) => self.decisions_taken(sequence),
            (message, _) => actions.push(breach(&message)),
        }
    }

    fn welcome(&mut self, welcome: Welcome, actions: &mut Vec<Action>) {
        let Welcome { epoch, term, in_sync, send_status, send_decisions, record } = welcome;
        let accepted = &mut self.accepted;
        match accepted.last_epoch {
            Some(last) if last == epoch && term < accepted.last_term => {
                return actions.push(Action::Close(Parting {
                    code: "StaleTerm".into(),
                    message: format!("the hub offers term {term} after {}", accepted.last_term),
                    retry_after_ms: 10_000,
                }));
            }
            // An unknown hub may add and update. It removes nothing until a person confirms it.
            Some(last) if !epoch.continues(last) => accepted.hold = true,
            _ => {}
        }
        accepted.last_epoch = Some(epoch);
        accepted.last_term = term;
        if !record.record.is_empty() {
            accepted.record = record;
        }
        actions.push(Action::Persist);
        if let Some(stream) = &mut self.stream {
            stream.epoch = Some(epoch);
            stream.wants_decisions = send_decisions;
        }
        if send_status {
            self.full = true;
            self.dirty = self.statuses.keys().cloned().collect();
        }
        if !in_sync {
            self.list_versions(actions);
        }
    }

    fn list_versions(&self, actions: &mut Vec<Action>) {
        let versions: Vec<_> =
            self.accepted.kept().map(|one| (one.name().clone(), one.version())).collect();
        let pieces: Vec<_> = versions.chunks(VERSIONS_PIECE).collect();
        for (index, piece) in pieces.iter().enumerate() {
            let last = index + 1 == pieces.len();
            actions.push(Action::Send(ToHub::Versions { accepted: piece.to_vec(), last }));
        }
        if pieces.is_empty() {
            actions.push(Action::Send(ToHub::Versions { accepted: Vec::new(), last: true }));
        }
    }

    fn desired(
        &mut self,
        nonce: Nonce,
        upserts: Vec<Upsert>,
        tombstones: Vec<Tombstone>,
        actions: &mut Vec<Action>,
    ) {
        let mut rejected = Vec::new();
        for upsert in upserts {
            if let Err(rejection) = self.take(&upsert) {
                rejected.push(rejection);
            }
        }
        let finished: Vec<_> =
            tombstones.into_iter().filter_map(|tombstone| self.bury(tombstone)).collect();
        actions.push(Action::Persist);
        actions.push(Action::Publish);
        actions.push(Action::Send(ToHub::Ack { nonce, rejected }));
        actions.extend(finished.into_iter().map(Action::Send));
    }

    /// Accepts a tombstone. One that was carried out before is answered instead.
    fn bury(&mut self, tombstone: Tombstone) -> Option<ToHub> {
        let name = tombstone.name.clone();
        match self.accepted.removals.get(&name) {
            Some(known) if known.tombstone == tombstone => {
                let (pruned, orphaned) = known.finished?;
                self.accepted.removals.remove(&name);
                let version = tombstone.version;
                Some(ToHub::Removed { name, version, pruned, orphaned })
            }
            _ => {
                let removal = Removal { tombstone, released: false, finished: None };
                self.accepted.removals.insert(name, removal);
                None
            }
        }
    }

    /// Takes one application, or says why not; then its last good version stays in force.
    fn take(&mut self, upsert: &Upsert) -> Result<(), Rejection> {
        let reject = |code: &str, message: String| Rejection {
            name: upsert.name.clone(),
            version: upsert.version,
            code: code.to_owned(),
            message,
        };
        let application = VersionedApplication::from_body(upsert.version, &upsert.body)
            .map_err(|error| reject("Malformed", error.to_string()))?;
        if *application.name() != upsert.name {
            let message = format!("the body is of {}, not of {}", application.name(), upsert.name);
            return Err(reject("NameMismatch", message));
        }
        // What comes back is no longer to be removed.
        self.accepted.removals.remove(&upsert.name);
        self.gone.remove(&upsert.name);
        self.accepted.applications.insert(upsert.name.clone(), application);
        Ok(())
    }

    fn sync_complete(&mut self, actions: &mut Vec<Action>) {
        if !self.accepted.hold && self.release() {
            actions.push(Action::Persist);
            actions.push(Action::Publish);
        }
    }

    /// Lets every accepted tombstone go ahead. Returns whether there was any.
    fn release(&mut self) -> bool {
        let mut released = false;
        for (name, removal) in &mut self.accepted.removals {
            if !removal.released {
                removal.released = true;
                released = true;
                self.accepted.applications.remove(name);
            }
        }
        released
    }

    fn removed(
        &mut self,
        name: ApplicationName,
        version: Digest,
        pruned: u32,
        orphaned: u32,
        actions: &mut Vec<Action>,
    ) {
        let welcomed = self.welcomed();
        let Some(removal) = self.accepted.removals.get_mut(&name) else { return };
        if removal.tombstone.version != version || !removal.released {
            return; // The application came back while its removal was under way.
        }
        self.statuses.remove(&name);
        self.dirty.remove(&name);
        self.gone.insert(name.clone());
        if welcomed {
            self.accepted.removals.remove(&name);
        } else {
            removal.finished = Some((pruned, orphaned));
        }
        actions.push(Action::Persist);
        actions.push(Action::Publish);
        if welcomed {
            actions.push(Action::Send(ToHub::Removed { name, version, pruned, orphaned }));
        }
    }

    fn command(&mut self, id: String, command: Command, actions: &mut Vec<Action>) {
        if self.accepted.done_commands.contains(&id) {
            actions.push(Action::Send(ToHub::CommandDone { id, error: None }));
        } else if let Command::ConfirmRemovals { epoch } = command {
            self.confirm(id, epoch, actions);
        } else if self.running.insert(id.clone()) {
            actions.push(Action::Run { id, command });
        }
    }

    /// A person has looked at the hub that the spoke did not know, and trusts it.
    fn confirm(&mut self, id: String, epoch: Epoch, actions: &mut Vec<Action>) {
        if self.stream.as_ref().and_then(|stream| stream.epoch) != Some(epoch) {
            let error = Some("the confirmation is for another epoch of the hub".to_owned());
            return actions.push(Action::Send(ToHub::CommandDone { id, error }));
        }
        self.accepted.hold = false;
        self.release();
        self.command_done(id, None, actions);
        actions.push(Action::Publish);
    }

    fn command_done(&mut self, id: String, error: Option<String>, actions: &mut Vec<Action>) {
        self.running.remove(&id);
        self.accepted.done_commands.push_back(id.clone());
        while self.accepted.done_commands.len() > REMEMBERED_COMMANDS {
            self.accepted.done_commands.pop_front();
        }
        actions.push(Action::Persist);
        if self.welcomed() {
            actions.push(Action::Send(ToHub::CommandDone { id, error }));
        }
    }

    fn welcomed(&self) -> bool {
        self.stream.as_ref().is_some_and(|stream| stream.epoch.is_some())
    }

    fn status(&mut self, status: ApplicationStatus) {
        // A late word about an application that has been removed is not news.
        if !self.accepted.applications.contains_key(&status.name) {
            return;
        }
        let name = status.name.clone();
        if self.statuses.get(&name) != Some(&status) {
            self.statuses.insert(name.clone(), status);
            self.dirty.insert(name);
        }
    }

    /// Sends what the hub lacks, unless an earlier report is still on its way: changes coalesce.
    fn report(&mut self, actions: &mut Vec<Action>) {
        let held: Vec<_> = self
            .accepted
            .removals
            .iter()
            .filter(|(_, removal)| !removal.released)
            .map(|(name, _)| name.clone())
            .collect();
        let state = (self.accepted.hold, if self.accepted.hold { held } else { Vec::new() });
        let Some(stream) = &mut self.stream else { return };
        let untold = stream.told.as_ref() != Some(&state);
        let news = self.full
            || untold
            || !self.dirty.is_empty()
            || !self.gone.is_empty()
            || !self.incidents.is_empty();
        if stream.epoch.is_none() || stream.report.is_some() || !news {
            return;
        }
        self.sequence += 1;
        let names: Vec<_> = self.dirty.iter().take(REPORT_STATUSES).cloned().collect();
        let report = Report {
            statuses: names.iter().filter_map(|name| self.statuses.get(name).cloned()).collect(),
            incidents: self.incidents.values().take(REPORT_STATUSES).cloned().collect(),
            gone: self.gone.iter().cloned().collect(),
            full: self.full,
            sequence: self.sequence,
            hold: state.0,
            held_removals: state.1.clone(),
        };
        for name in &names {
            self.dirty.remove(name);
        }
        self.full = false;
        stream.told = Some(state);
        stream.report = Some(SentReport {
            sequence: self.sequence,
            statuses: names,
            incidents: report.incidents.clone(),
            gone: report.gone.clone(),
            full: report.full,
        });
        self.gone.clear();
        actions.push(Action::Send(ToHub::Report(report)));
    }

    fn report_taken(&mut self, sequence: u64) {
        let Some(stream) = &mut self.stream else { return };
        let Some(sent) = stream.report.take_if(|sent| sent.sequence == sequence) else { return };
        for incident in sent.incidents {
            // One that has changed since is news again.
            if self.incidents.get(&incident.id) == Some(&incident) {
                self.incidents.remove(&incident.id);
            }
        }
    }
}

impl Machine {
    /// Tells a hub that asked all that is known, unless it is still taking what it was told before:
    /// what changes meanwhile coalesces.
    fn report_decisions(&mut self, actions: &mut Vec<Action>) {
        let (Some(stream), Some(now)) = (&mut self.stream, &self.decisions) else { return };
        let is_told = stream.decided.as_ref().is_some_and(|told| Arc::ptr_eq(told, now));
        if !stream.wants_decisions || stream.deciding.is_some() || is_told {
            return;
        }
        self.sequence += 1;
        stream.decided = Some(Arc::clone(now));
        stream.deciding = Some(self.sequence);
        let pieces = decisions::pieces(now, self.sequence).into_iter();
        actions.extend(pieces.map(|piece| Action::Send(ToHub::Decisions(piece))));
    }

    fn decisions_taken(&mut self, sequence: u64) {
        if let Some(stream) = &mut self.stream {
            stream.deciding.take_if(|sent| *sent == sequence);
        }
    }
}

fn breach(message: &ToSpoke) -> Action {
    let kind = format!("{message:?}");
    let kind = kind.split([' ', '(', '{']).next().unwrap_or_default().to_owned();
    Action::Close(Parting {
        code: "ProtocolError".into(),
        message: format!("the hub sent {kind} out of turn"),
        retry_after_ms: 30_000,
    })
}

/// Shares the accepted state with the engine's channel.
#[must_use]
pub fn desired_of(accepted: &Accepted) -> Arc<DesiredSet> {
    Arc::new(accepted.desired())
}
