//! Enrolment with its effects: reads the records, lets `machine` decide, commits, and then signs.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::name::ClusterName;
use model::status::Timestamp;
use model::token::{JoinToken, TokenId};
use model::view::TokenView;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::machine::{self, Act, Claim, Claimed, Decided, Order};
use super::record::{
    self as records, ClusterRecord, Credential, KeyRecord, TokenRecord, cluster_key, spki_key,
    token_key,
};
use super::{KubeSystem, LabelChange, NewToken, Refusal, TokenScope};
use crate::pki::{self, Lifetime, Pki, PkiError, Serial, Shown, SubjectKey};
use crate::store::record::{self, Versioned};
use crate::store::{Store, StoreError, Watch};

/// How often a decision is made anew because a record changed under it. Each round somebody gets
/// through, so this is how many may want the same record at once.
const MAX_ATTEMPTS: u32 = 256;
/// When a spoke that waits for approval should ask again.
const RETRY_MS: u64 = 5_000;
/// What the signature of a cluster's record is bound to.
const RECORD_CONTEXT: &str = "cluster-record-v1";
/// A record that a spoke brings: a few kilobytes with all labels and past certificates.
const MAX_RECORD_BYTES: usize = 64 * 1024;

#[derive(Debug, Error)]
pub enum EnrolError {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Pki(#[from] PkiError),
    #[error("too many changes at once; try again")]
    Busy,
}

/// A token that was made. Its secret is nowhere else.
#[derive(Debug, Clone)]
pub struct CreatedToken {
    pub token: JoinToken,
    pub expires_at: Timestamp,
}

/// What a spoke sends to join.
#[derive(Clone)]
pub struct JoinRequest<'a> {
    pub token: &'a str,
    /// PKCS#10 in DER.
    pub csr: &'a [u8],
    /// Used only with a reusable token.
    pub proposed_name: Option<ClusterName>,
}

#[derive(Debug, Clone)]
pub enum Joined {
    Identity(JoinedIdentity),
    /// A person must approve first: ask again with the same token and key.
    Pending {
        cluster: ClusterName,
        retry_after_ms: u64,
    },
}

/// What a spoke needs to speak with the hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinedIdentity {
    pub fleet: String,
    pub cluster: ClusterName,
    pub serial: Serial,
    pub expires_at: Timestamp,
    /// PEM: the leaf, then its issuers.
    pub certificate_chain: String,
    /// PEM: the roots to trust from now on.
    pub trust_bundle: String,
}

/// A cluster's record with the authority's signature. The spoke keeps it and brings it along, so
/// that a hub that has lost its store knows the cluster again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedCluster {
    pub record: Vec<u8>,
    pub signature: Vec<u8>,
}

/// A cluster that shows a valid certificate and is not in the store.
#[derive(Debug, Clone, Copy)]
pub struct Adoption<'a> {
    pub cluster: &'a ClusterName,
    pub serial: Serial,
    pub record: &'a [u8],
    pub signature: &'a [u8],
}

/// The signed form: a format of its own, so that what is stored may change.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SignedBody {
    fleet: String,
    cluster: ClusterRecord,
}

#[derive(Clone)]
pub struct Enrolment {
    store: Arc<dyn Store>,
    pki: Arc<Pki>,
    lifetime: Lifetime,
}

