//! The payloads of each application's last render, compressed on disk, so that a repair needs
//! neither memory nor a renderer, and a restart needs neither the hub nor Git.
//!
//! It is a cache: whatever is wrong with a file, the answer is "not there". Files are readable by
//! their owner only, since manifests may hold Secrets.

use std::fs;
use std::io::{BufRead as _, BufReader, BufWriter, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use model::canonical::Digest;
use model::manifest::ObjectKey;
use model::name::ApplicationName;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::reconcile::payload::{Class, Payload};

/// The most bytes that one file may unpack to.
const MAX_UNPACKED: u64 = 256 << 20;

/// What a file was rendered from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Header {
    pub(super) application: ApplicationName,
    pub(super) version: Digest,
    /// Of everything the render depended on, when the source knows it.
    #[serde(default)]
    pub(super) fingerprint: Option<Digest>,
    /// The value of the label in every payload.
    pub(super) part_of: String,
    pub(super) count: usize,
}

#[derive(Serialize, Deserialize)]
struct Line<'a> {
    key: ObjectKey,
    version: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    adopt: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    implicit: bool,
    hash: u64,
    #[serde(borrow)]
    body: &'a RawValue,
}

/// The folder. All methods block.
#[derive(Debug, Clone)]
pub(super) struct PayloadCache {
    folder: PathBuf,
}

impl PayloadCache {
    pub(super) fn new(state_dir: &Path) -> Self {
        Self { folder: state_dir.join("payloads") }
    }

    /// Writes all payloads of an application; the file is replaced as a whole.
    pub(super) fn write(&self, header: &Header, payloads: &[Payload]) -> std::io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        let path = self.path(&header.application);
        let temporary = path.with_extension("new");
        let file = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&temporary)?;
        let mut out = GzEncoder::new(BufWriter::new(file), Compression::fast());
        serde_json::to_writer(&mut out, header)?;
        out.write_all(b"\n")?;
        for payload in payloads {
            let body = std::str::from_utf8(&payload.body).map_err(std::io::Error::other)?;
            let line = Line {
                key: payload.key.clone(),
                version: payload.api_version.clone(),
                adopt: payload.adopt,
                implicit: payload.class == Class::Implicit,
                hash: payload.hash,
                body: serde_json::from_str(body)?,
            };
            serde_json::to_writer(&mut out, &line)?;
            out.write_all(b"\n")?;
        }
        out.finish()?.flush()?;
        fs::rename(&temporary, &path)
    }

    /// The header, and the payloads that `want` asks for, in apply order as they were written.
    /// `None` when there is no whole file, or `accept` refuses its header.
    pub(super) fn read(
        &self,
        application: &ApplicationName,
        accept: impl FnOnce(&Header) -> bool,
        want: impl Fn(&ObjectKey) -> bool,
    ) -> Option<(Header, Vec<Payload>)> {
        let file = fs::File::open(self.path(application)).ok()?;
        let mut reader = BufReader::new(GzDecoder::new(BufReader::new(file)).take(MAX_UNPACKED));
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let header: Header = serde_json::from_str(&line).ok()?;
        if header.application != *application || !accept(&header) {
            return None;
        }
        let (mut payloads, mut count) = (Vec::new(), 0);
        loop {
            line.clear();
            if reader.read_line(&mut line).ok()? == 0 {
                break;
            }
            count += 1;
            let parsed: Line<'_> = serde_json::from_str(&line).ok()?;
            if want(&parsed.key) {
                payloads.push(Payload {
                    key: parsed.key,
                    api_version: parsed.version,
                    body: bytes::Bytes::copy_from_slice(parsed.body.get().as_bytes()),
                    hash: parsed.hash,
                    adopt: parsed.adopt,
                    class: if parsed.implicit { Class::Implicit } else { Class::Normal },
                });
            }
        }
        (count == header.count).then_some((header, payloads))
    }

    pub(super) fn remove(&self, application: &ApplicationName) {
        if let Err(error) = fs::remove_file(self.path(application))
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(%application, %error, "a cached render could not be removed");
        }
    }

    fn path(&self, application: &ApplicationName) -> PathBuf {
        let digest = Digest::of(application.as_str().as_bytes()).to_string();
        self.folder.join(format!("{}.gz", &digest[..32]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::payload::{Marks, prepare};
    use model::manifest::Manifest;
    use serde_json::json;

    fn payloads() -> Vec<Payload> {
        let marks = Marks { application: "web", part_of: "c1", ignore: &[] };
        ["a", "b"]
            .map(|name| {
                let value = json!({"apiVersion": "v1", "kind": "ConfigMap",
                    "metadata": {"name": name, "namespace": "n"}, "data": {"k": "v\n\"x\""}});
                prepare(Manifest::new(value).unwrap(), marks).unwrap()
            })
            .to_vec()
    }

    fn header() -> Header {
        Header {
            application: ApplicationName::new("web").unwrap(),
            version: Digest::of(b"1"),
            fingerprint: None,
            part_of: "c1".to_owned(),
            count: 2,
        }
    }

    #[test]
    fn what_is_written_is_read_byte_for_byte() {
        let folder = tempfile::tempdir().unwrap();
        let cache = PayloadCache::new(folder.path());
        cache.write(&header(), &payloads()).unwrap();
        let read = cache.read(&header().application, |_| true, |_| true).unwrap();
        assert_eq!(read, (header(), payloads()));
        let one = cache.read(&header().application, |_| true, |key| key.name == "b").unwrap();
        assert_eq!(one.1, payloads()[1..]);
        assert!(cache.read(&header().application, |_| false, |_| true).is_none());
        cache.remove(&header().application);
        assert!(cache.read(&header().application, |_| true, |_| true).is_none());
    }

    #[test]
    fn a_file_that_was_cut_off_is_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let cache = PayloadCache::new(folder.path());
        cache.write(&header(), &payloads()).unwrap();
        let path = cache.path(&header().application);
        let whole = fs::read(&path).unwrap();
        for end in 0..whole.len() {
            fs::write(&path, &whole[..end]).unwrap();
            let read = cache.read(&header().application, |_| true, |_| true);
            assert!(read.is_none_or(|read| read.1 == payloads()), "cut at {end}");
        }
    }
}
