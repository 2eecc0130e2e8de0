//! Over HTTP and HTTPS: sharing, old servers, credentials, redirects, trust.

use std::sync::Barrier;

use source::{Credentials, Limits, Secret, SourceError};

use crate::fixture::{Home, Repo, read};
use crate::server::{Mode, Server};

fn bearer(prefix: &str) -> Credentials {
    let mut credentials = Credentials::new();
    credentials.add(prefix, Secret::Bearer { token: "hunter2".to_owned() }).unwrap();
    credentials
}

#[test]
fn a_commit_is_fetched_once_by_many_callers() {
    let repo = Repo::new();
    let commit = repo.commit(&[("a", "1")], "first");
    let server = Server::new(repo.root.path().to_owned());
    let url = server.url("/repo.git");
    let home = Home::new();
    let together = Barrier::new(8);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                together.wait();
                let tree = home.mirrors.tree(&url, commit).unwrap();
                assert_eq!(read(&tree, "a").unwrap(), "1");
            });
        }
    });
    assert_eq!(server.posts(), 1);
    assert_eq!(home.folders().len(), 1);
}

#[test]
fn many_revisions_are_one_question_and_a_known_commit_is_none() {
    let repo = Repo::new();
    let commit = repo.commit(&[("a", "1")], "first");
    let server = Server::new(repo.root.path().to_owned());
    let url = server.url("/repo.git");
    let home = Home::new();
    let resolved = home.mirrors.resolve_all(&url, &["main", "", "none"]).unwrap();
    assert_eq!(resolved.iter().filter(|result| result.is_ok()).count(), 2);
    assert_eq!(server.requests().len(), 2, "the greeting and the list");
    home.mirrors.tree(&url, commit).unwrap();
    let asked = server.requests().len();
    home.mirrors.tree(&url, commit).unwrap();
    home.mirrors.commit_info(&url, commit).unwrap();
    assert_eq!(server.requests().len(), asked);
}

#[test]
fn a_server_that_gives_out_only_branches_still_gives_an_older_commit() {
    let repo = Repo::new();
    let first = repo.commit(&[("a", "1")], "first");
    let second = repo.commit(&[("a", "2")], "second");
    let server = Server::new(repo.root.path().to_owned());
    let url = server.url("/repo.git");
    server.set(Mode::Old);
    let home = Home::new();
    assert_eq!(home.mirrors.resolve(&url, "main").unwrap(), second);
    // The tip first, so that the mirror is shallow when the older one is asked for.
    assert_eq!(read(&home.mirrors.tree(&url, second).unwrap(), "a").unwrap(), "2");
    assert_eq!(read(&home.mirrors.tree(&url, first).unwrap(), "a").unwrap(), "1");
    let unknown = "0123456789abcdef0123456789abcdef01234567".parse().unwrap();
    let error = home.mirrors.tree(&url, unknown).err().unwrap();
    assert!(matches!(error, SourceError::NotFound { .. }), "{error:?}");
}

#[test]
fn credentials_go_only_where_they_belong() {
    let repo = Repo::new();
    let commit = repo.commit(&[("a", "1")], "first");
    let server = Server::new(repo.root.path().to_owned());
    server.set(Mode::Protected("Bearer hunter2".to_owned()));
    let url = server.url("/repo.git");

    let home = Home::with(bearer(&format!("{}/repo", server.base())), Limits::default());
    home.mirrors.tree(&url, commit).unwrap();
    assert!(server.requests().iter().all(|request| request.authorization.is_some()));

    let other = Home::with(bearer(&format!("{}/other", server.base())), Limits::default());
    let error = other.mirrors.resolve(&url, "main").unwrap_err();
    assert!(matches!(error, SourceError::Unauthorized { .. }), "{error:?}");
    assert!(!format!("{error:?} {error}").contains("hunter2"));
    assert!(server.requests().last().unwrap().authorization.is_none());
}

#[test]
fn a_password_works_as_well() {
    let repo = Repo::new();
    let commit = repo.commit(&[("a", "1")], "first");
    let server = Server::new(repo.root.path().to_owned());
    // ada:secret
    server.set(Mode::Protected("Basic YWRhOnNlY3JldA==".to_owned()));
    let mut credentials = Credentials::new();
    let secret = Secret::Basic { username: "ada".to_owned(), password: "secret".to_owned() };
    credentials.add(&server.base(), secret).unwrap();
    let home = Home::with(credentials, Limits::default());
    home.mirrors.tree(&server.url("/repo.git"), commit).unwrap();
}

#[test]
fn a_redirect_is_followed_on_the_same_host_only() {
    let repo = Repo::new();
    let commit = repo.commit(&[("a", "1")], "first");
    let server = Server::new(repo.root.path().to_owned());
    let there = format!("{}/repo.git", server.base());
    server.set(Mode::Redirect { from: "/short".to_owned(), to: there });
    let home = Home::new();
    let tree = home.mirrors.tree(&server.url("/short"), commit).unwrap();
    assert_eq!(read(&tree, "a").unwrap(), "1");

    let elsewhere = Server::new(repo.root.path().to_owned());
    let to = format!("{}/repo.git", elsewhere.base());
    server.set(Mode::Redirect { from: "/repo.git".to_owned(), to: to.clone() });
    let home = Home::with(bearer(&server.base()), Limits::default());
    let error = home.mirrors.resolve(&server.url("/repo.git"), "main").unwrap_err();
    assert!(matches!(error, SourceError::Redirected { .. }), "{error:?}");
    assert!(error.to_string().contains(&to), "{error}");
    assert!(elsewhere.requests().is_empty());
}

#[test]
fn a_redirect_to_another_path_does_not_take_the_credentials_along() {
    let repo = Repo::new();
    let commit = repo.commit(&[("a", "1")], "first");
    let server = Server::new(repo.root.path().to_owned());
    let there = format!("{}/repo.git", server.base());
    server.set(Mode::Redirect { from: "/mine".to_owned(), to: there });
    let home = Home::with(bearer(&format!("{}/mine", server.base())), Limits::default());
    home.mirrors.tree(&server.url("/mine"), commit).unwrap();
    for request in server.requests() {
        assert_eq!(request.authorization.is_some(), request.path.starts_with("/mine"));
    }
}

#[test]
fn https_needs_a_trusted_certificate() {
    let repo = Repo::new();
    let commit = repo.commit(&[("a", "1")], "first");
    let (server, pem) = Server::https(repo.root.path().to_owned());
    let url = server.url("/repo.git");
    let error = Home::new().mirrors.resolve(&url, "main").unwrap_err();
    assert!(matches!(error, SourceError::UnknownHost { .. }), "{error:?}");

    let mut credentials = Credentials::new();
    credentials.trust_pem(pem);
    let home = Home::with(credentials, Limits::default());
    assert_eq!(read(&home.mirrors.tree(&url, commit).unwrap(), "a").unwrap(), "1");
}
