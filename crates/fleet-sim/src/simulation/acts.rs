//! How an act is carried out on the fleet, and what the model is told of it.

use anyhow::{Context as _, Result};
use http::Request;
use http::header::CONTENT_TYPE;
use serde_json::{Value, json};

use super::Simulation;
use crate::content::{LABEL, PICKED, UNPICKED, cluster_name, parse_application};
use crate::laws::BY_HAND;
use crate::link::Wire;
use crate::model::Tampering;
use crate::schedule::{Act, DIRECTORIES, Damage, SetId};

/// For the diary: an error is an answer like any other.
fn said(outcome: Result<String>) -> String {
    outcome.unwrap_or_else(|error| format!("{error:#}"))
}

impl Simulation {
    pub(super) async fn act(&mut self, act: &Act) -> Result<()> {
        if self.model.note(act) {
            return self.commit(&format!("{act:?}")).await;
        }
        match act {
            Act::Label { cluster, picked } => self.label(*cluster, *picked).await?,
            Act::Approve => self.approve().await?,
            Act::Confirm => self.confirm().await?,
            Act::Git { mode } => {
                self.git = *mode;
                self.fleet.git.set_mode(*mode);
            }
            Act::HubStop => {
                self.look();
                self.fleet.hub.stop().await;
                self.hub_is_gone();
            }
            Act::HubKill => {
                self.look();
                self.fleet.hub.kill().await;
                self.hub_is_gone();
            }
            Act::HubStart => self.fleet.hub.start(&self.fleet.supervisor).await?,
            Act::LoseStore => {
                self.fleet.hub.lose_store();
                let met: Vec<_> = (0..self.met.len()).filter(|one| self.met[*one] > 0).collect();
                self.replaced(&met);
            }
            Act::Backup => self.fleet.hub.back_up(),
            Act::RestoreBackup => self.restore(),
            Act::SpokeRestart { cluster, kill, skew_hours } => {
                self.restart_spoke(*cluster, *kill, *skew_hours).await?;
            }
            Act::SpokeStop { cluster } => self.end_spoke(*cluster, true).await,
            Act::SpokeStart { cluster, skew_hours } => self.start_spoke(*cluster, *skew_hours)?,
            Act::Cut { clusters } => self.wires(clusters, Wire::Cut),
            Act::Stall { clusters } => self.wires(clusters, Wire::Stalled),
            Act::Delay { clusters, by } => self.wires(clusters, Wire::Delayed(*by)),
            Act::ClearLinks => {
                let all: Vec<_> = (0..self.fleet.members.len()).collect();
                self.wires(&all, Wire::Clear);
            }
            Act::Edit { cluster, directory } => self.tamper(*cluster, *directory, false).await?,
            Act::Delete { cluster, directory } => self.tamper(*cluster, *directory, true).await?,
            Act::Calm => self.calm().await?,
            _ => {}
        }
        self.note_reach();
        Ok(())
    }

    pub(super) async fn commit(&mut self, message: &str) -> Result<()> {
        let commit = self.fleet.commit(&self.model.content, message).await?;
        self.log.line(&format!("    commit {commit}"));
        self.model.committed(&commit);
        // Sometimes a person waits for the hub to look, sometimes the webhook is lost.
        if self.fleet.hub.is_running() && !self.model.step().is_multiple_of(4) {
            let looked = self.fleet.operator.refresh().await;
            let looked = looked.map(|problems| format!("{problems} problems"));
            self.log.line(&format!("    refresh: {}", said(looked)));
        }
        Ok(())
    }

    fn hub_is_gone(&mut self) {
        self.fleet.operator.hang_up();
        for member in &self.fleet.members {
            // The sockets of a process that died are closed by its kernel.
            if let Some(link) = &member.link {
                link.hang_up();
            }
        }
    }

    fn restore(&mut self) {
        if !self.fleet.hub.restore() {
            return;
        }
        let next = self.fleet.hub.life() + 1;
        let all = 0..self.met.len();
        let strangers: Vec<_> = all.filter(|one| self.met[*one] > next).collect();
        self.replaced(&strangers);
    }

    async fn restart_spoke(&mut self, cluster: usize, kill: bool, skew_hours: i64) -> Result<()> {
        if !self.fleet.members[cluster].is_running() {
            return Ok(());
        }
        self.end_spoke(cluster, kill).await;
        self.start_spoke(cluster, skew_hours)
    }

    /// The next hub does not know what this one knew, nor is it known to these clusters.
    fn replaced(&mut self, strangers: &[usize]) {
        self.model.store_replaced(strangers);
        self.in_force.forget();
        self.met.fill(0);
    }

