//! A real Kubernetes control plane in a folder: etcd, kube-apiserver and kube-controller-manager as processes, and with
//! nodes also kube-scheduler and kwok, which plays the kubelet.
//!
//! What differs from a cluster that runs workloads: no kubelet, no network, no DNS, and fsync is off. Without nodes a
//! Deployment with replicas never becomes available; one with `replicas: 0` does.

mod api;
mod kubeconfig;
mod pki;

pub use api::{Answer, Api, Watch};

use crate::process::{Process, Program};
use crate::tools::Tools;
use crate::{deadline, port};
use anyhow::{Context, Result, bail};
use pki::Pki;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// Three at once on two cores take 5 s, ten take 16 s; a machine that compiles beside it takes several times as long.
const START_LIMIT: Duration = Duration::from_secs(180);
const STAGES: &str = include_str!("../kubelet-stages.yaml");

/// The controllers that the objects of an application need; none for nodes, volumes, clouds or certificates.
const CONTROLLERS: [&str; 16] = [
    "clusterrole-aggregation",
    "cronjob",
    "daemonset",
    "deployment",
    "disruption",
    "endpointslice",
    "garbage-collector",
    "job",
    "namespace",
    "replicaset",
    "resourcequota",
    "root-ca-certificate-publisher",
    "serviceaccount",
    "serviceaccount-token",
    "statefulset",
    "ttl-after-finished",
];

/// How a control plane differs from the smallest one.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Nodes on which pods become ready. 0: no scheduler and no kubelets.
    pub nodes: usize,
    /// More flags for kube-apiserver.
    pub api_flags: Vec<String>,
    /// More flags for kube-controller-manager.
    pub controller_flags: Vec<String>,
}

/// A running control plane. Dropping it kills its processes.
pub struct ControlPlane {
    folder: PathBuf,
    port: u16,
    pki: Pki,
    api: Api,
    kubectl: PathBuf,
    /// In start order; they are stopped in the reverse order.
    processes: Vec<Process>,
}

/// What kubectl said.
#[derive(Debug)]
pub struct Output {
    pub success: bool,
    pub stdout: String,
    pub stderr: String,
}

