//! The logical export: everything in the store, readable without the backend that made it.
//!
//! ```text
//! "MUSTER-STORE-1\n"  revision u64
//! entries:  'R' length u32, key length u16, key, revision u64, tag length u8, tag, body
//!           'B' length u32, body
//! 'E' records u64, blobs u64, SHA-256 of everything before it
//! ```
//! All numbers are little-endian. Never copy a live store's folder as a backup; export it.

use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::PathBuf;

use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use super::{
    Key, MAX_BLOB_BYTES, MAX_KEY_BYTES, MAX_VALUE_BYTES, Prefix, Record, Revision, Store,
    StoreError,
};

const MAGIC: &[u8; 15] = b"MUSTER-STORE-1\n";
/// No entry is longer than a blob or a record with its key and lengths.
const MAX_ENTRY_BYTES: usize = MAX_BLOB_BYTES + MAX_KEY_BYTES + MAX_VALUE_BYTES;

#[derive(Debug, Error)]
pub enum ExportError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the export cannot be read or written")]
    Io(#[from] io::Error),
    #[error("the export is not whole: {0}; use another one")]
    Damaged(&'static str),
    #[error("{path} holds a store already; restore into an empty folder", path = path.display())]
    NotEmpty { path: PathBuf },
}

/// What an export holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Summary {
    pub revision: Revision,
    pub records: u64,
    pub blobs: u64,
}

/// One thing in an export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    Record(Record),
    Blob(Bytes),
}

/// Writes everything. The records are of one moment and are held in memory meanwhile; blobs that
/// are removed meanwhile are left out.
pub fn export(store: &dyn Store, out: impl Write) -> Result<Summary, ExportError> {
    let records = store.range(&Prefix::all())?;
    let newest = records.iter().map(|record| record.revision).max().unwrap_or_default();
    let revision = store.state().revision.max(newest);
    let mut out = Hashing { inner: BufWriter::new(out), hash: Sha256::new() };
    out.write_all(MAGIC)?;
    out.write_all(&revision.0.to_le_bytes())?;
    let mut summary = Summary { revision, ..Summary::default() };
    for record in &records {
        entry(&mut out, b'R', &record_bytes(record))?;
        summary.records += 1;
    }
    for digest in store.blobs()? {
        if let Some(body) = store.blob(&digest)? {
            entry(&mut out, b'B', &body)?;
            summary.blobs += 1;
        }
    }
    out.write_all(b"E")?;
    out.write_all(&summary.records.to_le_bytes())?;
    out.write_all(&summary.blobs.to_le_bytes())?;
    let Hashing { mut inner, hash } = out;
    inner.write_all(&hash.finalize())?;
    inner.flush()?;
    Ok(summary)
}

/// Reads an export to its end and checks its digest, without keeping anything.
pub fn verify(input: impl Read) -> Result<Summary, ExportError> {
    let mut reader = Reader::new(input)?;
    while reader.next()?.is_some() {}
    Ok(reader.summary())
}

fn entry(out: &mut impl Write, kind: u8, body: &[u8]) -> io::Result<()> {
    let length = u32::try_from(body.len()).map_err(io::Error::other)?;
    out.write_all(&[kind])?;
    out.write_all(&length.to_le_bytes())?;
    out.write_all(body)
}

fn record_bytes(record: &Record) -> Vec<u8> {
    let key = record.key.as_str().as_bytes();
    let mut bytes = Vec::with_capacity(key.len() + record.tag.len() + record.body.len() + 11);
    let key_len = u16::try_from(key.len()).expect("keys are at most 1024 bytes");
    let tag_len = u8::try_from(record.tag.len()).expect("tags are at most 64 bytes");
    bytes.extend_from_slice(&key_len.to_le_bytes());
    bytes.extend_from_slice(key);
    bytes.extend_from_slice(&record.revision.0.to_le_bytes());
    bytes.push(tag_len);
    bytes.extend_from_slice(record.tag.as_bytes());
    bytes.extend_from_slice(&record.body);
    bytes
}

