//! What the watches have seen, and what can be told of it. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::decision::{DecisionList, DecisionObject, DecisionResource, MAX_BYTES, MAX_OBJECTS};

use super::Reported;
use crate::kubernetes::answer::RefusalKind;
use crate::kubernetes::watch::Event;

/// A namespace, which may be empty, and a name.
type Key = (Arc<str>, Arc<str>);
type Objects = BTreeMap<Key, DecisionObject>;

pub(super) struct Table {
    watched: Vec<Watched>,
    /// Of all objects together, those of a list that is under way included.
    objects: usize,
    bytes: usize,
}

struct Watched {
    resource: DecisionResource,
    /// A list that is under way.
    listing: Option<Objects>,
    /// The last list that came whole, and what has changed since.
    listed: Option<Objects>,
    failure: Option<String>,
    /// There are more objects than can be told. It stays so until the next list.
    is_over: bool,
}

impl Table {
    pub(super) fn new(resources: Vec<DecisionResource>) -> Self {
        let watched = |resource| Watched {
            resource,
            listing: None,
            listed: None,
            failure: None,
            is_over: false,
        };
        Self { watched: resources.into_iter().map(watched).collect(), objects: 0, bytes: 0 }
    }

    /// Takes an event of one watch. Returns whether something else may be told now.
    pub(super) fn handle(&mut self, index: usize, event: Event<DecisionObject>) -> bool {
        let Some(watched) = self.watched.get_mut(index) else { return false };
        match event {
            Event::Listing => {
                watched.listing = Some(Objects::new());
                watched.is_over = false;
                self.measure();
                false
            }
            Event::Seen(object) => {
                let is_listing = watched.listing.is_some();
                self.put(index, object);
                !is_listing
            }
            Event::Left(object) => {
                let key = key(&object);
                let all = watched.listing.as_mut().into_iter().chain(watched.listed.as_mut());
                all.for_each(|objects| drop(objects.remove(&key)));
                self.measure();
                true
            }
            Event::Listed { .. } => {
                watched.listed = watched.listing.take().filter(|_| !watched.is_over);
                watched.failure = None;
                self.measure();
                true
            }
            Event::Watching => watched.failure.take().is_some(),
            Event::Failed(refusal) => {
                // What was seen of a list that was cut off is not one.
                watched.listing = None;
                let reason = match refusal.kind {
                    RefusalKind::KindMissing => {
                        "the API server has no such resource; is its definition installed?".into()
                    }
                    _ => refusal.message,
                };
                let before = watched.failure.replace(reason);
                tracing::warn!(resource = %watched.resource, reason = watched.failure,
                    "decision objects cannot be seen");
                let is_new = before != watched.failure;
                self.measure();
                is_new
            }
        }
    }

    fn put(&mut self, index: usize, object: DecisionObject) {
        let Some(watched) = self.watched.get_mut(index).filter(|watched| !watched.is_over) else {
            return;
        };
        let objects = watched.listing.as_mut().or(watched.listed.as_mut());
        let Some(objects) = objects else { return };
        self.bytes += object.body().len();
        match objects.insert(key(&object), object) {
            Some(old) => self.bytes -= old.body().len(),
            None => self.objects += 1,
        }
        // A list that is under way stands beside the one before.
        if self.objects > 2 * MAX_OBJECTS || self.bytes > 2 * MAX_BYTES {
            watched.is_over = true;
            (watched.listing, watched.listed) = (watched.listing.take().map(drop_all), None);
            self.measure();
        }
    }

    fn measure(&mut self) {
        let all = || {
            let parts = self.watched.iter().flat_map(|one| [&one.listing, &one.listed]);
            parts.flatten().flat_map(BTreeMap::values)
        };
        (self.objects, self.bytes) = (all().count(), all().map(|object| object.body().len()).sum());
    }

    /// What can be told; nothing before each resource was listed, or is known to be out of reach.
    pub(super) fn known(&self) -> Option<Reported> {
        let (mut objects, mut bytes) = (0, 0);
        let list = |watched: &Watched| {
            let list = match (watched.is_over, &watched.failure, &watched.listed) {
                (true, ..) => DecisionList::Failed(too_many()),
                (_, Some(reason), _) => DecisionList::Failed(reason.clone()),
                (_, None, None) => return None,
                (_, None, Some(listed)) => {
                    objects += listed.len();
                    bytes += listed.values().map(|one| one.body().len()).sum::<usize>();
                    match objects > MAX_OBJECTS || bytes > MAX_BYTES {
                        true => DecisionList::Failed(too_many()),
                        false => DecisionList::Whole(listed.values().cloned().collect()),
                    }
                }
            };
            Some((watched.resource.clone(), list))
        };
        self.watched.iter().map(list).collect()
    }
}

