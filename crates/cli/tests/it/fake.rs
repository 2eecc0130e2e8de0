//! A hub of which only the fleet API is there, over real mutual TLS. It keeps lists that a test
//! changes, writes down every change that it is asked for, and can be told to answer with an error.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use proto::v1;
use proto::v1::fleet_server::{Fleet, FleetServer};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair,
};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_stream::wrappers::{TcpListenerStream, WatchStream};
use tokio_stream::{Stream, StreamExt as _};
use tonic::transport::{Certificate, Identity, Server, ServerTlsConfig};
use tonic::{Request, Response, Status};

/// The lists of the fleet, by plural kind.
pub(crate) type Lists = HashMap<&'static str, Vec<Value>>;

pub(crate) struct Fake {
    /// Changes what the fleet looks like; watchers see it.
    pub(crate) lists: watch::Sender<Lists>,
    /// Every change that was asked for, in words.
    pub(crate) asked: Arc<Mutex<Vec<String>>>,
    /// What every request is answered with instead.
    pub(crate) error: Arc<Mutex<Option<Status>>>,
    /// Results of `apply`.
    pub(crate) results: Arc<Mutex<Vec<v1::ApplyResult>>>,
    /// Never answers when true.
    pub(crate) mute: Arc<Mutex<bool>>,
    /// How many watches were begun.
    pub(crate) watches: AtomicUsize,
}

impl Default for Fake {
    fn default() -> Self {
        Self {
            lists: watch::Sender::new(Lists::new()),
            asked: Arc::default(),
            error: Arc::default(),
            results: Arc::default(),
            mute: Arc::default(),
            watches: AtomicUsize::new(0),
        }
    }
}

impl Fake {
    /// Until somebody watches, so that a change is one that the watcher sees happen.
    pub(crate) fn watched(&self) {
        while self.watches.load(Ordering::SeqCst) == 0 {
            std::thread::yield_now();
        }
    }

    async fn gate(&self) -> Result<(), Status> {
        let mute = *self.mute.lock().unwrap();
        if mute {
            std::future::pending::<()>().await;
        }
        self.error.lock().unwrap().clone().map_or(Ok(()), Err)
    }

    async fn note(&self, words: String) -> Result<Response<v1::Done>, Status> {
        self.gate().await?;
        self.asked.lock().unwrap().push(words.clone());
        Ok(Response::new(v1::Done { message: format!("done: {words}") }))
    }

    fn has(&self, kind: &'static str, name: &str) -> Result<(), Status> {
        let lists = self.lists.borrow();
        let found = lists.get(kind).is_some_and(|list| list.iter().any(|i| i["name"] == name));
        found.then_some(()).ok_or_else(|| Status::not_found(format!("no {kind} {name}")))
    }
}

/// A name that is asked for must be there, as in the real hub.
fn select(lists: &Lists, request: &v1::ListRequest) -> Result<v1::ListResponse, Status> {
    let wanted = |item: &&Value| {
        let same = |key: &str, value: &str| value.is_empty() || item[key] == value;
        same("name", &request.name)
            && same("cluster", &request.cluster)
            && same("set", &request.set)
    };
    let all = lists.get(request.kind.as_str()).cloned().unwrap_or_default();
    let items = all.iter().filter(wanted).map(|item| {
        let mut item = item.clone();
        if !request.detail {
            item.as_object_mut().unwrap().remove("resources");
        }
        item.to_string().into_bytes()
    });
    let items: Vec<_> = items.collect();
    if items.is_empty() && !request.name.is_empty() {
        return Err(Status::not_found(format!("there is no {}", request.name)));
    }
    Ok(v1::ListResponse { items })
}

fn sorted(labels: HashMap<String, String>) -> String {
    let mut pairs: Vec<_> = labels.into_iter().map(|(k, v)| format!("{k}={v}")).collect();
    pairs.sort();
    pairs.join(",")
}

struct Shared(Arc<Fake>);

#[tonic::async_trait]
impl Fleet for Shared {
    type WatchStream = Pin<Box<dyn Stream<Item = Result<v1::ListResponse, Status>> + Send>>;

