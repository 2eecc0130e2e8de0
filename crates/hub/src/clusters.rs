//! The clusters as the rest of the hub sees them: who may connect, who may be targeted.
//!
//! A thin layer over `enrol`: it adds the wake-ups, the revocations that outlive the store, and
//! the recovery of a cluster whose record was lost with it. All changes of clusters go through it.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use model::cluster::{Cluster, ClusterMetadata, ClusterSpec};
use model::name::ClusterName;
use model::selector::Labels;
use model::status::Timestamp;
use model::view::TokenView;
use proto::session::{Hello, Parting, SignedRecord};
use runtime::error::chain;
use thiserror::Error;
use tokio::sync::watch;

use crate::enrol::{
    Adoption, ClusterRecord, CreatedToken, EnrolError, Enrolment, JoinRequest, Joined,
    JoinedIdentity, KubeSystem, LabelChange, NewToken, Refusal,
};
use crate::fleet::ClusterSource;
use crate::pki::{Lifetime, Pki, Serial, Shown};
use crate::session::Registry;
use crate::store::Store;

/// How long a spoke that was refused stays away, unless a person changes something.
const REFUSED_RETRY_MS: u64 = 60_000;

/// Handle on the clusters; clones share them.
#[derive(Clone)]
pub(crate) struct Clusters {
    enrolment: Enrolment,
    registry: Registry,
    revocations: Revocations,
    changed: Arc<watch::Sender<u64>>,
}

