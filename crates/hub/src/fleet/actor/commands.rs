//! What persons and spokes ask of the fleet. Each change is stored with its record before the
//! answer, and those that remove something are planned before it, so that the answer can say what
//! follows.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::canonical::Digest;
use model::document::{self, Resource};
use model::name::{ApplicationName, ClusterName, SetName};
use model::suggest;
use model::yaml;
use runtime::supervise::blocking;
use serde_json::Value;

use super::{Fleet, REFRESH_PATIENCE, Waiting};
use crate::fleet::documents::{Kind, ResourceKey, acceptable, named};
use crate::fleet::handle::{ApplyOutcome, Command, FleetError, Person, Reply};
use crate::fleet::plan::Approval;
use crate::fleet::state::{BY_HAND, Evidence, Owner, Place, Subject};
use crate::fleet::stored::{self, FleetStoreError, Pause};
use crate::ledger::NewRecord;
use crate::store::Write;

/// The most documents of one request; each is a write and a record.
const MAX_APPLIED: usize = 1_000;

/// Nobody waits for an answer whose asker has hung up.
fn answer<T>(reply: Reply<T>, result: Result<T, FleetError>) {
    drop(reply.send(result));
}

fn refused<T>(message: impl Into<String>) -> Result<T, FleetError> {
    Err(FleetError::Refused(message.into()))
}

/// One document of a request, judged.
enum Judged {
    Refused,
    Unchanged,
    Stored(ResourceKey, Box<Resource>),
}

impl Fleet {
    pub(super) async fn command(&mut self, command: Command) {
        match command {
            Command::Apply { documents, by, reply } => {
                answer(reply, self.apply(documents, by).await);
            }
            Command::Delete { kind, name, by, reply } => {
                answer(reply, self.delete(&kind, &name, by).await);
            }
            Command::Pause { application, by, reply } => {
                answer(reply, self.pause(application, by).await);
            }
            Command::Resume { application, by, reply } => {
                answer(reply, self.resume(application, by).await);
            }
            Command::Approve { name, plan, by, reply } => {
                answer(reply, self.approve(&name, plan, by).await);
            }
            Command::Refresh { reply } => {
                let now = self.now();
                self.repositories.refresh(now);
                self.questions.refresh(now);
                self.waiting.push(Waiting { reply, until: now + REFRESH_PATIENCE });
            }
            Command::Removed { cluster, name, version, counts, reply } => {
                answer(reply, self.removed(cluster, name, version, counts).await);
            }
        }
    }

    fn by(&self, by: &Person, action: &str, message: String) -> NewRecord {
        let record = self.record(&by.actor, action, message);
        NewRecord { reason: by.reason.clone(), ..record }
    }

    // Resources.

    async fn apply(&mut self, text: Vec<u8>, by: Person) -> Result<Vec<ApplyOutcome>, FleetError> {
        let limits = yaml::Limits::new(document::LIMITS.bytes, MAX_APPLIED).with_floats();
        let read = match yaml::read(&text, limits) {
            Ok(read) => read,
            Err(error) => return refused(error.to_string()),
        };
        let mut documents = (*self.documents).clone();
        let (mut outcomes, mut resources, mut records) = (Vec::new(), Vec::new(), Vec::new());
        let read = document::flatten(read);
        if read.len() > MAX_APPLIED {
            return refused(format!("at most {MAX_APPLIED} documents are applied at once"));
        }
        for (index, document) in read.into_iter().enumerate() {
            let (outcome, judged) = self.judge(index + 1, document);
            if let Judged::Stored(key, resource) = judged {
                let message = format!("{key} is {}", outcome.outcome);
                records.push(self.by(&by, "ResourceApplied", message));
                let resource = Arc::new(*resource);
                documents.stored.insert(key.clone(), Arc::clone(&resource));
                resources.push((key, resource));
            }
            outcomes.push(outcome);
        }
        if resources.is_empty() {
            return Ok(outcomes);
        }
        let store = Arc::clone(&self.parts.store);
        let writes = blocking("prepare the store", move || {
            // Of two documents of one name the later one counts.
            let latest: BTreeMap<_, _> = resources.into_iter().collect();
            let put = |(key, resource): (ResourceKey, Arc<Resource>)| {
                stored::put_stored(store.as_ref(), &key, &resource)
            };
            latest.into_iter().map(put).collect::<Result<Vec<_>, _>>()
        });
        let writes = writes.await.map_err(|error| FleetStoreError::Unusable {
            what: "document".to_owned(),
            reason: error.to_string(),
        })??;
        self.persist(writes, &records).await?;
        self.documents = Arc::new(documents);
        self.dirty = true;
        Ok(outcomes)
    }

