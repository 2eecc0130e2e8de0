//! Where credentials go and where they do not: addresses, redirects, certificates, logs.

use std::io::Write;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use collect::{Collected, FailureKind, Lookup};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::PrivatePkcs8KeyDer;
use tokio_rustls::TlsAcceptor;

use crate::server::{Answer, Asked, Server};
use crate::services;
use crate::support::{CANARY, complete, config, recorded, request, setup};

/// Tells another address each time, as a name server does that wants to be believed once.
struct Names {
    addresses: Vec<&'static str>,
    asked: AtomicUsize,
}

impl Lookup for Names {
    fn lookup(&self, _host: &str) -> BoxFuture<'static, std::io::Result<Vec<IpAddr>>> {
        let turn = self.asked.fetch_add(1, Ordering::Relaxed);
        let address = self.addresses[turn.min(self.addresses.len() - 1)].parse().unwrap();
        async move { Ok(vec![address]) }.boxed()
    }
}

fn names(addresses: &[&'static str]) -> Arc<Names> {
    Arc::new(Names { addresses: addresses.to_vec(), asked: AtomicUsize::new(0) })
}

#[track_caller]
fn kind(collected: &Collected) -> FailureKind {
    collected.failure().expect("it failed").kind
}

fn pulls(api: &str) -> String {
    services::GITEA_PULLS.replace("BASE", api)
}

#[tokio::test]
async fn only_what_is_on_the_list_is_asked() {
    let server = Server::start(services::gitea).await;
    let mut config = config(&server.base);
    config.allowed.clear();
    config.endpoints = collect::Endpoints::default();
    let setup = setup(config);
    let failed = setup.collector.collect(&request(&pulls(&server.base))).await;
    assert_eq!(kind(&failed), FailureKind::Refused);
    let message = failed.failure().unwrap().to_string();
    assert!(message.contains(&server.base) && message.contains("operator"), "{message}");
    for api in ["file:///etc/passwd", "https://user:pw@127.0.0.1/", "gopher://x", ""] {
        let failed = setup.collector.collect(&request(&pulls(api))).await;
        assert_eq!(kind(&failed), FailureKind::Request, "{api}");
    }
    assert!(server.reset().is_empty());
    assert!(setup.secrets.given.lock().unwrap().is_empty());
}

#[tokio::test]
async fn loopback_and_link_local_are_refused_by_address_and_by_name() {
    let server = Server::start(services::gitea).await;
    let port = server.base.rsplit(':').next().unwrap();
    for (host, address) in [
        ("127.0.0.1", None),
        ("0x7f000001", None),
        ("git.example.com", Some("127.0.0.1")),
        ("git.example.com", Some("169.254.169.254")),
        ("git.example.com", Some("::ffff:127.0.0.1")),
        ("git.example.com", Some("fd00:ec2::254")),
    ] {
        let base = format!("http://{host}:{port}");
        let mut config = config(&base);
        config.allow_loopback = false;
        config.lookup = address.map(|address| names(&[address]) as Arc<dyn Lookup>);
        let failed = setup(config).collector.collect(&request(&pulls(&base))).await;
        assert_eq!(kind(&failed), FailureKind::Refused, "{host} {address:?}: {failed:?}");
    }
    assert!(server.reset().is_empty());
}

#[tokio::test]
async fn a_name_that_changes_its_address_between_questions_is_refused_when_it_does() {
    let server = Server::start(services::gitea).await;
    let port = server.base.rsplit(':').next().unwrap();
    let base = format!("http://git.example.com:{port}");
    let mut config = config(&base);
    // Each connection goes to the address that was looked at for it: first ours, then another.
    config.lookup = Some(names(&["127.0.0.1", "169.254.169.254"]));
    let collected = setup(config).collector.collect(&request(&pulls(&base))).await;
    assert_eq!(kind(&collected), FailureKind::Refused);
    assert_eq!(server.reset().len(), 1);
}

#[tokio::test]
async fn a_credential_does_not_follow_a_redirect_to_another_origin() {
    let other = Server::start(|_: &Asked| Answer::json("[]")).await;
    let target = format!("{}/api/v1/repos/acme/checkout-api/pulls", other.base);
    let server = Server::start(move |_: &Asked| {
        Answer::json("").status(302).with("location", target.clone())
    })
    .await;
    let setup = setup(config(&server.base));
    let failed = setup.collector.collect(&request(&pulls(&server.base))).await;
    assert_eq!(kind(&failed), FailureKind::Redirect);
    assert!(other.reset().is_empty());
}

#[tokio::test]
async fn a_redirect_within_the_service_is_followed() {
    // A renamed repository.
    let renamed = |asked: &Asked| {
        if asked.path.contains("old-name") {
            let to = format!("{}?{}", asked.path.replace("old-name", "checkout-api"), asked.query);
            return Answer::json("").status(301).with("location", to);
        }
        services::github(asked)
    };
    let server = Server::start(renamed).await;
    let setup = setup(config(&server.base));
    let text = services::GITHUB_PULLS.replace("checkout-api", "old-name");
    assert_eq!(complete(setup.collector.collect(&request(&text)).await).len(), 3);
    let circle = |asked: &Asked| {
        Answer::json("").status(302).with("location", format!("{}?x={}", asked.path, asked.number))
    };
    server.answer_with(circle);
    setup.collector.forget();
    let failed = setup.collector.collect(&request(&text)).await;
    assert_eq!(kind(&failed), FailureKind::Redirect);
}

#[tokio::test]
async fn secrets_are_for_an_origin_and_a_missing_one_is_named() {
    let server = Server::start(services::gitea).await;
    let setup = setup(config(&server.base));
    complete(setup.collector.collect(&request(&pulls(&server.base))).await);
    let given = setup.secrets.given.lock().unwrap().clone();
    assert!(given.iter().all(|(key, audience)| key == "token" && *audience == server.base));
    setup.secrets.without.lock().unwrap().push("token".to_owned());
    setup.collector.forget();
    let failed = setup.collector.collect(&request(&pulls(&server.base))).await;
    assert_eq!(kind(&failed), FailureKind::Secret);
    assert!(failed.failure().unwrap().to_string().contains("no key `token`"));
}

#[tokio::test]
async fn a_github_app_asks_with_the_token_of_its_installation() {
    let server = Server::start(services::github).await;
    let setup = setup(config(&server.base));
    let text = r#"{"repositories": {"provider": {"github": {"organization": "acme", "appSecretName": "app"}}}}"#;
    assert_eq!(complete(setup.collector.collect(&request(text)).await).len(), 5);
    let asked = server.reset();
    assert!(asked[0].path.ends_with("/access_tokens") && asked[0].method == "POST");
    assert!(asked[0].header("authorization").starts_with("Bearer ey"));
    let bearer = "Bearer ghs_installationTokenThatIsSecret0001";
    assert!(asked[1..].iter().all(|asked| asked.header("authorization") == bearer));
    // The token is kept for its hour, less five minutes.
    setup.hand.advance(std::time::Duration::from_secs(54 * 60));
    complete(setup.collector.collect(&request(text)).await);
    assert!(server.reset().iter().all(|asked| asked.method == "GET"));
    setup.hand.advance(std::time::Duration::from_secs(2 * 60));
    complete(setup.collector.collect(&request(text)).await);
    assert!(server.reset().iter().any(|asked| asked.method == "POST"));
    // Without its number, the installation is looked up.
    setup.secrets.without.lock().unwrap().push("githubAppInstallationID".to_owned());
    setup.collector.forget();
    complete(setup.collector.collect(&request(text)).await);
    assert_eq!(server.reset()[0].path, "/orgs/acme/installation");
}

#[tokio::test]
async fn an_aws_role_is_assumed_and_tags_are_asked_for() {
    let server = Server::start(services::aws).await;
    let setup = setup(config(&server.base));
    let text = r#"{"repositories": {"provider": {"awsCodeCommit": {"role": "arn:aws:iam::1:role/reader",
        "tagFilters": [{"key": "team", "value": "shop"}, {"key": "live"}], "region": "eu-west-1"}}}}"#;
    let lines = complete(setup.collector.collect(&request(text)).await);
    assert_eq!(lines.len(), 1);
    let asked = server.reset();
    assert!(asked[0].body.contains("RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Freader"));
    let key = "Credential=ASIAIOSFODNN7EXAMPLE/20231114/eu-west-1/tagging/";
    assert!(asked[1].header("authorization").contains(key));
    assert_eq!(asked[1].header("x-amz-security-token"), "sessionTokenThatIsSecret0003==");
    let filters = r#"[{"Key":"live"},{"Key":"team","Values":["shop"]}]"#;
    assert!(asked[1].body.contains(filters), "{}", asked[1].body);
}

