//! What crawls cost: conditional requests, shared crawlers, the budget, and the service's own
//! limits.

use std::time::Duration;

use collect::{Collected, FailureKind};

use crate::server::{Answer, Asked, Server};
use crate::services;
use crate::support::{WALL_MS, complete, config, names, partial, recorded, request, setup};

#[tokio::test]
async fn a_second_crawl_is_conditional_requests_only() {
    for service in services::all() {
        // AWS and plugins are asked by POST.
        if matches!(service.name, "aws" | "plugin") {
            continue;
        }
        let server = Server::start(service.answer).await;
        let setup = setup(config(&server.base));
        let request = request(&service.request.replace("BASE", &server.base));
        let first = complete(setup.collector.collect(&request).await);
        server.reset();
        let before = setup.collector.counts();
        let second = complete(setup.collector.collect(&request).await);
        let after = setup.collector.counts();
        assert_eq!(first, second, "{}", service.name);
        let asked = server.reset();
        assert!(!asked.is_empty(), "{}", service.name);
        // What was not there has no tag; a path at a commit is not asked for again.
        let absent = asked.iter().filter(|asked| asked.header("if-none-match").is_empty());
        for asked in absent {
            let known = ["empty", "disabled", "203"];
            assert!(known.iter().any(|name| asked.path.contains(name)), "{asked:?}");
        }
        let paths = ["contents", "/tree", "browse", "/src/", "/items"];
        for asked in &asked {
            assert!(!paths.iter().any(|path| asked.path.contains(path)), "{asked:?}");
        }
        assert!(after.not_modified > before.not_modified, "{}", service.name);
    }
}

#[tokio::test]
async fn sets_with_one_organisation_share_its_crawl_and_its_tags() {
    let server = Server::start(services::github).await;
    let mut config = config(&server.base);
    config.timing.fresh_for = Duration::from_secs(30);
    let setup = setup(config);
    let request = |pattern: &str| {
        request(&format!(
            r#"{{"repositories": {{"provider": {{"github": {{"organization": "acme"}}}},
                "filters": [{{"repositoryMatch": "{pattern}"}}]}}}}"#
        ))
    };
    let all = ["^checkout", "^store", "^ledger"].map(request);
    let collected = setup.collector.collect_all(all.clone()).await;
    assert_eq!(collected.len(), 3);
    assert!(collected.values().all(|collected| matches!(collected, Collected::Complete(_))));
    // Three pages of the list once, and a branch each.
    assert_eq!(server.reset().len(), 3 + 3);
    // While it is fresh, nothing is asked at all.
    setup.collector.collect_all(all.clone()).await;
    assert!(server.reset().is_empty());
    setup.hand.advance(Duration::from_secs(31));
    setup.collector.collect_all(all).await;
    assert_eq!(server.reset().len(), 3 + 3);
}

#[tokio::test]
async fn filters_are_used_before_branches_are_asked_for() {
    let server = Server::start(services::github).await;
    let setup = setup(config(&server.base));
    let text = r#"{"repositories": {"provider": {"github": {"organization": "acme"}},
        "filters": [{"repositoryMatch": "^ledger$", "branchMatch": "^release", "pathsExist": ["deploy"]}]}}"#;
    complete(setup.collector.collect(&request(text)).await);
    let paths: Vec<_> = server.reset().into_iter().map(|asked| asked.path).collect();
    assert_eq!(paths.iter().filter(|path| path.contains("/branches/")).count(), 1);
    assert_eq!(paths.iter().filter(|path| path.contains("/contents/")).count(), 0);
}

#[tokio::test]
async fn what_is_over_the_budget_is_answered_from_memory() {
    let server = Server::start(services::plugin).await;
    let mut config = config(&server.base);
    config.budget.requests = 2;
    config.budget.per = Duration::from_secs(60);
    let setup = setup(config);
    services::add_plugin(&setup, &server.base);
    let request = request(services::PLUGIN);
    let good = complete(setup.collector.collect(&request).await);
    complete(setup.collector.collect(&request).await);
    let (found, reason) = partial(setup.collector.collect(&request).await);
    assert_eq!(found, good);
    assert!(reason.contains("our budget") && reason.contains("in 30 s"), "{reason}");
    assert_eq!(server.reset().len(), 2);
    setup.hand.advance(Duration::from_secs(30));
    complete(setup.collector.collect(&request).await);
}