    fn judge(&self, index: usize, document: Value) -> (ApplyOutcome, Judged) {
        let named = named(&document);
        let kind = document.get("kind").and_then(Value::as_str).unwrap_or_default().to_owned();
        let told = |name: &str, outcome: &str, message: String| ApplyOutcome {
            kind: kind.clone(),
            name: name.to_owned(),
            outcome: outcome.to_owned(),
            message,
        };
        let name = named.map(|key| key.name).unwrap_or_default();
        let no = |message: String| (told(&name, "refused", message), Judged::Refused);
        let resource = match document::resource(index, document) {
            Ok(resource) => resource,
            Err(error) => return no(error.to_string()),
        };
        let key = ResourceKey::of(&resource);
        if let Some(git) = self.documents.git.get(&key) {
            return no(format!(
                "{key} is in {} of the fleet repository, and Git wins; change it there",
                git.file
            ));
        }
        if let Err(message) = acceptable(&key, &resource) {
            return no(message);
        }
        match self.documents.stored.get(&key) {
            Some(known) if **known == resource => {
                (told(&key.name, "unchanged", String::new()), Judged::Unchanged)
            }
            known => {
                let outcome = if known.is_some() { "configured" } else { "created" };
                (told(&key.name, outcome, String::new()), Judged::Stored(key, Box::new(resource)))
            }
        }
    }

    async fn delete(&mut self, kind: &str, name: &str, by: Person) -> Result<String, FleetError> {
        let Some(kind) = Kind::parse(kind) else {
            return refused(suggest::unknown("kind", kind, &Kind::ALL.map(Kind::as_str)));
        };
        let key = ResourceKey { kind, name: name.to_owned() };
        let in_git = self.documents.git.get(&key).map(|document| document.file.clone());
        let stored = self.documents.stored.contains_key(&key);
        match &in_git {
            Some(file) if !stored => {
                return refused(format!(
                    "{key} is in {file} of the fleet repository; remove it there"
                ));
            }
            None if !stored && !self.is_left_over(&key) => return Err(self.unknown(&key)),
            _ => {}
        }
        let message = format!("{key} was deleted");
        let record = self.by(&by, "ResourceDeleted", message.clone());
        let mut writes = vec![stored::delete_stored(&key)];
        let subject = key.subject().filter(|_| in_git.is_none());
        let mut state = (*self.state).clone();
        if let Some(subject) = subject {
            let reason = format!("{} deleted {key}", by.actor);
            let evidence = Evidence { actor: by.actor, reason, commit: None };
            writes.push(stored::put_gone(&subject, &evidence));
            state.gone.insert(subject, evidence);
        }
        self.persist(writes, &[record]).await?;
        let mut documents = (*self.documents).clone();
        documents.stored.remove(&key);
        self.documents = Arc::new(documents);
        self.state = Arc::new(state);
        self.pass(BTreeMap::new()).await?;
        Ok(match in_git {
            Some(file) => format!("{message}; the one in {file} of the fleet repository stays"),
            None => format!("{message}{}", self.consequence(&key)),
        })
    }

    /// Applications that are in force although nothing makes them any more.
    fn is_left_over(&self, key: &ResourceKey) -> bool {
        let subject = key.subject();
        self.state.applications.iter().any(|(place, entry)| {
            subject
                == Some(match &entry.owner {
                    Owner::Set(set) => Subject::Set(set.clone()),
                    Owner::ByHand => Subject::Application(place.name.clone()),
                })
        })
    }

    fn unknown(&self, key: &ResourceKey) -> FleetError {
        let keys = self.documents.in_force().map(|(key, ..)| key);
        let names = keys.filter(|known| known.kind == key.kind).map(|known| known.name.as_str());
        let hint = suggest::nearest(&key.name, names);
        let hint = hint.map(|name| format!("; did you mean {name:?}?")).unwrap_or_default();
        FleetError::Refused(format!("there is no {key}{hint}"))
    }

