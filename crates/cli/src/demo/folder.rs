//! The folder that holds everything of one demo, and its removal, whatever happens.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::error::DemoError;

/// A program or task that is ending may still write a file while the folder is being removed.
const ATTEMPTS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(50);
/// Three clusters use 2 MB, and each more 0.2 MB; commits and logs grow while it stays up.
const NEEDED_BYTES: u64 = 20 << 20;

/// Removes itself when it is dropped, unless it is to be kept. Clones are the same folder, so that
/// a second Ctrl-C can remove it while the rest is still stopping.
#[derive(Clone)]
pub(crate) struct Folder(Arc<Inner>);

struct Inner {
    path: PathBuf,
    /// Whether the folder was there before: then only what is in it goes.
    found: bool,
    kept: bool,
    removed: Mutex<bool>,
}

impl Folder {
    /// A new folder: `named`, which must be empty or absent, or one for temporary files.
    pub(crate) fn make(named: Option<&Path>, kept: bool) -> Result<Self, DemoError> {
        let (path, found) = match named {
            Some(path) => {
                let found = claim(path)?;
                let absolute = fs::canonicalize(path);
                (absolute.map_err(DemoError::file("find", path))?, found)
            }
            None => (temporary()?, false),
        };
        let this = Self(Arc::new(Inner { path, found, kept, removed: Mutex::new(false) }));
        // A disk that fills up in the middle is found too, but is harder to understand.
        match rustix::fs::statvfs(this.path())
            .map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize))
        {
            Ok(free) if free < NEEDED_BYTES => {
                Err(DemoError::Full { path: this.path().to_owned(), free, needed: NEEDED_BYTES })
            }
            _ => Ok(this),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0.path
    }

    pub(crate) fn is_kept(&self) -> bool {
        self.0.kept
    }

    /// Removes it now; a second call does nothing.
    pub(crate) fn remove(&self) -> Result<(), DemoError> {
        self.0.remove()
    }
}

impl Inner {
    fn remove(&self) -> Result<(), DemoError> {
        let mut removed = self.removed.lock().unwrap_or_else(PoisonError::into_inner);
        if self.kept || *removed {
            return Ok(());
        }
        let mut outcome = self.attempt();
        for _ in 1..ATTEMPTS {
            if outcome.is_ok() {
                break;
            }
            thread::sleep(PAUSE);
            outcome = self.attempt();
        }
        *removed = outcome.is_ok();
        outcome.map_err(DemoError::file("remove", &self.path))
    }

    fn attempt(&self) -> io::Result<()> {
        let gone = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => Ok(()),
            _ => Err(error),
        };
        if !self.found {
            return fs::remove_dir_all(&self.path).or_else(gone);
        }
        for entry in fs::read_dir(&self.path)? {
            let path = entry?.path();
            let outcome = if path.is_dir() && !path.is_symlink() {
                fs::remove_dir_all(&path)
            } else {
                fs::remove_file(&path)
            };
            outcome.or_else(gone)?;
        }
        Ok(())
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // The normal end removes it and reports a failure; this is for panics and early returns.
        drop(self.remove());
    }
}

/// Makes the folder where it is absent. Returns whether it was there.
fn claim(path: &Path) -> Result<bool, DemoError> {
    match fs::read_dir(path) {
        Ok(mut entries) => match entries.next() {
            None => Ok(true),
            Some(_) => Err(DemoError::NotEmpty { path: path.to_owned() }),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            fs::create_dir_all(path).map_err(DemoError::file("make the folder", path))?;
            Ok(false)
        }
        Err(error) => Err(DemoError::file("read the folder", path)(error)),
    }
}

fn temporary() -> Result<PathBuf, DemoError> {
    let parent = std::env::temp_dir();
    let folder = tempfile::Builder::new().prefix("muster-demo-").tempdir_in(&parent);
    let folder = folder.map_err(DemoError::file("make a folder in", &parent))?.keep();
    // A link in the way, as on systems where /tmp is one, is no path for a URL.
    fs::canonicalize(&folder).map_err(DemoError::file("find", folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_temporary_folder_goes_with_its_last_clone() {
        let folder = Folder::make(None, false).unwrap();
        let path = folder.path().to_owned();
        fs::create_dir_all(path.join("a/b")).unwrap();
        let second = folder.clone();
        drop(folder);
        assert!(path.exists());
        drop(second);
        assert!(!path.exists());
    }

    #[test]
    fn a_named_folder_must_be_empty_and_stays_when_it_was_there() {
        let outer = tempfile::tempdir().unwrap();
        let (there, new) = (outer.path().join("there"), outer.path().join("x/new"));
        fs::create_dir(&there).unwrap();
        for path in [&there, &new] {
            let folder = Folder::make(Some(path), false).unwrap();
            fs::write(folder.path().join("file"), "x").unwrap();
            let error = Folder::make(Some(path), false).err().unwrap();
            assert!(error.to_string().ends_with("is not empty"), "{error}");
            folder.remove().unwrap();
            folder.remove().unwrap();
        }
        assert_eq!(fs::read_dir(&there).unwrap().count(), 0);
        assert!(!new.exists());
    }

    #[test]
    fn a_kept_folder_stays() {
        let outer = tempfile::tempdir().unwrap();
        let path = outer.path().join("kept");
        drop(Folder::make(Some(&path), true).unwrap());
        assert!(path.exists());
    }
}
