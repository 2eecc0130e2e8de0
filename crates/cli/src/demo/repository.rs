//! The fleet repository of the demo: the files of `fleet/`, in a work tree that the hub and the
//! spokes fetch from directly. Whoever commits there changes the fleet.

use std::fs;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use runtime::supervise::blocking;

use super::error::DemoError;

/// The directory that the hub reads its resources from.
pub(crate) const SETS: &str = "muster";
/// The Deployment that the story breaks and mends.
const WEB: &str = "apps/web/deployment.yaml";
/// The application that the story removes.
pub(crate) const REMOVED: &str = "queue";
const IMAGE: &str = "pause:3.10";
/// No registry has it; the simulated kubelets cannot pull images with this tag.
pub(crate) const BROKEN_TAG: &str = "broken";

const README: (&str, &str) = ("README.md", include_str!("fleet/README.md"));
const SET: &str = include_str!("fleet/muster/apps.yaml");

/// An application of the sample, and what its kind of source needs.
pub(crate) struct Sample {
    pub(crate) name: &'static str,
    pub(crate) kind: &'static str,
    /// The program that renders it; none for plain YAML.
    pub(crate) tool: Option<&'static str>,
    files: &'static [(&'static str, &'static str)],
}

pub(crate) const SAMPLES: [Sample; 4] = [
    Sample {
        name: "web",
        kind: "plain",
        tool: None,
        files: &[
            (WEB, include_str!("fleet/apps/web/deployment.yaml")),
            ("apps/web/service.yaml", include_str!("fleet/apps/web/service.yaml")),
            ("apps/web/settings.yaml", include_str!("fleet/apps/web/settings.yaml")),
        ],
    },
    Sample {
        name: REMOVED,
        kind: "plain",
        tool: None,
        files: &[("apps/queue/deployment.yaml", include_str!("fleet/apps/queue/deployment.yaml"))],
    },
    Sample {
        name: "billing",
        kind: "Kustomize",
        tool: Some("kustomize"),
        files: &[
            (
                "apps/billing/kustomization.yaml",
                include_str!("fleet/apps/billing/kustomization.yaml"),
            ),
            ("apps/billing/deployment.yaml", include_str!("fleet/apps/billing/deployment.yaml")),
        ],
    },
    Sample {
        name: "ledger",
        kind: "Helm",
        tool: Some("helm"),
        files: &[
            ("apps/ledger/Chart.yaml", include_str!("fleet/apps/ledger/Chart.yaml")),
            ("apps/ledger/values.yaml", include_str!("fleet/apps/ledger/values.yaml")),
            (
                "apps/ledger/templates/ledger.yaml",
                include_str!("fleet/apps/ledger/templates/ledger.yaml"),
            ),
        ],
    },
];

/// A commit, as git names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Commit(pub(crate) String);

impl Commit {
    pub(crate) fn short(&self) -> &str {
        self.0.get(..8).unwrap_or(&self.0)
    }
}

pub(crate) struct Repository {
    work: PathBuf,
}

impl Repository {
    /// A repository with one commit, in which nothing is for the hub yet.
    pub(crate) async fn create(work: &Path) -> Result<Self, DemoError> {
        fs::create_dir_all(work).map_err(DemoError::file("make", work))?;
        let this = Self { work: work.to_owned() };
        this.git(&["init", "--quiet", "--initial-branch", "main"]).await?;
        // For the commits of whoever plays with it.
        for (key, value) in
            [("commit.gpgSign", "false"), ("gc.auto", "0"), ("maintenance.auto", "false")]
        {
            this.git(&["config", key, value]).await?;
        }
        if !this.knows_its_user().await {
            this.git(&["config", "user.name", AUTHOR]).await?;
            this.git(&["config", "user.email", EMAIL]).await?;
        }
        this.write(README.0, README.1)?;
        // The hub has a directory to read, and finds nothing in it.
        this.write(&format!("{SETS}/.gitkeep"), "")?;
        this.commit("The fleet begins").await?;
        Ok(this)
    }

    pub(crate) fn work(&self) -> &Path {
        &self.work
    }

    pub(crate) fn url(&self) -> String {
        format!("file://{}/.git", self.work.display())
    }

    /// The application set and the applications. `budget` replaces the one of the set.
    pub(crate) async fn add_fleet(
        &self,
        samples: &[&Sample],
        budget: Option<&str>,
    ) -> Result<(), DemoError> {
        let mut set = SET.replace("REPOSITORY", &self.url());
        if let Some(budget) = budget {
            set = set.replace("deletionBudget: 10%", &format!("deletionBudget: {budget}"));
        }
        self.git(&["rm", "--quiet", &format!("{SETS}/.gitkeep")]).await?;
        self.write(&format!("{SETS}/apps.yaml"), &set)?;
        for (path, text) in samples.iter().flat_map(|sample| sample.files) {
            self.write(path, text)?;
        }
        Ok(())
    }

