//! Trees and links made to get out of the repository.

use model::tree::{EntryKind, FileTree, RepoPath, TreeError};
use source::GitTree;

use crate::fixture::{Home, Repo, names, read};

/// Nobody may ever see this.
const CANARY: &str = "/proc/self/environ";

fn path(text: &str) -> RepoPath {
    RepoPath::parse(text).unwrap()
}

fn tree(repo: &Repo, commit: model::id::CommitId) -> (Home, GitTree) {
    let home = Home::new();
    let tree = home.mirrors.tree(&repo.url(), commit).unwrap();
    (home, tree)
}

#[test]
fn names_that_git_forbids_make_the_directory_unreadable() {
    let repo = Repo::new();
    let blob = repo.blob("x");
    let inner = repo.git_with(&["mktree"], format!("100644 blob {blob}\tf\n").as_bytes());
    for (mode, name, id) in [
        ("40000", "..", &inner),
        ("40000", ".", &inner),
        ("40000", ".git", &inner),
        ("40000", ".GIT", &inner),
        ("40000", "git~1", &inner),
        ("100644", "a/b", &blob),
        ("100644", "a\\b", &blob),
        ("100644", "a\nb", &blob),
    ] {
        let (_home, tree) = tree(&repo, repo.hostile(&[("100644", "A", &blob), (mode, name, id)]));
        for error in [names(&tree, ".").unwrap_err(), read(&tree, "A").unwrap_err()] {
            let TreeError::Broken { message, .. } = error else { panic!("{name}: {error}") };
            assert!(message.contains(&format!("{name:?}")), "{name}: {message}");
        }
    }
}

#[test]
fn a_link_and_a_directory_of_one_name_make_the_directory_unreadable() {
    let repo = Repo::new();
    let (blob, link) = (repo.blob("x"), repo.blob("/etc"));
    let inner = repo.git_with(&["mktree"], format!("100644 blob {blob}\tf\n").as_bytes());
    let commit = repo.hostile(&[("120000", "a", &link), ("40000", "a", &inner)]);
    let (_home, tree) = tree(&repo, commit);
    assert!(matches!(read(&tree, "a/f"), Err(TreeError::Broken { .. })));
}

#[test]
fn a_damaged_directory_below_does_not_hide_its_neighbours() {
    let repo = Repo::new();
    let blob = repo.blob("x");
    let bad = repo.hostile(&[("100644", "..", &blob)]).to_string();
    let bad = repo.git(&["rev-parse", &format!("{bad}^{{tree}}")]);
    let commit = repo.hostile(&[("40000", "bad", &bad), ("100644", "good", &blob)]);
    let (_home, tree) = tree(&repo, commit);
    assert_eq!(names(&tree, ".").unwrap(), ["bad", "good"]);
    assert_eq!(read(&tree, "good").unwrap(), "x");
    assert!(matches!(names(&tree, "bad"), Err(TreeError::Broken { .. })));
}

#[test]
fn links_stay_inside_or_are_named() {
    let repo = Repo::new();
    let long = "x/".repeat(3000);
    let commit = repo.commit(
        &[
            ("dir/file", "content"),
            ("dir/up", "-> ../other"),
            ("other/f", "f"),
            ("good", "-> dir/file"),
            ("chain", "-> good"),
            ("absolute", "-> /etc/passwd"),
            ("proc", &format!("-> {CANARY}")),
            ("dir/escape", "-> ../../../../etc/passwd"),
            ("loop", "-> loop"),
            ("ping", "-> pong"),
            ("pong", "-> ping"),
            ("dangling", "-> nothing"),
        ],
        "links",
    );
    let (_home, tree) = tree(&repo, commit);
    assert_eq!(read(&tree, "good").unwrap(), "content");
    assert_eq!(read(&tree, "chain").unwrap(), "content");
    assert_eq!(read(&tree, "dir/up/f").unwrap(), "f");
    assert_eq!(names(&tree, "dir/up").unwrap(), ["f"]);
    let kind = |name: &str| {
        tree.list(&path("dir")).unwrap().into_iter().find(|e| e.name == name).unwrap().kind
    };
    assert_eq!((kind("file"), kind("up")), (EntryKind::File, EntryKind::Symlink));
    for link in ["absolute", "proc", "dir/escape", "loop"] {
        assert_eq!(read(&tree, link), Err(TreeError::Link { link: path(link) }));
    }
    assert!(matches!(read(&tree, "ping"), Err(TreeError::Link { .. })));
    assert_eq!(read(&tree, "dangling"), Err(TreeError::NotFound { path: path("dangling") }));

    let endless = repo.blob(&long);
    let commit = repo.hostile(&[("120000", "long", &endless)]);
    let tree = Home::new().mirrors.tree(&repo.url(), commit).unwrap();
    assert_eq!(read(&tree, "long"), Err(TreeError::Link { link: path("long") }));
}

#[test]
fn kinds_and_sizes_are_checked_before_reading() {
    let repo = Repo::new();
    let blob = repo.blob("0123456789");
    let commit = repo.commit(&[("dir/file", "x")], "first");
    let inner = repo.git(&["rev-parse", "HEAD:dir"]);
    let module = commit.to_string();
    let commit = repo.hostile(&[
        ("100644", "big", &blob),
        ("40000", "dir", &inner),
        ("160000", "module", &module),
    ]);
    let (_home, tree) = tree(&repo, commit);
    assert_eq!(tree.read(&path("big"), 10).unwrap(), b"0123456789");
    let error = tree.read(&path("big"), 9).unwrap_err();
    assert_eq!(error, TreeError::TooLarge { path: path("big"), bytes: 10, limit: 9 });
    assert_eq!(read(&tree, "dir"), Err(TreeError::NotAFile { path: path("dir") }));
    assert_eq!(read(&tree, "module"), Err(TreeError::NotAFile { path: path("module") }));
    assert_eq!(names(&tree, "big"), Err(TreeError::NotADirectory { path: path("big") }));
    assert_eq!(names(&tree, "module"), Err(TreeError::NotADirectory { path: path("module") }));
    let missing = |text: &str| Err(TreeError::NotFound { path: path(text) });
    assert_eq!(read(&tree, "module/x"), missing("module/x"));
    assert_eq!(read(&tree, "big/x"), missing("big/x"));
    assert_eq!(read(&tree, ".git/config"), missing(".git/config"));
}
