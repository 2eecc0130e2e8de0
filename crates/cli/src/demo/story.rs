//! The story of the demo, step by step. Each step waits for what it tells, and fails when that does
//! not come.

use std::time::Duration;

use model::id::CommitId;
use model::status::{Health, IncidentOutcome, SyncStatus};
use model::view::{ApplicationView, ParkedView, SetView, StatusSource};
use proto::v1::{ApproveRequest, RefreshRequest};
use serde_json::json;

use super::cluster::Cluster;
use super::error::DemoError;
use super::fleet::{LIMIT, Operator, list};
use super::repository::{BROKEN_TAG, Commit, REMOVED, Repository, Sample};
use super::show::{Done, Show, Telling};
use crate::client::values;
use crate::failure::Failure;
use crate::kind::Kind;
use crate::show::{count, one_line};

/// The name of the only application set.
pub(crate) const SET: &str = "apps";
/// Who edits by hand.
const INTRUDER: &str = "night-shift";
const WEB: &str = "/apis/apps/v1/namespaces/demo-web/deployments/web";
const QUEUE: &str = "/apis/apps/v1/namespaces/demo-queue/deployments/queue";
/// As the sample says.
const WEB_REPLICAS: u64 = 2;
/// How often a cluster is looked at while something is to happen in it.
const LOOK: Duration = Duration::from_millis(20);

/// Everything that the story happens to.
pub(crate) struct Story<'a> {
    pub(crate) operator: Operator<'a>,
    pub(crate) repository: &'a Repository,
    pub(crate) clusters: &'a [Cluster],
    pub(crate) samples: Vec<&'static Sample>,
}