fn parse_record(bytes: &[u8]) -> Option<Record> {
    let (length, rest) = bytes.split_first_chunk()?;
    let (key, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
    let (revision, rest) = rest.split_first_chunk()?;
    let (length, rest) = rest.split_first()?;
    let (tag, body) = rest.split_at_checked(usize::from(*length))?;
    let tag = std::str::from_utf8(tag).ok()?.to_owned();
    if body.len() > MAX_VALUE_BYTES || tag.is_empty() {
        return None;
    }
    let (key, body) = (Key::from_stored(key)?, Bytes::copy_from_slice(body));
    Some(Record { key, revision: Revision(u64::from_le_bytes(*revision)), tag, body })
}

/// Reads an export entry by entry. What it gave is to be trusted only when it has come to its end:
/// the digest is last.
pub(super) struct Reader<R> {
    input: Hashing<BufReader<R>>,
    summary: Summary,
    done: bool,
}

impl<R: Read> Reader<R> {
    pub(super) fn new(input: R) -> Result<Self, ExportError> {
        let mut input = Hashing { inner: BufReader::new(input), hash: Sha256::new() };
        let mut magic = [0; MAGIC.len()];
        input.fill(&mut magic)?;
        if &magic != MAGIC {
            return Err(ExportError::Damaged("it does not begin as an export of a store"));
        }
        let revision = Revision(input.number()?);
        let summary = Summary { revision, ..Summary::default() };
        Ok(Self { input, summary, done: false })
    }

    pub(super) fn revision(&self) -> Revision {
        self.summary.revision
    }

    pub(super) fn summary(&self) -> Summary {
        self.summary
    }

    pub(super) fn next(&mut self) -> Result<Option<Entry>, ExportError> {
        if self.done {
            return Ok(None);
        }
        let mut kind = [0];
        self.input.fill(&mut kind)?;
        match kind[0] {
            b'R' => {
                let bytes = self.body()?;
                let record = parse_record(&bytes).ok_or(ExportError::Damaged("a bad record"))?;
                if record.revision > self.summary.revision {
                    return Err(ExportError::Damaged("a record from after the export"));
                }
                self.summary.records += 1;
                Ok(Some(Entry::Record(record)))
            }
            b'B' => {
                self.summary.blobs += 1;
                Ok(Some(Entry::Blob(self.body()?.into())))
            }
            b'E' => self.end().map(|()| None),
            _ => Err(ExportError::Damaged("an unknown entry")),
        }
    }

    fn body(&mut self) -> Result<Vec<u8>, ExportError> {
        let mut length = [0; 4];
        self.input.fill(&mut length)?;
        let length = usize::try_from(u32::from_le_bytes(length)).unwrap_or(usize::MAX);
        if length > MAX_ENTRY_BYTES {
            return Err(ExportError::Damaged("an entry that is too long"));
        }
        let mut body = vec![0; length];
        self.input.fill(&mut body)?;
        Ok(body)
    }

    fn end(&mut self) -> Result<(), ExportError> {
        let (records, blobs) = (self.input.number()?, self.input.number()?);
        if (records, blobs) != (self.summary.records, self.summary.blobs) {
            return Err(ExportError::Damaged("a wrong number of entries"));
        }
        let expected = self.input.hash.clone().finalize();
        let mut digest = [0; 32];
        self.input.fill(&mut digest)?;
        if digest != *expected {
            return Err(ExportError::Damaged("its digest does not match"));
        }
        if self.input.inner.read(&mut [0])? != 0 {
            return Err(ExportError::Damaged("something follows its digest"));
        }
        self.done = true;
        Ok(())
    }
}

/// Hashes what passes through.
struct Hashing<T> {
    inner: T,
    hash: Sha256,
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hash.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<R: Read> Hashing<R> {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), ExportError> {
        self.inner.read_exact(bytes).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => ExportError::Damaged("it is cut off"),
            _ => ExportError::Io(error),
        })?;
        self.hash.update(&*bytes);
        Ok(())
    }

    fn number(&mut self) -> Result<u64, ExportError> {
        let mut bytes = [0; 8];
        self.fill(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }
}
