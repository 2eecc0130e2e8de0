//! A calm: the faults stop, and the fleet has to become what is wanted within a bound; then nothing
//! may cost anything.

use std::time::Duration;

use anyhow::Result;

use super::Simulation;
use crate::content::{LABEL, PICKED, cluster_name};
use crate::laws::{self, Violation};
use crate::link::Wire;
use crate::schedule::GitMode;

/// Longer than any back-off on the way: a fight over an object is the longest with ten minutes.
const LIMIT: Duration = Duration::from_secs(45 * 60);
const POLL: Duration = Duration::from_secs(5);
/// How often a person tells the hub to look at Git: every so many polls.
const REFRESH_ROUNDS: usize = 6;
/// What still follows from the last change: reports, the hub's notes of them, and the one renewal of
/// a spoke that was just started with a clock that is ahead, after a minute.
const SETTLE: Duration = Duration::from_secs(80);
const QUIET: Duration = Duration::from_secs(60);
/// The longest pause before a spoke dials again.
const RECONNECT: Duration = Duration::from_secs(90);

impl Simulation {
    pub(super) async fn calm(&mut self) -> Result<()> {
        self.end_faults().await?;
        if self.settle().await? {
            self.quiet().await;
            self.reconnect().await;
        }
        Ok(())
    }

    /// Waits until the fleet is as it is wanted; false when that does not come about.
    pub(super) async fn settle(&mut self) -> Result<bool> {
        let settled = self.converge().await?;
        if settled {
            self.model.calm();
            self.found(laws::alike(&self.seen));
            self.log.line("    the fleet is as it is wanted");
        }
        Ok(settled)
    }

    async fn end_faults(&mut self) -> Result<()> {
        self.git = GitMode::Serving;
        self.fleet.git.set_mode(self.git);
        for member in &self.fleet.members {
            if let Some(link) = &member.link {
                link.set(Wire::Clear);
            }
        }
        self.fleet.hub.start(&self.fleet.supervisor).await?;
        for cluster in 0..self.fleet.members.len() {
            self.start_spoke(cluster, 0)?;
        }
        if !self.model.content.spoilt.is_empty() {
            self.model.content.spoilt.clear();
            self.commit("mend everything").await?;
        }
        Ok(())
    }

    /// Waits until everything is as it is wanted, approving what a person would approve. False when
    /// that does not come about.
    async fn converge(&mut self) -> Result<bool> {
        let deadline = self.clock.now() + LIMIT;
        for round in 0_usize.. {
            let refreshed = match round % REFRESH_ROUNDS {
                0 => self.fleet.operator.refresh().await.map(drop),
                _ => Ok(()),
            };
            self.look();
            let missing = match refreshed {
                Ok(()) => self.lacking().await?,
                Err(error) => vec![format!("the hub does not look at Git: {error:#}")],
            };
            if missing.is_empty() || !self.violations.is_empty() {
                return Ok(missing.is_empty());
            }
            if self.clock.now() > deadline {
                let shown: Vec<_> = missing.iter().take(8).map(String::as_str).collect();
                let what = format!(
                    "after {} minutes without faults {} things are not as they are wanted: {}",
                    LIMIT.as_secs() / 60,
                    missing.len(),
                    shown.join("; ")
                );
                self.found(vec![Violation { law: "liveness", what }]);
                return Ok(false);
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(false)
    }

    /// What is not yet as it is wanted; does what a person can do about it.
    async fn lacking(&mut self) -> Result<Vec<String>> {
        let mut missing = Vec::new();
        let views = self.fleet.operator.clusters().await?;
        let mut relabel = Vec::new();
        for cluster in 0..self.fleet.members.len() {
            let Some(view) = views.get(&cluster_name(cluster)) else {
                missing.push(format!("the hub does not know cluster {cluster}"));
                continue;
            };
            if view.state != "Connected" {
                missing.push(format!("cluster {cluster} is {}", view.state));
            }
            let picked = view.labels.get(LABEL).is_some_and(|value| value == PICKED);
            if picked != self.model.picked.contains(&cluster) {
                missing.push(format!("cluster {cluster} has another label"));
                relabel.push((cluster, !picked));
            }
            if view.hold {
                missing.push(format!("cluster {cluster} is on hold"));
            } else if view.state == "Connected" {
                // It has met this hub and holds nothing back.
                self.model.confirmed(cluster);
            }
            if view.synced < view.applications || view.healthy < view.applications {
                missing.push(format!(
                    "cluster {cluster}: {} of {} applications are synced, {} healthy",
                    view.synced, view.applications, view.healthy
                ));
            }
        }
        for (cluster, seen) in self.seen.iter().enumerate() {
            missing.extend(laws::unsettled(&self.model, cluster, seen, true));
        }
        for set in self.fleet.operator.sets().await? {
            if let Some(parked) = &set.parked {
                missing.push(format!("{} has {} parked", set.name, parked.applications.len()));
            }
        }
        if !missing.is_empty() {
            for (cluster, picked) in relabel {
                self.label(cluster, picked).await?;
            }
            self.approve().await?;
            self.confirm().await?;
        }
        Ok(missing)
    }

    /// L9: when nothing happens, nobody asks an API server, and the hub writes nothing.
    async fn quiet(&mut self) {
        tokio::time::sleep(SETTLE).await;
        let before = self.costs();
        tokio::time::sleep(QUIET).await;
        let after = self.costs();
        if before != after {
            let what = format!(
                "a quiet minute cost {} requests, {} spec bytes and {} writes of the hub",
                after.0 - before.0,
                after.1 - before.1,
                after.2 - before.2
            );
            self.found(vec![Violation { law: "L9", what }]);
        }
        self.look();
    }

    /// L9: who comes back and has everything is sent nothing.
    async fn reconnect(&mut self) {
        let before = self.costs();
        let welcomes: Vec<_> =
            self.fleet.members.iter().map(|one| one.traffic.welcomes()).collect();
        for member in &self.fleet.members {
            if let Some(link) = &member.link {
                link.hang_up();
            }
        }
        let members = &self.fleet.members;
        let back = async {
            while members.iter().zip(&welcomes).any(|(one, was)| one.traffic.welcomes() <= *was) {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        };
        let back = tokio::time::timeout(RECONNECT, back).await.is_ok();
        tokio::time::sleep(Duration::from_secs(2)).await;
        let after = self.costs();
        if !back {
            let what = "not every spoke came back after its connection broke".to_owned();
            self.found(vec![Violation { law: "liveness", what }]);
        }
        if before.1 != after.1 {
            let bytes = after.1 - before.1;
            let what = format!("coming back with everything cost {bytes} spec bytes");
            self.found(vec![Violation { law: "L9", what }]);
        }
        self.look();
    }

    /// Requests to API servers, spec bytes, and writes of the hub, until now.
    fn costs(&self) -> (u64, u64, u64) {
        let members = &self.fleet.members;
        let requests = members.iter().map(|one| one.requests.questions()).sum();
        let bytes = members.iter().map(|one| one.traffic.spec_bytes()).sum();
        (requests, bytes, self.fleet.hub.writes())
    }
}
