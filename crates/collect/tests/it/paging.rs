//! Lists that do not end, do not fit together, or whose end is not proved.

use collect::{Collected, FailureKind};
use serde_json::{Value, json};

use crate::server::{Answer, Asked, Server};
use crate::services;
use crate::support::{complete, config, names, partial, recorded, request, setup};

async fn collect(text: &str, answer: impl FnMut(&Asked) -> Answer + Send + 'static) -> Collected {
    let server = Server::start(answer).await;
    let setup = setup(config(&server.base));
    setup.collector.collect(&request(&text.replace("BASE", &server.base))).await
}

fn pull(number: u64) -> Value {
    json!({"number": number, "title": "t", "user": {"login": "ada"}, "labels": [],
        "head": {"ref": "x", "sha": "1"}, "base": {"ref": "main", "sha": "2"}})
}

fn page(numbers: impl Iterator<Item = u64>) -> Answer {
    Answer::json(Value::Array(numbers.map(pull).collect()).to_string())
}

fn number(asked: &Asked) -> u64 {
    asked.parameter("page").parse().unwrap_or(1)
}

#[track_caller]
fn kind(collected: &Collected) -> FailureKind {
    collected.failure().expect("it is not complete").kind
}

#[tokio::test]
async fn a_full_page_without_a_link_is_not_the_end() {
    // A proxy has dropped the header: the pages go on all the same.
    let stripped = |asked: &Asked| match number(asked) {
        1 => page(1..=100),
        2 => page(101..=150),
        _ => services::unknown(asked),
    };
    assert_eq!(complete(collect(services::GITHUB_PULLS, stripped).await).len(), 150);
    // Exactly a page, and nothing after it.
    let exact = |asked: &Asked| if number(asked) == 1 { page(1..=100) } else { Answer::json("[]") };
    assert_eq!(complete(collect(services::GITHUB_PULLS, exact).await).len(), 100);
}

#[tokio::test]
async fn a_service_that_ignores_page_numbers_is_noticed() {
    let same = |_: &Asked| page(1..=100);
    let collected = collect(services::GITHUB_PULLS, same).await;
    assert_eq!(kind(&collected), FailureKind::Pages);
    let (names, reason) = partial(collected);
    assert!(names.len() == 100 && reason.contains("ignore page numbers"), "{reason}");
}

#[tokio::test]
async fn a_list_without_an_end_ends_at_the_bound() {
    let endless = |asked: &Asked| {
        let next = format!("<BASE{}?page={}>; rel=\"next\"", asked.path, number(asked) + 1);
        page(number(asked)..=number(asked)).with("link", next)
    };
    let server = Server::start(endless).await;
    let mut config = config(&server.base);
    config.limits.max_pages = 5;
    let collected = setup(config).collector.collect(&request(services::GITHUB_PULLS)).await;
    assert_eq!(kind(&collected), FailureKind::TooMuch);
    assert_eq!(server.reset().len(), 5);
}

#[tokio::test]
async fn an_item_on_two_pages_means_that_the_list_changed() {
    let shifted = |asked: &Asked| match number(asked) {
        1 => page(1..=100),
        _ => page(100..=110),
    };
    let (names, reason) = partial(collect(services::GITHUB_PULLS, shifted).await);
    assert_eq!(names.len(), 110);
    assert!(reason.contains("came twice"), "{reason}");
}

#[tokio::test]
async fn pages_that_lead_back_or_away_are_refused() {
    let back = |asked: &Asked| {
        page(number(asked)..=number(asked))
            .with("link", format!("<BASE{}?page=1>; rel=\"next\"", asked.path))
    };
    assert_eq!(kind(&collect(services::GITHUB_PULLS, back).await), FailureKind::Pages);

    // Bitbucket Cloud gives whole addresses.
    for next in
        ["http://127.0.0.1:1/2.0/repositories/acme/checkout-api/pullrequests", "BASE/elsewhere"]
    {
        let away = move |asked: &Asked| {
            assert!(asked.path.ends_with("/pullrequests"));
            let own = "BASE/repositories/acme/checkout-api/pullrequests?pagelen=50&page=2";
            Answer::json(recorded("bitbucket/pulls-1.json").replace(own, next))
        };
        assert_eq!(kind(&collect(services::BITBUCKET_PULLS, away).await), FailureKind::Pages);
    }
    let itself = |_: &Asked| {
        Answer::json(
            recorded("bitbucket/pulls-1.json").replace("BASE", "BASE/2.0").replace("&page=2", ""),
        )
    };
    assert_eq!(kind(&collect(services::BITBUCKET_PULLS, itself).await), FailureKind::Pages);

    // Bitbucket Server gives a number.
    let start = |_: &Asked| {
        let body = recorded("bitbucket-server/pulls-1.json");
        Answer::json(body.replace("\"nextPageStart\": 2", "\"nextPageStart\": 0"))
    };
    assert_eq!(kind(&collect(services::SERVER_PULLS, start).await), FailureKind::Pages);

    // Azure and AWS give a token.
    let token = |asked: &Asked| match asked.path.ends_with("/repositories") {
        true => Answer::json(recorded("azure/repos-1.json")).with("x-ms-continuationtoken", "same"),
        false => services::azure(asked),
    };
    assert_eq!(kind(&collect(services::AZURE, token).await), FailureKind::Pages);
}

