//! Between wire messages and the types of [`crate::session`], both ways.

use model::canonical::{self, Digest};
use model::decision::{DecisionList, DecisionObject, DecisionResource, MAX_REASON_BYTES};
use model::id::{Epoch, Nonce, Term};
use model::name::{ApplicationName, ClusterName};

use crate::session::{
    Command, Decisions, Hello, MAX_ENTRIES, Parting, Rejection, Report, SignedRecord, ToHub,
    ToSpoke, Upsert, Welcome, WireError,
};
use crate::v1;
use v1::hub_message::Message as FromHub;
use v1::spoke_message::Message as FromSpoke;

fn digest(field: &'static str, bytes: &[u8]) -> Result<Digest, WireError> {
    let error = WireError::Digest { field, bytes: bytes.len() };
    <[u8; 32]>::try_from(bytes).map(Digest::from_bytes).map_err(|_| error)
}

fn bounded<T>(field: &'static str, entries: Vec<T>) -> Result<Vec<T>, WireError> {
    if entries.len() > MAX_ENTRIES {
        return Err(WireError::TooMany { field, entries: entries.len() });
    }
    Ok(entries)
}

fn names(field: &'static str, raw: Vec<String>) -> Result<Vec<ApplicationName>, WireError> {
    let names = bounded(field, raw)?.into_iter().map(ApplicationName::try_from);
    Ok(names.collect::<Result<_, _>>()?)
}

fn from_json<T: serde::de::DeserializeOwned>(
    field: &'static str,
    raw: Vec<Vec<u8>>,
) -> Result<Vec<T>, WireError> {
    let parse = |bytes: Vec<u8>| {
        serde_json::from_slice(&bytes).map_err(|source| WireError::Json { field, source })
    };
    bounded(field, raw)?.into_iter().map(parse).collect()
}

fn to_json<T: serde::Serialize>(values: &[T]) -> Vec<Vec<u8>> {
    values.iter().map(canonical::of).collect()
}

