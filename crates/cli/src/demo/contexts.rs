//! Clusters of the user's kubeconfig instead of simulated ones.
//!
//! Everything is checked before anything is written: that the contexts exist and lead to different
//! clusters, that the user may do what the demo does, and that none of its namespaces is there. The
//! demo makes its namespaces itself and remembers their uids; at the end it deletes exactly these.

use std::collections::BTreeMap;
use std::io::{self, BufRead as _, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures::future::{join_all, try_join_all};
use http::Uri;
use kube::Client;
use kube::config::{KubeConfigOptions, Kubeconfig};
use model::name::ClusterName;
use model::suggest;
use runtime::error::chain;
use serde_json::{Value, json};

use super::cluster::Cluster;
use super::error::DemoError;
use super::fleet::namespace;
use super::repository::Sample;
use super::screen::Screen;
use super::show::Telling;
use crate::show::count;

/// Where the spokes keep their state, apart from a real agent's namespace.
pub(crate) const AGENT_NAMESPACE: &str = "muster-demo";
/// A real agent's namespace: a cluster that has it belongs to a fleet already.
const REAL_NAMESPACE: &str = "muster-system";
const NAMESPACES: &str = "/api/v1/namespaces";
/// What one cluster may take to answer before anything has begun.
const ANSWER_LIMIT: Duration = Duration::from_secs(15);
/// What the deletion of the namespaces may take; controllers of a busy cluster need some seconds.
const DELETION_LIMIT: Duration = Duration::from_secs(120);
const LOOK: Duration = Duration::from_millis(250);

/// What the spokes do: (verb, group, resource). `namespaces` is asked for apart, to say it first.
const NEEDED: [(&str, &str, &str); 12] = [
    ("create", "", "namespaces"),
    ("delete", "", "namespaces"),
    ("get", "", "namespaces"),
    ("create", "", "secrets"),
    ("patch", "", "secrets"),
    ("create", "", "configmaps"),
    ("patch", "", "configmaps"),
    ("delete", "", "configmaps"),
    ("patch", "", "services"),
    ("patch", "apps", "deployments"),
    ("delete", "apps", "deployments"),
    ("watch", "apps", "deployments"),
];

/// The user's clusters, before anything was written to them.
pub(crate) struct Contexts {
    pub(crate) clusters: Vec<Cluster>,
    /// The file that `--kubeconfig` named; else kubectl finds the same ones by itself.
    pub(crate) kubeconfig: Option<PathBuf>,
    namespaces: Vec<String>,
}

impl Contexts {
    /// Finds the contexts in the kubeconfig; asks no cluster yet.
    pub(crate) async fn find(
        names: &[String],
        kubeconfig: Option<PathBuf>,
        samples: &[&Sample],
    ) -> Result<Self, DemoError> {
        let file = read_kubeconfig(kubeconfig.as_deref())?;
        let known: Vec<&str> = file.contexts.iter().map(|context| context.name.as_str()).collect();
        if let Some(unknown) = names.iter().find(|name| !known.contains(&name.as_str())) {
            return Err(unknown_context(unknown, &known));
        }
        let fleet_names = fleet_names(names)?;
        let mut clusters = Vec::new();
        for (context, name) in names.iter().zip(fleet_names) {
            let client = client(&file, context).await?;
            clusters.push(Cluster { name, context: context.clone(), client });
        }
        let applications = samples.iter().map(|sample| format!("demo-{}", sample.name));
        let namespaces = [AGENT_NAMESPACE.to_owned()].into_iter().chain(applications).collect();
        Ok(Self { clusters, kubeconfig, namespaces })
    }

    /// Asks every cluster whether the demo may run on it. Writes nothing.
    pub(crate) async fn check(&self) -> Result<(), DemoError> {
        let answers = join_all(self.clusters.iter().map(async |cluster| {
            let checked = tokio::time::timeout(ANSWER_LIMIT, self.check_one(cluster)).await;
            checked.unwrap_or_else(|_| {
                Err(refused(cluster, format!("did not answer within {} s", ANSWER_LIMIT.as_secs())))
            })
        }))
        .await;
        // All that is wrong is said at once; the first hint stands for the others.
        let mut uids = BTreeMap::new();
        let mut failures = Vec::new();
        for (cluster, answer) in self.clusters.iter().zip(answers) {
            match answer {
                Err(error) => failures.push(error),
                Ok(uid) => {
                    if let Some(other) = uids.insert(uid, &cluster.context) {
                        let message = format!("is the same cluster as context {other}");
                        failures.push(refused(cluster, message));
                    }
                }
            }
        }
        match failures.len() {
            0 | 1 => failures.pop().map_or(Ok(()), Err),
            _ => {
                let messages: Vec<_> = failures.iter().map(|error| chain(error)).collect();
                let hint = failures.iter().flat_map(DemoError::hints).next();
                Err(DemoError::Refused { message: messages.join("; "), hint })
            }
        }
    }

    /// Returns the uid of kube-system, by which a cluster is known.
    async fn check_one(&self, cluster: &Cluster) -> Result<String, DemoError> {
        let missing = missing_rights(cluster).await?;
        if !missing.is_empty() {
            return Err(DemoError::refused(
                format!("context {}: you may not {}", cluster.context, missing.join(", ")),
                "the demo needs these rights in the whole cluster; choose another context, or ask \
                 its administrator",
            ));
        }
        if cluster.get(&format!("{NAMESPACES}/{REAL_NAMESPACE}")).await?.is_some() {
            let message =
                format!("has a namespace {REAL_NAMESPACE}: it belongs to a fleet already");
            return Err(refused(cluster, message));
        }
        for name in &self.namespaces {
            if cluster.get(&format!("{NAMESPACES}/{name}")).await?.is_some() {
                return Err(DemoError::refused(
                    format!("context {} has a namespace {name} already", cluster.context),
                    format!(
                        "the demo uses only namespaces that it made itself; if an earlier demo left \
                         it: kubectl --context {} delete namespace {name}",
                        cluster.context
                    ),
                ));
            }
        }
        let system = cluster.get(&format!("{NAMESPACES}/kube-system")).await?.unwrap_or_default();
        Ok(system["metadata"]["uid"].as_str().unwrap_or(&cluster.context).to_owned())
    }

    /// Says what will be done, and asks whether it may be. `yes` was the answer beforehand.
    pub(crate) async fn ask(&self, yes: bool, screen: &Screen) -> Result<bool, DemoError> {
        screen.line("");
        screen.line(&format!("The demo will use {}:", count(self.clusters.len(), "cluster")));
        for Cluster { name, context, .. } in &self.clusters {
            let called = if name == context { String::new() } else { format!(", called {name}") };
            screen.line(&format!("  {context}{called}"));
        }
        screen.line("In each of them it creates these namespaces with a few small objects:");
        screen.line(&format!("  {}", self.namespaces.join(" ")));
        screen.line("Its agents run in this process, with your rights. At the end it deletes the");
        screen.line("namespaces that it created, and nothing else.");
        if yes {
            return Ok(true);
        }
        if !io::stdin().is_terminal() {
            return Err(DemoError::refused(
                "this must be confirmed, and there is no terminal to ask on",
                "give --yes",
            ));
        }
        screen.ask("Go on? [y/N] ");
        let answer = runtime::supervise::blocking("ask", || {
            let mut line = String::new();
            io::stdin().lock().read_line(&mut line).map(|_| line)
        });
        let answer = answer.await.ok().and_then(Result::ok).unwrap_or_default();
        Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
    }

    /// What a person must do who does not wait for the deletion.
    pub(crate) fn by_hand(&self) -> String {
        let names = self.namespaces.join(" ");
        let line = |cluster: &Cluster| {
            format!("  kubectl --context {} delete namespace {names}\n", cluster.context)
        };
        let lines: String = self.clusters.iter().map(line).collect();
        format!("What the demo created may still be there. To remove it:\n{lines}")
    }

    /// Makes the namespaces of one cluster and remembers each at once in `made`.
    pub(crate) async fn make_namespaces(&self, made: &mut Made) -> Result<(), DemoError> {
        for (index, cluster) in self.clusters.iter().enumerate() {
            for name in &self.namespaces {
                let Some(object) = cluster.create(NAMESPACES, &namespace(name)).await? else {
                    let message = format!("got a namespace {name} at this moment");
                    return Err(refused(cluster, message));
                };
                let uid = object["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
                made.0.push(Namespace { cluster: index, name: name.clone(), uid });
            }
        }
        Ok(())
    }

    /// Deletes the namespaces that were made, and waits until they are gone.
    pub(crate) async fn clean(&self, made: &Made, telling: &Telling<'_>) -> Result<(), DemoError> {
        let Made(namespaces) = made;
        let deleting = async {
            try_join_all(namespaces.iter().map(async |Namespace { cluster, name, uid }| {
                self.clusters[*cluster].delete(&format!("{NAMESPACES}/{name}"), uid).await
            }))
            .await?;
            for (done, Namespace { cluster, name, uid }) in namespaces.iter().enumerate() {
                telling.note(format!("{done} of {} namespaces are gone", namespaces.len()));
                let path = format!("{NAMESPACES}/{name}");
                let is_ours = |found: &Value| found["metadata"]["uid"] == uid.as_str();
                while self.clusters[*cluster].get(&path).await?.is_some_and(|found| is_ours(&found))
                {
                    tokio::time::sleep(LOOK).await;
                }
            }
            Ok(())
        };
        tokio::time::timeout(DELETION_LIMIT, deleting).await.unwrap_or_else(|_| {
            Err(DemoError::Late {
                what: "the deletion of the namespaces".to_owned(),
                limit: DELETION_LIMIT,
                last: "it goes on in the clusters".to_owned(),
            })
        })
    }
}

/// What was created and must go.
#[derive(Default)]
pub(crate) struct Made(Vec<Namespace>);

struct Namespace {
    cluster: usize,
    name: String,
    uid: String,
}

impl Made {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A cluster that the demo does not take.
fn refused(cluster: &Cluster, why: String) -> DemoError {
    DemoError::Refused { message: format!("context {} {why}", cluster.context), hint: None }
}

fn read_kubeconfig(named: Option<&Path>) -> Result<Kubeconfig, DemoError> {
    let read = named.map_or_else(Kubeconfig::read, Kubeconfig::read_from);
    read.map_err(|error| {
        let hint = "--kubeconfig FILE names another one; without --context the demo simulates its \
                    clusters";
        DemoError::refused(format!("no kubeconfig can be read: {}", chain(&error)), hint)
    })
}

fn unknown_context(name: &str, known: &[&str]) -> DemoError {
    if known.is_empty() {
        return DemoError::refused(
            format!("there is no context {name:?}: the kubeconfig has none"),
            "without --context the demo simulates its clusters",
        );
    }
    let hint = match suggest::nearest(name, known.iter().copied()) {
        Some(nearest) => format!("did you mean {nearest}?"),
        None => format!("known: {}", known.join(", ")),
    };
    DemoError::refused(format!("there is no context {name:?} in the kubeconfig"), hint)
}

async fn client(file: &Kubeconfig, context: &str) -> Result<Client, DemoError> {
    let options = KubeConfigOptions { context: Some(context.to_owned()), ..Default::default() };
    let unusable = |error: &(dyn std::error::Error + 'static)| {
        let message = format!("context {context} cannot be used: {}", chain(error));
        DemoError::Refused { message, hint: None }
    };
    let config = kube::Config::from_custom_kubeconfig(file.clone(), &options)
        .await
        .map_err(|error| unusable(&error))?;
    debug_assert_ne!(config.cluster_url, Uri::default());
    Client::try_from(config).map_err(|error| unusable(&error))
}

/// Names for the fleet: the contexts', with what a name may not hold replaced.
fn fleet_names(contexts: &[String]) -> Result<Vec<String>, DemoError> {
    let mut names: Vec<String> = Vec::new();
    for (index, context) in contexts.iter().enumerate() {
        if contexts[..index].contains(context) {
            let message = format!("context {context} is named twice");
            return Err(DemoError::Refused { message, hint: None });
        }
        let name = fleet_name(context).unwrap_or_else(|| "cluster".to_owned());
        let taken = |name: &String| names.contains(name);
        let numbered = (2..).map(|number| format!("{name}-{number}"));
        let free = [name.clone()].into_iter().chain(numbered).find(|name| !taken(name));
        names.extend(free);
    }
    Ok(names)
}

/// Names of applications end with it, and are at most 63 characters where they become labels.
fn fleet_name(context: &str) -> Option<String> {
    let keep = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let name: String = context.chars().map(keep).collect();
    // The end of a long name, such as an ARN, is what tells it from others.
    let name = &name[name.len().saturating_sub(40)..];
    let name = name.trim_matches('-');
    ClusterName::new(name).ok().map(|name| name.to_string())
}

/// What the user may not do, in words.
async fn missing_rights(cluster: &Cluster) -> Result<Vec<String>, DemoError> {
    let asked = try_join_all(NEEDED.iter().map(async |(verb, group, resource)| {
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": { "resourceAttributes": {
                "verb": verb, "group": group, "resource": resource,
            } },
        });
        let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
        let answer = cluster.create(path, &review).await.map_err(|error| match error {
            DemoError::Cluster { cluster, source, .. } => {
                let what = "ask what you may do there".to_owned();
                DemoError::Cluster { cluster, what, source }
            }
            other => other,
        });
        let answer = answer?.unwrap_or_default();
        Ok::<_, DemoError>(answer["status"]["allowed"] == true)
    }))
    .await?;
    let missing = NEEDED.iter().zip(asked).filter(|(_, allowed)| !allowed);
    let missing: Vec<_> =
        missing.map(|((verb, _, resource), _)| format!("{verb} {resource}")).collect();
    Ok(some_of(missing))
}

