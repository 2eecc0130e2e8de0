//! `muster expand --collect`: a real plugin service on loopback, and what keeps it from being asked.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread;

use expect_test::expect;
use tempfile::TempDir;

use crate::offline::{command, folder};
use crate::tool::Ran;

const SET: &str = "
apiVersion: argoproj.io/v1alpha1
kind: ApplicationSet
metadata: { name: tenants }
spec:
  goTemplate: true
  generators:
    - plugin:
        configMapRef: { name: directory }
        input: { parameters: { tier: gold } }
  template:
    metadata: { name: 'tenant-{{ .team }}' }
    spec:
      project: default
      source: { repoURL: r, path: '{{ .team }}' }
      destination: { name: in-cluster }
";

/// Answers every request the same, and keeps what it was asked.
struct Plugin {
    address: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Plugin {
    fn new(status: &'static str, body: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&asked);
        // The thread ends with the process of the tests.
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut text = [0; 4096];
                let mut request = String::new();
                while !request.contains("\r\n\r\n{") {
                    let read = stream.read(&mut text).unwrap();
                    if read == 0 {
                        break;
                    }
                    request += &String::from_utf8_lossy(&text[..read]);
                }
                kept.lock().unwrap().push(request);
                let length = body.len();
                let head = format!(
                    "HTTP/1.1 {status}\r\nContent-Type: application/json\r\n\
                     Content-Length: {length}\r\nConnection: close\r\n\r\n"
                );
                stream.write_all(head.as_bytes()).unwrap();
                stream.write_all(body.as_bytes()).unwrap();
            }
        });
        Self { address, asked }
    }

    fn files(&self) -> TempDir {
        let map = format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{ name: directory }}\n\
             data: {{ baseUrl: {:?}, token: $directory:token }}\n",
            self.address
        );
        folder(&[("set.yaml", SET), ("maps.yaml", &map), ("token", "t0k3n\n")])
    }
}

const ANSWER: &str = r#"{"output": {"parameters": [{"team": "payments"}, {"team": "search"}]}}"#;

fn ask(plugin: &Plugin, dir: &TempDir, words: &[&str]) -> String {
    let words = [&["set.yaml", "--decisions", "maps.yaml", "-o", "name"], words].concat();
    let mut command = command(dir.path(), &words);
    let Ran { code, out, err } = command.env("TENANTS_TOKEN", "fr0m-env").output().unwrap().into();
    let port = plugin.address.rsplit(':').next().unwrap();
    format!("{out}{err}exit {code}\n").replace(port, "PORT")
}

#[test]
fn a_plugin_is_asked_with_its_token() {
    let plugin = Plugin::new("200 OK", ANSWER);
    let dir = plugin.files();
    let allow = plugin.address.as_str();
    let file = ["--collect", "--allow-url", allow, "--secret", "directory/token=token"];
    expect![[r#"
        tenant-payments
        tenant-search
        asking 1 question
        note: no clusters are given, so destinations are not checked; --clusters FILE
        exit 0
    "#]]
    .assert_eq(&ask(&plugin, &dir, &file));
    let variable =
        ["--collect", "--allow-url", allow, "--secret", "directory/token=env:TENANTS_TOKEN"];
    assert!(ask(&plugin, &dir, &variable).ends_with("exit 0\n"));
    let asked = plugin.asked.lock().unwrap();
    let tokens = ["Bearer t0k3n", "Bearer fr0m-env"];
    assert_eq!(asked.len(), tokens.len());
    for (request, token) in asked.iter().zip(tokens) {
        assert!(request.starts_with("POST /api/v1/getparams.execute"), "{request}");
        assert!(request.contains(token) && request.contains("gold"), "{request}");
    }
}

#[test]
fn nobody_is_asked_without_leave() {
    let plugin = Plugin::new("200 OK", ANSWER);
    let dir = plugin.files();
    let allow = plugin.address.as_str();
    expect![[r#"
        problem: tenants, generators[0]: SourceUnavailable: plugin: no service was asked; `muster expand` asks it with --collect
        note: no clusters are given, so destinations are not checked; --clusters FILE
        error: 1 problem
        exit 1
    "#]].assert_eq(&ask(&plugin, &dir, &[]));
    expect![[r#"
        asking 1 question
        problem: tenants, generators[0]: SourceUnavailable: plugin: http://127.0.0.1:PORT is not on the list of services that may be asked; the operator can allow `http://127.0.0.1:PORT`
        note: no clusters are given, so destinations are not checked; --clusters FILE
        error: 1 problem
        exit 1
    "#]].assert_eq(&ask(&plugin, &dir, &["--collect", "--secret", "directory/token=token"]));
    expect![[r#"
        asking 1 question
        problem: tenants, generators[0]: SourceUnavailable: plugin: the secret directory/token is not given; add --secret directory/token=FILE or directory/token=env:VARIABLE
        note: no clusters are given, so destinations are not checked; --clusters FILE
        error: 1 problem
        exit 1
    "#]].assert_eq(&ask(&plugin, &dir, &["--collect", "--allow-url", allow]));
    let gone = ["--collect", "--allow-url", allow, "--secret", "directory/token=env:NO_SUCH_TOKEN"];
    expect![[r#"
        asking 1 question
        problem: tenants, generators[0]: SourceUnavailable: plugin: the variable NO_SUCH_TOKEN is not set, or not text
        note: no clusters are given, so destinations are not checked; --clusters FILE
        error: 1 problem
        exit 1
    "#]].assert_eq(&ask(&plugin, &dir, &gone));
    assert!(plugin.asked.lock().unwrap().is_empty());
    for words in [
        &["--allow-url", allow][..],
        &["--collect", "--allow-url", "ftp://x"],
        &["--collect", "--secret", "token"],
        &["--collect", "--trust", "nowhere.pem"],
    ] {
        let text = ask(&plugin, &dir, words);
        assert!(text.starts_with("error: ") && !text.ends_with("exit 0\n"), "{words:?}: {text}");
    }
}

#[test]
fn a_service_that_fails_is_a_problem() {
    let plugin = Plugin::new("404 Not Found", "{}");
    let dir = plugin.files();
    let allow = plugin.address.as_str();
    let words = ["--collect", "--allow-url", allow, "--secret", "directory/token=token"];
    expect![[r#"
        asking 1 question
        problem: tenants, generators[0]: SourceUnavailable: plugin: http://127.0.0.1:PORT/api/v1/getparams.execute answered with status 404: it is not there, or the credential may not see it
        note: no clusters are given, so destinations are not checked; --clusters FILE
        error: 1 problem
        exit 1
    "#]].assert_eq(&ask(&plugin, &dir, &words));
}
