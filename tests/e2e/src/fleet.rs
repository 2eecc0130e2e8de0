//! A whole fleet: control planes, a Git server with the fleet repository, the hub, and a spoke in every cluster.
//!
//! Everything is started and asked as a user would do it: `muster-hub init`, `muster cluster token create`,
//! `muster-spoke join`, and kubectl. A spoke runs as the ServiceAccount of `deploy/spoke`, never as admin.

mod hub;
mod member;

pub use hub::Hub;
pub use member::Member;
use member::Spoke;

use crate::binaries::Binaries;
use crate::control_plane::{ControlPlane, Options};
use crate::deadline;
use crate::git_server::{GitServer, Repo};
use crate::tools::Tools;
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::process::Command;

/// Enough on a machine that compiles at the same time; on an idle one a spoke connects within a second.
const CONNECT_LIMIT: Duration = Duration::from_secs(60);

/// How a fleet differs from one cluster without nodes.
#[derive(Debug, Clone)]
pub struct FleetOptions {
    /// The names of the clusters, with the labels that their tokens carry.
    pub clusters: Vec<(String, Vec<String>)>,
    pub control_plane: Options,
    /// `KEY=VALUE` over the hub's defaults.
    pub hub_settings: Vec<String>,
    /// `KEY=VALUE` over the spokes' defaults.
    pub spoke_settings: Vec<String>,
    pub binaries: Binaries,
}

impl FleetOptions {
    /// So many clusters, `eu-1` and so on, all labelled `env=prod`.
    pub fn clusters(count: usize) -> Self {
        let label = || vec!["env=prod".to_owned()];
        Self {
            clusters: (1..=count).map(|number| (format!("eu-{number}"), label())).collect(),
            control_plane: Options::default(),
            hub_settings: Vec::new(),
            spoke_settings: Vec::new(),
            binaries: Binaries::default(),
        }
    }
}

/// A running fleet. Dropping it ends all of it.
pub struct Fleet {
    folder: PathBuf,
    pub git: GitServer,
    /// What the hub reads its resources from; it holds nothing but a README at first.
    pub repository: Repo,
    pub members: Vec<Member>,
    pub hub: Hub,
    binaries: Binaries,
}

