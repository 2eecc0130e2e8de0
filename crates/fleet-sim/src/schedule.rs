//! What happens in a run, decided by its seed before it begins. Pure.
//!
//! A schedule is a list of acts, each followed by a pause in which the fleet may or may not come to
//! rest. It keeps just enough of a picture to make sense (it starts a hub that is down, mends what
//! it broke) and knows nothing of what the fleet does with it, so that a replay is the same list.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::dice::Dice;

/// The directories that may be in the repository; each is an application on each cluster.
pub const DIRECTORIES: [&str; 5] = ["web", "api", "cache", "queue", "mail"];
/// How many of them are there in the beginning.
pub const FIRST_DIRECTORIES: usize = 2;

/// How Git answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GitMode {
    Serving,
    /// 500 for everything.
    Error500,
    /// 200 with a web page.
    Html,
    /// The right answer, cut off in the middle.
    Truncated,
    /// Connections are closed.
    Down,
}

/// How a set is spoilt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Damage {
    /// The document is no YAML.
    Syntax,
    /// The template names a parameter that is not there.
    Template,
    /// The document is gone.
    Missing,
}

/// Which of the two sets: one by label and directory, one by a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SetId {
    Apps,
    Jobs,
}

/// One thing that happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Nothing but the pause.
    Rest,
    /// Another value in a directory.
    Change {
        directory: &'static str,
    },
    /// One object more or less in a directory.
    Extra {
        directory: &'static str,
        there: bool,
    },
    AddDirectory {
        directory: &'static str,
    },
    /// Takes the applications of a directory away from every cluster: always beyond the budget.
    RemoveDirectory {
        directory: &'static str,
    },
    /// Elements of the list generator go: few of them, or many.
    RemoveJobs {
        clusters: Vec<usize>,
    },
    AddJobs {
        clusters: Vec<usize>,
    },
    /// The label by which the clusters generator picks.
    Label {
        cluster: usize,
        picked: bool,
    },
    Spoil {
        set: SetId,
        how: Damage,
    },
    Mend {
        set: SetId,
    },
    /// A person approves what is parked.
    Approve,
    /// A person confirms the clusters that are on hold.
    Confirm,
    Git {
        mode: GitMode,
    },
    HubStop,
    HubKill,
    HubStart,
    /// Only while it is down.
    LoseStore,
    Backup,
    /// Only while it is down, and after a backup.
    RestoreBackup,
    SpokeRestart {
        cluster: usize,
        kill: bool,
        skew_hours: i64,
    },
    SpokeStop {
        cluster: usize,
    },
    SpokeStart {
        cluster: usize,
        skew_hours: i64,
    },
    Cut {
        clusters: Vec<usize>,
    },
    Stall {
        clusters: Vec<usize>,
    },
    Delay {
        clusters: Vec<usize>,
        by: Duration,
    },
    ClearLinks,
    /// Somebody changes an object by hand.
    Edit {
        cluster: usize,
        directory: usize,
    },
    /// Somebody deletes an object by hand.
    Delete {
        cluster: usize,
        directory: usize,
    },
    /// The faults stop, and the fleet has to come to rest as it is wanted.
    Calm,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    pub act: Act,
    pub pause: Duration,
}

/// What the schedule knows of its own acts.
struct Picture {
    spokes: usize,
    directories: BTreeSet<&'static str>,
    extras: BTreeSet<&'static str>,
    jobs: BTreeSet<usize>,
    unpicked: BTreeSet<usize>,
    stopped: BTreeSet<usize>,
    spoilt: BTreeSet<SetId>,
    git: GitMode,
    hub: bool,
    backup: bool,
    links: bool,
}

/// From so many acts on there is a calm in the middle: what piles up until the end hides causes.
const LONG: usize = 20;

/// The acts of a seed.
#[must_use]
pub fn schedule(seed: u64, spokes: usize, acts: usize) -> Vec<Step> {
    let mut dice = Dice::new(seed ^ 0x6d75_7374_6572);
    let mut picture = Picture {
        spokes,
        directories: DIRECTORIES[..FIRST_DIRECTORIES].iter().copied().collect(),
        extras: BTreeSet::new(),
        jobs: (0..spokes).collect(),
        unpicked: BTreeSet::new(),
        stopped: BTreeSet::new(),
        spoilt: BTreeSet::new(),
        git: GitMode::Serving,
        hub: true,
        backup: false,
        links: false,
    };
    let mut steps = Vec::new();
    while steps.len() < acts {
        let act = loop {
            let wish = dice.below(100);
            if let Some(act) = picture.act(wish, &mut dice) {
                break act;
            }
        };
        picture.note(&act);
        steps.push(Step { act, pause: pause(&mut dice) });
        if acts >= LONG && steps.len() == acts / 2 {
            picture.note(&Act::Calm);
            steps.push(Step { act: Act::Calm, pause: Duration::ZERO });
        }
    }
    steps.push(Step { act: Act::Calm, pause: Duration::ZERO });
    steps
}