impl ControlPlane {
    /// Starts one in `folder`, which gets the logs, the certificates and `admin.kubeconfig`, and waits until it is ready.
    pub async fn start(folder: &Path, tools: &Tools, options: &Options) -> Result<Self> {
        let pki = Pki::create(&folder.join("pki"))?;
        let port = port::free()?;
        let api = Api::new(port, &pki)?;
        let kubectl = tools.path("kubectl")?;
        let folder = folder.to_owned();
        let mut plane = Self { folder, port, pki, api, kubectl, processes: Vec::new() };
        plane.write_kubeconfigs()?;
        plane.start_servers(tools, options).await.context("starting a control plane")?;
        Ok(plane)
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The address of the API server.
    pub fn server(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    /// All rights, for looking from outside. What is tested gets [`Self::service_account_kubeconfig`].
    pub fn admin_kubeconfig(&self) -> PathBuf {
        self.folder.join("admin.kubeconfig")
    }

    /// The admin's client, cheaper than kubectl.
    pub fn api(&self) -> &Api {
        &self.api
    }

    /// One of its processes, such as `kube-apiserver`.
    pub fn process(&mut self, name: &str) -> Result<&mut Process> {
        let found = self.processes.iter_mut().find(|process| process.name() == name);
        found.with_context(|| format!("this control plane runs no {name}"))
    }

    /// Runs kubectl as admin. A failure of kubectl is an answer, not an error.
    pub async fn kubectl(&self, arguments: &[&str]) -> Result<Output> {
        self.run_kubectl(arguments, "").await
    }

    /// What kubectl prints; an error when it fails.
    pub async fn kubectl_ok(&self, arguments: &[&str]) -> Result<String> {
        let output = self.kubectl(arguments).await?;
        if !output.success {
            bail!("kubectl {} failed: {}", arguments.join(" "), output.stderr.trim());
        }
        Ok(output.stdout)
    }

    /// Applies manifests as admin, as a person with the cluster's keys would.
    pub async fn apply_admin(&self, manifests: &str) -> Result<()> {
        let output = self.run_kubectl(&["apply", "--server-side", "-f", "-"], manifests).await?;
        if !output.success {
            bail!("kubectl apply failed: {}", output.stderr.trim());
        }
        Ok(())
    }

    /// A kubeconfig that acts as this ServiceAccount for a day.
    pub async fn service_account_kubeconfig(&self, namespace: &str, name: &str) -> Result<PathBuf> {
        let token = self
            .kubectl_ok(&["create", "token", name, "--namespace", namespace, "--duration", "24h"])
            .await?;
        let path = self.folder.join(format!("{namespace}-{name}.kubeconfig"));
        self.write_kubeconfig(&path, &kubeconfig::token_user(token.trim()), name)?;
        Ok(path)
    }

    /// Stops the processes in reverse order, so that the others can still write to etcd.
    pub async fn stop(mut self) -> Result<()> {
        for process in self.processes.iter_mut().rev() {
            process.stop().await?;
        }
        Ok(())
    }

    async fn run_kubectl(&self, arguments: &[&str], input: &str) -> Result<Output> {
        let mut child = Command::new(&self.kubectl)
            .args(arguments)
            .env("KUBECONFIG", self.admin_kubeconfig())
            .env("KUBECACHEDIR", self.folder.join("kubectl-cache"))
            .env("KUBERC", "off")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {}", self.kubectl.display()))?;
        let mut stdin = child.stdin.take().context("stdin is piped")?;
        stdin.write_all(input.as_bytes()).await?;
        drop(stdin);
        let output = child.wait_with_output().await?;
        Ok(Output {
            success: output.status.success(),
            stdout: String::from_utf8(output.stdout)?,
            stderr: String::from_utf8(output.stderr)?,
        })
    }

    fn write_kubeconfigs(&self) -> Result<()> {
        let admin = kubeconfig::certificate_user(&self.pki.admin);
        self.write_kubeconfig(&self.admin_kubeconfig(), &admin, "admin")?;
        let controllers = kubeconfig::certificate_user(&self.pki.controllers);
        let path = self.folder.join("controllers.kubeconfig");
        self.write_kubeconfig(&path, &controllers, "controllers")
    }

    fn write_kubeconfig(&self, path: &Path, user: &Value, name: &str) -> Result<()> {
        kubeconfig::write(path, &self.server(), &self.pki.ca, user, name)
    }

    async fn start_servers(&mut self, tools: &Tools, options: &Options) -> Result<()> {
        let (client, peer) = (port::free()?, port::free()?);
        self.start_process(tools, "etcd", etcd_flags(client, peer))?;
        let mut api_flags = api_server_flags(client, self.port);
        api_flags.extend(options.api_flags.iter().cloned());
        self.start_process(tools, "kube-apiserver", api_flags)?;
        let api = self.api.clone();
        self.wait_for("/readyz", async || is_ok(&api, "/readyz").await).await?;
        let mut controller_flags = controller_manager_flags();
        controller_flags.extend(options.controller_flags.iter().cloned());
        self.start_process(tools, "kube-controller-manager", controller_flags)?;
        if options.nodes > 0 {
            self.start_nodes(tools, options.nodes).await?;
        }
        // The last thing that the controllers make before a pod or a ServiceAccount can be used.
        let account = "/api/v1/namespaces/default/serviceaccounts/default";
        self.wait_for("default ServiceAccount", async || is_ok(&api, account).await).await
    }

    async fn start_nodes(&mut self, tools: &Tools, nodes: usize) -> Result<()> {
        let stages = self.folder.join("kubelet-stages.yaml");
        fs::write(&stages, STAGES)?;
        let own =
            ["--kubeconfig=controllers.kubeconfig", "--leader-elect=false", "--secure-port=0"];
        self.start_process(tools, "kube-scheduler", own.map(str::to_owned).to_vec())?;
        let kwok = vec![
            "--kubeconfig=controllers.kubeconfig".to_owned(),
            "--manage-all-nodes=true".to_owned(),
            format!("--config={}", stages.display()),
            format!("--server-address=127.0.0.1:{}", port::free()?),
        ];
        self.start_process(tools, "kwok", kwok)?;
        for number in 0..nodes {
            let node = node(&format!("node-{number}"));
            let answer = self.api.call("POST", "/api/v1/nodes", Some(&node)).await?;
            if answer.status != 201 {
                bail!("no node: {} {}", answer.status, String::from_utf8_lossy(&answer.body));
            }
        }
        Ok(())
    }

    fn start_process(&mut self, tools: &Tools, name: &str, flags: Vec<String>) -> Result<()> {
        // With 1,000 objects this saves 45 MB in an API server for 5 % more processor time.
        let program = Program::new(name, tools.path(name)?, &self.folder).env("GOGC", "50");
        self.processes.push(program.args(flags).start()?);
        Ok(())
    }

    async fn wait_for(
        &mut self,
        what: &str,
        mut condition: impl AsyncFnMut() -> bool,
    ) -> Result<()> {
        let what = format!("{what} (logs: {})", self.folder.display());
        deadline::until(&what, START_LIMIT, async || {
            for process in &mut self.processes {
                process.check()?;
            }
            Ok(condition().await.then_some(()))
        })
        .await
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        // etcd last here too: the others would log a storm of errors.
        while let Some(process) = self.processes.pop() {
            drop(process);
        }
    }
}

async fn is_ok(api: &Api, path: &str) -> bool {
    api.call("GET", path, None).await.is_ok_and(|answer| answer.status == 200)
}

fn etcd_flags(client: u16, peer: u16) -> Vec<String> {
    let (client, peer) = (format!("http://127.0.0.1:{client}"), format!("http://127.0.0.1:{peer}"));
    vec![
        "--data-dir=etcd-data".to_owned(),
        "--unsafe-no-fsync".to_owned(), // The folder does not outlive the test.
        "--log-level=warn".to_owned(),
        format!("--listen-client-urls={client}"),
        format!("--advertise-client-urls={client}"),
        format!("--listen-peer-urls={peer}"),
        format!("--initial-advertise-peer-urls={peer}"),
        format!("--initial-cluster=default={peer}"),
    ]
}

fn api_server_flags(etcd: u16, port: u16) -> Vec<String> {
    let mut flags =
        vec![format!("--etcd-servers=http://127.0.0.1:{etcd}"), format!("--secure-port={port}")];
    let fixed = [
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        "--endpoint-reconciler-type=none", // A loopback address is not allowed in Endpoints.
        "--service-cluster-ip-range=10.0.0.0/16",
        "--authorization-mode=RBAC",
        "--allow-privileged=true",
        "--profiling=false",
        "--client-ca-file=pki/ca.crt",
        "--tls-cert-file=pki/server.crt",
        "--tls-private-key-file=pki/server.key",
        "--service-account-key-file=pki/sa.pub",
        "--service-account-signing-key-file=pki/sa.key",
        "--service-account-issuer=https://kubernetes.default.svc",
        // Its taint is lifted by a controller that does not run here.
        "--disable-admission-plugins=TaintNodesByCondition",
    ];
    flags.extend(fixed.map(str::to_owned));
    flags
}

fn controller_manager_flags() -> Vec<String> {
    let names: Vec<String> = CONTROLLERS.iter().map(|name| format!("{name}-controller")).collect();
    let mut flags = vec![format!("--controllers={}", names.join(","))];
    let fixed = [
        "--kubeconfig=controllers.kubeconfig",
        "--leader-elect=false",
        "--secure-port=0",
        "--service-account-private-key-file=pki/sa.key",
        "--root-ca-file=pki/ca.crt",
        "--profiling=false",
    ];
    flags.extend(fixed.map(str::to_owned));
    flags
}

fn node(name: &str) -> Value {
    let size = json!({ "cpu": "32", "memory": "256Gi", "pods": "110" });
    json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": { "name": name, "labels": { "kubernetes.io/hostname": name } },
        "status": { "capacity": size, "allocatable": size },
    })
}
