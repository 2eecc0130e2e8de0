//! Which files a person means: a file by its name, a folder with all document files below it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The most files below one folder, as for a hub's fleet repository; more is a wrong path.
const MAX_FILES: usize = 20_000;
/// The deepest folder that is looked into.
const MAX_DEPTH: usize = 64;

/// A file to read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct File {
    pub(super) path: PathBuf,
    /// Nobody named it: it lay in a folder, where documents of others are passed over.
    pub(super) is_found: bool,
}

/// The files that an argument stands for, in the order of their names.
pub(super) fn list(argument: &Path) -> io::Result<Vec<File>> {
    if argument == Path::new("-") || !argument.is_dir() {
        return Ok(vec![File { path: argument.to_owned(), is_found: false }]);
    }
    let mut files = Vec::new();
    walk(argument, 0, &mut files)?;
    files.sort();
    Ok(files)
}

/// Links to folders are not followed: they may lead in a circle, or out of the checkout.
fn walk(folder: &Path, depth: usize, files: &mut Vec<File>) -> io::Result<()> {
    if depth > MAX_DEPTH {
        let message = format!("{} lies more than {MAX_DEPTH} folders deep", folder.display());
        return Err(io::Error::other(message));
    }
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            if !is_hidden(&path) {
                walk(&path, depth + 1, files)?;
            }
        } else if is_document_file(&path) && path.is_file() {
            files.push(File { path, is_found: true });
        }
        if files.len() > MAX_FILES {
            let message =
                format!("more than {MAX_FILES} files lie below it; name a smaller folder");
            return Err(io::Error::other(message));
        }
    }
    Ok(())
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

/// Whether documents may be in it, judged by its name.
pub(super) fn is_document_file(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    !is_hidden(path) && matches!(extension, Some("yaml" | "yml" | "json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_stands_for_the_documents_below_it() {
        let dir = tempfile::tempdir().unwrap();
        for path in ["b/two.yml", "b/.hidden/x.yaml", "a.yaml", "b/.x.yaml", "c.json", "README.md"]
        {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        std::os::unix::fs::symlink(dir.path(), dir.path().join("b/circle")).unwrap();
        std::os::unix::fs::symlink("../a.yaml", dir.path().join("b/link.yaml")).unwrap();
        let files = list(dir.path()).unwrap();
        let names: Vec<_> =
            files.iter().map(|file| file.path.strip_prefix(dir.path()).unwrap()).collect();
        assert_eq!(names, ["a.yaml", "b/link.yaml", "b/two.yml", "c.json"].map(Path::new));
        let file = dir.path().join("README.md");
        assert_eq!(list(&file).unwrap(), [File { path: file, is_found: false }]);
    }
}