    async fn version(
        &self,
        _request: Request<v1::VersionRequest>,
    ) -> Result<Response<v1::VersionResponse>, Status> {
        self.0.gate().await?;
        Ok(Response::new(v1::VersionResponse {
            hub_version: "9.9.9".to_owned(),
            fleet: "acme".to_owned(),
            epoch: "00000000000000ff.3".to_owned(),
        }))
    }

    async fn apply(
        &self,
        request: Request<v1::ApplyRequest>,
    ) -> Result<Response<v1::ApplyResponse>, Status> {
        let v1::ApplyRequest { documents, reason } = request.into_inner();
        let text = String::from_utf8(documents).unwrap();
        self.0.note(format!("apply {text:?} because {reason:?}")).await?;
        let results = self.0.results.lock().unwrap().clone();
        Ok(Response::new(v1::ApplyResponse { results }))
    }

    async fn delete(
        &self,
        request: Request<v1::DeleteRequest>,
    ) -> Result<Response<v1::Done>, Status> {
        let v1::DeleteRequest { kind, name, reason } = request.into_inner();
        self.0.note(format!("delete {kind} {name} because {reason:?}")).await
    }

    async fn list(
        &self,
        request: Request<v1::ListRequest>,
    ) -> Result<Response<v1::ListResponse>, Status> {
        self.0.gate().await?;
        Ok(Response::new(select(&self.0.lists.borrow(), request.get_ref())?))
    }

    async fn watch(
        &self,
        request: Request<v1::ListRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        self.0.gate().await?;
        let request = request.into_inner();
        let lists = WatchStream::new(self.0.lists.subscribe());
        self.0.watches.fetch_add(1, Ordering::SeqCst);
        Ok(Response::new(Box::pin(lists.map(move |lists| select(&lists, &request)))))
    }

    async fn history(
        &self,
        request: Request<v1::HistoryRequest>,
    ) -> Result<Response<v1::HistoryResponse>, Status> {
        self.0.gate().await?;
        let limit = request.get_ref().limit as usize;
        let records = self.0.lists.borrow().get("records").cloned().unwrap_or_default();
        let records = records.iter().take(limit).map(|record| record.to_string().into_bytes());
        Ok(Response::new(v1::HistoryResponse { records: records.collect() }))
    }

    async fn sync(
        &self,
        request: Request<v1::ApplicationRequest>,
    ) -> Result<Response<v1::Done>, Status> {
        let v1::ApplicationRequest { application, reason } = request.into_inner();
        self.0.has("applications", &application)?;
        self.0.note(format!("sync {application} because {reason:?}")).await
    }

    async fn pause(
        &self,
        request: Request<v1::ApplicationRequest>,
    ) -> Result<Response<v1::Done>, Status> {
        let v1::ApplicationRequest { application, reason } = request.into_inner();
        self.0.has("applications", &application)?;
        self.0.note(format!("pause {application} because {reason:?}")).await
    }

    async fn resume(
        &self,
        request: Request<v1::ApplicationRequest>,
    ) -> Result<Response<v1::Done>, Status> {
        let v1::ApplicationRequest { application, reason } = request.into_inner();
        self.0.has("applications", &application)?;
        self.0.note(format!("resume {application} because {reason:?}")).await
    }

    async fn refresh(
        &self,
        _request: Request<v1::RefreshRequest>,
    ) -> Result<Response<v1::RefreshResponse>, Status> {
        self.0.note("refresh".to_owned()).await?;
        let problems = self.0.lists.borrow().get("problems").cloned().unwrap_or_default();
        Ok(Response::new(v1::RefreshResponse {
            commit: "1a2b3c4d5e6f708192a3b4c5d6e7f80912233445".to_owned(),
            problems: problems.iter().map(|problem| problem.to_string().into_bytes()).collect(),
        }))
    }

    async fn approve(
        &self,
        request: Request<v1::ApproveRequest>,
    ) -> Result<Response<v1::Done>, Status> {
        let v1::ApproveRequest { kind, name, plan, reason } = request.into_inner();
        self.0.note(format!("approve {kind} {name} plan {plan:?} because {reason:?}")).await
    }