impl Story<'_> {
    /// All of it, after the fleet was started.
    pub(crate) async fn tell(&mut self, show: &mut Show) -> Result<(), Failure> {
        show.step("A commit reaches every cluster", async |telling| {
            self.first_commit(telling).await
        })
        .await?;
        show.step("An edit by hand is healed", async |telling| self.edit_by_hand(telling).await)
            .await?;
        let bad = show
            .step("A bad image is noticed", async |telling| self.bad_image(telling).await)
            .await?;
        show.step("git revert mends it", async |telling| self.revert(&bad, telling).await).await?;
        let parked = show
            .step("A removal waits for a person", async |telling| self.remove(telling).await)
            .await?;
        show.step("The person approves", async |telling| self.approve(parked, telling).await).await
    }

    async fn first_commit(&mut self, telling: &Telling<'_>) -> Result<Done<()>, Failure> {
        // A percentage of a few applications is less than one, which is always allowed.
        let budget = (self.clusters.len() == 1).then_some("0");
        self.repository.add_fleet(&self.samples, budget).await?;
        let begun = telling.clock.now();
        let commit = self.repository.commit("The first applications").await?;
        telling.detail(&format!("commit {}: {}", commit.short(), self.described_samples()));
        let found = self.all_healthy(&commit, self.samples.len(), telling).await?;
        Ok(Done { found, took: telling.clock.now() - begun, value: () })
    }

    async fn edit_by_hand(&mut self, telling: &Telling<'_>) -> Result<Done<()>, Failure> {
        let cluster = self.clusters.get(1).unwrap_or(&self.clusters[0]);
        telling.detail(&format!(
            "kubectl --context {} -n demo-web patch deployment web \\",
            cluster.context
        ));
        telling
            .detail(&format!("  --field-manager {INTRUDER} -p '{{\"spec\":{{\"replicas\":0}}}}'"));
        telling.note("waiting for the repair");
        let begun = telling.clock.now();
        cluster.patch(WEB, INTRUDER, &json!({ "spec": { "replicas": 0 } })).await?;
        let replicas = |object: &serde_json::Value| object["spec"]["replicas"].as_u64();
        seen("the repair of the edit", cluster, WEB, |object| {
            object.and_then(replicas) == Some(WEB_REPLICAS)
        })
        .await?;
        let took = telling.clock.now() - begun;
        telling.note("waiting for the report of it");
        let name = format!("web-{}", cluster.name);
        let request = list(Kind::Applications, &name);
        let incident = self
            .operator
            .until("the report of the incident", request, |views: &[ApplicationView], last| {
                "there is no incident that was healed".clone_into(last);
                let mut incidents = views.iter().flat_map(|view| &view.incidents);
                incidents.find(|one| one.outcome == IncidentOutcome::Healed).cloned()
            })
            .await?;
        let (fields, managers) = (incident.fields.join(", "), incident.managers.join(", "));
        if !managers.contains(INTRUDER) {
            let message = format!("the incident names {managers:?}, not {INTRUDER}");
            return Err(DemoError::Unexpected(message).into());
        }
        telling.quote(&format!("muster history says: {fields} was changed by {managers}"));
        let found = format!("healed; it was {}", one_line(&managers));
        Ok(Done { found, took, value: () })
    }

    async fn bad_image(&mut self, telling: &Telling<'_>) -> Result<Done<Commit>, Failure> {
        self.repository.break_web()?;
        let message = format!("web: image tag `{BROKEN_TAG}`, which nobody can pull");
        let begun = telling.clock.now();
        let commit = self.repository.commit(&message).await?;
        telling.detail(&format!("commit {}: {message}", commit.short()));
        self.refresh(telling).await?;
        telling.note("applied; waiting until the rollout is found to hang");
        let (number, wanted) = (self.clusters.len(), commit.clone());
        let request = list(Kind::Applications, "");
        let said = self
            .operator
            .until("the verdict on the bad image", request, |views: &[ApplicationView], last| {
                let web: Vec<_> = views.iter().filter(|view| view.path == "apps/web").collect();
                let bad = web
                    .iter()
                    .filter(|view| view.health == Health::Degraded && is_at(view, &wanted));
                let bad = bad.count();
                *last = format!("web is Degraded on {bad} of {}", count(number, "cluster"));
                telling.note(last.clone());
                (bad == number).then(|| web[0].message.clone())
            })
            .await?;
        let took = telling.clock.now() - begun;
        telling.quote(&format!("spokes: {said}"));
        for cluster in self.clusters {
            let live = cluster.get(WEB).await?.unwrap_or_default();
            let available = live["status"]["availableReplicas"].as_u64();
            if available.is_none_or(|available| available == 0) {
                let message = format!("no replica of web is available on {}", cluster.context);
                return Err(DemoError::Unexpected(message).into());
            }
        }
        telling.detail("the release before it still serves on every cluster");
        let found = format!("web is Degraded on {}", count(number, "cluster"));
        Ok(Done { found, took, value: commit })
    }

    async fn revert(&mut self, bad: &Commit, telling: &Telling<'_>) -> Result<Done<()>, Failure> {
        let begun = telling.clock.now();
        let commit = self.repository.revert(bad).await?;
        telling.detail(&format!("commit {}: reverts {}", commit.short(), bad.short()));
        let found = self.all_healthy(&commit, self.samples.len(), telling).await?;
        Ok(Done { found, took: telling.clock.now() - begun, value: () })
    }

    async fn remove(&mut self, telling: &Telling<'_>) -> Result<Done<ParkedView>, Failure> {
        self.repository.remove(&format!("apps/{REMOVED}")).await?;
        let begun = telling.clock.now();
        let commit = self.repository.commit(&format!("{REMOVED} is not needed")).await?;
        telling.detail(&format!("commit {}: removes apps/{REMOVED}", commit.short()));
        self.refresh(telling).await?;
        let request = list(Kind::ApplicationSets, SET);
        let parked = self
            .operator
            .until("the parked removal", request, |views: &[SetView], last| {
                "no removal is parked".clone_into(last);
                views.iter().find_map(|view| view.parked.clone())
            })
            .await?;
        let took = telling.clock.now() - begun;
        telling.quote(&format!("hub: {}", parked.reason));
        for cluster in self.clusters {
            if cluster.get(QUEUE).await?.is_none() {
                let message = format!("{REMOVED} is gone from {} already", cluster.context);
                return Err(DemoError::Unexpected(message).into());
            }
        }
        let found = format!("{} parked, all still running", parked.applications.len());
        Ok(Done { found, took, value: parked })
    }

    async fn approve(
        &mut self,
        parked: ParkedView,
        telling: &Telling<'_>,
    ) -> Result<Done<()>, Failure> {
        let ParkedView { plan, applications, .. } = parked;
        telling.detail(&format!("muster approve applicationset {SET} --plan {plan}"));
        telling.note("waiting for the removal");
        let begun = telling.clock.now();
        let request = self.operator.hub.request(ApproveRequest {
            kind: Kind::ApplicationSets.singular().to_owned(),
            name: SET.to_owned(),
            plan,
            reason: "the demo goes on".to_owned(),
        });
        let outcome = self.operator.hub.client.approve(request).await;
        self.operator.hub.judge(outcome)?;
        for cluster in self.clusters {
            seen("the removal", cluster, QUEUE, |object| object.is_none()).await?;
        }
        let left = (self.samples.len() - 1) * self.clusters.len();
        let request = list(Kind::Applications, "");
        self.operator
            .until("the end of the removal", request, |views: &[ApplicationView], last| {
                let good = views.iter().filter(|view| is_good(view)).count();
                *last = format!("{good} of {} applications are healthy", views.len());
                (views.len() == left && good == left).then_some(())
            })
            .await?;
        let took = telling.clock.now() - begun;
        Ok(Done { found: format!("{} removed, {left} left", applications.len()), took, value: () })
    }

    /// Makes the hub look now, which it does every second in any case.
    async fn refresh(&mut self, telling: &Telling<'_>) -> Result<(), Failure> {
        telling.note("waiting until the hub has read it");
        let request = self.operator.hub.request(RefreshRequest {});
        let outcome = self.operator.hub.client.refresh(request).await;
        let answer = self.operator.hub.judge(outcome)?;
        match values(&answer.problems)?.first() {
            None => Ok(()),
            Some(problem) => Err(DemoError::Unexpected(format!("the hub says: {problem}")).into()),
        }
    }

    /// Waits until every application is Synced and Healthy at `commit`.
    async fn all_healthy(
        &mut self,
        commit: &Commit,
        per_cluster: usize,
        telling: &Telling<'_>,
    ) -> Result<String, Failure> {
        self.refresh(telling).await?;
        let wanted = per_cluster * self.clusters.len();
        let request = list(Kind::Applications, "");
        self.operator
            .until("the health of all applications", request, |views: &[ApplicationView], last| {
                let good = views.iter().filter(|view| is_good(view) && is_at(view, commit));
                let good = good.count();
                *last = format!("{good} of {wanted} applications are Synced and Healthy");
                telling.note(last.clone());
                let bad = views.iter().find(|view| !is_good(view) && !view.message.is_empty());
                if let Some(bad) = bad {
                    last.extend(["; ", bad.name.as_str(), ": ", &one_line(&bad.message)]);
                }
                (good == wanted && views.len() == wanted).then_some(())
            })
            .await?;
        Ok(format!("{wanted} applications Synced and Healthy"))
    }

    fn described_samples(&self) -> String {
        let mut kinds: Vec<(&str, Vec<&str>)> = Vec::new();
        for Sample { name, kind, .. } in &self.samples {
            match kinds.last_mut().filter(|(last, _)| last == kind) {
                Some((_, names)) => names.push(name),
                None => kinds.push((kind, vec![name])),
            }
        }
        let parts = kinds.iter().map(|(kind, names)| format!("{} ({kind})", names.join(" and ")));
        parts.collect::<Vec<_>>().join(", ")
    }
}

/// Looks at an object until it is as it should be.
async fn seen(
    what: &str,
    cluster: &Cluster,
    path: &str,
    mut condition: impl FnMut(Option<&serde_json::Value>) -> bool,
) -> Result<(), Failure> {
    let looking = async {
        while !condition(cluster.get(path).await?.as_ref()) {
            tokio::time::sleep(LOOK).await;
        }
        Ok::<_, DemoError>(())
    };
    match tokio::time::timeout(LIMIT, looking).await {
        Ok(outcome) => Ok(outcome?),
        Err(_) => {
            let last = format!("looked at {path} on {}", cluster.context);
            Err(DemoError::Late { what: what.to_owned(), limit: LIMIT, last }.into())
        }
    }
}

fn is_good(view: &ApplicationView) -> bool {
    let current = view.source == StatusSource::Live && view.applied == Some(view.version);
    current && view.sync == SyncStatus::Synced && view.health == Health::Healthy
}

fn is_at(view: &ApplicationView, commit: &Commit) -> bool {
    view.applied_revision.as_ref().map(CommitId::to_string).as_deref() == Some(commit.0.as_str())
}
