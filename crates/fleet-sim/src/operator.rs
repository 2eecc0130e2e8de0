//! A person at the hub's fleet API, with the first operator's certificate.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use model::view::{ApplicationView, ClusterView, SetView};
use proto::channel::connect;
use proto::v1;
use proto::v1::fleet_client::FleetClient;
use runtime::tls::{self, ReloadableCert};
use serde::de::DeserializeOwned;
use tonic::transport::Channel;

use crate::hub::read_context;

/// The views of a thousand clusters with ten applications each are some ten megabytes.
const MAX_ANSWER: usize = 256 << 20;

/// What a spoke needs to join.
#[derive(Debug, Clone)]
pub struct Token {
    pub token: String,
    pub ca_pin: String,
}

pub struct Operator {
    context: PathBuf,
    client: Option<FleetClient<Channel>>,
}

impl Operator {
    #[must_use]
    pub fn new(context: &Path) -> Self {
        Self { context: context.to_owned(), client: None }
    }

    /// Forgets the connection: the hub it led to is gone.
    pub fn hang_up(&mut self) {
        self.client = None;
    }

    async fn client(&mut self) -> Result<&mut FleetClient<Channel>> {
        if self.client.is_none() {
            let context = read_context(&self.context)?;
            let text = |key: &str| {
                context[key].as_str().with_context(|| format!("the context has no {key}"))
            };
            let chain = tls::certificates_from_pem(text("certificate")?.as_bytes(), "certificate")?;
            let key = tls::private_key_from_pem(text("key")?.as_bytes(), "key")?;
            let roots = tls::certificates_from_pem(text("ca")?.as_bytes(), "ca")?;
            let identity = ReloadableCert::new(tls::Identity { chain, key })?;
            let config = tls::client_config(tls::root_store(&roots)?, Some(identity))?;
            let client = FleetClient::new(connect(text("hub")?, config).await?);
            self.client = Some(client.max_decoding_message_size(MAX_ANSWER));
        }
        self.client.as_mut().context("it was made above")
    }

    /// A token with which any number of clusters join, all with these labels.
    pub async fn token(&mut self, labels: &[(&str, &str)]) -> Result<Token> {
        let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let asked = v1::CreateTokenRequest {
            cluster: String::new(),
            ttl_seconds: 24 * 3_600,
            reusable: true,
            manual_approval: false,
            labels: labels.collect(),
            reason: "simulation".to_owned(),
        };
        let made = self.client().await?.create_token(asked).await?.into_inner();
        Ok(Token { token: made.token, ca_pin: made.ca_pin })
    }

    /// Looks at Git now; how many problems there are.
    pub async fn refresh(&mut self) -> Result<usize> {
        let answer = self.client().await?.refresh(v1::RefreshRequest {}).await?;
        Ok(answer.into_inner().problems.len())
    }

    pub async fn label(&mut self, cluster: &str, label: &str, value: &str) -> Result<()> {
        let asked = v1::LabelClusterRequest {
            cluster: cluster.to_owned(),
            set: [(label.to_owned(), value.to_owned())].into(),
            remove: Vec::new(),
            reason: "simulation".to_owned(),
        };
        self.client().await?.label_cluster(asked).await?;
        Ok(())
    }

    /// Approves what is parked of a set, or lets a cluster on hold remove.
    pub async fn approve(&mut self, kind: &str, name: &str, plan: &str) -> Result<()> {
        let asked = v1::ApproveRequest {
            kind: kind.to_owned(),
            name: name.to_owned(),
            plan: plan.to_owned(),
            reason: "simulation".to_owned(),
        };
        self.client().await?.approve(asked).await?;
        Ok(())
    }

    pub async fn clusters(&mut self) -> Result<BTreeMap<String, ClusterView>> {
        let all: Vec<ClusterView> = self.list("clusters").await?;
        Ok(all.into_iter().map(|view| (view.name.to_string(), view)).collect())
    }

    pub async fn applications(&mut self) -> Result<Vec<ApplicationView>> {
        self.list("applications").await
    }

    pub async fn sets(&mut self) -> Result<Vec<SetView>> {
        self.list("applicationsets").await
    }

    async fn list<T: DeserializeOwned>(&mut self, kind: &str) -> Result<Vec<T>> {
        let asked = v1::ListRequest { kind: kind.to_owned(), ..v1::ListRequest::default() };
        let items = self.client().await?.list(asked).await?.into_inner().items;
        items
            .iter()
            .map(|item| serde_json::from_slice(item).context("a view that is none"))
            .collect()
    }
}
