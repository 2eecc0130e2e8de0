//! Which application is due when. Pure.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use model::name::ApplicationName;

/// At most one time per application, in order of time.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    by_time: BTreeSet<(Duration, ApplicationName)>,
    of: HashMap<ApplicationName, Duration>,
}

impl Agenda {
    /// Sets or clears the time of an application.
    pub(super) fn set(&mut self, name: &ApplicationName, at: Option<Duration>) {
        let earlier = match at {
            Some(at) => self.of.insert(name.clone(), at),
            None => self.of.remove(name),
        };
        if earlier == at {
            return;
        }
        if let Some(earlier) = earlier {
            self.by_time.remove(&(earlier, name.clone()));
        }
        if let Some(at) = at {
            self.by_time.insert((at, name.clone()));
        }
    }

    /// The first that is due; it leaves the agenda.
    pub(super) fn pop_due(&mut self, now: Duration) -> Option<ApplicationName> {
        let (at, _) = self.by_time.first()?;
        if *at > now {
            return None;
        }
        let (_, name) = self.by_time.pop_first()?;
        self.of.remove(&name);
        Some(name)
    }

    pub(super) fn next(&self) -> Option<Duration> {
        self.by_time.first().map(|(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_comes_first_and_a_new_time_replaces_the_old_one() {
        let name = |text| ApplicationName::new(text).unwrap();
        let at = Duration::from_secs;
        let mut agenda = Agenda::default();
        agenda.set(&name("a"), Some(at(3)));
        agenda.set(&name("b"), Some(at(2)));
        agenda.set(&name("a"), Some(at(1)));
        agenda.set(&name("c"), Some(at(1)));
        agenda.set(&name("c"), None);
        assert_eq!(agenda.next(), Some(at(1)));
        assert_eq!(agenda.pop_due(at(0)), None);
        assert_eq!(agenda.pop_due(at(5)), Some(name("a")));
        assert_eq!(agenda.pop_due(at(5)), Some(name("b")));
        assert_eq!(agenda.pop_due(at(5)), None);
    }
}
