//! Mirrors whose files were damaged: replaced when the server answers, kept when it does not.

use std::fs;
use std::path::{Path, PathBuf};

use model::tree::TreeError;
use source::SourceError;

use crate::fixture::{Home, Repo, noise, read};

fn packs(mirror: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(mirror.join("objects/pack")).unwrap();
    entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "pack"))
        .collect()
}

/// Overwrites the middle of a file, which git makes read-only.
fn overwrite(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let (from, to) = (bytes.len() / 3, bytes.len() * 2 / 3);
    bytes[from..to].fill(0x5a);
    fs::remove_file(path).unwrap();
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_mirror_that_cannot_be_opened_is_fetched_anew() {
    let repo = Repo::new();
    let commit = repo.commit(&[("a", "1")], "first");
    let home = Home::new();
    home.mirrors.tree(&repo.url(), commit).unwrap();
    let mirror = home.folders().remove(0);
    for damage in ["HEAD", "objects", "refs"] {
        let path = mirror.join(damage);
        if path.is_dir() {
            fs::remove_dir_all(&path).unwrap();
        } else {
            fs::remove_file(&path).unwrap();
        }
        let tree = home.restarted().tree(&repo.url(), commit).unwrap();
        assert_eq!(read(&tree, "a").unwrap(), "1", "{damage}");
    }
    assert!(mirror.with_extension("corrupt").exists());
}

#[test]
fn a_damaged_pack_is_noticed_by_the_reader_and_replaced_on_the_next_call() {
    let repo = Repo::new();
    let commit = repo.commit(&[("big", &noise(9_000)), ("a", "1")], "first");
    let home = Home::new();
    home.mirrors.tree(&repo.url(), commit).unwrap();
    let mirror = home.folders().remove(0);
    overwrite(&packs(&mirror)[0]);
    let mirrors = home.restarted();
    // The commit itself may still be readable; the file is not.
    if let Ok(tree) = mirrors.tree(&repo.url(), commit) {
        let error = read(&tree, "big").unwrap_err();
        assert!(matches!(error, TreeError::Broken { .. }), "{error:?}");
    }
    let tree = mirrors.tree(&repo.url(), commit).unwrap();
    assert_eq!(read(&tree, "big").unwrap(), noise(9_000));
    assert!(mirror.with_extension("corrupt").exists());
}

#[test]
fn a_damaged_mirror_is_kept_while_the_server_is_gone() {
    let repo = Repo::new();
    let commit = repo.commit(&[("a", "1")], "first");
    let home = Home::new();
    let url = repo.url();
    home.mirrors.tree(&url, commit).unwrap();
    let mirror = home.folders().remove(0);
    fs::remove_file(mirror.join("HEAD")).unwrap();
    let away = repo.root.path().join("away.git");
    fs::rename(repo.bare(), &away).unwrap();
    let mirrors = home.restarted();
    let error = mirrors.tree(&url, commit).err().unwrap();
    assert!(matches!(error, SourceError::NoRepository { .. }), "{error:?}");
    assert!(mirror.join("objects").is_dir() && !mirror.with_extension("corrupt").exists());
    fs::rename(&away, repo.bare()).unwrap();
    assert_eq!(read(&mirrors.tree(&url, commit).unwrap(), "a").unwrap(), "1");
}

#[test]
fn objects_without_a_mark_are_not_trusted() {
    let repo = Repo::new();
    let commit = repo.commit(&[("a", "1"), ("b", "2")], "first");
    let home = Home::new();
    home.mirrors.tree(&repo.url(), commit).unwrap();
    let mirror = home.folders().remove(0);
    // As after a crash between the transfer and the mark, with a part of the objects gone.
    fs::remove_file(mirror.join(format!("refs/muster/{commit}"))).unwrap();
    fs::remove_dir_all(mirror.join("objects/pack")).unwrap();
    fs::create_dir(mirror.join("objects/pack")).unwrap();
    let tree = home.restarted().tree(&repo.url(), commit).unwrap();
    assert_eq!(read(&tree, "b").unwrap(), "2");
}

#[test]
fn what_a_killed_process_left_behind_stops_nobody() {
    let repo = Repo::new();
    let first = repo.commit(&[("a", "1")], "first");
    let home = Home::new();
    home.mirrors.tree(&repo.url(), first).unwrap();
    let mirror = home.folders().remove(0);
    let second = repo.commit(&[("a", "2")], "second");
    let left = ["shallow.lock", &format!("refs/muster/{second}.lock"), "objects/pack/.tmpAbC123"];
    for file in left {
        fs::write(mirror.join(file), "").unwrap();
    }
    let tree = home.restarted().tree(&repo.url(), second).unwrap();
    assert_eq!(read(&tree, "a").unwrap(), "2");
    for file in left {
        assert!(!mirror.join(file).exists(), "{file}");
    }
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let repo = Repo::new();
    let commit = repo.commit(&[("a", "1")], "first");
    let home = Home::new();
    let folder = home.folder.path().join("mirrors");
    fs::remove_dir(&folder).unwrap();
    fs::write(&folder, "a file").unwrap();
    let error = home.mirrors.tree(&repo.url(), commit).err().unwrap();
    assert!(matches!(error, SourceError::Mirror { .. }), "{error:?}");
    assert!(error.to_string().contains(&folder.display().to_string()), "{error}");
}
