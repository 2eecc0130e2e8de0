//! Every service with every fault at every request of a crawl: nothing is ever complete, and
//! nothing that was known is lost (laws L1 and L2; the faults of a source that is down, of a
//! generator that sees nothing, and of one that sees a part).

use std::sync::{Arc, Mutex};
use std::time::Duration;

use collect::Collected;

use crate::server::{Answer, Asked, Server};
use crate::services::{self, Service};
use crate::support::{CANARY, config, names, request, setup};

type Fault = (&'static str, fn(Answer) -> Answer);

const LOGIN: &str =
    "<!DOCTYPE html><html><body><form action=\"/login\">Sign in</form></body></html>";

const FAULTS: [Fault; 24] = [
    ("401", |_| Answer::json(r#"{"message":"Bad credentials"}"#).status(401)),
    ("403", |_| Answer::json(r#"{"message":"Forbidden"}"#).status(403)),
    ("404 without words", |_| Answer::json("{}").status(404)),
    ("404 as a web page", |_| Answer::new(404, "text/html", LOGIN)),
    ("404 of another service", |_| Answer::json(r#"{"detail":"no route"}"#).status(404)),
    ("429", |_| Answer::json("{}").status(429).with("Retry-After", "30")),
    ("500", |_| Answer::new(500, "text/plain", "oops")),
    ("502", |_| Answer::new(502, "text/html", LOGIN)),
    ("503", |_| Answer::new(503, "text/html", "<h1>Down for maintenance</h1>")),
    ("a login page with 200", |_| Answer::new(200, "text/html; charset=utf-8", LOGIN)),
    ("a login page that says it is JSON", |_| Answer::json(LOGIN)),
    ("a sign-in page with 203", |_| Answer::new(203, "text/html", LOGIN)),
    ("an empty body", |_| Answer::json("")),
    ("204", |_| Answer::json("").status(204)),
    ("206", |answer| answer.status(206)),
    ("304 that was not asked for", |_| Answer::json("").status(304)),
    ("half of the JSON", |mut answer| {
        let mut half = answer.body.len() / 2;
        while !answer.body.is_char_boundary(half) {
            half += 1;
        }
        answer.body.truncate(half);
        answer
    }),
    ("a connection that breaks", |answer| Answer { missing: 7, ..answer }),
    ("no answer at all", |answer| Answer { silent: true, ..answer }),
    ("the wrong type", |answer| Answer::new(200, "text/plain", answer.body)),
    ("null", |_| Answer::json("null")),
    ("an object that says nothing", |_| Answer::json("{}")),
    ("lists that are null", |answer| {
        let body = if answer.body.starts_with('[') {
            "null".to_owned()
        } else {
            r#"{"values":null,"value":null,"repositories":null,"branches":null,"isLastPage":true,
                "count":0,"size":0,"output":{"parameters":null}}"#
                .to_owned()
        };
        Answer::json(body)
    }),
    ("a redirect to a login page", |_| Answer::json("").status(302).with("Location", "BASE/login")),
];

/// Faults of the first crawl, and of a later one.
async fn check(service: &Service) {
    let fault: Arc<Mutex<Option<(usize, Fault)>>> = Arc::default();
    let (answer, injected) = (service.answer, Arc::clone(&fault));
    let server = Server::start(move |asked: &Asked| match *injected.lock().unwrap() {
        _ if asked.path == "/login" => Answer::new(200, "text/html", LOGIN),
        Some((number, (_, change))) if number == asked.number => {
            Answer { plain: true, ..change(answer(asked)) }
        }
        _ => answer(asked),
    })
    .await;
    let request = request(&service.request.replace("BASE", &server.base));
    let ready = || {
        let setup = setup(config(&server.base));
        services::add_plugin(&setup, &server.base);
        setup
    };
    let good = match ready().collector.collect(&request).await {
        Collected::Complete(answer) => names(&answer.items),
        other => panic!("{}: {other:?}", service.name),
    };
    assert!(!good.is_empty(), "{}", service.name);
    let requests = server.reset().len();
    // One that forgets before each fault, and one that knows all.
    let (ignorant, knowing) = (ready(), ready());
    let again = knowing.collector.collect(&request).await;
    assert!(matches!(again, Collected::Complete(_)), "{}", service.name);
    for number in 0..requests {
        for broken in FAULTS {
            let place = format!("{}: {} at request {number}", service.name, broken.0);
            *fault.lock().unwrap() = Some((number, broken));
            server.reset();
            ignorant.collector.forget();
            let first = ignorant.collector.collect(&request).await;
            assert!(!matches!(first, Collected::Complete(_)), "{place}: {first:?}");
            let reason = first.failure().expect("there is a reason").to_string();
            assert!(!reason.contains(CANARY), "{place}: {reason}");

            server.reset();
            let later = knowing.collector.collect(&request).await;
            let reached = server.reset().len() > number;
            match later {
                // A path at a commit is not asked for again.
                Collected::Complete(_) if !reached => {}
                // Now it was asked for.
                Collected::Complete(_) if broken.0 == "304 that was not asked for" => {}
                Collected::Complete(answer) => panic!("{place}: {answer:?}"),
                Collected::Failed(failure) => panic!("{place}: {failure}"),
                Collected::Partial(answer, _) => {
                    let now = names(&answer.items);
                    let lost: Vec<_> = good.iter().filter(|name| !now.contains(name)).collect();
                    assert!(lost.is_empty(), "{place}: lost {lost:?}");
                }
            }
            // A service that asked to wait has waited.
            knowing.hand.advance(Duration::from_secs(60));
        }
        // And when the trouble is over, so is its effect.
        *fault.lock().unwrap() = None;
        let recovered = knowing.collector.collect(&request).await;
        assert!(matches!(recovered, Collected::Complete(_)), "{}: {recovered:?}", service.name);
    }
}

async fn check_named(names: &[&str]) {
    let services = services::all();
    let chosen: Vec<_> = services.iter().filter(|service| names.contains(&service.name)).collect();
    assert_eq!(chosen.len(), names.len());
    for service in chosen {
        check(service).await;
    }
}

#[tokio::test]
async fn github() {
    check_named(&["github", "github pulls"]).await;
}

#[tokio::test]
async fn gitlab() {
    check_named(&["gitlab", "gitlab pulls"]).await;
}

#[tokio::test]
async fn gitea() {
    check_named(&["gitea", "gitea pulls"]).await;
}

#[tokio::test]
async fn bitbucket_server() {
    check_named(&["bitbucket server", "bitbucket server pulls"]).await;
}

#[tokio::test]
async fn bitbucket() {
    check_named(&["bitbucket", "bitbucket pulls"]).await;
}

#[tokio::test]
async fn azure() {
    check_named(&["azure", "azure pulls"]).await;
}

#[tokio::test]
async fn aws_and_plugin() {
    check_named(&["aws", "plugin"]).await;
}