/// What `muster` said.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Fleet {
    /// Starts all of it and waits until every spoke is connected.
    pub async fn start(folder: &Path, options: &FleetOptions) -> Result<Self> {
        Self::start_telling(folder, options, |_| ()).await
    }

    /// As [`Self::start`]; says what is being started.
    pub async fn start_telling(
        folder: &Path,
        options: &FleetOptions,
        tell: impl Fn(&str),
    ) -> Result<Self> {
        let FleetOptions { clusters, binaries, hub_settings, spoke_settings, .. } = options;
        let tools = Tools::locate()?;
        // Before the slow part: a binary that was not built is the first thing to hear about.
        for name in ["muster", "muster-hub", "muster-spoke"] {
            binaries.path(name)?;
        }
        tell("the Git server");
        let git = GitServer::start(&folder.join("git")).await?;
        let repository = Repo::create(&git, "fleet").await?;
        repository.commit_files(&[("README.md", "The fleet.\n")], "the fleet begins").await?;
        tell("the control planes");
        let planes = start_planes(folder, &tools, options).await?;
        tell("the hub");
        let hub = Hub::start(&folder.join("hub"), binaries, repository.url(), hub_settings).await?;
        let mut fleet = Self {
            folder: folder.to_owned(),
            git,
            repository,
            members: Vec::new(),
            hub,
            binaries: binaries.clone(),
        };
        for ((name, labels), plane) in clusters.iter().zip(planes) {
            tell(&format!("the spoke of {name}"));
            fleet.enrol(name, labels, plane, &tools, spoke_settings).await?;
        }
        for (name, _) in clusters {
            tell(&format!("the connection of {name}"));
            fleet.wait_until_connected(name).await?;
        }
        Ok(fleet)
    }

    /// The folder with everything in it.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Another repository on the same Git server.
    pub async fn create_repository(&self, name: &str) -> Result<Repo> {
        Repo::create(&self.git, name).await
    }

    pub fn member(&mut self, name: &str) -> Result<&mut Member> {
        let found = self.members.iter_mut().find(|member| member.name() == name);
        found.with_context(|| format!("the fleet has no cluster {name}"))
    }

    /// Runs `muster` as the first operator. A failure is an answer, not an error.
    pub async fn muster(&self, arguments: &[&str]) -> Result<Said> {
        let output = Command::new(self.binaries.path("muster")?)
            .args(arguments)
            .env("MUSTER_CONTEXT", self.hub.context_file())
            .current_dir(&self.folder)
            .kill_on_drop(true)
            .output()
            .await
            .context("cannot start muster")?;
        Ok(Said {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout)?,
            stderr: String::from_utf8(output.stderr)?,
        })
    }

    /// What `muster` prints; an error when it fails.
    pub async fn muster_ok(&self, arguments: &[&str]) -> Result<String> {
        let said = self.muster(arguments).await?;
        if said.code != 0 {
            let (line, code) = (arguments.join(" "), said.code);
            bail!("muster {line} ended with {code}: {}{}", said.stdout, said.stderr.trim());
        }
        Ok(said.stdout)
    }

    /// What `muster … -o json` prints.
    pub async fn muster_json(&self, arguments: &[&str]) -> Result<Value> {
        let line = [arguments, &["-o", "json"]].concat();
        let text = self.muster_ok(&line).await?;
        serde_json::from_str(&text)
            .with_context(|| format!("muster {} printed no JSON: {text}", line.join(" ")))
    }

    /// Asks `muster ARGUMENTS -o json` until `condition` finds what it wants. A hub that is away is asked again.
    pub async fn wait_for<T>(
        &self,
        what: &str,
        limit: Duration,
        arguments: &[&str],
        mut condition: impl FnMut(&Value) -> Option<T>,
    ) -> Result<T> {
        let mut last = String::from("nothing");
        let outcome =
            deadline::until(what, limit, async || match self.muster_json(arguments).await {
                Ok(value) => {
                    last = format!("{value:#}");
                    Ok(condition(&value))
                }
                Err(error) => {
                    last = format!("{error:#}");
                    Ok(None)
                }
            })
            .await;
        outcome.with_context(|| format!("`muster {}` said last: {last}", arguments.join(" ")))
    }

    /// Makes the hub look at Git now, and waits until what it found is in force.
    pub async fn refresh(&self) -> Result<String> {
        self.muster_ok(&["refresh"]).await
    }

    /// Until the hub says that this cluster's spoke is connected.
    pub async fn wait_until_connected(&self, cluster: &str) -> Result<()> {
        let what = format!("connection of {cluster}");
        let arguments = ["get", "clusters", cluster];
        self.wait_for(&what, CONNECT_LIMIT, &arguments, |answer| is_connected(answer).then_some(()))
            .await
    }

    /// Lets one more control plane join, as a person would.
    pub async fn enrol(
        &mut self,
        name: &str,
        labels: &[String],
        plane: ControlPlane,
        tools: &Tools,
        settings: &[String],
    ) -> Result<()> {
        let mut arguments = vec!["cluster", "token", "create", "--name", name];
        for label in labels {
            arguments.extend(["--label", label]);
        }
        let token = self.muster_json(&arguments).await?;
        let folder = self.folder.join(name).join("spoke");
        fs::create_dir_all(&folder)?;
        let spoke = Spoke { folder: &folder, binaries: &self.binaries, tools, settings };
        let member = Member::join(name, plane, &spoke, &token).await;
        self.members.push(member.with_context(|| format!("enrolling {name}"))?);
        Ok(())
    }

    /// Stops everything in order.
    pub async fn stop(self) -> Result<()> {
        for member in self.members {
            member.stop().await?;
        }
        self.hub.stop().await
    }
}

/// The control planes of the fleet, all at once, in the order of their names.
async fn start_planes(
    folder: &Path,
    tools: &Tools,
    options: &FleetOptions,
) -> Result<Vec<ControlPlane>> {
    let starting = options.clusters.iter().map(async |(name, _)| {
        let folder = folder.join(name).join("control-plane");
        let plane = ControlPlane::start(&folder, tools, &options.control_plane).await;
        plane.with_context(|| format!("the cluster {name}"))
    });
    futures::future::try_join_all(starting).await
}

/// One cluster is an object; a list has one item.
fn is_connected(answer: &Value) -> bool {
    let view = answer.get(0).unwrap_or(answer);
    view["state"] == "Connected"
}