#[tokio::test]
async fn totals_that_are_not_met_are_noticed() {
    let wrong = |path: &'static str| {
        move |asked: &Asked| {
            let mut answer = if asked.path.starts_with("/api/v4/") {
                services::gitlab(asked)
            } else {
                services::gitea(asked)
            };
            if asked.path.ends_with(path) {
                let total = ["x-total", "x-total-count"];
                answer.headers.retain(|(name, _)| !total.contains(&name.to_lowercase().as_str()));
                answer = answer.with("X-Total", "4");
            }
            answer
        }
    };
    for (text, path) in [
        (services::GITLAB, "/projects"),
        (services::GITLAB_PULLS, "/merge_requests"),
        (services::GITEA, "/labels"),
        (services::GITEA_PULLS, "/pulls"),
    ] {
        let collected = collect(text, wrong(path)).await;
        assert_eq!(kind(&collected), FailureKind::Pages, "{path}");
        let reason = collected.failure().unwrap().to_string();
        assert!(reason.contains("counts 4 items"), "{reason}");
    }
    for (text, from, to) in [
        (services::BITBUCKET_PULLS, "\"size\": 2", "\"size\": 3"),
        (services::SERVER_PULLS, "\"size\": 2", "\"size\": 3"),
        (services::AZURE_PULLS, "\"count\": 3", "\"count\": 4"),
    ] {
        let answer = move |asked: &Asked| {
            let mut answer = match asked.path.as_str() {
                path if path.starts_with("/2.0") => services::bitbucket(asked),
                path if path.starts_with("/rest") => services::bitbucket_server(asked),
                _ => services::azure(asked),
            };
            answer.body = answer.body.replace(from, to);
            answer
        };
        let collected = collect(text, answer).await;
        assert!(!matches!(collected, Collected::Complete(_)), "{from}");
    }
}

#[tokio::test]
async fn what_a_service_says_it_left_out_is_not_gone() {
    let hidden = |asked: &Asked| {
        services::github(asked).with("X-GitHub-SSO", "partial-results; organizations=21955855")
    };
    assert_eq!(kind(&collect(services::GITHUB, hidden).await), FailureKind::Withheld);

    // Azure has not looked at number 54 yet.
    let unready = |_: &Asked| Answer::json(recorded("azure/pulls-unready.json"));
    let (names, reason) = partial(collect(services::AZURE_PULLS, unready).await);
    assert_eq!(names, ["51"]);
    assert!(reason.contains("54"), "{reason}");
}

#[tokio::test]
async fn a_token_that_expires_in_the_middle_leaves_what_arrived() {
    let expiring = |asked: &Asked| match asked.number {
        0 => services::github(asked),
        _ => Answer::json(recorded("github/bad-credentials.json")).status(401),
    };
    let collected = collect(services::GITHUB_PULLS, expiring).await;
    assert_eq!(kind(&collected), FailureKind::Unauthorized);
    assert_eq!(partial(collected).0, ["41", "42"]);
}

#[tokio::test]
async fn an_empty_list_is_complete_and_a_missing_repository_is_not() {
    let empty = |_: &Asked| Answer::json("[]");
    assert!(complete(collect(services::GITHUB_PULLS, empty).await).is_empty());

    for (text, answer) in [
        (services::GITHUB_PULLS, services::github as fn(&Asked) -> Answer),
        (services::GITLAB_PULLS, services::gitlab),
        (services::GITEA_PULLS, services::gitea),
        (services::SERVER_PULLS, services::bitbucket_server),
        (services::BITBUCKET_PULLS, services::bitbucket),
        (services::AZURE_PULLS, services::azure),
    ] {
        let gone = text.replace("checkout-api", "gone").replace("\"Shop\"", "\"Gone\"");
        let failed = collect(&gone, answer).await;
        assert!(matches!(failed, Collected::Failed(_)), "{failed:?}");
        assert_eq!(kind(&failed), FailureKind::NotFound, "{failed:?}");
        let chosen = gone.trim_end().strip_suffix("}}").unwrap().to_owned()
            + ", \"continueOnRepoNotFoundError\": true}}";
        assert!(complete(collect(&chosen, answer).await).is_empty());
    }
}

#[tokio::test]
async fn a_repository_that_cannot_be_read_hides_no_other() {
    let broken = |asked: &Asked| match asked.path.as_str() {
        "/repos/acme/storefront/branches/main" => Answer::json("{}"),
        _ => services::github(asked),
    };
    let text = r#"{"repositories": {"provider": {"github": {"organization": "acme"}}}}"#;
    let Collected::Partial(answer, failure) = collect(text, broken).await else { panic!() };
    assert_eq!(failure.kind, FailureKind::Shape);
    let found = names(&answer.items);
    assert_eq!(found, ["acme/checkout-api main", "acme/ledger main", "acme/old-shop main"]);
}

#[tokio::test]
async fn all_branches_are_all_pages_of_them() {
    for (text, answer, want) in [
        (services::GITHUB, services::github as fn(&Asked) -> Answer, 3),
        (services::GITLAB, services::gitlab, 2),
        (services::GITEA, services::gitea, 2),
        (services::SERVER, services::bitbucket_server, 2),
        (services::BITBUCKET, services::bitbucket, 2),
        (services::AZURE, services::azure, 2),
    ] {
        let all = text
            .replacen("\"organization\"", "\"allBranches\": true, \"organization\"", 1)
            .replacen("\"group\"", "\"allBranches\": true, \"group\"", 1)
            .replacen("\"owner\"", "\"allBranches\": true, \"owner\"", 1)
            .replacen("\"project\"", "\"allBranches\": true, \"project\"", 1);
        // Without the conditions on paths, and of one repository only.
        let (head, _) = all.split_once("\"filters\"").unwrap();
        let filters = r#""filters": [{"repositoryMatch": "(?i)checkout"}]}}"#;
        let lines = complete(collect(&format!("{head}{filters}"), answer).await);
        let [line] = &lines[..] else { panic!("{lines:?}") };
        let branches = line.split(' ').filter(|word| word.contains("@1d2e3f4a["));
        assert_eq!(branches.count(), want, "{line}");
    }
}
