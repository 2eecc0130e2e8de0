//! What an application owns in its cluster, as text: one line per object. Pure; `store` keeps it.
//!
//! It is written before the first apply (old and new objects together) and again, reduced, when
//! removals are confirmed, so that at no moment an object exists that no inventory knows.

pub mod store;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use model::canonical::Digest;
use model::manifest::ObjectKey;
use thiserror::Error;

use crate::reconcile::payload::Class;

/// The first word of the text; another format gets another number.
const FORMAT: &str = "muster-inventory/1";

/// The hash of our own fields on a server that keeps no `managedFields`: it says that an apply
/// succeeded, and nothing about drift.
pub const NO_FIELDS: u64 = 1;

/// What is recorded of one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub api_version: String,
    /// Empty until an apply was answered.
    pub uid: String,
    /// The hash of the payload that was applied last; 0 until one was.
    pub desired: u64,
    /// The hash of our own fields that the apply answered with; 0 until it did.
    pub own: u64,
    pub class: Class,
}

impl Entry {
    #[must_use]
    pub fn new(api_version: &str, class: Class) -> Self {
        Self { api_version: api_version.to_owned(), uid: String::new(), desired: 0, own: 0, class }
    }

    /// Whether an apply of this application succeeded on it.
    #[must_use]
    pub fn is_applied(&self) -> bool {
        self.own != 0
    }
}

/// The objects of one application.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Inventory {
    pub entries: BTreeMap<ObjectKey, Entry>,
}

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InventoryError {
    #[error("the inventory is not in the format {FORMAT}")]
    Format,
    #[error("line {line} of the inventory cannot be read")]
    Line { line: usize },
}

impl Inventory {
    /// The digest that a status carries: which objects in which form, not what the server made
    /// of them.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let mut text = String::with_capacity(self.entries.len() * 80);
        for (key, entry) in &self.entries {
            let _ = writeln!(
                text,
                "{}|{}|{}|{}|{:016x}",
                entry.api_version, key.kind, key.namespace, key.name, entry.desired
            );
        }
        Digest::of(text.as_bytes())
    }

    #[must_use]
    pub fn encode(&self) -> String {
        let mut text = String::with_capacity(self.entries.len() * 130 + 32);
        text.push_str(FORMAT);
        text.push('\n');
        for (key, entry) in &self.entries {
            let class = match entry.class {
                Class::Normal => 'n',
                Class::Implicit => 'i',
            };
            // No part can hold a bar: kinds, versions and names are checked where they are parsed.
            let _ = writeln!(
                text,
                "{}|{}|{}|{}|{}|{:016x}|{:016x}|{class}",
                entry.api_version,
                key.kind,
                key.namespace,
                key.name,
                entry.uid,
                entry.desired,
                entry.own
            );
        }
        text
    }

    /// # Errors
    /// When the text is of another format or damaged: then nothing may be concluded from it.
    pub fn decode(text: &str) -> Result<Self, InventoryError> {
        let mut lines = text.lines().enumerate();
        if lines.next().map(|(_, line)| line) != Some(FORMAT) {
            return Err(InventoryError::Format);
        }
        let mut inventory = Self::default();
        for (index, line) in lines {
            let (key, entry) = decode_line(line).ok_or(InventoryError::Line { line: index + 1 })?;
            inventory.entries.insert(key, entry);
        }
        Ok(inventory)
    }

    /// Takes over what another part of the same inventory holds.
    pub fn merge(&mut self, other: Self) {
        for (key, entry) in other.entries {
            self.entries.entry(key).or_insert(entry);
        }
    }
}

fn decode_line(line: &str) -> Option<(ObjectKey, Entry)> {
    let mut parts = line.split('|');
    let mut next = || parts.next();
    let (api_version, kind, namespace, name) = (next()?, next()?, next()?, next()?);
    let (uid, desired, own, class) = (next()?, next()?, next()?, next()?);
    let class = match class {
        "n" => Class::Normal,
        "i" => Class::Implicit,
        _ => return None,
    };
    if next().is_some() || kind.is_empty() || name.is_empty() || api_version.is_empty() {
        return None;
    }
    let hash = |text| u64::from_str_radix(text, 16).ok();
    let group = api_version.split_once('/').map_or("", |(group, _)| group).to_owned();
    let key = ObjectKey {
        group,
        kind: kind.to_owned(),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    };
    let entry = Entry {
        api_version: api_version.to_owned(),
        uid: uid.to_owned(),
        desired: hash(desired)?,
        own: hash(own)?,
        class,
    };
    Some((key, entry))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(kind: &str, name: &str) -> ObjectKey {
        ObjectKey {
            group: "apps".to_owned(),
            kind: kind.to_owned(),
            namespace: "shop".to_owned(),
            name: name.to_owned(),
        }
    }

    #[test]
    fn damage_is_an_error_and_never_a_shorter_inventory() {
        let mut inventory = Inventory::default();
        inventory.entries.insert(key("Deployment", "web"), Entry::new("apps/v1", Class::Normal));
        let text = inventory.encode();
        assert_eq!(Inventory::decode(&text), Ok(inventory));
        assert_eq!(Inventory::decode(""), Err(InventoryError::Format));
        assert_eq!(
            Inventory::decode(&text[..text.len() - 3]),
            Err(InventoryError::Line { line: 2 })
        );
    }

    #[test]
    fn the_digest_ignores_what_the_server_decides() {
        let with = |uid: &str, desired| {
            let mut inventory = Inventory::default();
            let entry =
                Entry { uid: uid.to_owned(), desired, ..Entry::new("apps/v1", Class::Normal) };
            inventory.entries.insert(key("Deployment", "web"), entry);
            inventory.digest()
        };
        assert_eq!(with("a", 1), with("b", 1));
        assert_ne!(with("a", 1), with("a", 2));
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(
            objects in proptest::collection::btree_map("[a-z:.-]{1,20}", (any::<u64>(), any::<u64>(), any::<bool>()), 0..20)
        ) {
            let mut inventory = Inventory::default();
            for (name, (desired, own, implicit)) in objects {
                let class = if implicit { Class::Implicit } else { Class::Normal };
                let entry = Entry { uid: "u-1".to_owned(), desired, own, ..Entry::new("apps/v1", class) };
                inventory.entries.insert(key("Deployment", &name), entry);
            }
            prop_assert_eq!(Inventory::decode(&inventory.encode()), Ok(inventory));
        }
    }
}
