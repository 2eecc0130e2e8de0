//! Makes a store from an export. Also how a store is compacted: export, restore, swap the folders.

use std::fs;
use std::io::{ErrorKind, Read};
use std::path::Path;

use ::sled::Db;

use super::super::blob::BlobFolder;
use super::super::export::{Entry, ExportError, Reader, Summary};
use super::super::frame;
use super::sweep::Meta;
use super::{META_KEY, open};
use crate::store::StoreError;

/// Records that are applied at once.
const CHUNK: usize = 512;

/// Fills the folder `dir`, which must be empty or absent, from an export. Records keep their
/// revisions. Nothing is in place until the whole export was read and its digest was right.
pub fn restore(dir: &Path, export: impl Read) -> Result<Summary, ExportError> {
    let lock = open::lock(dir)?;
    if dir.join("sled").exists() {
        return Err(ExportError::NotEmpty { path: dir.to_owned() });
    }
    // Of a store that was there before: this one begins where the export ends.
    match fs::remove_file(dir.join("head")) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(StoreError::io("remove", &dir.join("head"))(error).into());
        }
        _ => {}
    }
    let blobs = BlobFolder::open(dir.join("blobs"))?;
    let mut outcome = None;
    let made = open::create(dir, |db| {
        let (meta, result) = match fill(db, &blobs, export) {
            Ok((meta, summary)) => (meta, Ok(summary)),
            Err(error) => (Meta::default(), Err(error)),
        };
        let failed = result.is_err();
        outcome = Some(result);
        // The error that matters is in `outcome`; this one only keeps the folder out of its place.
        if failed { Err(StoreError::Closed) } else { Ok(meta) }
    });
    drop(lock);
    match outcome {
        Some(Err(error)) => {
            let new = dir.join("sled.new");
            fs::remove_dir_all(&new).map_err(StoreError::io("remove", &new))?;
            Err(error)
        }
        Some(Ok(summary)) => made.map(|()| summary).map_err(ExportError::from),
        None => made.map(|()| Summary::default()).map_err(ExportError::from),
    }
}

fn fill(db: &Db, blobs: &BlobFolder, export: impl Read) -> Result<(Meta, Summary), ExportError> {
    let mut reader = Reader::new(export)?;
    let mut meta = Meta { revision: reader.revision().0, ..Meta::default() };
    let (mut batch, mut pending) = (::sled::Batch::default(), 0);
    while let Some(entry) = reader.next()? {
        match entry {
            Entry::Blob(body) => drop(blobs.put(&body)?),
            Entry::Record(record) => {
                let key = record.key.as_str().as_bytes();
                meta.add(key, record.revision);
                let value = frame::encode(key, record.revision, &record.tag, &record.body);
                batch.insert(key, value);
                pending += 1;
            }
        }
        if pending == CHUNK {
            apply(db, std::mem::take(&mut batch))?;
            pending = 0;
        }
    }
    batch.insert(META_KEY, meta.encode());
    apply(db, batch)?;
    Ok((meta, reader.summary()))
}

fn apply(db: &Db, batch: ::sled::Batch) -> Result<(), StoreError> {
    db.apply_batch(batch).map_err(|error| open::read_error(Path::new("the new store"), error))
}