#[tokio::test]
async fn https_is_trusted_by_its_authority_or_on_request() {
    let mut params = CertificateParams::new(["authority.test".to_owned()]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    let leaf = leaf.signed_by(&key, &authority).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![leaf.der().clone()],
            PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        )
        .unwrap();
    let server = Server::start_tls(services::gitlab, TlsAcceptor::from(Arc::new(tls))).await;
    let setup = setup(config(&server.base));
    let text = services::GITLAB_PULLS.replace("BASE", &server.base);
    let failed = setup.collector.collect(&request(&text)).await;
    assert_eq!(kind(&failed), FailureKind::Network);
    let message = failed.failure().unwrap().to_string();
    assert!(message.contains("certificate"), "{message}");

    let insecure = text.replace("\"labels\"", "\"insecure\": true, \"labels\"");
    complete(setup.collector.collect(&request(&insecure)).await);

    setup.config_map("authorities", &[("ca.pem", authority.pem())]);
    let by_authority = text.replace(
        "\"labels\"",
        r#""caRef": {"configMapName": "authorities", "key": "ca.pem"}, "labels""#,
    );
    complete(setup.collector.collect(&request(&by_authority)).await);
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// In every encoding that a credential travels in.
fn encodings(secret: &str) -> Vec<String> {
    use base64::Engine as _;
    let hex = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    let base64 = base64::engine::general_purpose::STANDARD_NO_PAD.encode(secret);
    // The first and last characters depend on what is around it.
    let inner = base64[2..base64.len() - 2].to_owned();
    vec![secret.to_owned(), hex, inner]
}

#[tokio::test]
async fn no_log_and_no_message_holds_a_secret() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    // With one subscriber alone, `tracing` asks the thread that first comes to a place whether the
    // place is of interest, which may be another test's. With two it asks them.
    let _second = tracing::Dispatch::new(tracing_subscriber::registry());
    let _guard = tracing::subscriber::set_default(subscriber);
    let mut messages = Vec::new();
    for service in services::all() {
        let app = service.request.replace(
            r#""tokenRef": {"secretName": "gh", "key": "token"}"#,
            r#""appSecretName": "app""#,
        );
        for text in [service.request.to_owned(), app] {
            let server = Server::start(service.answer).await;
            let setup = setup(config(&server.base));
            services::add_plugin(&setup, &server.base);
            let request = request(&text.replace("BASE", &server.base));
            let collected = setup.collector.collect(&request).await;
            messages.extend([format!("{collected:?}"), format!("{request:?}")]);
            // A service that sends back what it was sent.
            server.answer_with(|asked| {
                let status = [401, 403, 404, 500][asked.number % 4];
                Answer::json(format!("{:?}", asked.headers)).status(status)
            });
            for _ in 0..4 {
                let collected = setup.collector.collect(&request).await;
                messages.push(format!("{collected:?}"));
            }
        }
    }
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("asked"), "the log is written");
    let messages = messages.join("\n");
    let key = recorded("github-app-test-key.pem");
    let key = key.lines().nth(3).unwrap();
    for secret in [CANARY, "TokenThatIsSecret", key] {
        for text in encodings(secret) {
            assert!(!log.contains(&text), "the log has {secret}");
            assert!(!messages.contains(&text), "a message has {secret}");
        }
    }
}