fn to_names(names: &[ApplicationName]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

impl From<v1::Epoch> for Epoch {
    fn from(epoch: v1::Epoch) -> Self {
        Self { id: epoch.id, counter: epoch.counter }
    }
}

impl From<Epoch> for v1::Epoch {
    fn from(epoch: Epoch) -> Self {
        Self { id: epoch.id, counter: epoch.counter }
    }
}

fn epoch(raw: Option<v1::Epoch>) -> Result<Epoch, WireError> {
    raw.map(Epoch::from).ok_or(WireError::Missing { field: "epoch" })
}

impl TryFrom<v1::SpokeMessage> for ToHub {
    type Error = WireError;

    fn try_from(raw: v1::SpokeMessage) -> Result<Self, WireError> {
        Ok(match raw.message.ok_or(WireError::Empty)? {
            FromSpoke::Hello(hello) => Self::Hello(Box::new(hello.try_into()?)),
            FromSpoke::Versions(v1::Versions { accepted, last }) => {
                let entry = |raw: v1::ResourceVersion| {
                    Ok((ApplicationName::new(&raw.name)?, digest("version", &raw.version)?))
                };
                let accepted = bounded("accepted", accepted)?.into_iter().map(entry);
                Self::Versions { accepted: accepted.collect::<Result<_, WireError>>()?, last }
            }
            FromSpoke::Ack(v1::Ack { nonce, rejected }) => {
                let rejected = bounded("rejected", rejected)?.into_iter().map(Rejection::try_from);
                let rejected = rejected.collect::<Result<_, _>>()?;
                Self::Ack { nonce: Nonce(nonce), rejected }
            }
            FromSpoke::Report(report) => Self::Report(report.try_into()?),
            FromSpoke::Removed(v1::Removed { name, version, pruned, orphaned }) => {
                let version = digest("version", &version)?;
                Self::Removed { name: ApplicationName::new(&name)?, version, pruned, orphaned }
            }
            FromSpoke::CommandDone(v1::CommandDone { id, error }) => {
                Self::CommandDone { id, error: Some(error).filter(|error| !error.is_empty()) }
            }
            FromSpoke::Decisions(v1::Decisions { sequence, lists, last }) => {
                let lists = bounded("lists", lists)?.into_iter().map(decision_list);
                let lists = lists.collect::<Result<_, _>>()?;
                Self::Decisions(Decisions { sequence, lists, last })
            }
        })
    }
}

impl From<ToHub> for v1::SpokeMessage {
    fn from(message: ToHub) -> Self {
        let message = match message {
            ToHub::Hello(hello) => FromSpoke::Hello((*hello).into()),
            ToHub::Versions { accepted, last } => {
                let accepted = accepted.into_iter().map(|(name, version)| v1::ResourceVersion {
                    name: name.into(),
                    version: version.as_bytes().to_vec(),
                });
                FromSpoke::Versions(v1::Versions { accepted: accepted.collect(), last })
            }
            ToHub::Ack { nonce, rejected } => FromSpoke::Ack(v1::Ack {
                nonce: nonce.0,
                rejected: rejected.into_iter().map(Into::into).collect(),
            }),
            ToHub::Report(report) => FromSpoke::Report(report.into()),
            ToHub::Removed { name, version, pruned, orphaned } => {
                let version = version.as_bytes().to_vec();
                FromSpoke::Removed(v1::Removed { name: name.into(), version, pruned, orphaned })
            }
            ToHub::CommandDone { id, error } => {
                FromSpoke::CommandDone(v1::CommandDone { id, error: error.unwrap_or_default() })
            }
            ToHub::Decisions(Decisions { sequence, lists, last }) => {
                let lists = lists.into_iter().map(to_decision_list).collect();
                FromSpoke::Decisions(v1::Decisions { sequence, lists, last })
            }
        };
        Self { message: Some(message) }
    }
}

impl TryFrom<v1::HubMessage> for ToSpoke {
    type Error = WireError;

    fn try_from(raw: v1::HubMessage) -> Result<Self, WireError> {
        Ok(match raw.message.ok_or(WireError::Empty)? {
            FromHub::Welcome(welcome) => Self::Welcome(Welcome {
                epoch: epoch(welcome.epoch)?,
                term: Term(welcome.term),
                in_sync: welcome.in_sync,
                send_status: welcome.send_status,
                send_decisions: welcome.send_decisions,
                record: SignedRecord {
                    record: welcome.cluster_record,
                    signature: welcome.cluster_record_signature,
                },
            }),
            FromHub::Refused(v1::Refused { code, message, retry_after_ms }) => {
                Self::Refused(Parting { code, message, retry_after_ms })
            }
            FromHub::Desired(v1::Desired { nonce, upserts, tombstones }) => {
                let upserts = bounded("upserts", upserts)?.into_iter().map(Upsert::try_from);
                Self::Desired {
                    nonce: Nonce(nonce),
                    upserts: upserts.collect::<Result<_, _>>()?,
                    tombstones: from_json("tombstones", tombstones)?,
                }
            }
            FromHub::SyncComplete(v1::SyncComplete { epoch: raw, root_digest }) => {
                Self::SyncComplete {
                    epoch: epoch(raw)?,
                    root: digest("root_digest", &root_digest)?,
                }
            }
            FromHub::Command(v1::Command { id, command }) => {
                let command = command.ok_or(WireError::Missing { field: "command" })?;
                Self::Command { id, command: command.try_into()? }
            }
            FromHub::GoAway(v1::GoAway { code, message, retry_after_ms }) => {
                Self::GoAway(Parting { code, message, retry_after_ms })
            }
            FromHub::ReportAck(v1::ReportAck { sequence }) => Self::ReportAck { sequence },
            FromHub::DecisionsAck(v1::DecisionsAck { sequence }) => Self::DecisionsAck { sequence },
        })
    }
}

impl From<ToSpoke> for v1::HubMessage {
    fn from(message: ToSpoke) -> Self {
        let message = match message {
            ToSpoke::Welcome(Welcome {
                epoch,
                term,
                in_sync,
                send_status,
                send_decisions,
                record,
            }) => FromHub::Welcome(v1::Welcome {
                epoch: Some(epoch.into()),
                term: term.0,
                in_sync,
                send_status,
                send_decisions,
                cluster_record: record.record,
                cluster_record_signature: record.signature,
            }),
            ToSpoke::Refused(Parting { code, message, retry_after_ms }) => {
                FromHub::Refused(v1::Refused { code, message, retry_after_ms })
            }
            ToSpoke::Desired { nonce, upserts, tombstones } => FromHub::Desired(v1::Desired {
                nonce: nonce.0,
                upserts: upserts.into_iter().map(Into::into).collect(),
                tombstones: to_json(&tombstones),
            }),
            ToSpoke::SyncComplete { epoch, root } => FromHub::SyncComplete(v1::SyncComplete {
                epoch: Some(epoch.into()),
                root_digest: root.as_bytes().to_vec(),
            }),
            ToSpoke::Command { id, command } => {
                FromHub::Command(v1::Command { id, command: Some(command.into()) })
            }
            ToSpoke::GoAway(Parting { code, message, retry_after_ms }) => {
                FromHub::GoAway(v1::GoAway { code, message, retry_after_ms })
            }
            ToSpoke::ReportAck { sequence } => FromHub::ReportAck(v1::ReportAck { sequence }),
            ToSpoke::DecisionsAck { sequence } => {
                FromHub::DecisionsAck(v1::DecisionsAck { sequence })
            }
        };
        Self { message: Some(message) }
    }
}

fn decision_list(raw: v1::DecisionList) -> Result<(DecisionResource, DecisionList), WireError> {
    let v1::DecisionList { api_version, resource, namespace, objects, mut error } = raw;
    let resource = DecisionResource::new(&api_version, &resource, &namespace)?;
    if !error.is_empty() {
        error.truncate(error.floor_char_boundary(MAX_REASON_BYTES));
        return Ok((resource, DecisionList::Failed(error)));
    }
    let read = |body: Vec<u8>| {
        DecisionObject::from_body(&resource, body)
            .map_err(|source| WireError::DecisionObject { resource: resource.clone(), source })
    };
    let objects = bounded("objects", objects)?.into_iter().map(read).collect::<Result<_, _>>()?;
    Ok((resource, DecisionList::Whole(objects)))
}

fn to_decision_list((resource, list): (DecisionResource, DecisionList)) -> v1::DecisionList {
    let (objects, error) = match list {
        DecisionList::Whole(objects) => (objects, String::new()),
        DecisionList::Failed(error) => (Vec::new(), error),
    };
    v1::DecisionList {
        api_version: resource.api_version().to_owned(),
        resource: resource.resource().to_owned(),
        namespace: resource.namespace().to_owned(),
        objects: objects.iter().map(|object| object.body().to_vec()).collect(),
        error,
    }
}

impl TryFrom<v1::Hello> for Hello {
    type Error = WireError;

    fn try_from(raw: v1::Hello) -> Result<Self, WireError> {
        let facts = raw.facts.unwrap_or_default();
        let tools = facts.tools.into_iter().take(32).collect();
        Ok(Self {
            agent_version: raw.agent_version,
            capabilities: bounded("capabilities", raw.capabilities)?,
            kube_system_uid: raw.kube_system_uid,
            instance_id: raw.instance_id,
            cluster: ClusterName::new(&raw.cluster)?,
            last_epoch: raw.last_epoch.map(Epoch::from),
            last_term: Term(raw.last_term),
            root: digest("root_digest", &raw.root_digest)?,
            status_digest: digest("status_digest", &raw.status_digest)?,
            record: SignedRecord {
                record: raw.cluster_record,
                signature: raw.cluster_record_signature,
            },
            kubernetes_version: facts.kubernetes_version,
            tools,
        })
    }
}

impl From<Hello> for v1::Hello {
    fn from(hello: Hello) -> Self {
        Self {
            agent_version: hello.agent_version,
            capabilities: hello.capabilities,
            kube_system_uid: hello.kube_system_uid,
            instance_id: hello.instance_id,
            cluster: hello.cluster.into(),
            last_epoch: hello.last_epoch.map(Into::into),
            last_term: hello.last_term.0,
            root_digest: hello.root.as_bytes().to_vec(),
            status_digest: hello.status_digest.as_bytes().to_vec(),
            cluster_record: hello.record.record,
            cluster_record_signature: hello.record.signature,
            facts: Some(v1::Facts {
                kubernetes_version: hello.kubernetes_version,
                tools: hello.tools.into_iter().collect(),
            }),
        }
    }
}

impl TryFrom<v1::Upsert> for Upsert {
    type Error = WireError;

    fn try_from(raw: v1::Upsert) -> Result<Self, WireError> {
        let v1::Upsert { name, version, body } = raw;
        let version = digest("version", &version)?;
        Ok(Self { name: ApplicationName::new(&name)?, version, body })
    }
}

impl From<Upsert> for v1::Upsert {
    fn from(upsert: Upsert) -> Self {
        let Upsert { name, version, body } = upsert;
        Self { name: name.into(), version: version.as_bytes().to_vec(), body }
    }
}

impl TryFrom<v1::Nack> for Rejection {
    type Error = WireError;

    fn try_from(raw: v1::Nack) -> Result<Self, WireError> {
        let v1::Nack { name, version, code, message } = raw;
        let version = digest("version", &version)?;
        Ok(Self { name: ApplicationName::new(&name)?, version, code, message })
    }
}

impl From<Rejection> for v1::Nack {
    fn from(rejection: Rejection) -> Self {
        let Rejection { name, version, code, message } = rejection;
        Self { name: name.into(), version: version.as_bytes().to_vec(), code, message }
    }
}

impl TryFrom<v1::Report> for Report {
    type Error = WireError;

    fn try_from(raw: v1::Report) -> Result<Self, WireError> {
        Ok(Self {
            statuses: from_json("statuses", raw.statuses)?,
            incidents: from_json("incidents", raw.incidents)?,
            gone: names("gone", raw.gone)?,
            full: raw.full,
            sequence: raw.sequence,
            hold: raw.hold,
            held_removals: names("held_removals", raw.held_removals)?,
        })
    }
}

impl From<Report> for v1::Report {
    fn from(report: Report) -> Self {
        Self {
            statuses: to_json(&report.statuses),
            incidents: to_json(&report.incidents),
            gone: to_names(&report.gone),
            full: report.full,
            sequence: report.sequence,
            hold: report.hold,
            held_removals: to_names(&report.held_removals),
        }
    }
}

impl TryFrom<v1::command::Command> for Command {
    type Error = WireError;

    fn try_from(raw: v1::command::Command) -> Result<Self, WireError> {
        use v1::command::Command as Raw;
        Ok(match raw {
            Raw::Sync(v1::SyncApplication { application }) => {
                Self::Sync { application: ApplicationName::new(&application)? }
            }
            Raw::ApprovePrune(v1::ApprovePrune { application }) => {
                Self::ApprovePrune { application: ApplicationName::new(&application)? }
            }
            Raw::ConfirmRemovals(v1::ConfirmRemovals { epoch: raw }) => {
                Self::ConfirmRemovals { epoch: epoch(raw)? }
            }
            Raw::Refresh(v1::RefreshSources {}) => Self::Refresh,
        })
    }
}

impl From<Command> for v1::command::Command {
    fn from(command: Command) -> Self {
        match command {
            Command::Sync { application } => {
                Self::Sync(v1::SyncApplication { application: application.into() })
            }
            Command::ApprovePrune { application } => {
                Self::ApprovePrune(v1::ApprovePrune { application: application.into() })
            }
            Command::ConfirmRemovals { epoch } => {
                Self::ConfirmRemovals(v1::ConfirmRemovals { epoch: Some(epoch.into()) })
            }
            Command::Refresh => Self::Refresh(v1::RefreshSources {}),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crosses(message: ToSpoke) {
        let wire = v1::HubMessage::from(message.clone());
        assert_eq!(ToSpoke::try_from(wire).unwrap(), message);
    }

    #[test]
    fn a_message_is_the_same_on_the_other_side() {
        let digest = Digest::of(b"x");
        let epoch = Epoch { id: 7, counter: 2 };
        let name = ApplicationName::new("web").unwrap();
        let upsert = Upsert { name: name.clone(), version: digest, body: b"{}".to_vec() };
        let tombstone = model::desired::Tombstone {
            name: name.clone(),
            version: digest,
            on_removal: model::set::OnRemoval::Orphan,
            actor: "fleet repository".into(),
            reason: "the element is gone".into(),
            commit: None,
            epoch,
        };
        crosses(ToSpoke::Desired {
            nonce: Nonce(3),
            upserts: vec![upsert],
            tombstones: vec![tombstone],
        });
        crosses(ToSpoke::SyncComplete { epoch, root: digest });
        crosses(ToSpoke::Command { id: "1".into(), command: Command::Sync { application: name } });
    }

    #[test]
    fn decision_objects_cross_in_one_form_only() {
        let resource = DecisionResource::new("cluster.example/v1", "placements", "n").unwrap();
        let object = |extra: serde_json::Value| {
            serde_json::json!({"apiVersion": "cluster.example/v1", "kind": "Placement",
                "metadata": {"name": "a", "namespace": "n"}, "status": {"clusters": []},
                "spec": extra})
        };
        let told = DecisionObject::reduce(&resource, &object(7.into())).unwrap();
        let other = DecisionResource::new("cluster.example/v1", "others", "").unwrap();
        let message = ToHub::Decisions(Decisions {
            sequence: 3,
            lists: vec![
                (resource, DecisionList::Whole(vec![told])),
                (other, DecisionList::Failed("forbidden".into())),
            ],
            last: true,
        });
        let wire = v1::SpokeMessage::from(message.clone());
        assert_eq!(ToHub::try_from(wire.clone()).unwrap(), message);
        let broken = |change: &dyn Fn(&mut v1::DecisionList)| {
            let mut wire = wire.clone();
            let Some(FromSpoke::Decisions(decisions)) = &mut wire.message else { panic!() };
            change(&mut decisions.lists[0]);
            ToHub::try_from(wire).unwrap_err()
        };
        broken(&|list| list.api_version = "v1".into());
        broken(&|list| list.namespace = "m".into());
        broken(&|list| list.objects[0].push(b' '));
        broken(&|list| list.objects[0] = canonical::of(&object(7.into())));
        broken(&|list| list.objects[0] = b"[".repeat(10_000));
    }

    #[test]
    fn what_breaks_the_contract_is_refused_at_the_border() {
        let versions = |name: &str, version: Vec<u8>| v1::SpokeMessage {
            message: Some(FromSpoke::Versions(v1::Versions {
                accepted: vec![v1::ResourceVersion { name: name.into(), version }],
                last: true,
            })),
        };
        assert!(ToHub::try_from(versions("web", vec![0; 32])).is_ok());
        assert!(ToHub::try_from(versions("../web", vec![0; 32])).is_err());
        assert!(ToHub::try_from(versions("web", vec![0; 31])).is_err());
        assert!(ToHub::try_from(v1::SpokeMessage { message: None }).is_err());
    }
}
