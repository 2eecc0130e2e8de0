//! One spoke's session as a state machine: what the spoke has, what it should have, what to send.
//!
//! It decides and does nothing else: no await, clock or channel. The rules are those of
//! `docs/design/protocol.md`: at most one unacknowledged response, changes coalesce to the latest,
//! what is not mentioned is unchanged (L1), removals are tombstones and take effect only after
//! `SyncComplete` (L4), equal digests cost one round trip (L9).

use std::collections::BTreeMap;
use std::sync::Arc;

use model::canonical::Digest;
use model::desired::Tombstone;
use model::id::{Epoch, Nonce, Term};
use model::name::{ApplicationName, ClusterName};
use proto::BATCH_BYTES;
use proto::session::{
    Command, Decisions, Hello, Parting, Rejection, Report, SignedRecord, ToHub, ToSpoke, Upsert,
    Welcome,
};

use super::decisions::{Gathered, Gathering};
use crate::fleet::board::ClusterDesired;

/// The most resources a spoke may say it has: ten times the largest cluster we plan for.
const MAX_VERSIONS: usize = 100_000;
/// The most resources of one batch, whatever they weigh.
const BATCH_ENTRIES: usize = 2_000;

/// What a stream is told once, when it has been accepted.
#[derive(Debug, Clone)]
pub struct Terms {
    pub cluster: ClusterName,
    pub epoch: Epoch,
    pub term: Term,
    pub record: SignedRecord,
    /// The digest over the statuses that the hub has of this cluster.
    pub status_digest: Digest,
    /// Whether this cluster's decision objects are believed.
    pub takes_decisions: bool,
}

#[derive(Debug)]
pub enum Event {
    Received(ToHub),
    DesiredChanged(Arc<ClusterDesired>),
    Command { id: String, command: Command },
}

#[derive(Debug, PartialEq)]
pub enum Action {
    Send(ToSpoke),
    /// The spoke has stored this version: the first level of acknowledgement.
    Accepted {
        name: ApplicationName,
        version: Digest,
    },
    Rejected(Rejection),
    /// A tombstone has been carried out.
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
    Reported(Report),
    /// All pieces of a report of decision objects have come.
    Decided(Gathered),
    /// The spoke broke the contract, or must go: the stream ends with this.
    Close(Parting),
}

/// Where the conversation stands.
#[derive(Debug)]
enum Phase {
    /// The digests differ, and the spoke is listing what it has.
    /// Entered by `new`, left with the last piece of `Versions`.
    Listing,
    /// What the spoke has is known; changes flow. Never left.
    Live,
}

#[derive(Debug)]
struct Outstanding {
    nonce: Nonce,
    upserts: Vec<(ApplicationName, Digest)>,
    tombstones: Vec<(ApplicationName, Digest)>,
}

#[derive(Debug)]
pub struct Machine {
    epoch: Epoch,
    phase: Phase,
    desired: Arc<ClusterDesired>,
    /// What the spoke has stored, as it listed or acknowledged it.
    accepted: BTreeMap<ApplicationName, Digest>,
    /// What it refused; the same version is not sent again on this stream.
    refused: BTreeMap<ApplicationName, Digest>,
    /// Tombstones that it has stored but perhaps not carried out.
    buried: BTreeMap<ApplicationName, Digest>,
    outstanding: Option<Outstanding>,
    nonce: Nonce,
    /// False while the spoke lacks something, or has not been told that it lacks nothing.
    complete: bool,
    /// The pieces of decision objects so far; `None` when the hub did not ask for any.
    decisions: Option<Gathering>,
}

impl Machine {
    /// Begins a session whose `Hello` was checked against the certificate and found welcome.
    pub fn new(terms: Terms, hello: &Hello, desired: Arc<ClusterDesired>) -> (Self, Vec<Action>) {
        let in_sync = hello.root == desired.root && desired.tombstones.is_empty();
        let mut machine = Self {
            epoch: terms.epoch,
            phase: if in_sync { Phase::Live } else { Phase::Listing },
            desired,
            accepted: BTreeMap::new(),
            refused: BTreeMap::new(),
            buried: BTreeMap::new(),
            outstanding: None,
            nonce: Nonce::default(),
            complete: false,
            decisions: terms.takes_decisions.then(Gathering::default),
        };
        let mut actions = vec![Action::Send(ToSpoke::Welcome(Welcome {
            epoch: terms.epoch,
            term: terms.term,
            in_sync,
            send_status: hello.status_digest != terms.status_digest,
            send_decisions: terms.takes_decisions,
            record: terms.record,
        }))];
        if in_sync {
            let versions = machine.desired.applications.iter();
            machine.accepted = versions.map(|(name, app)| (name.clone(), app.version())).collect();
            let accepted = machine.accepted.iter();
            actions.extend(
                accepted.map(|(name, version)| Action::Accepted {
                    name: name.clone(),
                    version: *version,
                }),
            );
            machine.advance(&mut actions);
        }
        (machine, actions)
    }

    pub fn handle(&mut self, event: Event) -> Vec<Action> {
        let mut actions = Vec::new();
        match event {
            Event::Received(message) => self.receive(message, &mut actions),
            Event::DesiredChanged(desired) => {
                self.desired = desired;
                self.complete = false;
                self.advance(&mut actions);
            }
            Event::Command { id, command } => {
                actions.push(Action::Send(ToSpoke::Command { id, command }));
            }
        }
        actions
    }