/// Often too short to come to rest, sometimes longer than every time limit of a session.
fn pause(dice: &mut Dice) -> Duration {
    Duration::from_millis(match dice.below(10) {
        0..=1 => 0,
        2..=4 => dice.between(1, 400) as u64,
        5..=7 => dice.between(500, 8_000) as u64,
        8 => dice.between(10_000, 40_000) as u64,
        _ => dice.between(60_000, 120_000) as u64,
    })
}

impl Picture {
    /// The act that a number below 100 stands for, when it makes sense now.
    fn act(&self, wish: usize, dice: &mut Dice) -> Option<Act> {
        match wish {
            0..=11 => Some(Act::Change { directory: self.directory(dice)? }),
            12..=15 => {
                let directory = self.directory(dice)?;
                Some(Act::Extra { directory, there: !self.extras.contains(directory) })
            }
            16..=18 => {
                let absent = DIRECTORIES.iter().filter(|one| !self.directories.contains(*one));
                let absent: Vec<_> = absent.copied().collect();
                (!absent.is_empty())
                    .then(|| Act::AddDirectory { directory: absent[dice.below(absent.len())] })
            }
            19..=21 if self.directories.len() > 1 => {
                Some(Act::RemoveDirectory { directory: self.directory(dice)? })
            }
            22..=27 => self.jobs(dice),
            28..=32 => {
                let cluster = dice.below(self.spokes);
                Some(Act::Label { cluster, picked: self.unpicked.contains(&cluster) })
            }
            33..=36 => self.damage(dice),
            37..=40 => Some(Act::Approve),
            41..=43 => Some(Act::Confirm),
            44..=48 => self.git(dice),
            49..=62 => self.hub(dice),
            63..=74 => self.spoke(dice),
            75..=87 => self.link(dice),
            88..=92 => Some(Act::Edit { cluster: self.any(dice), directory: dice.below(5) }),
            93..=95 => Some(Act::Delete { cluster: self.any(dice), directory: dice.below(5) }),
            96..=99 => Some(Act::Rest),
            _ => None,
        }
    }

    fn any(&self, dice: &mut Dice) -> usize {
        dice.below(self.spokes)
    }

