//! One cluster, and the real kubectl with a home of its own.

#![expect(clippy::unwrap_used, reason = "the helpers of tests fail as tests do")]

use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use kube_sim::controllers::Behaviour;
use kube_sim::serve::{Server, Tls, serve};
use kube_sim::{Cluster, Options};
use runtime::clock::Clock;
use runtime::supervise::Supervisor;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio_util::sync::CancellationToken;

/// Longer than any command here takes, also on a machine with other work.
const PATIENCE: Duration = Duration::from_secs(60);

/// The kubectl of this machine: in `MUSTER_TOOLS_DIR`, the cache of `cargo xtask tools`, or `PATH`.
fn program() -> PathBuf {
    let variable = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let cache = variable("XDG_CACHE_HOME").or_else(|| Some(variable("HOME")?.join(".cache")));
    let cache = cache.map(|cache| cache.join("muster/tools"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = variable("MUSTER_TOOLS_DIR").into_iter().chain(cache);
    let mut places = places.chain(std::env::split_paths(&path)).map(|place| place.join("kubectl"));
    places.find(|place| place.is_file()).expect(
        "there is no kubectl: `cargo xtask tools` builds it, and MUSTER_TOOLS_DIR names a folder \
         that has it",
    )
}

pub(crate) struct Kubectl {
    program: PathBuf,
    home: TempDir,
    server: Server,
    supervisor: Supervisor,
}

impl Kubectl {
    /// With an empty cluster whose current namespace is `play`.
    pub(crate) async fn start() -> Self {
        let clock = Clock::system();
        let tls = Tls::new(&clock).unwrap();
        let behaviour = Behaviour {
            ready_after: Duration::from_millis(50),
            namespace_deleted_after: Duration::from_millis(200),
            ..Behaviour::default()
        };
        let cluster = Cluster::new(Options { seed: 1, clock, behaviour });
        let supervisor = Supervisor::new(CancellationToken::new());
        supervisor.spawn("controllers", cluster.clone().drive());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = serve(&cluster, listener, &tls, &supervisor).unwrap();
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("config"), server.kubeconfig("sim")).unwrap();
        let kubectl = Self { program: program(), home, server, supervisor };
        kubectl.run("create namespace play").await;
        kubectl.run("config set-context --current --namespace=play").await;
        kubectl
    }

    pub(crate) fn folder(&self) -> &Path {
        self.home.path()
    }

    pub(crate) fn url(&self) -> String {
        self.server.url()
    }

    /// Writes a file that commands may name.
    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.home.path().join(name), text).unwrap();
    }

    /// What a command prints that succeeds, its warnings too. Words are separated by spaces; a `~`
    /// is a space inside a word.
    pub(crate) async fn run(&self, command: &str) -> String {
        let (code, text) = self.finish(command).await;
        assert_eq!(code, 0, "kubectl {command}\n{text}");
        text
    }

    /// What a command prints that fails.
    pub(crate) async fn fail(&self, command: &str) -> String {
        let (code, text) = self.finish(command).await;
        assert_ne!(code, 0, "kubectl {command}\n{text}");
        text
    }

    pub(crate) async fn finish(&self, command: &str) -> (i32, String) {
        let words = command.split(' ').map(|word| word.replace('~', " "));
        let output = Command::new(&self.program)
            .args(words)
            .current_dir(self.home.path())
            .env("HOME", self.home.path())
            .env("KUBECONFIG", self.home.path().join("config"))
            .env("EDITOR", self.home.path().join("editor"))
            .env_remove("KUBECTL_EXTERNAL_DIFF")
            .kill_on_drop(true)
            .output();
        let output = tokio::time::timeout(PATIENCE, output).await;
        let Output { status, stdout, stderr } = output.expect("kubectl ends").unwrap();
        let text = [stdout, stderr].concat();
        (status.code().unwrap_or(-1), String::from_utf8(text).unwrap())
    }

    /// What `get` prints, with one space pair between columns and ages as `AGE`.
    pub(crate) async fn table(&self, command: &str) -> String {
        columns(&self.run(command).await)
    }

    pub(crate) async fn stop(self) {
        self.server.stop().await;
        self.supervisor.join(Duration::from_secs(5)).await;
    }
}

/// Cells separated by two spaces; what changes between runs is masked.
fn columns(text: &str) -> String {
    let line = |line: &str| {
        let cells = line.split("  ").map(str::trim).filter(|cell| !cell.is_empty());
        cells.map(|cell| if is_age(cell) { "AGE" } else { cell }).collect::<Vec<_>>().join("  ")
    };
    text.lines().map(|text| line(text) + "\n").collect()
}

fn is_age(cell: &str) -> bool {
    let digits = cell.trim_end_matches('s');
    digits.len() < cell.len() && !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
}
