//! `spoke-memory`: the memory of the real `muster-spoke` with a thousand objects of twenty kinds, over
//! TLS against a simulated API server in this process, with a real hub in a third.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use kube_sim::serve::{Tls, serve};
use model::status::SyncStatus;
use runtime::clock::Clock;
use runtime::supervise::Supervisor;
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio_util::sync::CancellationToken;

use super::hub_fleet::HubProcess;
use super::process::{Process, megabytes};
use super::{Figure, program};
use crate::fleet::{base, cluster};
use crate::git::{GitServer, Repository};
use crate::operator::Operator;

/// Each with one object of every kind: a thousand objects.
const APPLICATIONS: usize = 50;
const CLUSTER: &str = "c-0";
const LIMIT: Duration = Duration::from_secs(300);
const POLL: Duration = Duration::from_millis(500);
/// What still follows from applying is over by then.
const SETTLE: Duration = Duration::from_secs(20);

/// Runs it in `folder`.
///
/// # Errors
/// When something cannot be started, or the objects are not applied within five minutes.
pub async fn run(folder: &Path, binaries: &Path) -> Result<Vec<Figure>> {
    let supervisor = Supervisor::new(CancellationToken::new());
    let cluster = cluster(0, &base().await?, &supervisor);
    let tls = Tls::new(&Clock::system())?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let server = serve(&cluster, listener, &tls, &supervisor)?;
    let kubeconfig = folder.join("kubeconfig.yaml");
    std::fs::write(&kubeconfig, server.kubeconfig(CLUSTER))?;

    let git = GitServer::start(&folder.join("git"))?;
    let mut repository = Repository::create(&git, "fleet")?;
    let url = git.url("fleet");
    repository.commit(&files(&url), "a thousand objects")?;
    let hub = HubProcess::create(&program(binaries, "muster-hub")?, folder, &url).await?;
    let mut operator = Operator::new(&folder.join("hub/admin.yaml"));
    let token = operator.token(&[]).await?;
    let mut command = Command::new(program(binaries, "muster-spoke")?);
    command.args(["run", "--set", "git.allowHttp=true", "--name", CLUSTER]);
    command.arg("--kubeconfig").arg(&kubeconfig).arg("--state-dir").arg(folder.join("spoke"));
    command.args(["--hub", &hub.address.to_string(), "--ca-pin", &token.ca_pin]);
    command.env("MUSTER_TOKEN", &token.token);
    let spoke = Process::start(&mut command, &folder.join("spoke.log"))?;
    until_synced(&mut operator).await?;
    tokio::time::sleep(SETTLE).await;
    let memory = |field| spoke.memory(field).map(megabytes);
    let figures = vec![
        Figure::new("vmhwm_mb", memory("VmHWM")?, "MB"),
        Figure::new("vmrss_mb", memory("VmRSS")?, "MB"),
        Figure::new("anonymous_mb", memory("RssAnon")?, "MB"),
    ];
    spoke.kill().await?;
    hub.process.kill().await?;
    server.stop().await;
    supervisor.join(Duration::ZERO).await;
    Ok(figures)
}