    /// Gives `web` an image that nobody can pull.
    pub(crate) fn break_web(&self) -> Result<(), DemoError> {
        self.write(WEB, &broken_web())
    }

    pub(crate) async fn remove(&self, path: &str) -> Result<(), DemoError> {
        self.git(&["rm", "-r", "--quiet", path]).await.map(drop)
    }

    /// Commits everything.
    pub(crate) async fn commit(&self, message: &str) -> Result<Commit, DemoError> {
        self.git(&["add", "--all"]).await?;
        self.git(&["commit", "--quiet", "--message", message]).await?;
        self.head().await
    }

    pub(crate) async fn revert(&self, commit: &Commit) -> Result<Commit, DemoError> {
        self.git(&["revert", "--no-edit", &commit.0]).await?;
        self.head().await
    }

    async fn head(&self) -> Result<Commit, DemoError> {
        Ok(Commit(self.git(&["rev-parse", "HEAD"]).await?.trim().to_owned()))
    }

    fn write(&self, path: &str, text: &str) -> Result<(), DemoError> {
        let path = self.work.join(path);
        let folder = path.parent().unwrap_or(&self.work);
        fs::create_dir_all(folder).map_err(DemoError::file("make", folder))?;
        fs::write(&path, text).map_err(DemoError::file("write", path))
    }

    async fn knows_its_user(&self) -> bool {
        let mut command = Command::new("git");
        command.args(["config", "user.email"]).current_dir(&self.work);
        let output = blocking("git", move || command.output()).await;
        output.is_ok_and(|output| output.is_ok_and(|output| output.status.success()))
    }

    /// Git without the user's settings: no hooks, no signatures, no other author. It runs to its end
    /// on a thread that the process waits for, also after Ctrl-C: a git that was killed would leave
    /// what it has started itself.
    async fn git(&self, arguments: &[&str]) -> Result<String, DemoError> {
        let mut command = Command::new("git");
        command.args(arguments).current_dir(&self.work);
        // Ctrl-C in a terminal is for a whole group of processes, and git is to end by itself.
        command.process_group(0);
        for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY"] {
            command.env_remove(name);
        }
        command.envs([("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_CONFIG_NOSYSTEM", "1")]);
        command.envs([("GIT_AUTHOR_NAME", AUTHOR), ("GIT_AUTHOR_EMAIL", EMAIL)]);
        command.envs([("GIT_COMMITTER_NAME", AUTHOR), ("GIT_COMMITTER_EMAIL", EMAIL)]);
        // What git says is quoted in messages.
        command.env("LC_ALL", "C");
        let output = blocking("git", move || command.output()).await.map_err(|error| {
            DemoError::Setup { what: "git did not end", reason: error.to_string() }
        })?;
        let output = output.map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => DemoError::NoGit,
            _ => DemoError::Program { program: "git".to_owned(), source },
        })?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            let said = crate::show::one_line(&said);
            return Err(DemoError::Git { command: arguments.join(" "), said });
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

const AUTHOR: &str = "Ada";
const EMAIL: &str = "ada@example.com";

fn broken_web() -> String {
    let good = include_str!("fleet/apps/web/deployment.yaml");
    good.replace(IMAGE, &format!("pause:{BROKEN_TAG}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_broken_release_differs_in_its_tag_only() {
        let good = include_str!("fleet/apps/web/deployment.yaml");
        let broken = broken_web();
        let differing: Vec<_> = good.lines().zip(broken.lines()).filter(|(a, b)| a != b).collect();
        assert_eq!(differing.len(), 1, "{differing:?}");
        assert!(differing[0].1.ends_with(":broken"));
    }

    #[test]
    fn the_set_has_what_is_replaced_in_it() {
        assert_eq!(SET.matches("REPOSITORY").count(), 2);
        assert_eq!(SET.matches("deletionBudget: 10%").count(), 1);
    }

    #[tokio::test]
    async fn a_fleet_is_committed_and_a_commit_is_reverted() {
        let folder = tempfile::tempdir().unwrap();
        let repository = Repository::create(&folder.path().join("fleet")).await.unwrap();
        let all: Vec<&Sample> = SAMPLES.iter().collect();
        repository.add_fleet(&all, Some("0")).await.unwrap();
        let first = repository.commit("all").await.unwrap();
        repository.break_web().unwrap();
        let bad = repository.commit("bad").await.unwrap();
        let mended = repository.revert(&bad).await.unwrap();
        assert!(first != bad && bad != mended && mended.short().len() == 8);
        let files = repository.git(&["diff", "--name-only", &first.0, &mended.0]).await.unwrap();
        assert_eq!(files, "");
        repository.remove("apps/queue").await.unwrap();
        assert!(!repository.work().join("apps/queue").exists());
        let error = repository.git(&["frobnicate"]).await.unwrap_err().to_string();
        assert!(error.starts_with("`git frobnicate` failed: git: 'frobnicate' is not"), "{error}");
    }
}
