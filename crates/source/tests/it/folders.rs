//! Folders on this machine in place of a repository.

use std::fs;
use std::os::unix::fs::symlink;

use model::tree::{RepoPath, TreeError};
use source::{SourceError, open_local};

use crate::fixture::{Repo, names, read};

#[test]
fn a_work_tree_is_read_at_a_revision_and_without_what_is_not_committed() {
    let repo = Repo::new();
    let first = repo.commit(&[("a", "one")], "first");
    repo.commit(&[("a", "two")], "second");
    fs::write(repo.work().join("a"), "not committed").unwrap();
    let at = |revision| read(&*open_local(&repo.work(), revision).unwrap(), "a").unwrap();
    assert_eq!(at(None), "two");
    assert_eq!(at(Some("main")), "two");
    assert_eq!(at(Some("HEAD~1")), "one");
    assert_eq!(at(Some(&first.short())), "one");
    assert_eq!(read(&*open_local(&repo.bare(), None).unwrap(), "a").unwrap(), "two");
    let error = open_local(&repo.work(), Some("none")).err().unwrap();
    assert!(matches!(error, SourceError::Local { .. }), "{error:?}");
    assert!(error.to_string().contains("none"), "{error}");
}

#[test]
fn a_plain_folder_is_read_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let at = |path: &str| folder.path().join(path);
    fs::create_dir_all(at("dir/.git")).unwrap();
    fs::write(at("dir/.git/config"), "secret").unwrap();
    fs::write(at("dir/.hidden"), "h").unwrap();
    fs::write(at("dir/file"), "f").unwrap();
    symlink("dir/file", at("link")).unwrap();
    symlink("/etc/passwd", at("absolute")).unwrap();
    symlink("../../etc/passwd", at("dir/escape")).unwrap();
    symlink("loop", at("loop")).unwrap();
    std::os::unix::net::UnixListener::bind(at("socket")).map(drop).unwrap();
    let tree = open_local(folder.path(), None).unwrap();
    assert_eq!(names(&*tree, ".").unwrap(), ["absolute", "dir", "link", "loop"]);
    assert_eq!(names(&*tree, "dir").unwrap(), [".hidden", "escape", "file"]);
    assert_eq!(read(&*tree, "link").unwrap(), "f");
    let path = |text: &str| RepoPath::parse(text).unwrap();
    for link in ["absolute", "dir/escape", "loop"] {
        assert_eq!(read(&*tree, link), Err(TreeError::Link { link: path(link) }));
    }
    for hidden in ["dir/.git/config", "dir/.GIT/config", "socket", "none"] {
        assert_eq!(read(&*tree, hidden), Err(TreeError::NotFound { path: path(hidden) }));
    }
    let error = tree.read(&path("dir/file"), 0).unwrap_err();
    assert_eq!(error, TreeError::TooLarge { path: path("dir/file"), bytes: 1, limit: 0 });
    assert_eq!(names(&*tree, "link"), Err(TreeError::NotADirectory { path: path("link") }));
}

#[test]
fn what_is_no_folder_or_has_no_revision_is_named() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    for (path, revision, rule) in [
        (folder.path().join("none"), None, "No such file"),
        (folder.path().join("file"), None, "not a folder"),
        (folder.path().to_owned(), Some("main"), "not the top of a Git repository"),
    ] {
        let error = open_local(&path, revision).err().unwrap().to_string();
        assert!(error.contains(rule) && error.contains(&path.display().to_string()), "{error}");
    }
}