    fn receive(&mut self, message: ToHub, actions: &mut Vec<Action>) {
        match message {
            ToHub::Hello(_) => actions.push(breach("a second Hello")),
            ToHub::Versions { accepted, last } => self.listed(accepted, last, actions),
            ToHub::Ack { nonce, rejected } => self.acknowledged(nonce, rejected, actions),
            ToHub::Report(report) => {
                let sequence = report.sequence;
                actions.push(Action::Reported(report));
                actions.push(Action::Send(ToSpoke::ReportAck { sequence }));
            }
            ToHub::Removed { name, version, pruned, orphaned } => {
                actions.push(Action::Removed { name, version, pruned, orphaned });
            }
            ToHub::CommandDone { id, error } => actions.push(Action::CommandDone { id, error }),
            ToHub::Decisions(piece) => self.decided(piece, actions),
        }
    }

    /// Whoever steers the fleet is chosen by the hub alone: nobody else may send decisions.
    fn decided(&mut self, piece: Decisions, actions: &mut Vec<Action>) {
        let Some(gathering) = &mut self.decisions else {
            return actions.push(breach("decision objects that nobody asked for"));
        };
        let sequence = piece.sequence;
        match gathering.take(piece) {
            Ok(None) => {}
            Ok(Some(gathered)) => {
                actions.push(Action::Decided(gathered));
                actions.push(Action::Send(ToSpoke::DecisionsAck { sequence }));
            }
            Err(what) => actions.push(breach(what)),
        }
    }

    fn listed(
        &mut self,
        versions: Vec<(ApplicationName, Digest)>,
        last: bool,
        actions: &mut Vec<Action>,
    ) {
        if !matches!(self.phase, Phase::Listing) {
            return actions.push(breach("Versions that nobody asked for"));
        }
        self.accepted.extend(versions);
        if self.accepted.len() > MAX_VERSIONS {
            return actions.push(breach("more resources than any cluster has"));
        }
        if last {
            self.phase = Phase::Live;
            for (name, application) in &self.desired.applications {
                if self.accepted.get(name) == Some(&application.version()) {
                    let version = application.version();
                    actions.push(Action::Accepted { name: name.clone(), version });
                }
            }
            self.advance(actions);
        }
    }

    fn acknowledged(&mut self, nonce: Nonce, rejected: Vec<Rejection>, actions: &mut Vec<Action>) {
        let Some(sent) = self.outstanding.take_if(|sent| sent.nonce == nonce) else {
            return actions.push(breach("an Ack whose nonce is not outstanding"));
        };
        let refused: BTreeMap<_, _> =
            rejected.iter().map(|rejection| (&rejection.name, rejection.version)).collect();
        for (name, version) in sent.upserts {
            if refused.get(&name) == Some(&version) {
                self.refused.insert(name, version);
            } else {
                self.buried.remove(&name);
                self.accepted.insert(name.clone(), version);
                actions.push(Action::Accepted { name, version });
            }
        }
        for (name, version) in sent.tombstones {
            self.accepted.remove(&name);
            self.buried.insert(name, version);
        }
        actions.extend(rejected.into_iter().map(Action::Rejected));
        self.advance(actions);
    }

    /// Sends the next batch, or says that there is none, unless an answer is awaited.
    fn advance(&mut self, actions: &mut Vec<Action>) {
        if self.outstanding.is_some() || matches!(self.phase, Phase::Listing) {
            return;
        }
        let (upserts, tombstones) = self.next_batch();
        if !upserts.is_empty() || !tombstones.is_empty() {
            self.nonce = self.nonce.next();
            self.outstanding = Some(Outstanding {
                nonce: self.nonce,
                upserts: upserts.iter().map(|one| (one.name.clone(), one.version)).collect(),
                tombstones: tombstones.iter().map(|one| (one.name.clone(), one.version)).collect(),
            });
            self.complete = false;
            let nonce = self.nonce;
            actions.push(Action::Send(ToSpoke::Desired { nonce, upserts, tombstones }));
        } else if !self.complete {
            self.complete = true;
            let (epoch, root) = (self.epoch, self.desired.root);
            actions.push(Action::Send(ToSpoke::SyncComplete { epoch, root }));
        }
    }

    /// What the spoke lacks, additions first, cut to the size of one message.
    fn next_batch(&self) -> (Vec<Upsert>, Vec<Tombstone>) {
        let mut bytes = 0;
        let mut fits = |size: usize| {
            let first = bytes == 0;
            bytes += size;
            first || bytes <= BATCH_BYTES
        };
        let lacking = self.desired.applications.iter().filter(|(name, application)| {
            let version = Some(&application.version());
            self.accepted.get(*name) != version && self.refused.get(*name) != version
        });
        let upserts: Vec<_> = lacking
            .take(BATCH_ENTRIES)
            .take_while(|(_, application)| fits(application.body().len()))
            .map(|(name, application)| Upsert {
                name: name.clone(),
                version: application.version(),
                body: application.body().to_vec(),
            })
            .collect();
        let due = self.desired.tombstones.iter();
        let due = due.filter(|(name, one)| self.buried.get(*name) != Some(&one.version));
        // A tombstone is below one kilobyte, so the count alone bounds the message.
        let room = BATCH_ENTRIES - upserts.len();
        (upserts, due.take(room).map(|(_, tombstone)| tombstone.clone()).collect())
    }
}

fn breach(what: &str) -> Action {
    Action::Close(Parting {
        code: "ProtocolError".into(),
        message: format!("the spoke sent {what}"),
        retry_after_ms: 30_000,
    })
}
