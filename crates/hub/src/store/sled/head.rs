//! The newest revision that was acknowledged, in a file of its own.
//!
//! sled takes a damaged end of its file for a write that never finished, and opens as if the last
//! transactions had not been. This number is written after each sync and is not synced itself: it
//! is exact after a kill and at worst behind after a power cut, so it never raises a false alarm.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use super::super::StoreError;

pub(super) struct Head(File);

impl Head {
    pub(super) fn open(dir: &Path) -> Result<Self, StoreError> {
        let path = dir.join("head");
        let file = File::options().write(true).create(true).truncate(false).open(&path);
        file.map(Self).map_err(StoreError::io("open", &path))
    }

    pub(super) fn write(&self, revision: u64) -> io::Result<()> {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&revision.to_le_bytes());
        bytes[8..].copy_from_slice(&(!revision).to_le_bytes());
        self.0.write_all_at(&bytes, 0)
    }
}

/// The revision in the file; none when there is no file, or when it is not whole.
pub(super) fn read(dir: &Path) -> Option<u64> {
    let bytes: [u8; 16] = fs::read(dir.join("head")).ok()?.try_into().ok()?;
    let (revision, inverse) = bytes.split_first_chunk()?;
    let revision = u64::from_le_bytes(*revision);
    (inverse == (!revision).to_le_bytes()).then_some(revision)
}