    pub(super) async fn label(&mut self, cluster: usize, picked: bool) -> Result<()> {
        if !self.fleet.hub.is_running() {
            self.log.line("    no hub to ask");
            return Ok(());
        }
        // Before it takes effect.
        self.model.labelled(cluster, picked);
        let value = if picked { PICKED } else { UNPICKED };
        let labelled = self.fleet.operator.label(&cluster_name(cluster), LABEL, value).await;
        if let Err(error) = labelled {
            // A hub that lost its store learns of a cluster when its spoke connects.
            self.log.line(&format!("    label: {error:#}"));
        }
        Ok(())
    }

    /// Approves what is parked, as far as a person in their right mind would.
    pub(super) async fn approve(&mut self) -> Result<()> {
        if !self.fleet.hub.is_running() {
            return Ok(());
        }
        for set in self.fleet.operator.sets().await? {
            let Some(parked) = set.parked else { continue };
            let id =
                [SetId::Apps, SetId::Jobs].into_iter().find(|id| id.name() == set.name.as_str());
            let missing =
                id.is_some_and(|id| self.model.content.spoilt.get(&id) == Some(&Damage::Missing));
            let places: Vec<_> = parked
                .applications
                .iter()
                .filter_map(|name| parse_application(name.as_str()))
                .map(|(directory, cluster)| (cluster, directory.to_owned()))
                .collect();
            if !missing && places.iter().any(|place| self.model.wants(place.0, &place.1)) {
                self.log.line(&format!("    {} is parked by mistake: not approved", set.name));
                continue;
            }
            for place in places {
                self.model.allow(place);
            }
            let (name, plan) = (set.name.as_str(), parked.plan.as_str());
            let approved = self.fleet.operator.approve("applicationset", name, plan).await;
            let count = parked.applications.len();
            let approved = said(approved.map(|()| "done".to_owned()));
            self.log.line(&format!("    approve {count} of {name}: {approved}"));
        }
        Ok(())
    }

    /// Lets every cluster remove that says it is on hold.
    pub(super) async fn confirm(&mut self) -> Result<()> {
        if !self.fleet.hub.is_running() {
            return Ok(());
        }
        let clusters = self.fleet.operator.clusters().await?;
        for index in 0..self.fleet.members.len() {
            let name = cluster_name(index);
            if clusters.get(&name).is_some_and(|view| view.hold) {
                self.model.confirmed(index);
                self.fleet.operator.approve("cluster", &name, "").await?;
                self.log.line(&format!("    {name} may remove again"));
            }
        }
        Ok(())
    }

    async fn end_spoke(&mut self, cluster: usize, kill: bool) {
        let member = &mut self.fleet.members[cluster];
        if kill {
            member.kill().await;
        } else {
            member.stop().await;
        }
        self.note_reach();
    }

    pub(super) fn start_spoke(&mut self, cluster: usize, skew_hours: i64) -> Result<()> {
        let (manifests, token) = (&self.fleet.manifests, &self.fleet.token);
        let supervisor = &self.fleet.supervisor;
        self.fleet.members[cluster].start(manifests, token, skew_hours, supervisor)?;
        self.note_reach();
        Ok(())
    }

    fn wires(&mut self, clusters: &[usize], wire: Wire) {
        for cluster in clusters {
            if let Some(link) = &self.fleet.members[*cluster].link {
                link.set(wire);
            }
        }
    }

    /// Changes or deletes an object past the spoke, unless that was done to it lately: who does it
    /// again and again is fought, slowly, and that is no fault.
    async fn tamper(&mut self, cluster: usize, directory: usize, delete: bool) -> Result<()> {
        self.look();
        let name = DIRECTORIES[directory].to_owned();
        let key = (cluster, name.clone());
        let there = self.seen[cluster].objects.contains_key(&("ConfigMap", name.clone()));
        if !there || self.model.tampered.contains_key(&key) {
            self.log.line("    nothing to do it to");
            return Ok(());
        }
        let tampering = Tampering { at: self.clock.now(), deleted: delete, healed: false };
        self.model.tampered.insert(key, tampering);
        let path = format!("/api/v1/namespaces/default/configmaps/{name}");
        let request = if delete {
            Request::delete(path).body(Vec::new())?
        } else {
            let patch = json!({"data": {"value": BY_HAND}});
            Request::patch(format!("{path}?fieldManager=kubectl-edit"))
                .header(CONTENT_TYPE, "application/merge-patch+json")
                .body(serde_json::to_vec(&patch)?)?
        };
        let answer: Result<Value, _> = self.fleet.members[cluster].client().request(request).await;
        answer.context("an edit by hand")?;
        Ok(())
    }
}
