//! Which URLs are taken, as what, and that no message repeats a secret.

use proptest::prelude::*;

use super::*;

fn shown(text: &str) -> Result<String, String> {
    RepoUrl::parse(text).map(|url| url.to_string()).map_err(|error| error.to_string())
}

#[test]
fn urls_that_are_taken() {
    for (text, expected) in [
        ("https://git.example/org/repo.git", "https://git.example/org/repo.git"),
        ("https://GIT.example:443/org/repo/", "https://git.example/org/repo"),
        ("https://git.example:8443/r", "https://git.example:8443/r"),
        ("https://me@git.example/r", "https://git.example/r"),
        ("http://127.0.0.1:8080/r", "http://127.0.0.1:8080/r"),
        ("https://[::1]/r", "https://[::1]/r"),
        ("https://git.example/a/../b", "https://git.example/b"),
        ("ssh://git@git.example/org/repo.git", "ssh://git.example/org/repo.git"),
        ("ssh://git@git.example:22/r", "ssh://git.example/r"),
        ("ssh://git.example:2222/~me/r", "ssh://git.example:2222/~me/r"),
        ("ssh://git@[::1]:2222/r", "ssh://[::1]:2222/r"),
        ("git@git.example:org/repo.git", "git.example:org/repo.git"),
        ("git.example:/srv/repo.git", "ssh://git.example/srv/repo.git"),
        ("file:///srv/repo.git", "file:///srv/repo.git"),
    ] {
        assert_eq!(shown(text).as_deref(), Ok(expected), "{text}");
    }
}

#[test]
fn urls_that_are_refused() {
    for (text, rule) in [
        // What reached gix itself once (RUSTSEC-2023-0064, RUSTSEC-2024-0335).
        ("ssh://-oProxyCommand=touch/foo", "misread"),
        ("-oProxyCommand=x:foo", "misread"),
        ("ssh://-Fx@host/foo", "misread"),
        ("-Fx@host:foo", "misread"),
        ("host:-oProxy", "option"),
        ("ssh://host/-oProxy", "option"),
        // Transports that run programs, or that we do not speak.
        ("ext::sh -c touch% x", "white space"),
        ("ext::sh", "is not one of"),
        ("HTTP://git.example/r", "not supported"),
        ("ftp://git.example/r", "not supported"),
        ("git://git.example/r", "not supported"),
        ("file://evilhost/r", "names a host"),
        ("file:///a/../b", "leaves"),
        // Local paths.
        ("/srv/repo", "local path"),
        ("../repo", "local path"),
        ("~/repo", "local path"),
        ("repo", "is not one of"),
        ("a/b:c", "is not one of"),
        // Odd parts.
        ("https://git.example", "has no path"),
        ("https://git.example/", "has no path"),
        ("ssh://git.example", "has no path"),
        ("https:///r", "is not one of"),
        ("https:///host/r", "is not one of"),
        ("https://git.example\\@evil.example/r", "is not one of"),
        ("https://-h/r", "host"),
        ("ssh://a;b/r", "misread"),
        ("ssh://a b/r", "white space"),
        ("ssh://host/r'; touch x", "white space"),
        ("ssh://host/r';touch", "shell"),
        ("ssh://host/$(id)", "shell"),
        ("ssh://host/a%20b", "shell"),
        ("ssh://host/../r", "leaves"),
        ("ssh://host:x/r", "port"),
        ("ssh://[fe80]/r", "misread"),
        ("https://h/r\n", "control"),
        ("", "is empty"),
    ] {
        let error = shown(text).expect_err(text);
        assert!(error.contains(rule), "{text}: {error}");
    }
    assert!(shown(&format!("https://h/{}", "a".repeat(2048))).is_err());
}

#[test]
fn no_message_repeats_a_secret() {
    for text in [
        "https://me:hunter2@git.example/r",
        "https://me:hunter2/x@git.example/r",
        "https://me:hunter2?x@git.example/r",
        "https://git.example/r?token=hunter2",
        "https://git.example/r?token=a@hunter2",
        "https://git.example/r#hunter2",
        "ssh://me:hunter2@git.example/r",
        "me:hunter2@git.example:r x",
        "ftp://me:hunter2@git.example/r",
        "hunter2?x@git.example:r",
    ] {
        let error = RepoUrl::parse(text).expect_err(text);
        let all = format!("{error} {error:?}");
        assert!(!all.contains("hunter2"), "{text}: {all}");
    }
}

#[test]
fn equality_is_by_repository() {
    let same = |a: &str, b: &str| RepoUrl::parse(a).unwrap() == RepoUrl::parse(b).unwrap();
    assert!(same("https://Git.example/o/r.git", "https://x@git.example:443/o/r/"));
    assert!(same("git.example:/o/r", "ssh://git.example:22/o/r.git"));
    assert!(!same("https://git.example/o/r", "http://git.example/o/r"));
    assert!(!same("https://git.example/o/r", "https://git.example/o/R"));
    assert!(!same("https://git.example/o/r", "https://git.example:8443/o/r"));
    assert!(!same("git.example:o/r", "ssh://git.example/o/r"));
    assert!(!same("ssh://a@git.example/o/r", "ssh://b@git.example/o/r"));
}

proptest! {
    #[test]
    fn any_text_is_taken_or_refused_and_what_is_taken_cannot_be_an_option(text in "\\PC{0,60}") {
        if let Ok(url) = RepoUrl::parse(&text) {
            prop_assert!(!url.host().starts_with('-'));
            prop_assert!(!url.0.path.starts_with('-') || url.scheme() != Scheme::Ssh);
            prop_assert!(!url.user().unwrap_or_default().starts_with('-'));
        }
    }

    #[test]
    fn a_url_made_of_plain_parts_reads_what_it_shows(
        host in "[a-z][a-z0-9]{0,8}\\.example", path in "[a-z]{1,5}(/[a-z]{1,5}){0,3}"
    ) {
        for text in [format!("https://{host}/{path}"), format!("ssh://{host}/{path}")] {
            prop_assert_eq!(RepoUrl::parse(&text).unwrap().to_string(), text);
        }
    }
}
