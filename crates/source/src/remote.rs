//! The two conversations with a Git server: which references are there, and give me a commit.

use std::num::NonZeroU32;
use std::sync::atomic::AtomicBool;

use gix::ObjectId;
use gix::objs::bstr::BString;
use gix::odb::pack;
use gix::progress::Discard;
use gix::protocol::command::Feature;
use gix::protocol::fetch::negotiate::{Action, Round, one_round};
use gix::protocol::fetch::{Arguments, Context, Negotiate, Options, Response, Shallow, Tags};
use gix::protocol::handshake::Ref;
use gix::protocol::ls_refs::RefPrefixes;
use gix::protocol::transport::Service;
use gix::protocol::transport::client::blocking_io::Transport;
use gix::protocol::{Handshake, LsRefsCommand};

use crate::refs::PREFIXES;
use crate::revision::RemoteRef;

/// Enough for the server to find a common base; each costs 50 bytes.
pub(crate) const MAX_HAVES: usize = 64;

/// What to fetch.
pub(crate) enum Wanted {
    /// One commit without its history. `haves` are complete commits that are here already.
    Commit { commit: ObjectId, haves: Vec<ObjectId> },
    /// Every branch and tag with all history, from servers that do not give out single commits.
    Everything,
}

fn agent() -> Feature {
    ("agent", Some(concat!("git/muster-", env!("CARGO_PKG_VERSION")).into()))
}

fn handshake(transport: &mut dyn Transport) -> gix::Result<Handshake> {
    // Our transports bring their credentials along; gix must not ask anyone for more.
    let nobody = |_action| Ok(None);
    gix::protocol::handshake(transport, Service::UploadPack, nobody, Vec::new(), &mut Discard)
}

/// The references that begin with one of `prefixes`; old servers send all they have.
pub(crate) fn references(
    transport: &mut dyn Transport,
    prefixes: Vec<String>,
) -> gix::Result<Vec<RemoteRef>> {
    let mut handshake = handshake(transport)?;
    let refs = list(transport, &mut handshake, prefixes)?;
    goodbye(transport);
    Ok(refs
        .iter()
        .filter_map(|r| {
            let (name, target, peeled) = r.unpack();
            let target = peeled.or(target)?.to_owned();
            Some(RemoteRef { name: name.to_string(), target })
        })
        .collect())
}

fn list(
    transport: &mut dyn Transport,
    handshake: &mut Handshake,
    prefixes: Vec<String>,
) -> gix::Result<Vec<Ref>> {
    if let Some(refs) = &handshake.refs {
        return Ok(refs.clone());
    }
    let mut filter = RefPrefixes::new();
    filter.extend(prefixes.into_iter().map(BString::from));
    LsRefsCommand::new(Some(filter), &handshake.capabilities, agent()).invoke_blocking(
        transport,
        &mut Discard,
        false,
    )
}

/// The server of a lasting connection waits for this; that it may be gone does not matter.
fn goodbye(transport: &mut dyn Transport) {
    gix::protocol::indicate_end_of_interaction(transport, false).ok();
}

/// What a fetch did.
pub(crate) enum Fetched {
    /// The objects are there. The file keeps the new pack, if there was one, until it is removed.
    Objects { keep: Option<std::path::PathBuf> },
    /// The server said beforehand that it does not give out this commit by itself.
    NotOffered,
}

/// Before protocol version 2 a server gives out what it advertises, unless it says otherwise.
fn offers(handshake: &Handshake, commit: ObjectId) -> bool {
    let Some(refs) = &handshake.refs else { return true };
    let allows = |name: &str| handshake.capabilities.contains(name);
    allows("allow-any-sha1-in-want")
        || allows("allow-reachable-sha1-in-want")
        || refs.iter().any(|r| r.unpack().1 == Some(commit.as_ref()))
}

/// Adds objects to the repository. Nothing refers to them yet, and a transfer that fails leaves
/// nothing behind: a pack gets its name only when all of it was checked.
pub(crate) fn fetch(
    transport: &mut dyn Transport,
    repository: &gix::Repository,
    wanted: Wanted,
    object_limit: usize,
    interrupt: &AtomicBool,
) -> gix::Result<Fetched> {
    let mut handshake = handshake(transport)?;
    let shallow_file = repository.shallow_file()?;
    let (wants, haves, shallow) = match wanted {
        Wanted::Commit { commit, .. } if !offers(&handshake, commit) => {
            goodbye(transport);
            return Ok(Fetched::NotOffered);
        }
        Wanted::Commit { commit, haves } => {
            (vec![commit], haves, Shallow::DepthAtRemote(NonZeroU32::MIN))
        }
        Wanted::Everything => {
            let prefixes = PREFIXES.map(str::to_owned).into();
            let refs = list(transport, &mut handshake, prefixes)?;
            let mut wants: Vec<_> = refs
                .iter()
                .map(Ref::unpack)
                .filter(|(name, ..)| {
                    PREFIXES.iter().any(|prefix| name.starts_with(prefix.as_bytes()))
                })
                .filter_map(|(_, target, _)| target.map(ToOwned::to_owned))
                .collect();
            wants.sort();
            wants.dedup();
            let shallow = if shallow_file.exists() { Shallow::undo() } else { Shallow::NoChange };
            (wants, Vec::new(), shallow)
        }
    };
    let mut keep = None;
    gix::protocol::fetch(
        &mut Plan { wants, haves },
        |reader, progress, interrupt| {
            let written = pack::Bundle::write_to_directory(
                reader,
                Some(&repository.objects.store_ref().path().join("pack")),
                progress,
                interrupt,
                Some(repository.objects.clone()),
                gix::hash::Kind::Sha1,
                pack::bundle::write::Options {
                    // A second thread would double the memory for no gain on a small machine.
                    thread_limit: Some(1),
                    alloc_limit_bytes: Some(object_limit),
                    ..Default::default()
                },
            )?;
            keep = written.keep_path;
            Ok(true)
        },
        Discard,
        interrupt,
        Context {
            handshake: &mut handshake,
            transport: &mut &mut *transport,
            user_agent: agent(),
            trace_packetlines: false,
        },
        Options { shallow_file, shallow: &shallow, tags: Tags::None, reject_shallow_remote: false },
    )?;
    goodbye(transport);
    Ok(Fetched::Objects { keep })
}

/// A negotiation of one round: what we want, what we have, done.
///
/// Without history there is nothing to search for: the commits that are here are all that can be
/// in common, so more rounds could not find more.
struct Plan {
    wants: Vec<ObjectId>,
    haves: Vec<ObjectId>,
}

impl Negotiate for Plan {
    fn mark_complete_and_common_ref(&mut self) -> gix::Result<Action> {
        Ok(Action::MustNegotiate { remote_ref_target_known: Vec::new() })
    }

    fn add_wants(&mut self, arguments: &mut Arguments, _known: &[bool]) -> bool {
        for id in &self.wants {
            arguments.want(id);
        }
        !self.wants.is_empty()
    }

    fn one_round(
        &mut self,
        _state: &mut one_round::State,
        arguments: &mut Arguments,
        _previous: Option<&Response>,
    ) -> gix::Result<(Round, bool)> {
        for id in &self.haves {
            arguments.have(id);
        }
        let round = Round {
            haves_sent: self.haves.len(),
            in_vain: 0,
            haves_to_send: self.haves.len(),
            previous_response_had_at_least_one_in_common: false,
        };
        Ok((round, true))
    }
}