    /// What a deletion led to, for the person who asked for it.
    fn consequence(&self, key: &ResourceKey) -> String {
        let owner = match key.subject() {
            Some(Subject::Set(set)) => Owner::Set(set),
            Some(Subject::Application(_)) => Owner::ByHand,
            None => return String::new(),
        };
        let concerns = |place: &Place, of: &Owner| {
            *of == owner && (owner != Owner::ByHand || place.name.as_str() == key.name)
        };
        let state = &self.state;
        let waits = state
            .applications
            .iter()
            .any(|(place, entry)| entry.parked && concerns(place, &entry.owner));
        if let Some(parked) = state.parked.get(&owner).filter(|_| waits) {
            return format!(
                "; its removals wait: muster approve applicationset {} --plan {}",
                owner.name(),
                parked.plan
            );
        }
        let buried = state.tombstones.iter().filter(|(place, one)| concerns(place, &one.owner));
        match buried.count() {
            0 => String::new(),
            count => format!("; {count} removals are ordered"),
        }
    }

    // Pauses.

    async fn pause(&mut self, name: ApplicationName, by: Person) -> Result<(), FleetError> {
        if self.pauses.contains_key(&name) {
            return Ok(());
        }
        let pause = Pause { actor: by.actor.clone(), reason: by.reason.clone(), at: self.wall() };
        let write = stored::put_pause(&name, &pause);
        self.stop_or_go(&name, &by, ("ApplicationPaused", "is paused"), write).await?;
        self.pauses.insert(name, pause);
        self.pass(BTreeMap::new()).await?;
        Ok(())
    }

    async fn resume(&mut self, name: ApplicationName, by: Person) -> Result<(), FleetError> {
        if !self.pauses.contains_key(&name) {
            return Ok(());
        }
        let write = stored::delete_pause(&name);
        self.stop_or_go(&name, &by, ("ApplicationResumed", "is resumed"), write).await?;
        self.pauses.remove(&name);
        self.pass(BTreeMap::new()).await?;
        Ok(())
    }

    async fn stop_or_go(
        &mut self,
        name: &ApplicationName,
        by: &Person,
        (action, done): (&str, &str),
        write: Write,
    ) -> Result<(), FleetError> {
        let mut record = self.by(by, action, format!("{name} {done}"));
        record.application = Some(name.clone());
        record.cluster = self.state.places(name).next().map(|(place, _)| place.cluster.clone());
        Ok(self.persist(vec![write], &[record]).await?)
    }

    // Removals.

    async fn approve(&mut self, name: &str, plan: String, by: Person) -> Result<(), FleetError> {
        let owner = match (name, SetName::new(name)) {
            (BY_HAND, _) => Owner::ByHand,
            (_, Ok(set)) => Owner::Set(set),
            (_, Err(error)) => return refused(error.to_string()),
        };
        self.matches(&owner, &plan)?;
        let Person { actor, reason } = by;
        let approval = Approval { plan: plan.clone(), actor, reason };
        let approved = self.pass(BTreeMap::from([(owner.clone(), approval)])).await?;
        if approved.contains(&owner) {
            return Ok(());
        }
        self.matches(&owner, &plan)?;
        refused(format!(
            "{owner} cannot be read completely now, so that its removals cannot be judged; see its \
             problems"
        ))
    }

    fn matches(&self, owner: &Owner, plan: &str) -> Result<(), FleetError> {
        match self.state.parked.get(owner) {
            None => refused(format!("nothing of {owner} waits for approval")),
            Some(parked) if parked.plan != plan => refused(format!(
                "the removals of {owner} are not those of plan {plan:?} any more; look at them \
                 again and approve plan {}",
                parked.plan
            )),
            Some(_) => Ok(()),
        }
    }

    async fn removed(
        &mut self,
        cluster: ClusterName,
        name: ApplicationName,
        version: Digest,
        (pruned, orphaned): (u32, u32),
    ) -> Result<(), FleetError> {
        let place = Place { name, cluster };
        let buried = self.state.tombstones.get(&place);
        let Some(buried) = buried.filter(|buried| buried.tombstone.version == version) else {
            return Ok(());
        };
        let Place { name, cluster } = &place;
        let message = format!("{name} is gone from {cluster}: {pruned} pruned, {orphaned} left");
        let actor = format!("cluster/{cluster}");
        let mut record = self.record(&actor, "RemovalDone", message);
        record.application = Some(name.clone());
        record.cluster = Some(cluster.clone());
        record.commit = buried.tombstone.commit;
        let mut state = (*self.state).clone();
        state.tombstones.remove(&place);
        let documents = Arc::clone(&self.documents);
        self.replace(Arc::new(state), documents, vec![record]).await?;
        // The snapshot shows it no more.
        self.dirty = true;
        Ok(())
    }
}
