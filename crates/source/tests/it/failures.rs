//! Servers that fail in every way: each failure has its own name, and a mirror stays as it was.

use std::time::Duration;

use model::id::CommitId;
use source::{Class, Credentials, Limits, Mirrors, RepoUrl, SourceError};

use crate::fixture::{Home, Repo, noise, read};
use crate::server::{Mode, Server};

struct Scene {
    repo: Repo,
    server: Server,
    home: Home,
    known: CommitId,
    wanted: CommitId,
}

impl Scene {
    /// One commit that is in the mirror, and one that is not.
    fn new() -> Self {
        Self::with(Limits::default())
    }

    fn with(limits: Limits) -> Self {
        let repo = Repo::new();
        let known = repo.commit(&[("a", "known")], "known");
        let server = Server::new(repo.root.path().to_owned());
        let home = Home::with(Credentials::new(), limits);
        home.mirrors.tree(&server.url("/repo.git"), known).unwrap();
        // A pack that can be cut in its middle.
        let wanted = repo.commit(&[("a", "wanted"), ("noise", &noise(20_000))], "wanted");
        Self { repo, server, home, known, wanted }
    }

    fn url(&self) -> RepoUrl {
        self.server.url("/repo.git")
    }

    fn fetch(&self) -> SourceError {
        self.home.mirrors.tree(&self.url(), self.wanted).err().expect("it cannot be fetched")
    }

    /// The known commit is readable, also after a restart, and the wanted one comes when the
    /// server is well again.
    fn recovers(&self) {
        self.known_is_readable(&self.home.mirrors);
        self.known_is_readable(&self.home.restarted());
        self.server.set(Mode::Serve);
        let tree = self.home.mirrors.tree(&self.url(), self.wanted).unwrap();
        assert_eq!(read(&tree, "a").unwrap(), "wanted");
        assert_eq!(self.home.folders().len(), 1);
    }

    fn known_is_readable(&self, mirrors: &Mirrors) {
        let tree = mirrors.tree(&self.url(), self.known).unwrap();
        assert_eq!(read(&tree, "a").unwrap(), "known");
    }
}

#[test]
fn each_answer_that_is_not_git_has_its_own_error() {
    let scene = Scene::new();
    type Expected = fn(&SourceError) -> bool;
    let cases: [(Mode, Class, Expected); 8] = [
        (Mode::Status(401), Class::User, |e| matches!(e, SourceError::Unauthorized { .. })),
        (Mode::Status(403), Class::User, |e| matches!(e, SourceError::Unauthorized { .. })),
        (Mode::Status(404), Class::User, |e| matches!(e, SourceError::NoRepository { .. })),
        (Mode::Status(429), Class::Retry, |e| matches!(e, SourceError::Unavailable { .. })),
        (Mode::Status(500), Class::Retry, |e| matches!(e, SourceError::Unavailable { .. })),
        (Mode::Status(503), Class::Retry, |e| matches!(e, SourceError::Unavailable { .. })),
        (Mode::Status(204), Class::Retry, |e| matches!(e, SourceError::Unavailable { .. })),
        (Mode::Html, Class::Retry, |e| matches!(e, SourceError::NotGit { .. })),
    ];
    for (mode, class, expected) in cases {
        scene.server.set(mode.clone());
        for error in [scene.home.mirrors.resolve(&scene.url(), "main").unwrap_err(), scene.fetch()]
        {
            assert!(expected(&error), "{mode:?}: {error:?}");
            assert_eq!(error.class(), class, "{error}");
            assert!(error.to_string().contains("/repo.git"), "{error}");
        }
    }
    scene.recovers();
}

#[test]
fn a_transfer_that_is_cut_anywhere_leaves_nothing() {
    let scene = Scene::new();
    for bytes in [0, 3, 40, 100, 700, 1_500, 10_000] {
        scene.server.set(Mode::CutPack(bytes));
        let error = scene.fetch();
        assert!(matches!(error, SourceError::Transfer { .. }), "{bytes}: {error:?}");
        assert_eq!(error.class(), Class::Retry);
    }
    scene.recovers();
}

#[test]
fn a_transfer_with_a_wrong_byte_leaves_nothing() {
    let scene = Scene::new();
    scene.server.set(Mode::FlipPack);
    let error = scene.fetch();
    assert!(matches!(error, SourceError::Transfer { .. }), "{error:?}");
    scene.recovers();
}

#[test]
fn a_server_that_is_down_is_unavailable() {
    let mut scene = Scene::new();
    scene.server.stop();
    let error = scene.fetch();
    assert!(matches!(error, SourceError::Unavailable { .. }), "{error:?}");
    let error = scene.home.mirrors.resolve(&scene.url(), "main").unwrap_err();
    assert!(matches!(error, SourceError::Unavailable { .. }), "{error:?}");
    scene.known_is_readable(&scene.home.mirrors);
}

#[test]
fn a_silent_server_is_given_up() {
    let idle = Duration::from_millis(300);
    let scene = Scene::with(Limits { idle, ..Limits::default() });
    scene.server.set(Mode::Silent);
    let error = scene.fetch();
    assert!(matches!(error, SourceError::Unavailable { .. }), "{error:?}");
    assert!(error.to_string().contains("nothing arrived"), "{error}");
    scene.recovers();
}

#[test]
fn an_interrupt_ends_a_call_that_waits() {
    let scene = Scene::new();
    scene.server.set(Mode::Silent);
    let before = scene.server.requests().len();
    std::thread::scope(|scope| {
        let call = scope.spawn(|| scene.fetch());
        // The call is waiting once its request has arrived.
        while scene.server.requests().len() == before {
            std::thread::yield_now();
        }
        scene.home.mirrors.interrupt();
        let error = call.join().unwrap();
        assert!(matches!(error, SourceError::Interrupted { .. }), "{error:?}");
    });
}

#[test]
fn a_transfer_over_the_limit_is_stopped() {
    let repo = Repo::new();
    let commit = repo.commit(&[("a", "1")], "first");
    let limits = Limits { transfer_bytes: 300, ..Limits::default() };
    let home = Home::with(Credentials::new(), limits);
    let error = home.mirrors.tree(&repo.url(), commit).err().unwrap();
    assert!(matches!(error, SourceError::TooLarge { limit: 300, .. }), "{error:?}");
}

#[test]
fn a_branch_that_is_gone_is_a_fact_and_its_commit_stays_readable() {
    let scene = Scene::new();
    scene.repo.git(&["checkout", "-q", "--detach"]);
    scene.repo.git(&["branch", "-D", "main"]);
    scene.repo.push();
    let error = scene.home.mirrors.resolve(&scene.url(), "main").unwrap_err();
    assert!(matches!(error, SourceError::NotFound { .. }), "{error:?}");
    scene.known_is_readable(&scene.home.mirrors);
}
