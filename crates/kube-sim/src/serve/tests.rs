//! A cluster over HTTPS, asked by real clients.

use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::TokioIo;
use runtime::clock::Clock;
use runtime::tls::root_store;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::*;
use crate::cluster::Options;
use crate::controllers::Behaviour;

struct Fixture {
    supervisor: Supervisor,
    server: Server,
    tls: Tls,
    cluster: Cluster,
}

async fn fixture() -> Fixture {
    let clock = Clock::system();
    let tls = Tls::new(&clock).unwrap();
    let cluster = Cluster::new(Options { seed: 1, clock, behaviour: Behaviour::default() });
    let supervisor = Supervisor::new(CancellationToken::new());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = serve(&cluster, listener, &tls, &supervisor).unwrap();
    Fixture { supervisor, server, tls, cluster }
}

impl Fixture {
    async fn connect(&self, protocol: &[u8]) -> TlsStream<TcpStream> {
        let root = CertificateDer::from_pem_slice(self.tls.ca_pem().as_bytes()).unwrap();
        let mut config = runtime::tls::client_config(root_store([&root]).unwrap(), None).unwrap();
        config.alpn_protocols = vec![protocol.to_vec()];
        let tcp = TcpStream::connect(self.server.address()).await.unwrap();
        let name = ServerName::try_from("127.0.0.1").unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, tcp).await.unwrap()
    }

    async fn send(&self, request: Request<Full<bytes::Bytes>>) -> Response<Incoming> {
        let stream = TokioIo::new(self.connect(b"http/1.1").await);
        let (mut sender, connection) = http1::handshake(stream).await.unwrap();
        self.supervisor.spawn("client", async { drop(connection.await) });
        sender.send_request(request).await.unwrap()
    }

    async fn get(&self, path: &str, headers: &[(&str, &str)]) -> (u16, Value) {
        let mut request = Request::get(path).header("host", "sim");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = self.send(request.body(Full::default()).unwrap()).await;
        let code = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (code, serde_json::from_slice(&body).unwrap_or_default())
    }

    fn admin(&self) -> String {
        format!("Bearer {}", self.server.admin_token())
    }
}

#[tokio::test]
async fn a_token_decides_who_asks() {
    let fixture = fixture().await;
    let admin = fixture.admin();
    let path = "/api/v1/namespaces/default";
    let (code, object) = fixture.get(path, &[("authorization", &admin)]).await;
    assert_eq!((code, &object["kind"]), (200, &json!("Namespace")));

    let (code, refused) = fixture.get(path, &[]).await;
    assert_eq!(code, 403);
    let message = refused["message"].as_str().unwrap();
    assert!(message.contains("User \"system:anonymous\" cannot get"), "{message}");

    let (code, refused) = fixture.get(path, &[("authorization", "Bearer nope")]).await;
    assert_eq!((code, &refused["reason"]), (401, &json!("Unauthorized")));
    assert_eq!(fixture.get("/version", &[]).await.0, 200);
}

#[tokio::test]
async fn only_who_may_takes_another_name() {
    let fixture = fixture().await;
    let admin = fixture.admin();
    let as_bob = [("authorization", admin.as_str()), ("impersonate-user", "bob")];
    let (code, refused) = fixture.get("/api/v1/nodes", &as_bob).await;
    assert_eq!(code, 403);
    assert!(refused["message"].as_str().unwrap().contains("User \"bob\" cannot list"));
    let as_master = [as_bob[0], as_bob[1], ("impersonate-group", "system:masters")];
    assert_eq!(fixture.get("/api/v1/nodes", &as_master).await.0, 200);
    let (code, refused) = fixture.get("/api/v1/nodes", &[as_bob[1]]).await;
    assert_eq!(code, 403);
    let message = refused["message"].as_str().unwrap();
    assert!(message.contains("cannot impersonate resource \"users\""), "{message}");
}

#[tokio::test]
async fn http2_works_too() {
    let fixture = fixture().await;
    let stream = TokioIo::new(fixture.connect(b"h2").await);
    let executor = hyper_util::rt::TokioExecutor::new();
    let (mut sender, connection) = http2::handshake(executor, stream).await.unwrap();
    fixture.supervisor.spawn("client", async { drop(connection.await) });
    let request = Request::get(format!("{}/version", fixture.server.url()));
    let request = request.body(Full::<bytes::Bytes>::default()).unwrap();
    let response = sender.send_request(request).await.unwrap();
    assert_eq!(response.status(), 200);
}

#[tokio::test]
async fn a_stop_ends_watches_and_frees_the_port() {
    let fixture = fixture().await;
    let request = Request::get("/api/v1/namespaces?watch=1&resourceVersion=0")
        .header("host", "sim")
        .header("authorization", fixture.admin());
    let response = fixture.send(request.body(Full::default()).unwrap()).await;
    assert_eq!(response.status(), 200);
    let mut body = response.into_body();
    let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
    assert!(first.starts_with(b"{\"type\":\"ADDED\""));

    let address = fixture.server.address();
    fixture.server.stop().await;
    // The stream ends as one that is complete, not as a broken one.
    while let Some(frame) = body.frame().await {
        frame.unwrap();
    }
    TcpListener::bind(address).await.unwrap();
    assert_eq!(fixture.cluster.stats().open_watches, 0);
    assert_eq!(fixture.supervisor.join(Duration::from_secs(5)).await, Vec::<String>::new());
}

#[tokio::test]
async fn the_supervisors_token_ends_it_with_a_silent_client_connected() {
    let fixture = fixture().await;
    let silent = TcpStream::connect(fixture.server.address()).await.unwrap();
    let abandoned = fixture.supervisor.join(Duration::from_secs(5)).await;
    assert_eq!(abandoned, Vec::<String>::new());
    drop(silent);
}

#[tokio::test]
async fn a_kubeconfig_is_complete() {
    let fixture = fixture().await;
    let config: Value = serde_json::from_str(&fixture.server.kubeconfig("sim-1")).unwrap();
    assert_eq!(config["current-context"], "sim-1");
    assert_eq!(config["clusters"][0]["cluster"]["server"], fixture.server.url());
    assert_eq!(config["users"][0]["user"]["token"], fixture.server.admin_token());
}