fn too_many() -> String {
    format!(
        "there are more than {MAX_OBJECTS} decision objects, or {MAX_BYTES} bytes of them; name \
         fewer resources, or a namespace, in decisions.resources, and start the agent anew"
    )
}

fn drop_all(_: Objects) -> Objects {
    Objects::new()
}

fn key(object: &DecisionObject) -> Key {
    (Arc::clone(object.namespace()), Arc::clone(object.name()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::kubernetes::answer::Refusal;

    fn resource(name: &str) -> DecisionResource {
        DecisionResource::new("x.example/v1", name, "").unwrap()
    }

    fn object(of: &str, name: &str, filler: usize) -> DecisionObject {
        let object = json!({"apiVersion": "x.example/v1", "kind": "X",
            "metadata": {"name": name, "namespace": "n"}, "status": {"x": "y".repeat(filler)}});
        DecisionObject::reduce(&resource(of), &object).unwrap()
    }

    fn table() -> Table {
        Table::new(vec![resource("as"), resource("bs")])
    }

    /// What a person would look at.
    fn told(table: &Table) -> String {
        let Some(known) = table.known() else { return "nothing".to_owned() };
        let list = |(resource, list): (&DecisionResource, &DecisionList)| {
            let told = match list {
                DecisionList::Whole(objects) => {
                    let names: Vec<_> = objects.iter().map(|one| one.name().to_string()).collect();
                    names.join(" ")
                }
                DecisionList::Failed(reason) => format!("! {reason}"),
            };
            format!("{}: {told}", resource.resource())
        };
        known.iter().map(list).collect::<Vec<_>>().join("; ")
    }

    fn listed(table: &mut Table, index: usize, of: &str, names: &[&str]) {
        assert!(!table.handle(index, Event::Listing));
        for name in names {
            assert!(!table.handle(index, Event::Seen(object(of, name, 0))));
        }
        assert!(table.handle(index, Event::Listed { resource_version: 1 }));
        assert!(!table.handle(index, Event::Watching));
    }

    #[test]
    fn nothing_is_told_before_all_of_it_was_looked_at() {
        let mut table = table();
        listed(&mut table, 0, "as", &["one", "two"]);
        assert_eq!(told(&table), "nothing");
        table.handle(1, Event::Listing);
        table.handle(1, Event::Seen(object("bs", "three", 0)));
        assert_eq!(told(&table), "nothing");
        table.handle(1, Event::Listed { resource_version: 2 });
        assert_eq!(told(&table), "as: one two; bs: three");
        assert!(table.handle(0, Event::Left(object("as", "one", 0))));
        assert!(table.handle(0, Event::Seen(object("as", "four", 0))));
        assert_eq!(told(&table), "as: four two; bs: three");
    }

    #[test]
    fn what_cannot_be_seen_is_told_as_that_and_not_as_nothing() {
        let mut table = table();
        listed(&mut table, 0, "as", &["one"]);
        let refusal = || Refusal::unreachable("no such resource");
        assert!(table.handle(1, Event::Failed(refusal())));
        assert!(!table.handle(1, Event::Failed(refusal())), "the same reason is no news");
        let away = told(&table);
        assert!(away.starts_with("as: one; bs: ! ") && away.contains("no such resource"), "{away}");
        // A list that is cut off half-way is none.
        table.handle(0, Event::Listing);
        table.handle(0, Event::Seen(object("as", "two", 0)));
        table.handle(0, Event::Failed(refusal()));
        assert!(told(&table).starts_with("as: ! "), "{}", told(&table));
        // The watch goes on where it was.
        assert!(table.handle(0, Event::Watching));
        assert!(told(&table).starts_with("as: one; bs: ! "), "{}", told(&table));
        // A list takes the place of the one before.
        listed(&mut table, 0, "as", &["three"]);
        listed(&mut table, 1, "bs", &[]);
        assert_eq!(told(&table), "as: three; bs: ");
    }

    #[test]
    fn more_than_can_be_told_is_not_told_in_part() {
        let mut table = table();
        listed(&mut table, 1, "bs", &["one"]);
        let size = 1 << 20;
        table.handle(0, Event::Listing);
        for number in 0..64 {
            table.handle(0, Event::Seen(object("as", &format!("o-{number}"), size)));
            assert!(table.bytes <= 2 * MAX_BYTES + 2 * size, "{}", table.bytes);
        }
        table.handle(0, Event::Listed { resource_version: 1 });
        assert!(told(&table).starts_with("as: ! there are more than"), "{}", told(&table));
        assert!(told(&table).ends_with("bs: one"), "{}", told(&table));
        listed(&mut table, 0, "as", &["few"]);
        assert_eq!(told(&table), "as: few; bs: one");
    }
}