/// The first few are enough to see what is wrong.
fn some_of(mut missing: Vec<String>) -> Vec<String> {
    const SHOWN: usize = 3;
    if missing.len() > SHOWN + 1 {
        let more = missing.len() - SHOWN;
        missing.truncate(SHOWN);
        missing.push(format!("and {more} more"));
    }
    missing
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contexts_become_names_of_the_fleet() {
        let contexts = ["kind-eu-1", "Admin@EU_1", "admin@eu.1", "@", "münchen"].map(String::from);
        let names = fleet_names(&contexts).unwrap();
        assert_eq!(names, ["kind-eu-1", "admin-eu-1", "admin-eu-1-2", "cluster", "m-nchen"]);
        let twice = fleet_names(&["a".to_owned(), "a".to_owned()]).unwrap_err();
        assert_eq!(twice.to_string(), "context a is named twice");
        let arn = "arn:aws:eks:eu-central-1:123456789012:cluster/production-payments-blue";
        assert_eq!(fleet_name(arn).unwrap(), "56789012-cluster-production-payments-blue"[1..]);
    }

    #[test]
    fn an_unknown_context_is_told_with_the_nearest_one() {
        let error = unknown_context("prod-eu", &["prod-eu1", "staging"]);
        assert_eq!(error.hints(), ["did you mean prod-eu1?"]);
        let error = unknown_context("x", &["prod", "staging"]);
        assert_eq!(error.hints(), ["known: prod, staging"]);
    }

    #[tokio::test]
    async fn a_kubeconfig_that_is_not_there_is_named() {
        let missing = PathBuf::from("/nonexistent/kubeconfig");
        let error = Contexts::find(&["a".to_owned()], Some(missing), &[]).await.err().unwrap();
        assert!(error.to_string().contains("/nonexistent/kubeconfig"), "{error}");
    }
}