#[derive(Debug, Error)]
pub(crate) enum ClustersError {
    #[error(transparent)]
    Enrol(#[from] EnrolError),
    #[error("cannot {action} the list of revocations {path}", path = path.display())]
    Revocations {
        action: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

impl Clusters {
    pub(crate) fn open(
        store: Arc<dyn Store>,
        pki: Arc<Pki>,
        lifetime: Lifetime,
        registry: Registry,
        revoked: PathBuf,
    ) -> Result<Self, ClustersError> {
        Ok(Self {
            enrolment: Enrolment::new(store, pki, lifetime),
            registry,
            revocations: Revocations::open(revoked)?,
            changed: Arc::new(watch::Sender::new(0)),
        })
    }

    /// Changes whenever a cluster does.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    fn bump(&self) {
        self.changed.send_modify(|version| *version += 1);
    }

    pub(crate) fn ca_pin(&self) -> String {
        self.enrolment.pki().ca_pin().to_string()
    }

    /// In order of their names.
    pub(crate) fn records(&self) -> Result<Vec<ClusterRecord>, EnrolError> {
        self.enrolment.clusters()
    }

    /// An error that names the cluster when nobody knows it.
    pub(crate) fn require(&self, cluster: &ClusterName) -> Result<ClusterRecord, EnrolError> {
        let unknown = || Refusal::UnknownCluster { cluster: cluster.clone() };
        Ok(self.enrolment.cluster(cluster)?.ok_or_else(unknown)?)
    }

    /// Decides on a new stream, and gives the record that its spoke shall keep.
    pub(crate) async fn admit(
        &self,
        cluster: &ClusterName,
        shown: Shown,
        hello: &Hello,
        now: Timestamp,
    ) -> Result<SignedRecord, Parting> {
        let opened = match self.enrolment.open(cluster, shown.serial, now).await {
            Err(EnrolError::Refused(Refusal::UnknownCluster { .. })) => {
                self.take_back(cluster, shown.serial, hello, now).await
            }
            Err(EnrolError::Refused(Refusal::UnknownSerial { .. })) => {
                self.catch_up(cluster, shown, now).await
            }
            opened => opened,
        };
        let record = opened.map_err(|error| parting(&error))?;
        let uid = &hello.kube_system_uid;
        let bound = self.enrolment.bind_kube_system(cluster, uid, now).await;
        if let KubeSystem::Differs { known } = bound.map_err(|error| parting(&error))? {
            return Err(Parting {
                code: "OtherCluster".into(),
                message: format!(
                    "{cluster} is the Kubernetes cluster {known}, but this spoke runs in {uid}; \
                     enrol it under a name of its own"
                ),
                retry_after_ms: REFUSED_RETRY_MS,
            });
        }
        let signed = self.enrolment.signed_record(&record).map_err(|error| parting(&error))?;
        Ok(SignedRecord { record: signed.record, signature: signed.signature })
    }

    /// A cluster that the store does not know: it was lost. The certificate and the signed record
    /// prove that this fleet enrolled it, and the list beside the CA that nobody revoked it.
    async fn take_back(
        &self,
        cluster: &ClusterName,
        serial: Serial,
        hello: &Hello,
        now: Timestamp,
    ) -> Result<ClusterRecord, EnrolError> {
        if self.revocations.holds(serial) {
            return Err(Refusal::Revoked { cluster: cluster.clone() }.into());
        }
        let SignedRecord { record, signature } = &hello.record;
        let adoption = Adoption { cluster, serial, record, signature };
        let record = self.enrolment.adopt(adoption, now).await?;
        tracing::warn!(%cluster, "a cluster that the store did not know was taken back");
        self.bump();
        Ok(record)
    }

    /// A certificate that is younger than the store, which was restored.
    async fn catch_up(
        &self,
        cluster: &ClusterName,
        shown: Shown,
        now: Timestamp,
    ) -> Result<ClusterRecord, EnrolError> {
        if self.revocations.holds(shown.serial) {
            return Err(Refusal::Revoked { cluster: cluster.clone() }.into());
        }
        let record = self.enrolment.catch_up(cluster, shown, now).await?;
        tracing::warn!(%cluster, serial = %shown.serial, "a certificate that is newer than the store is taken");
        self.bump();
        Ok(record)
    }

    /// Whether a stream that is open may stay.
    pub(crate) fn authorize(&self, cluster: &ClusterName, serial: Serial) -> Result<(), Parting> {
        self.enrolment.authorize(cluster, serial).map_err(|error| parting(&error))
    }

    pub(crate) async fn join(
        &self,
        request: &JoinRequest<'_>,
        now: Timestamp,
    ) -> Result<Joined, EnrolError> {
        let joined = self.enrolment.join(request, now).await;
        self.bump();
        joined
    }

    pub(crate) async fn renew(
        &self,
        cluster: &ClusterName,
        serial: Serial,
        csr: &[u8],
        now: Timestamp,
    ) -> Result<JoinedIdentity, EnrolError> {
        self.enrolment.open(cluster, serial, now).await?;
        self.enrolment.renew(cluster, serial, csr, now).await
    }

    pub(crate) async fn create_token(
        &self,
        new: &NewToken,
        actor: &str,
        reason: &str,
        now: Timestamp,
    ) -> Result<CreatedToken, EnrolError> {
        self.enrolment.create_token(new, actor, reason, now).await
    }

    pub(crate) fn tokens(&self, now: Timestamp) -> Result<Vec<TokenView>, EnrolError> {
        self.enrolment.tokens(now)
    }

    pub(crate) async fn approve(
        &self,
        cluster: &ClusterName,
        actor: &str,
        reason: &str,
        now: Timestamp,
    ) -> Result<(), EnrolError> {
        self.enrolment.approve(cluster, actor, reason, now).await?;
        self.bump();
        Ok(())
    }

    /// Revokes and closes the stream at once.
    pub(crate) async fn revoke(
        &self,
        cluster: &ClusterName,
        actor: &str,
        reason: &str,
        now: Timestamp,
    ) -> Result<(), ClustersError> {
        // Beside the CA first: a crash in between leaves a certificate that is worth less, not more.
        self.revocations.add(&self.require(cluster)?)?;
        let record = self.enrolment.revoke(cluster, actor, reason, now).await?;
        self.revocations.add(&record)?;
        self.registry.close(
            cluster,
            Parting {
                code: "Revoked".into(),
                message: format!("cluster {cluster} is revoked"),
                retry_after_ms: REFUSED_RETRY_MS,
            },
        );
        self.bump();
        Ok(())
    }

    pub(crate) async fn label(
        &self,
        cluster: &ClusterName,
        change: &LabelChange,
        actor: &str,
        reason: &str,
        now: Timestamp,
    ) -> Result<(), EnrolError> {
        self.enrolment.set_labels(cluster, change, actor, reason, now).await?;
        self.bump();
        Ok(())
    }
}

impl ClusterSource for Clusters {
    /// A revoked cluster is still a cluster: its applications stay wanted, so that a revocation
    /// alone never removes anything.
    fn clusters(&self) -> Vec<Cluster> {
        self.try_clusters().unwrap_or_default()
    }

    fn try_clusters(&self) -> Result<Vec<Cluster>, String> {
        let records = self.records().map_err(|error| chain(&error))?;
        Ok(records.into_iter().filter(|record| !record.is_pending()).map(cluster_of).collect())
    }
}

fn cluster_of(record: ClusterRecord) -> Cluster {
    let ClusterRecord { name, labels, annotations, .. } = record;
    let (labels, annotations): (Labels, Labels) = (labels, annotations);
    Cluster {
        metadata: ClusterMetadata { name, labels, annotations },
        spec: ClusterSpec::default(),
    }
}

fn parting(error: &EnrolError) -> Parting {
    let (code, message) = match error {
        EnrolError::Refused(refusal) => refusal.answer(),
        // What is wrong with the store is for the hub's log, not for a spoke.
        _ => {
            tracing::error!(reason = chain(error), "a cluster could not be looked up");
            ("Unavailable", "the hub cannot look the cluster up now".to_owned())
        }
    };
    let retry_after_ms = if code == "Unavailable" { 10_000 } else { REFUSED_RETRY_MS };
    Parting { code: code.to_owned(), message, retry_after_ms }
}

/// Serials of revoked certificates, a line each, beside the CA: a lost store readmits nobody.
#[derive(Debug, Clone)]
struct Revocations {
    path: PathBuf,
    serials: Arc<Mutex<BTreeSet<String>>>,
}

impl Revocations {
    fn open(path: PathBuf) -> Result<Self, ClustersError> {
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(source) => return Err(ClustersError::Revocations { action: "read", path, source }),
        };
        let first = |line: &str| line.split_whitespace().next().map(str::to_owned);
        let serials = text.lines().filter_map(first).collect();
        Ok(Self { path, serials: Arc::new(Mutex::new(serials)) })
    }

    fn holds(&self, serial: Serial) -> bool {
        self.locked().contains(&serial.to_string())
    }

    /// Every certificate that this cluster may still hold.
    fn add(&self, record: &ClusterRecord) -> Result<(), ClustersError> {
        let all = record.current.iter().chain(&record.next).chain(&record.past);
        let mut serials = self.locked();
        let new: Vec<_> = all
            .map(|credential| credential.serial.to_string())
            .filter(|serial| !serials.contains(serial))
            .collect();
        let lines: String =
            new.iter().map(|serial| format!("{serial} {}\n", record.name)).collect();
        let append = || -> io::Result<()> {
            let mut file: File = OpenOptions::new().create(true).append(true).open(&self.path)?;
            file.write_all(lines.as_bytes())?;
            file.sync_all()
        };
        append().map_err(|source| {
            let path = self.path.clone();
            ClustersError::Revocations { action: "write", path, source }
        })?;
        serials.extend(new);
        Ok(())
    }

    /// The set is whole after every statement, so a panic elsewhere cannot have broken it.
    fn locked(&self) -> std::sync::MutexGuard<'_, BTreeSet<String>> {
        self.serials.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