    fn directory(&self, dice: &mut Dice) -> Option<&'static str> {
        let all: Vec<_> = self.directories.iter().copied().collect();
        (!all.is_empty()).then(|| *dice.pick(&all))
    }

    fn jobs(&self, dice: &mut Dice) -> Option<Act> {
        let gone: Vec<_> = (0..self.spokes).filter(|one| !self.jobs.contains(one)).collect();
        if !gone.is_empty() && dice.one_in(2) {
            return Some(Act::AddJobs { clusters: gone });
        }
        let there: Vec<_> = self.jobs.iter().copied().collect();
        let few = (there.len() / 20).max(1);
        let many = there.len() / 3;
        let count = if dice.one_in(3) { many } else { dice.between(1, few) };
        let picked = dice.some_of(count, there.len());
        let clusters: Vec<_> = picked.into_iter().map(|index| there[index]).collect();
        // One of them always stays: what takes all of a generator away is another case.
        (!clusters.is_empty() && clusters.len() < there.len())
            .then_some(Act::RemoveJobs { clusters })
    }

    fn damage(&self, dice: &mut Dice) -> Option<Act> {
        let set = *dice.pick(&[SetId::Apps, SetId::Jobs]);
        if self.spoilt.contains(&set) {
            return Some(Act::Mend { set });
        }
        let how = *dice.pick(&[Damage::Syntax, Damage::Template, Damage::Missing]);
        Some(Act::Spoil { set, how })
    }

    fn git(&self, dice: &mut Dice) -> Option<Act> {
        let faults = [GitMode::Error500, GitMode::Html, GitMode::Truncated, GitMode::Down];
        let serving = self.git == GitMode::Serving;
        Some(Act::Git { mode: if serving { *dice.pick(&faults) } else { GitMode::Serving } })
    }

    fn hub(&self, dice: &mut Dice) -> Option<Act> {
        if self.hub {
            return Some(match dice.below(8) {
                0..=2 => Act::HubStop,
                3..=5 => Act::HubKill,
                _ => Act::Backup,
            });
        }
        match dice.below(6) {
            0 => Some(Act::LoseStore),
            1 => self.backup.then_some(Act::RestoreBackup),
            _ => Some(Act::HubStart),
        }
    }

    fn spoke(&self, dice: &mut Dice) -> Option<Act> {
        let skew_hours = match dice.below(4) {
            0 => -(24 * 400),
            1 => 24 * 20,
            _ => 0,
        };
        let stopped: Vec<_> = self.stopped.iter().copied().collect();
        if !stopped.is_empty() && dice.one_in(2) {
            return Some(Act::SpokeStart { cluster: *dice.pick(&stopped), skew_hours });
        }
        let cluster = self.any(dice);
        if self.stopped.contains(&cluster) {
            return None;
        }
        Some(match dice.below(4) {
            0 => Act::SpokeStop { cluster },
            other => Act::SpokeRestart { cluster, kill: other > 1, skew_hours },
        })
    }

    fn link(&self, dice: &mut Dice) -> Option<Act> {
        if self.links && dice.one_in(3) {
            return Some(Act::ClearLinks);
        }
        let count = match dice.below(5) {
            0 => self.spokes,
            1 => self.spokes / 2,
            _ => dice.between(1, 5),
        };
        let clusters = dice.some_of(count.max(1), self.spokes);
        Some(match dice.below(4) {
            0 => Act::Cut { clusters },
            1 => Act::Stall { clusters },
            _ => {
                let by = Duration::from_millis(dice.between(1, 3_000) as u64);
                Act::Delay { clusters, by }
            }
        })
    }

    fn note(&mut self, act: &Act) {
        match act {
            Act::Extra { directory, there: true } => drop(self.extras.insert(directory)),
            Act::Extra { directory, there: false } => drop(self.extras.remove(directory)),
            Act::AddDirectory { directory } => drop(self.directories.insert(directory)),
            Act::RemoveDirectory { directory } => {
                self.directories.remove(directory);
                self.extras.remove(directory);
            }
            Act::RemoveJobs { clusters } => self.jobs.retain(|one| !clusters.contains(one)),
            Act::AddJobs { clusters } => self.jobs.extend(clusters),
            Act::Label { cluster, picked: true } => drop(self.unpicked.remove(cluster)),
            Act::Label { cluster, picked: false } => drop(self.unpicked.insert(*cluster)),
            Act::Spoil { set, .. } => drop(self.spoilt.insert(*set)),
            Act::Mend { set } => drop(self.spoilt.remove(set)),
            Act::Git { mode } => self.git = *mode,
            Act::HubStop | Act::HubKill => self.hub = false,
            Act::HubStart => self.hub = true,
            Act::Backup => self.backup = true,
            // What was saved belongs to the fleet that is gone.
            Act::LoseStore => self.backup = false,
            Act::SpokeStop { cluster } => drop(self.stopped.insert(*cluster)),
            Act::SpokeStart { cluster, .. } => drop(self.stopped.remove(cluster)),
            Act::Cut { .. } | Act::Stall { .. } | Act::Delay { .. } => self.links = true,
            Act::ClearLinks => self.links = false,
            Act::Calm => {
                self.spoilt.clear();
                self.stopped.clear();
                self.git = GitMode::Serving;
                self.hub = true;
                self.links = false;
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_a_schedule() {
        assert_eq!(schedule(3, 50, 40), schedule(3, 50, 40));
        assert_ne!(schedule(3, 50, 40), schedule(4, 50, 40));
        assert_eq!(schedule(3, 50, 40).last().map(|step| &step.act), Some(&Act::Calm));
    }

    #[test]
    fn every_kind_of_act_comes_up_within_twenty_seeds() {
        let steps = (0..20).flat_map(|seed| schedule(seed, 50, 40));
        let kinds: BTreeSet<String> = steps
            .map(|step| format!("{:?}", step.act))
            .map(|text| text.split([' ', '{']).next().unwrap_or_default().to_owned())
            .collect();
        assert_eq!(kinds.len(), 29, "{kinds:?}");
    }

    #[test]
    fn a_store_is_lost_only_while_the_hub_is_down() {
        for seed in 0..50 {
            let mut up = true;
            for step in schedule(seed, 10, 60) {
                match step.act {
                    Act::HubStop | Act::HubKill => up = false,
                    Act::HubStart | Act::Calm => up = true,
                    Act::LoseStore | Act::RestoreBackup => assert!(!up, "seed {seed}"),
                    _ => {}
                }
            }
        }
    }
}