#[tokio::test]
async fn an_answer_that_has_not_changed_costs_no_budget() {
    let server = Server::start(services::github).await;
    let mut config = config(&server.base);
    config.budget.requests = 4;
    config.budget.per = Duration::from_secs(3_600);
    let setup = setup(config);
    let request = request(services::GITHUB_PULLS);
    for _ in 0..10 {
        complete(setup.collector.collect(&request).await);
    }
    assert_eq!(setup.collector.counts().not_modified, 18);
}

#[tokio::test]
async fn a_service_that_asks_to_wait_is_left_alone() {
    let reset = (WALL_MS / 1_000 + 90).to_string();
    let date = "Tue, 14 Nov 2023 22:14:50 GMT";
    let answers = [
        Answer::json(recorded("github/rate-limited.json"))
            .status(403)
            .with("X-RateLimit-Remaining", "0")
            .with("X-RateLimit-Reset", reset.clone()),
        Answer::json("{}").status(429).with("Retry-After", "90"),
        Answer::json("{}").status(503).with("Retry-After", date),
        Answer::json("{}")
            .status(429)
            .with("RateLimit-Remaining", "0")
            .with("RateLimit-Reset", reset),
        Answer::json("{}").status(429).with("X-RateLimit-Delay", "90.25"),
    ];
    for limited in answers {
        let server = Server::start(services::github).await;
        let setup = setup(config(&server.base));
        let request = request(services::GITHUB_PULLS);
        complete(setup.collector.collect(&request).await);
        let answer = limited.clone();
        server.answer_with(move |_| answer.clone());
        let Collected::Partial(answer, failure) = setup.collector.collect(&request).await else {
            panic!("{limited:?}")
        };
        assert_eq!(failure.kind, FailureKind::RateLimited, "{limited:?}");
        assert_eq!(names(&answer.items), ["41", "42", "43"]);
        server.reset();
        server.answer_with(services::github);
        // Not asked before it is time.
        setup.hand.advance(Duration::from_secs(80));
        partial(setup.collector.collect(&request).await);
        assert!(server.reset().is_empty(), "{limited:?}");
        setup.hand.advance(Duration::from_secs(15));
        complete(setup.collector.collect(&request).await);
    }
}

#[tokio::test]
async fn an_aws_limit_is_a_limit() {
    let throttled =
        |_: &Asked| Answer::new(400, "application/x-amz-json-1.1", recorded("aws/throttled.json"));
    let server = Server::start(throttled).await;
    let setup = setup(config(&server.base));
    let failed = setup.collector.collect(&request(services::AWS)).await;
    assert_eq!(failed.failure().unwrap().kind, FailureKind::RateLimited);
    server.answer_with(|_| {
        Answer::new(400, "application/x-amz-json-1.1", recorded("aws/expired.json"))
    });
    let failed = setup.collector.collect(&request(services::AWS)).await;
    assert_eq!(failed.failure().unwrap().kind, FailureKind::Unauthorized);
}

#[tokio::test]
async fn reading_is_tried_again_and_a_plugin_is_not() {
    let flaky = |asked: &Asked| match asked.number {
        0 => Answer::new(502, "text/html", "bad gateway"),
        _ if asked.method == "POST" => services::plugin(asked),
        _ => services::github(asked),
    };
    let server = Server::start(flaky).await;
    let mut config = config(&server.base);
    config.timing.retries = 2;
    config.timing.max_wait = Duration::from_secs(1);
    config.timing.backoff.base = Duration::from_millis(1);
    let setup = setup(config);
    services::add_plugin(&setup, &server.base);
    complete(setup.collector.collect(&request(services::GITHUB_PULLS)).await);
    assert_eq!(server.reset().len(), 3);
    let failed = setup.collector.collect(&request(services::PLUGIN)).await;
    assert_eq!(failed.failure().unwrap().kind, FailureKind::Status);
    assert_eq!(server.reset().len(), 1);
}