impl Enrolment {
    /// `lifetime` is that of the certificates of clusters.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, pki: Arc<Pki>, lifetime: Lifetime) -> Self {
        Self { store, pki, lifetime }
    }

    #[must_use]
    pub fn pki(&self) -> &Pki {
        &self.pki
    }

    pub async fn create_token(
        &self,
        new: &NewToken,
        actor: &str,
        reason: &str,
        now: Timestamp,
    ) -> Result<CreatedToken, EnrolError> {
        let token = JoinToken::from_random(pki::random()?, pki::random()?);
        let act = Act { actor, reason, now };
        let decide = || {
            let existing = match &new.scope {
                TokenScope::Cluster(cluster) => self.read(cluster)?,
                TokenScope::Reusable => None,
            };
            let secret = (token.id().clone(), token.secret_hash());
            Ok(machine::create_token(new, secret, existing.as_ref(), act))
        };
        let expires_at = self.settle(decide).await?;
        Ok(CreatedToken { token, expires_at })
    }

    pub async fn revoke_token(
        &self,
        id: &TokenId,
        actor: &str,
        reason: &str,
        now: Timestamp,
    ) -> Result<(), EnrolError> {
        let act = Act { actor, reason, now };
        let decide = || {
            let token = record::get::<TokenRecord>(&*self.store, &token_key(id))?;
            let token = token.ok_or_else(|| Refusal::UnknownToken { id: id.clone() })?;
            Ok(machine::revoke_token(&token, act))
        };
        self.settle(decide).await
    }

    /// All tokens, the newest first.
    pub fn tokens(&self, now: Timestamp) -> Result<Vec<TokenView>, EnrolError> {
        let mut uses: BTreeMap<TokenId, u32> = BTreeMap::new();
        for cluster in self.clusters()? {
            if let Some(enrolment) = cluster.enrolment {
                *uses.entry(enrolment.token).or_default() += 1;
            }
        }
        let tokens = record::list::<TokenRecord>(&*self.store, &records::tokens())?;
        let mut views: Vec<_> = tokens
            .into_iter()
            .map(|(_, token)| {
                let used = uses.get(&token.value.id).copied().unwrap_or_default();
                token_view(token.value, used, now)
            })
            .collect();
        views.sort_by_key(|view| std::cmp::Reverse(view.created_at));
        Ok(views)
    }

    /// Takes a cluster in, or answers the same key once more. The log says why somebody is refused;
    /// the answer to give is [`Refusal::answer`].
    pub async fn join(
        &self,
        request: &JoinRequest<'_>,
        now: Timestamp,
    ) -> Result<Joined, EnrolError> {
        let joined = self.claim(request, now).await;
        match &joined {
            Ok(Joined::Identity(JoinedIdentity { cluster, serial, .. })) => {
                tracing::info!(%cluster, %serial, "a cluster has joined");
            }
            Ok(Joined::Pending { .. }) => {}
            Err(error) => tracing::warn!(%error, "a join was refused"),
        }
        joined
    }

    async fn claim(&self, request: &JoinRequest<'_>, now: Timestamp) -> Result<Joined, EnrolError> {
        let token = JoinToken::parse(request.token).map_err(Refusal::from)?;
        let key = SubjectKey::from_csr(request.csr).map_err(Refusal::from)?;
        let claim = Claim {
            id: token.id().clone(),
            secret_hash: token.secret_hash(),
            spki: key.spki(),
            proposed: request.proposed_name.clone(),
            serial: Serial::random()?,
            lifetime: self.lifetime,
        };
        match self.settle(|| self.decide_claim(&claim, now)).await? {
            Claimed::Sign(order) => Ok(Joined::Identity(self.sign(&key, order)?)),
            Claimed::Pending(cluster) => Ok(Joined::Pending { cluster, retry_after_ms: RETRY_MS }),
        }
    }

    fn decide_claim(&self, claim: &Claim, now: Timestamp) -> Result<Decided<Claimed>, EnrolError> {
        let read = || {
            let token = record::get::<TokenRecord>(&*self.store, &token_key(&claim.id))?;
            let name =
                machine::claimed_name(&machine::known_token(token.as_ref(), claim)?.value, claim)?;
            let cluster = self.read(&name)?;
            let owner = record::get::<KeyRecord>(&*self.store, &spki_key(&claim.spki))?;
            Ok((token, cluster, owner))
        };
        let (token, cluster, owner) = of_one_moment(read)?;
        let token = machine::known_token(token.as_ref(), claim)?;
        Ok(machine::claim(token, cluster.as_ref(), owner.as_ref(), claim, now))
    }

    /// A new certificate for the cluster that shows `serial`. The name comes from the connection.
    pub async fn renew(
        &self,
        cluster: &ClusterName,
        serial: Serial,
        csr: &[u8],
        now: Timestamp,
    ) -> Result<JoinedIdentity, EnrolError> {
        let key = SubjectKey::from_csr(csr).map_err(Refusal::from)?;
        let spki = key.spki();
        let new = Credential {
            serial: Serial::random()?,
            spki: Some(spki),
            issued_at: now,
            lifetime: self.lifetime,
        };
        let decide = || {
            let (cluster, owner) = of_one_moment(|| {
                let owner = record::get::<KeyRecord>(&*self.store, &spki_key(&spki))?;
                Ok((self.existing(cluster)?, owner))
            })?;
            Ok(machine::renew(&cluster, serial, owner.as_ref(), new.clone(), now))
        };
        let order = self.settle(decide).await?;
        self.sign(&key, order)
    }

    fn sign(&self, key: &SubjectKey, order: Order) -> Result<JoinedIdentity, EnrolError> {
        let Order { cluster, credential } = order;
        let Credential { serial, issued_at, lifetime, .. } = credential;
        let issued = self.pki.issue_cluster(key, &cluster, serial, issued_at, lifetime)?;
        Ok(JoinedIdentity {
            fleet: self.pki.fleet().to_string(),
            cluster,
            serial,
            expires_at: issued.expires_at,
            certificate_chain: self.pki.chain(&issued.certificate),
            trust_bundle: self.pki.trust_bundle(),
        })
    }

    /// At the opening of a stream, and for each request outside of one: whether this certificate may
    /// be used. The first use of a renewed one is committed here.
    pub async fn open(
        &self,
        cluster: &ClusterName,
        serial: Serial,
        now: Timestamp,
    ) -> Result<ClusterRecord, EnrolError> {
        self.settle(|| Ok(machine::open(&self.existing(cluster)?, serial, now))).await
    }

    /// At each change of the cluster's record: whether a stream that is open may stay. Reads only.
    pub fn authorize(&self, cluster: &ClusterName, serial: Serial) -> Result<(), EnrolError> {
        Ok(machine::may_stay(&self.existing(cluster)?.value, serial)?)
    }

    /// Wakes when the record of any cluster has changed.
    #[must_use]
    pub fn watch(&self) -> Watch {
        self.store.watch(&records::clusters())
    }

    pub async fn approve(
        &self,
        cluster: &ClusterName,
        actor: &str,
        reason: &str,
        now: Timestamp,
    ) -> Result<ClusterRecord, EnrolError> {
        let act = Act { actor, reason, now };
        self.settle(|| Ok(machine::approve(&self.existing(cluster)?, act))).await
    }

    pub async fn revoke(
        &self,
        cluster: &ClusterName,
        actor: &str,
        reason: &str,
        now: Timestamp,
    ) -> Result<ClusterRecord, EnrolError> {
        let act = Act { actor, reason, now };
        self.settle(|| Ok(machine::revoke(&self.existing(cluster)?, act))).await
    }

    pub async fn set_labels(
        &self,
        cluster: &ClusterName,
        change: &LabelChange,
        actor: &str,
        reason: &str,
        now: Timestamp,
    ) -> Result<ClusterRecord, EnrolError> {
        let act = Act { actor, reason, now };
        self.settle(|| Ok(machine::relabel(&self.existing(cluster)?, change, act))).await
    }

    /// Remembers which Kubernetes cluster a spoke runs in, or says that it is another one.
    pub async fn bind_kube_system(
        &self,
        cluster: &ClusterName,
        uid: &str,
        now: Timestamp,
    ) -> Result<KubeSystem, EnrolError> {
        self.settle(|| Ok(machine::bind_kube_system(&self.existing(cluster)?, uid, now))).await
    }

    /// In order of their names.
    pub fn clusters(&self) -> Result<Vec<ClusterRecord>, EnrolError> {
        let clusters = record::list::<ClusterRecord>(&*self.store, &records::clusters())?;
        Ok(clusters.into_iter().map(|(_, cluster)| cluster.value).collect())
    }

    pub fn cluster(&self, name: &ClusterName) -> Result<Option<ClusterRecord>, EnrolError> {
        Ok(self.read(name)?.map(|cluster| cluster.value))
    }

    /// What a spoke keeps, for the day on which the hub has lost its store.
    pub fn signed_record(&self, cluster: &ClusterRecord) -> Result<SignedCluster, EnrolError> {
        let body = SignedBody { fleet: self.pki.fleet().to_string(), cluster: cluster.clone() };
        let record = serde_json::to_vec(&body).expect("records are expressible in JSON");
        let signature = self.pki.sign(RECORD_CONTEXT, &record)?;
        Ok(SignedCluster { record, signature })
    }

    /// Takes back a cluster that the store does not know: the store was lost or restored. Removals
    /// are on hold then anyway. A revocation that was lost with the store is lost here, too.
    pub async fn adopt(
        &self,
        adoption: Adoption<'_>,
        now: Timestamp,
    ) -> Result<ClusterRecord, EnrolError> {
        let Adoption { cluster, serial, record, signature } = adoption;
        let forged = || Refusal::Forged { cluster: cluster.clone() };
        let genuine =
            record.len() <= MAX_RECORD_BYTES && self.pki.verify(RECORD_CONTEXT, record, signature);
        let body = genuine.then(|| serde_json::from_slice::<SignedBody>(record).ok()).flatten();
        let body = body.ok_or_else(forged)?;
        if body.cluster.name != *cluster || body.fleet != self.pki.fleet().as_str() {
            return Err(forged().into());
        }
        let decide = || {
            let existing = self.read(cluster)?;
            Ok(machine::adopt(existing.as_ref(), body.cluster.clone(), serial, now))
        };
        let adopted = self.settle(decide).await?;
        Ok(machine::may_stay(&adopted, serial).map(|()| adopted)?)
    }

    /// Takes a certificate that is newer than all that the store knows of its cluster.
    pub async fn catch_up(
        &self,
        cluster: &ClusterName,
        shown: Shown,
        now: Timestamp,
    ) -> Result<ClusterRecord, EnrolError> {
        self.settle(|| Ok(machine::catch_up(&self.existing(cluster)?, shown, now))).await
    }

    fn read(&self, cluster: &ClusterName) -> Result<Option<Versioned<ClusterRecord>>, StoreError> {
        record::get(&*self.store, &cluster_key(cluster))
    }

    fn existing(&self, cluster: &ClusterName) -> Result<Versioned<ClusterRecord>, EnrolError> {
        let found = self.read(cluster)?;
        Ok(found.ok_or_else(|| Refusal::UnknownCluster { cluster: cluster.clone() })?)
    }

    /// Decides on what is stored now, and again when that changed before it was written.
    async fn settle<T>(
        &self,
        decide: impl Fn() -> Result<Decided<T>, EnrolError>,
    ) -> Result<T, EnrolError> {
        for _ in 0..MAX_ATTEMPTS {
            let Decided { transaction, outcome } = decide()?;
            if transaction.writes.is_empty() {
                return Ok(outcome?);
            }
            match self.store.transact(transaction).await {
                Ok(_) => return Ok(outcome?),
                Err(error) if error.is_conflict() => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(EnrolError::Busy)
    }
}

/// Reads several records until they are the same twice in a row, and so of one moment. A decision to
/// write is protected by its conditions; a refusal writes nothing and has only this.
fn of_one_moment<T: PartialEq>(read: impl Fn() -> Result<T, EnrolError>) -> Result<T, EnrolError> {
    let mut before = read()?;
    for _ in 0..MAX_ATTEMPTS {
        let after = read()?;
        if before == after {
            return Ok(after);
        }
        before = after;
    }
    Err(EnrolError::Busy)
}

fn token_view(token: TokenRecord, used: u32, now: Timestamp) -> TokenView {
    let state = if token.revoked {
        "Revoked"
    } else if token.claimed_by.is_some() {
        "Used"
    } else if now >= token.expires_at {
        "Expired"
    } else {
        "Unused"
    };
    TokenView {
        id: token.id.to_string(),
        reusable: token.cluster.is_none(),
        cluster: token.cluster,
        state: state.to_owned(),
        manual_approval: token.manual_approval,
        created_at: token.created_at,
        expires_at: token.expires_at,
        uses: used,
    }
}
