//! Resolving, fetching and reading, from files.

use model::id::CommitId;
use model::tree::RepoPath;
use source::{Class, Credentials, Limits, Mirrors, SourceError, UrlPolicy};

use crate::fixture::{Home, Repo, git_command, names, read};

#[test]
fn revisions_become_commits() {
    let repo = Repo::new();
    let first = repo.commit(&[("a", "1")], "first");
    repo.git(&["tag", "-a", "-m", "annotated", "v1.2.0"]);
    repo.git(&["tag", "both"]);
    let second = repo.commit(&[("a", "2")], "second");
    repo.git(&["tag", "1.10.0"]);
    repo.git(&["branch", "both"]);
    repo.git(&["branch", "feature/x"]);
    repo.push();
    let home = Home::new();
    let resolve = |revision| home.mirrors.resolve(&repo.url(), revision).unwrap();
    for (revision, expected) in [
        ("", second),
        ("HEAD", second),
        ("main", second),
        ("refs/heads/main", second),
        ("feature/x", second),
        ("v1.2.0", first),
        ("refs/tags/v1.2.0", first),
        ("both", second),
        ("refs/tags/both", first),
        ("~1.2", first),
        ("v1.x", second),
        (">=1.2 <2", second),
        ("*", second),
    ] {
        assert_eq!(resolve(revision), expected, "{revision}");
    }
    assert!(home.folders().is_empty(), "resolving fetches nothing");
}

#[test]
fn branches_and_tags_are_listed_with_the_commits_they_lead_to() {
    let repo = Repo::new();
    let first = repo.commit(&[("a", "1")], "first");
    repo.git(&["tag", "-a", "-m", "annotated", "v1.2.0"]);
    repo.git(&["branch", "feature/x"]);
    repo.git(&["update-ref", "refs/pull/7/head", "HEAD"]);
    let second = repo.commit(&[("a", "2")], "second");
    repo.git(&["tag", "light"]);
    repo.push();
    repo.git(&["push", "-q", "origin", "refs/pull/7/head"]);
    let home = Home::new();
    let survey = home.mirrors.survey(&repo.url(), &["main", "none"], true).unwrap();
    assert_eq!(*survey.commits[0].as_ref().unwrap(), second);
    assert!(survey.commits[1].is_err());
    let refs = survey.refs.unwrap().unwrap();
    let named = |pairs: [(&str, CommitId); 2]| {
        pairs.map(|(name, commit)| (name.to_owned(), commit.to_string())).into()
    };
    assert_eq!(refs.branches, named([("feature/x", first), ("main", second)]));
    assert_eq!(refs.tags, named([("light", second), ("v1.2.0", first)]));
    assert_eq!(refs, source::local_refs(&repo.bare()).unwrap(), "as a folder has them");

    // A list that is empty is not believed.
    let empty = Repo::new();
    let survey = home.mirrors.survey(&empty.url(), &[], true).unwrap();
    assert!(matches!(survey.refs, Some(Err(SourceError::NoRefs { .. }))), "{survey:?}");
}

#[test]
fn a_full_commit_needs_no_server() {
    let home = Home::new();
    let gone = source::RepoUrl::parse("file:///nowhere/repo").unwrap();
    let text = "0123456789abcdef0123456789abcdef01234567";
    assert_eq!(home.mirrors.resolve(&gone, text).unwrap(), text.parse().unwrap());
}

#[test]
fn what_is_not_there_is_told_apart_for_each_revision() {
    let repo = Repo::new();
    let commit = repo.commit(&[("a", "1")], "first");
    let home = Home::new();
    let revisions = ["main", "mian", "9.x", "main~1", &commit.short()];
    let resolved = home.mirrors.resolve_all(&repo.url(), &revisions).unwrap();
    assert_eq!(*resolved[0].as_ref().unwrap(), commit);
    for (index, name) in [(1, "mian"), (2, "9.x"), (4, commit.short().as_str())] {
        let error = resolved[index].as_ref().unwrap_err();
        assert!(matches!(error, SourceError::NotFound { .. }), "{error}");
        assert!(error.to_string().contains(name), "{error}");
        assert_eq!(error.class(), Class::User);
    }
    assert!(matches!(resolved[3], Err(SourceError::Revision { .. })));

    let empty = Repo::new();
    let error = home.mirrors.resolve(&empty.url(), "").unwrap_err();
    assert!(matches!(error, SourceError::NotFound { .. }), "{error}");
}

#[test]
fn a_repository_that_is_not_there_is_not_a_missing_revision() {
    let home = Home::new();
    let gone = source::RepoUrl::parse("file:///nowhere/repo").unwrap();
    let error = home.mirrors.resolve(&gone, "main").unwrap_err();
    assert!(matches!(error, SourceError::NoRepository { .. }), "{error:?}");
    assert!(error.to_string().contains("/nowhere/repo"), "{error}");
}

