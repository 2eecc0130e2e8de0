//! The harness itself: what it starts works, fails as it is told to, and ends when it ends.

use anyhow::{Context, Result, ensure};
use e2e::control_plane::{ControlPlane, Options};
use e2e::deadline;
use e2e::git_server::{GitServer, Mode, Repo};
use e2e::process::{Process, Program};
use e2e::scenario::scenario;
use e2e::tools::Tools;
use std::path::Path;
use std::time::Duration;
use tokio::process::Command;

const SOON: Duration = Duration::from_secs(60);

#[test]
fn a_control_plane_takes_objects_from_admin_and_service_account() {
    scenario("control-plane", async |folder| {
        let tools = Tools::locate()?;
        let plane = ControlPlane::start(folder, &tools, &Options::default()).await?;
        plane
            .apply_admin("{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: default}, data: {x: '1'}}")
            .await?;
        let value =
            plane.kubectl_ok(&["get", "configmap", "a", "-o", "jsonpath={.data.x}"]).await?;
        ensure!(value == "1", "data.x is {value}");

        // The account has no role: the server knows who it is, and refuses.
        let config = plane.service_account_kubeconfig("default", "default").await?;
        let config = config.to_str().context("UTF-8")?;
        let refused = plane.kubectl(&["--kubeconfig", config, "get", "configmaps"]).await?;
        ensure!(
            !refused.success && refused.stderr.contains("system:serviceaccount:default:default"),
            "{refused:?}"
        );
        plane.stop().await
    });
}

#[test]
fn with_a_node_pods_become_ready_and_a_broken_image_does_not() {
    scenario("control-plane-nodes", async |folder| {
        let tools = Tools::locate()?;
        let options = Options { nodes: 1, ..Options::default() };
        let plane = ControlPlane::start(folder, &tools, &options).await?;
        plane.apply_admin(&deployment("good", "registry.example/shop:1.0")).await?;
        plane.apply_admin(&deployment("bad", "registry.example/shop:broken")).await?;
        deadline::until("available replica of good", SOON, async || {
            let path = "/apis/apps/v1/namespaces/default/deployments/good";
            let found = plane.api().get(path).await?.context("good is there")?;
            Ok((found["status"]["availableReplicas"] == 1).then_some(()))
        })
        .await?;
        deadline::until("ImagePullBackOff of bad", SOON, async || {
            let path = "/api/v1/namespaces/default/pods?labelSelector=app%3Dbad";
            let pods = plane.api().get(path).await?.context("a list is there")?;
            let waiting = &pods["items"][0]["status"]["containerStatuses"][0]["state"]["waiting"];
            Ok((waiting["reason"] == "ImagePullBackOff").then_some(()))
        })
        .await?;
        plane.stop().await
    });
}

fn deployment(name: &str, image: &str) -> String {
    format!(
        "{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: {name}, namespace: default}}, spec: {{selector: \
         {{matchLabels: {{app: {name}}}}}, template: {{metadata: {{labels: {{app: {name}}}}}, spec: {{containers: \
         [{{name: main, image: '{image}'}}]}}}}}}}}"
    )
}

#[test]
fn the_git_server_serves_and_fails_as_it_is_told() {
    scenario("git-server", async |folder| {
        let mut server = GitServer::start(folder).await?;
        let repo = Repo::create(&server, "fleet").await?;
        let first = repo.commit_files(&[("apps/a.yaml", "a: 1\n")], "a is 1").await?;
        clone(&repo, &folder.join("clone")).await?;
        let text = std::fs::read_to_string(folder.join("clone/apps/a.yaml"))?;
        ensure!(text == "a: 1\n", "{text}");

        // Git believes that the repository became empty; whoever deletes because of that fails a test here.
        server.set_mode(Mode::Html).await?;
        clone(&repo, &folder.join("empty")).await?;
        ensure!(!folder.join("empty/apps").exists(), "a web page served files");
        for (mode, complaint) in [(Mode::Error500, "500"), (Mode::Down, "connect")] {
            server.set_mode(mode).await?;
            let error = clone(&repo, &folder.join("none")).await.err().context("a clone worked")?;
            ensure!(format!("{error:#}").contains(complaint), "{mode:?}: {error:#}");
        }

        // Commits go on while the server is down; afterwards it is as before.
        let second = repo.commit_files(&[("apps/a.yaml", "a: 2\n")], "a is 2").await?;
        let third = repo.revert(&second).await?;
        ensure!(first != second && second != third, "three commits");
        server.set_mode(Mode::Serving).await?;
        clone(&repo, &folder.join("again")).await?;
        let text = std::fs::read_to_string(folder.join("again/apps/a.yaml"))?;
        ensure!(text == "a: 1\n", "{text}");
        ensure!(server.requests() > 0, "requests are counted");
        Ok(())
    });
}

async fn clone(repo: &Repo, target: &Path) -> Result<()> {
    let output = Command::new("git")
        .args(["clone", "--quiet", repo.url()])
        .arg(target)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_TERMINAL_PROMPT", "0")
        .output()
        .await?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

#[test]
fn a_process_is_watched_restarted_and_stopped() {
    scenario("process", async |folder| {
        let mut process = shell("worker", "echo started $$; sleep 600 & wait", folder).start()?;
        let first = process.wait_for_line("started", SOON).await?;
        process.restart()?;
        let log = process.log();
        process
            .wait_for("second start", SOON, async || {
                Ok((std::fs::read_to_string(&log)?.lines().count() == 2).then_some(()))
            })
            .await?;
        ensure!(process.log_text().starts_with(&first), "the first log is kept");
        process.stop().await?;
        let error = process.check().err().context("it has ended")?.to_string();
        ensure!(error.contains("worker ended") && error.contains("started"), "{error}");
        Ok(())
    });
}

/// A killed harness cannot clean up: the kernel has to.
#[test]
fn a_parent_that_is_killed_leaves_no_child() {
    scenario("orphans", async |folder| {
        let guard = env!("CARGO_BIN_EXE_e2e-exec");
        // A shell stands in for a harness: it starts a child through the guard, as `Program::start` does.
        let script = format!("{guard} $$ sleep 600 & echo child $!; wait");
        let mut parent = shell("parent", &script, folder).start()?;
        let line = parent.wait_for_line("child", SOON).await?;
        let child = line.trim_start_matches("child ").to_owned();
        deadline::until("sleeping child", SOON, async || {
            Ok(command_of(&child).contains("sleep").then_some(()))
        })
        .await?;
        parent.kill()?;
        deadline::until("end of the child", SOON, async || Ok((!is_running(&child)).then_some(())))
            .await
    });
}

#[test]
fn a_child_whose_parent_is_already_gone_does_not_start() {
    scenario("late-orphan", async |folder| {
        let guard = Path::new(env!("CARGO_BIN_EXE_e2e-exec"));
        // 1 is not the parent of anything here.
        let program = Program::new("late", guard.to_owned(), folder);
        let mut late: Process = program.args(["1", "sleep", "600"]).start()?;
        let status = late.wait_for_exit(SOON).await?;
        ensure!(status.success() && late.log_text().is_empty(), "{status}: {}", late.log_text());
        Ok(())
    });
}

fn shell(name: &str, script: &str, folder: &Path) -> Program {
    Program::new(name, "/bin/sh".into(), folder).args(["-c", script])
}

fn command_of(pid: &str) -> String {
    std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default()
}

/// A zombie that nobody has waited for does not run.
fn is_running(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}