async fn until_synced(operator: &mut Operator) -> Result<()> {
    let clock = Clock::system();
    loop {
        let views = operator.applications().await.context("the hub does not answer")?;
        let synced = views.iter().filter(|view| view.sync == SyncStatus::Synced).count();
        if synced == APPLICATIONS {
            return Ok(());
        }
        if clock.now() > LIMIT {
            let message = views.iter().find(|view| view.sync != SyncStatus::Synced);
            let message = message.map(|view| format!("{}: {}", view.name, view.message));
            bail!("{synced} of {APPLICATIONS} applications are synced; {message:?}");
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Twenty kinds, as `apiVersion kind` and the rest of the body.
const KINDS: [(&str, &str, &str); 20] = [
    ("v1", "ConfigMap", "data: {key: value}"),
    ("v1", "Secret", "stringData: {password: not-a-real-one}"),
    ("v1", "ServiceAccount", ""),
    ("v1", "Service", "spec: {selector: {app: NAME}, ports: [{port: 80}]}"),
    ("v1", "ResourceQuota", "spec: {hard: {pods: \"1000\"}}"),
    ("v1", "LimitRange", "spec: {limits: [{type: Pod, max: {cpu: \"8\"}}]}"),
    ("v1", "ReplicationController", "spec: {replicas: 0, selector: {app: NAME}, template: POD}"),
    (
        "v1",
        "PersistentVolumeClaim",
        "spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}",
    ),
    ("v1", "PodTemplate", "template: POD"),
    (
        "apps/v1",
        "Deployment",
        "spec: {replicas: 0, selector: {matchLabels: {app: NAME}}, template: POD}",
    ),
    (
        "apps/v1",
        "StatefulSet",
        "spec: {replicas: 0, serviceName: NAME, selector: {matchLabels: {app: NAME}}, template: POD}",
    ),
    ("apps/v1", "DaemonSet", "spec: {selector: {matchLabels: {app: NAME}}, template: POD}"),
    (
        "batch/v1",
        "CronJob",
        "spec: {schedule: \"0 0 1 1 *\", suspend: true, jobTemplate: {spec: {template: JOB}}}",
    ),
    ("batch/v1", "Job", "spec: {suspend: true, template: JOB}"),
    ("networking.k8s.io/v1", "NetworkPolicy", "spec: {podSelector: {matchLabels: {app: NAME}}}"),
    (
        "networking.k8s.io/v1",
        "Ingress",
        "spec: {defaultBackend: {service: {name: NAME, port: {number: 80}}}}",
    ),
    (
        "policy/v1",
        "PodDisruptionBudget",
        "spec: {maxUnavailable: 1, selector: {matchLabels: {app: NAME}}}",
    ),
    (
        "autoscaling/v2",
        "HorizontalPodAutoscaler",
        "spec: {maxReplicas: 3, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: NAME}}",
    ),
    (
        "rbac.authorization.k8s.io/v1",
        "Role",
        "rules: [{apiGroups: [\"\"], resources: [pods], verbs: [get]}]",
    ),
    (
        "rbac.authorization.k8s.io/v1",
        "RoleBinding",
        "roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: NAME}\n\
         subjects: [{kind: ServiceAccount, name: NAME, namespace: default}]",
    ),
];

fn files(url: &str) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    for number in 0..APPLICATIONS {
        let name = format!("app-{number:02}");
        let containers = "containers: [{name: main, image: registry.example/main:1.0}]";
        let pod = format!("{{metadata: {{labels: {{app: {name}}}}}, spec: {{{containers}}}}}");
        let job = format!("{{spec: {{restartPolicy: Never, {containers}}}}}");
        let mut text = String::new();
        for (version, kind, body) in KINDS {
            let body = body.replace("NAME", &name).replace("POD", &pod).replace("JOB", &job);
            write!(
                text,
                "---\napiVersion: {version}\nkind: {kind}\n\
                 metadata: {{name: {name}, namespace: default}}\n{body}\n"
            )
            .expect("a string takes every write");
        }
        files.insert(format!("apps/{name}/all.yaml"), text);
    }
    let set = format!(
        "apiVersion: muster.dev/v1alpha1
kind: ApplicationSet
metadata: {{name: apps}}
spec:
  generators:
    - git: {{repoURL: \"{url}\", directories: [{{path: apps/*}}]}}
  template:
    metadata: {{name: \"{{{{path.basename}}}}\"}}
    spec:
      source: {{repoURL: \"{url}\", path: \"{{{{path}}}}\"}}
      destination: {{cluster: {CLUSTER}, namespace: default}}
      syncPolicy: {{automated: {{prune: true, selfHeal: true}}}}
"
    );
    files.insert("muster/apps.yaml".to_owned(), set);
    files
}
