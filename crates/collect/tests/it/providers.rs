//! What each service is asked and what its answers become: a transcript, page by page.

use std::fmt::Write as _;

use base64::Engine as _;
use expect_test::expect_file;

use crate::server::{Asked, Server};
use crate::services;
use crate::support::{complete, config, request, setup};

/// `UPDATE_EXPECT=1` writes it anew.
#[tokio::test]
async fn every_service_is_asked_and_read_as_recorded() {
    let mut transcript = String::new();
    for service in services::all() {
        let server = Server::start(service.answer).await;
        let setup = setup(config(&server.base));
        services::add_plugin(&setup, &server.base);
        let request = request(&service.request.replace("BASE", &server.base));
        let lines = complete(setup.collector.collect(&request).await);
        let mut asked: Vec<_> = server.reset().iter().map(line).collect();
        // Those of several repositories are asked at once.
        asked.sort();
        writeln!(transcript, "== {}", service.name).unwrap();
        for line in asked.into_iter().chain(lines) {
            writeln!(transcript, "{}", line.trim_end()).unwrap();
        }
    }
    expect_file!["../recorded/transcript.txt"].assert_eq(&transcript);
}

fn line(asked: &Asked) -> String {
    let Asked { method, path, query, body, .. } = asked;
    format!("  {method} {path}?{query} {body} ({})", who(asked))
}

/// The credential, readable, without a signature.
fn who(asked: &Asked) -> String {
    let authorization = asked.header("authorization");
    if let Some(basic) = authorization.strip_prefix("Basic ") {
        let pair = base64::engine::general_purpose::STANDARD.decode(basic).unwrap();
        return format!("Basic {}", String::from_utf8(pair).unwrap());
    }
    let private = asked.header("private-token");
    if !private.is_empty() {
        return format!("Private-Token {private}");
    }
    let target = asked.header("x-amz-target");
    match authorization.split_once("Signature=") {
        Some((signed, _)) => format!("{target} {signed}"),
        None => authorization.to_owned(),
    }
}
