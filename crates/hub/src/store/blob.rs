//! Content-addressed bodies as files: written beside, synced, renamed, checked when read.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use model::canonical::Digest;
use tempfile::NamedTempFile;

use super::plan::within;
use super::{MAX_BLOB_BYTES, StoreError};

/// A folder of blobs, fanned out by the first two digits of the digest.
#[derive(Debug, Clone)]
pub(super) struct BlobFolder(PathBuf);

impl BlobFolder {
    pub(super) fn open(path: PathBuf) -> Result<Self, StoreError> {
        fs::create_dir_all(&path).map_err(StoreError::io("create", &path))?;
        let folder = Self(path);
        folder.remove_leftovers()?;
        Ok(folder)
    }

    pub(super) fn put(&self, body: &[u8]) -> Result<Digest, StoreError> {
        within(|| "the blob".to_owned(), body.len(), MAX_BLOB_BYTES)?;
        let digest = Digest::of(body);
        if self.get(&digest).is_ok_and(|found| found.is_some()) {
            return Ok(digest);
        }
        let path = self.path(&digest);
        let folder = path.parent().unwrap_or(&self.0);
        write(folder, &path, body).map_err(StoreError::io("write", &path))?;
        Ok(digest)
    }

    pub(super) fn get(&self, digest: &Digest) -> Result<Option<Bytes>, StoreError> {
        let path = self.path(digest);
        match fs::read(&path) {
            Ok(body) if Digest::of(&body) == *digest => Ok(Some(body.into())),
            Ok(_) => Err(StoreError::Damaged {
                what: path.display().to_string(),
                reason: "its digest does not match its name".to_owned(),
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::io("read", &path)(error)),
        }
    }

    pub(super) fn remove(&self, digest: &Digest) -> Result<(), StoreError> {
        let path = self.path(digest);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(StoreError::io("remove", &path)(error))
            }
            _ => Ok(()),
        }
    }

    /// What is not named by a digest is a temporary file of a process that was killed.
    fn remove_leftovers(&self) -> Result<(), StoreError> {
        for path in self.files()? {
            if digest_of(&path).is_none() {
                fs::remove_file(&path).map_err(StoreError::io("remove", &path))?;
            }
        }
        Ok(())
    }

    pub(super) fn list(&self) -> Result<Vec<Digest>, StoreError> {
        let mut digests: Vec<_> = self.files()?.iter().filter_map(|path| digest_of(path)).collect();
        digests.sort_unstable();
        Ok(digests)
    }

    fn files(&self) -> Result<Vec<PathBuf>, StoreError> {
        let folders = entries(&self.0)?;
        let nested = folders.iter().map(|folder| entries(folder)).collect::<Result<Vec<_>, _>>()?;
        Ok(nested.into_iter().flatten().collect())
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        let name = digest.to_string();
        self.0.join(&name[..2]).join(name)
    }
}

fn digest_of(path: &Path) -> Option<Digest> {
    path.file_name()?.to_str()?.parse().ok()
}

fn write(folder: &Path, path: &Path, body: &[u8]) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let mut file = NamedTempFile::new_in(folder)?;
    file.write_all(body)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    File::open(folder)?.sync_all()?;
    // The folder itself may be new.
    folder.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all())
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let read = || fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>();
    read().map_err(StoreError::io("list", folder))
}
