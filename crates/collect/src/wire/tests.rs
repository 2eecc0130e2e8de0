//! Strictness of the wire formats, and that no bytes make them panic.

use proptest::prelude::*;

use super::*;

const RECORDED: [(Kind, &str); 12] = [
    (Kind::GithubRepositories, include_str!("../../tests/recorded/github/repos-1.json")),
    (Kind::GithubPullRequests, include_str!("../../tests/recorded/github/pulls-1.json")),
    (Kind::GitlabProjects, include_str!("../../tests/recorded/gitlab/projects-1.json")),
    (Kind::GiteaPullRequests, include_str!("../../tests/recorded/gitea/pulls-1.json")),
    (
        Kind::BitbucketServerRepositories,
        include_str!("../../tests/recorded/bitbucket-server/repos-1.json"),
    ),
    (Kind::BitbucketRepositories, include_str!("../../tests/recorded/bitbucket/repos-1.json")),
    (Kind::AzureRepositories, include_str!("../../tests/recorded/azure/repos-1.json")),
    (Kind::AzurePullRequests, include_str!("../../tests/recorded/azure/pulls.json")),
    (Kind::AwsRepository, include_str!("../../tests/recorded/aws/repository-checkout.json")),
    (Kind::AwsFolder, include_str!("../../tests/recorded/aws/folder.json")),
    (Kind::AwsRole, include_str!("../../tests/recorded/aws/role.xml")),
    (Kind::Plugin, include_str!("../../tests/recorded/plugin/answer.json")),
];

#[test]
fn nothing_is_a_page_by_accident() {
    for kind in Kind::ALL {
        for body in
            ["", "  \n", "null", "true", "7", "\"text\"", "{}", "<html></html>", "[null]", "[[]]"]
        {
            assert!(parse(kind, body.as_bytes()).is_err(), "{kind:?} takes {body:?}");
        }
        assert!(parse(kind, &vec![b' '; MAX_BODY + 1]).is_err());
        assert!(
            !absent(kind, 404, b"{}") && !absent(kind, 404, b"null") && !absent(kind, 500, b"{}")
        );
    }
    assert_eq!(parse(Kind::Plugin, b""), Err(WireError::Empty));
    assert_eq!(parse(Kind::Plugin, b"<!DOCTYPE html>"), Err(WireError::Html));
    assert_eq!(parse(Kind::GithubBranches, b"[{\"name\":"), Err(WireError::Cut));
    let shape = parse(Kind::GithubBranches, b"{\"a\":1}");
    assert!(matches!(shape, Err(WireError::Shape { .. })), "{shape:?}");
}

#[test]
fn an_empty_list_is_a_page_only_where_a_list_belongs() {
    let lists: Vec<_> = Kind::ALL.into_iter().filter(|kind| parse(*kind, b"[]").is_ok()).collect();
    use Kind as K;
    let expected = [
        K::GithubRepositories,
        K::GithubBranches,
        // A directory.
        K::GithubContents,
        K::GithubPullRequests,
        K::GitlabProjects,
        K::GitlabBranches,
        K::GitlabTree,
        K::GitlabMergeRequests,
        K::GiteaRepositories,
        K::GiteaLabels,
        K::GiteaBranches,
        K::GiteaContents,
        K::GiteaPullRequests,
    ];
    assert_eq!(lists, expected);
    assert!(parse(K::Plugin, br#"{"output":{"parameters":[]}}"#).is_ok());
    for bad in [
        r#"{"output":{"parameters":null}}"#,
        r#"{"output":{}}"#,
        r#"{"output":{"parameters":{}}}"#,
        r#"{"output":{"parameters":[1]}}"#,
    ] {
        assert!(parse(K::Plugin, bad.as_bytes()).is_err(), "{bad}");
    }
}

#[test]
fn content_types_are_looked_at() {
    for (text, json) in [
        ("application/json", true),
        ("Application/JSON;charset=UTF-8", true),
        ("application/vnd.github+json", true),
        ("application/x-amz-json-1.1", true),
        ("text/html", false),
        ("text/plain; x=application/json", false),
        ("", false),
        ("application/octet-stream", false),
    ] {
        assert_eq!(Kind::GithubRepositories.takes(text), json, "{text}");
    }
    assert!(Kind::AwsRole.takes("text/xml") && !Kind::AwsRole.takes("application/json"));
}

#[test]
fn headers_are_read_with_care() {
    let link = r#"<https://x/?page=2>; rel="next", <https://x/?page=5>; rel="last""#;
    let headers = Headers::read([("Link", link), ("X-Next-Page", ""), ("X-TOTAL", " 7 ")]);
    assert_eq!(headers.next_link.as_deref(), Some("https://x/?page=2"));
    assert_eq!((headers.next_page, headers.total), (Some(None), Some(7)));
    let other = Headers::read([("link", "<https://x>; rel=\"preload\""), ("x-next-page", "x")]);
    assert_eq!((other.has_links, other.next_page), (false, None));
    let wait = |headers: &[(&str, &str)]| Headers::read(headers.iter().copied()).pause(5_000);
    assert_eq!(wait(&[("x-ratelimit-remaining", "3"), ("x-ratelimit-reset", "9")]), None);
    let seconds = std::time::Duration::from_secs;
    assert_eq!(wait(&[("ratelimit-remaining", "0"), ("ratelimit-reset", "9")]), Some(seconds(9)));
    assert_eq!(wait(&[("retry-after", "99999999999")]), Some(seconds(86_400)));
    assert_eq!(wait(&[("retry-after", "Thu, 01 Jan 1970 00:00:25 GMT")]), Some(seconds(20)));
    assert_eq!(wait(&[("x-ratelimit-delay", "NaN")]), None);
}

proptest! {
    #[test]
    fn no_bytes_make_a_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        for kind in Kind::ALL {
            drop(parse(kind, &bytes));
            prop_assert!(!absent(kind, 200, &bytes));
            let _error = aws_error(kind, &bytes);
            let _absent = absent(kind, 404, &bytes);
        }
    }

    /// A recorded answer with a piece taken out, doubled or overwritten.
    #[test]
    fn damaged_answers_do_not_panic_and_are_not_cut_short(
        which in 0..RECORDED.len(), from in 0usize..4_000, length in 1usize..60, byte in any::<u8>(),
    ) {
        let (kind, text) = RECORDED[which];
        let whole = parse(kind, text.as_bytes()).unwrap();
        prop_assert!(!whole.content.is_empty());
        let from = from % text.len();
        let to = (from + length).min(text.len());
        let mut bytes = text.as_bytes().to_vec();
        bytes[from..to].fill(byte);
        drop(parse(kind, &bytes));
        // What ends early is never a page, whatever has arrived of it.
        let cut = text.trim_end();
        let cut = &cut.as_bytes()[..from.min(cut.len() - 1)];
        if kind != Kind::AwsRole {
            prop_assert!(parse(kind, cut).is_err());
        }
    }

    #[test]
    fn headers_of_any_text_do_not_panic(name in ".*", value in ".*", wall in any::<i64>()) {
        for name in [name.as_str(), "link", "retry-after", "x-ratelimit-reset", "x-ratelimit-delay"] {
            let headers = [(name, value.as_str()), ("x-ratelimit-remaining", "0")];
            let pause = Headers::read(headers).pause(wall);
            prop_assert!(pause.is_none_or(|pause| pause.as_secs() <= 86_400));
        }
    }
}