#[test]
fn a_tree_is_read_at_its_commit() {
    let repo = Repo::new();
    let first =
        repo.commit(&[("apps/web/a.yaml", "one"), ("apps/db/b.yaml", "b"), (".x", "")], "1");
    let second = repo.commit(&[("apps/web/a.yaml", "two")], "2");
    let home = Home::new();
    let one = home.mirrors.tree(&repo.url(), first).unwrap();
    let two = home.mirrors.tree(&repo.url(), second).unwrap();
    assert_eq!(read(&one, "apps/web/a.yaml").unwrap(), "one");
    assert_eq!(read(&two, "apps/web/a.yaml").unwrap(), "two");
    assert_eq!(names(&two, ".").unwrap(), [".x", "apps"]);
    assert_eq!(names(&two, "apps").unwrap(), ["db", "web"]);

    let digest = |tree: &source::GitTree, path: &str| {
        tree.path_digest(&RepoPath::parse(path).unwrap()).unwrap()
    };
    assert_eq!(digest(&two, "apps/web"), repo.git(&["rev-parse", "HEAD:apps/web"]));
    assert_eq!(digest(&one, "apps/db"), digest(&two, "apps/db"));
    assert_ne!(digest(&one, "apps"), digest(&two, "apps"));
}

#[test]
fn only_the_commit_is_fetched_and_not_its_history() {
    let repo = Repo::new();
    let first = repo.commit(&[("a", "1")], "first");
    let second = repo.commit(&[("a", "2")], "second");
    let home = Home::new();
    home.mirrors.tree(&repo.url(), second).unwrap();
    let has = |commit: CommitId| {
        let mut git = git_command(&home.folders()[0]);
        git.args(["cat-file", "-e", &commit.to_string()]).status().unwrap().success()
    };
    assert!(has(second) && !has(first));
    // The mirror is an ordinary repository, and sound.
    let fsck = git_command(&home.folders()[0]).args(["fsck", "--strict"]).output().unwrap();
    assert!(fsck.status.success(), "{}", String::from_utf8_lossy(&fsck.stderr));
}

#[test]
fn what_was_fetched_survives_a_restart_a_force_push_and_the_loss_of_the_server() {
    let repo = Repo::new();
    let old = repo.commit(&[("a", "old")], "old");
    let home = Home::new();
    home.mirrors.tree(&repo.url(), old).unwrap();
    repo.git(&["commit", "-q", "--amend", "--allow-empty", "-m", "rewritten"]);
    repo.push();
    let url = repo.url();
    let new = home.mirrors.resolve(&url, "main").unwrap();
    assert_ne!(new, old);
    assert_eq!(read(&home.mirrors.tree(&url, new).unwrap(), "a").unwrap(), "old");
    std::fs::remove_dir_all(repo.bare()).unwrap();
    assert_eq!(read(&home.restarted().tree(&url, old).unwrap(), "a").unwrap(), "old");
}

#[test]
fn a_commit_that_the_server_does_not_have_is_not_found() {
    let repo = Repo::new();
    repo.commit(&[("a", "1")], "first");
    let home = Home::new();
    let commit = "0123456789abcdef0123456789abcdef01234567".parse().unwrap();
    let error = home.mirrors.tree(&repo.url(), commit).err().unwrap();
    assert!(matches!(error, SourceError::NotFound { .. }), "{error:?}");
    assert!(error.to_string().contains("0123456789abcdef"), "{error}");
}

#[test]
fn an_object_that_is_no_commit_is_named() {
    let repo = Repo::new();
    repo.commit(&[("a", "1")], "first");
    let blob = repo.git(&["rev-parse", "HEAD:a"]).parse().unwrap();
    let home = Home::new();
    let error = home.mirrors.tree(&repo.url(), blob).err().unwrap();
    assert!(matches!(error, SourceError::NotACommit { .. }), "{error:?}");
}

#[test]
fn many_commits_share_one_mirror() {
    let repo = Repo::new();
    let home = Home::new();
    // More packs than gix has slots for when it opens a new repository.
    for number in 0..40 {
        let commit = repo.commit(&[("a", &number.to_string())], "next");
        let tree = home.mirrors.tree(&repo.url(), commit).unwrap();
        assert_eq!(read(&tree, "a").unwrap(), number.to_string());
    }
    assert_eq!(home.folders().len(), 1);
}

#[test]
fn a_commit_tells_who_when_and_what() {
    let repo = Repo::new();
    let subject = format!("Fix\u{1b}[31m {}", "x".repeat(300));
    let commit = repo.commit(&[("a", "1")], &subject);
    let info = Home::new().mirrors.commit_info(&repo.url(), commit).unwrap();
    assert_eq!(info.author, "Ada <ada@example.org>");
    assert_eq!(info.committed_at.0, 1_700_000_000_000);
    assert!(info.subject.starts_with("Fix[31m xxx"), "{}", info.subject);
    assert_eq!(info.subject.chars().count(), 200);
}

#[test]
fn the_policy_decides_about_file_and_http() {
    let repo = Repo::new();
    let commit = repo.commit(&[("a", "1")], "first");
    let folder = tempfile::tempdir().unwrap();
    let mirrors = Mirrors::open(
        folder.path().to_owned(),
        UrlPolicy::default(),
        Credentials::new(),
        Limits::default(),
    )
    .unwrap();
    let http = source::RepoUrl::parse("http://127.0.0.1:1/r").unwrap();
    for url in [repo.url(), http] {
        for error in [
            mirrors.resolve(&url, "main").unwrap_err(),
            mirrors.tree(&url, commit).err().unwrap(),
            mirrors.commit_info(&url, commit).unwrap_err(),
        ] {
            assert!(matches!(error, SourceError::Policy { .. }), "{error:?}");
        }
    }
}
