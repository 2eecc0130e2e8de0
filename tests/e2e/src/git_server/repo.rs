//! A repository of the Git server and a clone of it to work in.

use super::GitServer;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::process::Command;

const BRANCH: &str = "main";

/// A bare repository that is served, and a work tree whose commits are pushed at once.
#[derive(Debug, Clone)]
pub struct Repo {
    url: String,
    bare: PathBuf,
    work: PathBuf,
}

impl Repo {
    /// Makes `NAME.git` with an empty branch `main`.
    pub async fn create(server: &GitServer, name: &str) -> Result<Self> {
        let bare = server.folder().join("repositories").join(format!("{name}.git"));
        let work = server.folder().join("work").join(name);
        let repo = Self { url: format!("{}/{name}.git", server.url()), bare, work };
        for folder in [&repo.bare, &repo.work] {
            fs::create_dir_all(folder)
                .with_context(|| format!("cannot make {}", folder.display()))?;
        }
        let branch = format!("--initial-branch={BRANCH}");
        git(&repo.bare, &["init", "--quiet", "--bare", &branch]).await?;
        // A spoke asks for a commit by its name; a client may ask for any that is reachable.
        git(&repo.bare, &["config", "uploadpack.allowAnySHA1InWant", "true"]).await?;
        git(&repo.work, &["init", "--quiet", &branch]).await?;
        Ok(repo)
    }

    /// Where the server offers it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The bare repository on disk.
    pub fn bare(&self) -> &Path {
        &self.bare
    }

    /// The work tree on disk.
    pub fn work(&self) -> &Path {
        &self.work
    }

    /// Writes a file into the work tree; [`Self::commit`] takes it.
    pub fn write(&self, path: &str, text: &str) -> Result<()> {
        let path = self.work.join(path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    }

    /// Removes a file or a folder from the work tree.
    pub fn remove(&self, path: &str) -> Result<()> {
        let path = self.work.join(path);
        let removed =
            if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        removed.with_context(|| format!("cannot remove {}", path.display()))
    }

    /// Commits everything in the work tree and pushes it. Returns the commit.
    pub async fn commit(&self, message: &str) -> Result<String> {
        git(&self.work, &["add", "--all"]).await?;
        git(&self.work, &["commit", "--quiet", "--message", message]).await?;
        self.push().await
    }

    /// Writes these files and commits them.
    pub async fn commit_files(&self, files: &[(&str, &str)], message: &str) -> Result<String> {
        for (path, text) in files {
            self.write(path, text)?;
        }
        self.commit(message).await
    }

    /// Undoes one commit by another. Returns the new one.
    pub async fn revert(&self, commit: &str) -> Result<String> {
        git(&self.work, &["revert", "--no-edit", commit]).await?;
        self.push().await
    }

    /// Runs git in the work tree, without anybody's configuration. Returns what it prints.
    pub async fn git(&self, arguments: &[&str]) -> Result<String> {
        git(&self.work, arguments).await
    }

    /// The commit of the branch.
    pub async fn head(&self) -> Result<String> {
        git(&self.work, &["rev-parse", "HEAD"]).await
    }

    async fn push(&self) -> Result<String> {
        // By the path, so that commits arrive while the server is down.
        let bare = self.bare.to_str().context("the folder's name is not UTF-8")?;
        git(&self.work, &["push", "--quiet", bare, &format!("HEAD:{BRANCH}")]).await?;
        self.head().await
    }
}

/// Git without anybody's configuration, and with an author.
pub(super) fn git_command() -> Command {
    let mut command = Command::new("git");
    command
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_AUTHOR_NAME", "Ada")
        .env("GIT_AUTHOR_EMAIL", "ada@example.com")
        .env("GIT_COMMITTER_NAME", "Ada")
        .env("GIT_COMMITTER_EMAIL", "ada@example.com")
        .env_remove("GIT_DIR")
        .env_remove("GIT_WORK_TREE")
        .env_remove("GIT_INDEX_FILE");
    command
}

async fn git(folder: &Path, arguments: &[&str]) -> Result<String> {
    let output = git_command()
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .await
        .context(
            "`git` is not in the PATH: it serves the repositories of the tests and the demo",
        )?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("git {} failed: {}", arguments.join(" "), said.trim());
    }
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}