    async fn create_token(
        &self,
        request: Request<v1::CreateTokenRequest>,
    ) -> Result<Response<v1::CreateTokenResponse>, Status> {
        let v1::CreateTokenRequest {
            cluster,
            ttl_seconds,
            reusable,
            manual_approval,
            labels,
            reason,
        } = request.into_inner();
        let labels = sorted(labels);
        self.0
            .note(format!(
                "token {cluster:?} {ttl_seconds}s reusable {reusable} manual {manual_approval} \
                 labels {labels} because {reason:?}"
            ))
            .await?;
        Ok(Response::new(v1::CreateTokenResponse {
            id: "k7m2q9x4ab".to_owned(),
            token: "mt1.k7m2q9x4ab.secret".to_owned(),
            ca_pin: "sha256:00ff".to_owned(),
            hub: "hub.example:8443".to_owned(),
            expires_at_ms: 4_102_444_800_000,
        }))
    }

    async fn list_tokens(
        &self,
        _request: Request<v1::ListTokensRequest>,
    ) -> Result<Response<v1::ListTokensResponse>, Status> {
        self.0.gate().await?;
        let tokens = self.0.lists.borrow().get("tokens").cloned().unwrap_or_default();
        let tokens = tokens.iter().map(|token| token.to_string().into_bytes()).collect();
        Ok(Response::new(v1::ListTokensResponse { tokens }))
    }

    async fn approve_cluster(
        &self,
        request: Request<v1::ClusterRequest>,
    ) -> Result<Response<v1::Done>, Status> {
        let v1::ClusterRequest { cluster, reason } = request.into_inner();
        self.0.note(format!("approve cluster {cluster} because {reason:?}")).await
    }

    async fn revoke_cluster(
        &self,
        request: Request<v1::ClusterRequest>,
    ) -> Result<Response<v1::Done>, Status> {
        let v1::ClusterRequest { cluster, reason } = request.into_inner();
        self.0.note(format!("revoke cluster {cluster} because {reason:?}")).await
    }

    async fn label_cluster(
        &self,
        request: Request<v1::LabelClusterRequest>,
    ) -> Result<Response<v1::Done>, Status> {
        let v1::LabelClusterRequest { cluster, set, remove, reason } = request.into_inner();
        let set = sorted(set);
        self.0.note(format!("label {cluster} {set} without {remove:?} because {reason:?}")).await
    }
}

/// A fleet's certificate authority, and what it signs.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, in PEM.
pub(crate) struct Credentials {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "test fleet");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// Valid until the end of `until`, a year.
    pub(crate) fn sign(
        &self,
        name: &str,
        purpose: ExtendedKeyUsagePurpose,
        until: i32,
    ) -> Credentials {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.extended_key_usages = vec![purpose];
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(until, 12, 31);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Credentials { certificate: certificate.pem(), key: key.serialize_pem() }
    }

    pub(crate) fn server(&self) -> Credentials {
        self.sign("hub.test", ExtendedKeyUsagePurpose::ServerAuth, 2099)
    }

    pub(crate) fn client(&self) -> Credentials {
        self.sign("ann", ExtendedKeyUsagePurpose::ClientAuth, 2099)
    }
}

/// Serves `fake` until the runtime of the test ends, to clients that `authority` signed.
pub(crate) async fn serve(
    fake: Arc<Fake>,
    authority: &Authority,
    server: &Credentials,
    address: &str,
) -> SocketAddr {
    let tls = ServerTlsConfig::new()
        .identity(Identity::from_pem(&server.certificate, &server.key))
        .client_ca_root(Certificate::from_pem(authority.pem()));
    let listener = TcpListener::bind(address).await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = Server::builder()
        .tls_config(tls)
        .unwrap()
        .add_service(FleetServer::new(Shared(fake)))
        .serve_with_incoming(TcpListenerStream::new(listener));
    spawn(async move {
        serving.await.unwrap();
    });
    address
}

#[expect(clippy::disallowed_methods, reason = "the task ends with the runtime of its test")]
pub(crate) fn spawn(
    task: impl Future<Output = ()> + Send + 'static,
) -> tokio::task::JoinHandle<()> {
    tokio::spawn(task)
}
