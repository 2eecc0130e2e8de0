//! The spoke's identity: a key that never leaves the cluster, and the certificate for it (law L6).
//!
//! Joining verifies the hub by the pin before the token is sent; renewal always makes a new key.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use model::name::{ClusterName, NameError};
use proto::channel::{ChannelError, connect};
use proto::v1;
use proto::v1::enrolment_client::EnrolmentClient;
use rcgen::{CertificateParams, KeyPair};
use runtime::tls::{self, PemError, ReloadableCert, SpkiPin, TlsError};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::secrets::{SecretError, SecretValue};

/// The Secret that holds the identity.
pub const SECRET_NAME: &str = "muster-spoke-identity";
/// The longest the spoke waits between two questions for an approval.
const MAX_POLL: Duration = Duration::from_secs(60);

/// What a spoke proves itself with, and whom it trusts. Its `Debug` shows no key.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Identity {
    pub hub: String,
    pub fleet: String,
    pub cluster: ClusterName,
    key: String,
    certificate_chain: String,
    trust_bundle: String,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Identity({} of {} at {})", self.cluster, self.fleet, self.hub)
    }
}

/// How to reach a hub for the first time.
#[derive(Clone)]
pub struct JoinRequest {
    pub hub: String,
    pub token: String,
    /// `sha256:<hex>` of the hub's CA key.
    pub ca_pin: String,
    /// Only for a reusable token.
    pub name: Option<String>,
    pub kube_system_uid: String,
}

#[derive(Debug, Error)]
pub enum IdentityError {
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error("the stored identity is damaged; remove the Secret {SECRET_NAME} and join again")]
    Damaged(#[source] serde_json::Error),
    #[error(
        "the CA pin {pin:?} is not sha256:<64 hexadecimal digits>; copy it from the join command"
    )]
    Pin { pin: String },
    #[error("{0}")]
    Token(String),
    #[error(transparent)]
    Channel(#[from] ChannelError),
    #[error("the hub refused: {}", .0.message())]
    Refused(Box<tonic::Status>),
    #[error("the hub answered {what}, which is not an identity")]
    Answer { what: &'static str },
    #[error("the key cannot be made")]
    Key(#[from] rcgen::Error),
    #[error(transparent)]
    Pem(#[from] PemError),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Name(#[from] NameError),
}

impl Identity {
    /// The identity of an earlier join, when there is one.
    pub async fn load(secret: &SecretValue) -> Result<Option<Self>, IdentityError> {
        let Some(text) = secret.load().await? else { return Ok(None) };
        serde_json::from_slice(&text).map(Some).map_err(IdentityError::Damaged)
    }

    pub async fn save(&self, secret: &SecretValue) -> Result<(), IdentityError> {
        let text = serde_json::to_vec(self).expect("an identity is expressible in JSON");
        Ok(secret.save(&text).await?)
    }

    /// The TLS configuration that proves this identity.
    pub fn client_config(&self) -> Result<rustls::ClientConfig, IdentityError> {
        let chain = tls::certificates_from_pem(self.certificate_chain.as_bytes(), "identity")?;
        let key = tls::private_key_from_pem(self.key.as_bytes(), "identity key")?;
        let bundle = tls::certificates_from_pem(self.trust_bundle.as_bytes(), "trust bundle")?;
        let certificate = ReloadableCert::new(tls::Identity { chain, key })?;
        Ok(tls::client_config(tls::root_store(&bundle)?, Some(certificate))?)
    }

    /// From when to when the certificate is valid, in seconds since 1970.
    pub fn validity(&self) -> Result<(i64, i64), IdentityError> {
        let chain = tls::certificates_from_pem(self.certificate_chain.as_bytes(), "identity")?;
        let leaf = chain.first().ok_or(IdentityError::Answer { what: "no certificate" })?;
        let (_, leaf) = x509_parser::parse_x509_certificate(leaf)
            .map_err(|_| IdentityError::Answer { what: "no certificate" })?;
        let validity = leaf.validity();
        Ok((validity.not_before.timestamp(), validity.not_after.timestamp()))
    }

    /// Half of the certificate's life: when it is over, it is time for a new one.
    pub fn half_life(&self) -> Result<Duration, IdentityError> {
        let (from, to) = self.validity()?;
        Ok(Duration::from_secs(u64::try_from(to - from).unwrap_or_default() / 2))
    }

    /// Whether half of the certificate's life is over by this time of day.
    pub fn is_past_half(&self, now_seconds: i64) -> Result<bool, IdentityError> {
        let (from, to) = self.validity()?;
        Ok(now_seconds >= from + (to - from) / 2)
    }

    /// Asks for a certificate for a new key, with the present one. The stream is not touched: the
    /// next one uses the new identity.
    pub async fn renew(&self) -> Result<Self, IdentityError> {
        let channel = connect(&self.hub, self.client_config()?).await?;
        let (key, csr) = new_key()?;
        let answer = EnrolmentClient::new(channel).renew(v1::RenewRequest { csr }).await;
        let identity = answer.map_err(refused)?.into_inner();
        Self::issued(&self.hub, &key, identity)
    }

    fn issued(hub: &str, key: &KeyPair, identity: v1::Identity) -> Result<Self, IdentityError> {
        let v1::Identity { fleet, cluster, certificate_chain, trust_bundle } = identity;
        let cluster = ClusterName::new(&cluster)?;
        let (hub, key) = (hub.to_owned(), key.serialize_pem());
        let identity = Self { hub, fleet, cluster, key, certificate_chain, trust_bundle };
        identity.client_config().map(|_| identity)
    }
}

/// Joins: verifies the hub by its pin, sends the token and a CSR, and waits for an approval when
/// the token wants one.
pub async fn join(request: &JoinRequest) -> Result<Identity, IdentityError> {
    let token = model::token::JoinToken::parse(&request.token);
    token.map_err(|error| IdentityError::Token(error.to_string()))?;
    let pin: SpkiPin =
        request.ca_pin.parse().map_err(|_| IdentityError::Pin { pin: request.ca_pin.clone() })?;
    let (key, csr) = new_key()?;
    loop {
        let accepted = Arc::new(OnceLock::new());
        let channel =
            connect(&request.hub, tls::client_config_pinned(pin, accepted.clone())?).await?;
        let asked = v1::JoinRequest {
            token: request.token.clone(),
            csr: csr.clone(),
            proposed_name: request.name.clone().unwrap_or_default(),
            kube_system_uid: request.kube_system_uid.clone(),
        };
        let answer = EnrolmentClient::new(channel).join(asked).await.map_err(refused)?;
        match answer.into_inner().outcome {
            Some(v1::join_response::Outcome::Identity(identity)) => {
                return Identity::issued(&request.hub, &key, identity);
            }
            Some(v1::join_response::Outcome::Pending(pending)) => {
                let pause = Duration::from_millis(pending.retry_after_ms).min(MAX_POLL);
                tracing::info!(cluster = pending.cluster, "waiting for a person to approve");
                tokio::time::sleep(pause.max(Duration::from_secs(1))).await;
            }
            None => return Err(IdentityError::Answer { what: "nothing" }),
        }
    }
}

fn refused(status: tonic::Status) -> IdentityError {
    IdentityError::Refused(Box::new(status))
}

/// A new P-256 key and a request for it. The hub takes nothing but the public key.
fn new_key() -> Result<(KeyPair, Vec<u8>), IdentityError> {
    let key = KeyPair::generate()?;
    let request = CertificateParams::default().serialize_request(&key)?;
    Ok((key, request.der().to_vec()))
}
