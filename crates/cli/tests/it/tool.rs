//! Runs the real `muster` with a context file of the test's choice.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::fake::{Authority, Credentials, Fake, serve};

/// What a run left behind.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Ran {
    /// stdout of a run that succeeded.
    #[track_caller]
    pub(crate) fn data(self) -> String {
        assert_eq!(self.code, 0, "{self:?}");
        self.out
    }

    #[track_caller]
    pub(crate) fn json(self) -> Value {
        serde_json::from_str(&self.data()).unwrap()
    }

    /// stderr of a run that failed.
    #[track_caller]
    pub(crate) fn failure(self) -> String {
        assert_eq!((self.code, self.out.as_str()), (1, ""), "{self:?}");
        self.err
    }
}

/// A person with a context file.
pub(crate) struct Tool {
    pub(crate) dir: TempDir,
}

impl Tool {
    /// The context that `muster-hub init` would write.
    pub(crate) fn new(hub: &str, server_name: &str, ca: &str, client: &Credentials) -> Self {
        let tool = Self { dir: tempfile::tempdir().unwrap() };
        let Credentials { certificate, key } = client;
        let context = json!({
            "hub": hub, "serverName": server_name, "fleet": "acme", "ca": ca,
            "certificate": certificate, "key": key,
        });
        fs::write(tool.context(), context.to_string()).unwrap();
        tool.chmod(0o600);
        tool
    }

    pub(crate) fn chmod(&self, mode: u32) {
        fs::set_permissions(self.context(), fs::Permissions::from_mode(mode)).unwrap();
    }

    pub(crate) fn context(&self) -> PathBuf {
        self.dir.path().join("context.yaml")
    }

    /// The process with its context, before it starts.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_muster"));
        command.args(words).env("MUSTER_CONTEXT", self.context()).env_remove("XDG_CONFIG_HOME");
        command.stdin(Stdio::null()).current_dir(self.dir.path());
        command
    }

    pub(crate) fn run(&self, words: &[&str]) -> Ran {
        self.command(words).output().unwrap().into()
    }
}

/// A hub, and a person who may use it.
pub(crate) struct World {
    pub(crate) fake: Arc<Fake>,
    pub(crate) tool: Tool,
    pub(crate) authority: Authority,
    pub(crate) address: String,
    /// The hub runs here; its tasks end with it.
    pub(crate) runtime: tokio::runtime::Runtime,
}

impl World {
    pub(crate) fn new() -> Self {
        let authority = Authority::new();
        let server = authority.server();
        Self::with(authority, &server)
    }

    pub(crate) fn with(authority: Authority, server: &Credentials) -> Self {
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(1).enable_all().build().unwrap();
        let fake = Arc::new(Fake::default());
        let serving = serve(Arc::clone(&fake), &authority, server, "127.0.0.1:0");
        let address = runtime.block_on(serving).to_string();
        let tool = Tool::new(&address, "hub.test", &authority.pem(), &authority.client());
        Self { fake, tool, authority, address, runtime }
    }

    pub(crate) fn run(&self, words: &[&str]) -> Ran {
        self.tool.run(words)
    }

    pub(crate) fn set(&self, kind: &'static str, items: Vec<Value>) {
        self.fake.lists.send_modify(|lists| {
            lists.insert(kind, items);
        });
    }

    /// The changes that the hub was asked for since the last call.
    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.fake.asked.lock().unwrap())
    }
}

pub(crate) const COMMIT: &str = "1a2b3c4d5e6f708192a3b4c5d6e7f80912233445";

pub(crate) fn application(name: &str, cluster: &str) -> Value {
    let version = "a".repeat(64);
    json!({
        "name": name, "cluster": cluster, "set": "checkout", "project": "payments",
        "repoUrl": "https://git.example/fleet.git", "path": "apps/checkout",
        "targetRevision": "main", "namespace": "checkout", "revision": COMMIT,
        "version": version, "accepted": version, "applied": version, "appliedRevision": COMMIT,
        "sync": "Synced", "health": "Healthy", "message": "", "conditions": [], "paused": false,
        "source": "live", "reportedAt": 1_700_000_000_000_i64, "aNewField": true,
        "resources": [{
            "object": {"kind": "Service", "namespace": "checkout", "name": "web"}, "sync": "Synced",
        }],
    })
}

/// `base` with one key changed.
pub(crate) fn with(mut base: Value, key: &str, value: impl Into<Value>) -> Value {
    base[key] = value.into();
    base
}
