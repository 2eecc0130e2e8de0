//! How a record lies on the disk: self-describing, bound to its key, with a checksum.
//!
//! ```text
//! 0  "MR"  2 format  3 tag length  4 revision  12 key hash  20 body length  24 tag, body  CRC-32
//! ```
//! All numbers are little-endian. The key hash finds a value that a damaged page put under another
//! key; the checksum finds the rest. sled checks its pages when it reads them from the file, but
//! not what it keeps, and has been seen to open a damaged file.

use bytes::Bytes;
use model::canonical::Digest;
use thiserror::Error;

use super::{Key, Record, Revision};

const MAGIC: &[u8; 2] = b"MR";
const FORMAT: u8 = 1;
const HEADER: usize = 24;
const CHECK: usize = 4;

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(super) enum FrameError {
    #[error("it is cut off")]
    Short,
    #[error("it is not a record")]
    Magic,
    #[error("it has format {0}, which this build does not know")]
    Format(u8),
    #[error("its checksum does not match")]
    Checksum,
    #[error("it belongs to another key")]
    OtherKey,
    #[error("its lengths do not match")]
    Length,
}

/// Eight bytes that stand for a key.
pub(super) fn key_hash(key: &[u8]) -> u64 {
    let digest = Digest::of(key);
    let mut first = [0; 8];
    first.copy_from_slice(&digest.as_bytes()[..8]);
    u64::from_le_bytes(first)
}

/// # Panics
/// When the tag or body are longer than [`super::plan`] lets through.
pub(super) fn encode(key: &[u8], revision: Revision, tag: &str, body: &[u8]) -> Vec<u8> {
    let tag_len = u8::try_from(tag.len()).expect("tags are at most 64 bytes");
    let body_len = u32::try_from(body.len()).expect("bodies are below 64 KiB");
    let mut out = Vec::with_capacity(HEADER + tag.len() + body.len() + CHECK);
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&[FORMAT, tag_len]);
    out.extend_from_slice(&revision.0.to_le_bytes());
    out.extend_from_slice(&key_hash(key).to_le_bytes());
    out.extend_from_slice(&body_len.to_le_bytes());
    out.extend_from_slice(tag.as_bytes());
    out.extend_from_slice(body);
    let check = crc32fast::hash(&out);
    out.extend_from_slice(&check.to_le_bytes());
    out
}

/// What a frame holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    pub(super) revision: Revision,
    pub(super) tag: &'a str,
    pub(super) body: &'a [u8],
}

pub(super) fn decode<'a>(key: &[u8], frame: &'a [u8]) -> Result<Frame<'a>, FrameError> {
    if frame.len() < HEADER + CHECK {
        return Err(FrameError::Short);
    }
    if &frame[..2] != MAGIC {
        return Err(FrameError::Magic);
    }
    let (content, check) = frame.split_at(frame.len() - CHECK);
    if crc32fast::hash(content).to_le_bytes() != check {
        return Err(FrameError::Checksum);
    }
    if content[2] != FORMAT {
        return Err(FrameError::Format(content[2]));
    }
    if number(&content[12..20]) != key_hash(key) {
        return Err(FrameError::OtherKey);
    }
    let (tag_len, body_len) = (usize::from(content[3]), number(&content[20..24]));
    let (tag, body) = content[HEADER..].split_at_checked(tag_len).ok_or(FrameError::Length)?;
    if u64::try_from(body.len()) != Ok(body_len) {
        return Err(FrameError::Length);
    }
    let tag = std::str::from_utf8(tag).map_err(|_| FrameError::Length)?;
    Ok(Frame { revision: Revision(number(&content[4..12])), tag, body })
}

/// A little-endian number of up to eight bytes.
fn number(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

impl Frame<'_> {
    pub(super) fn to_record(&self, key: Key) -> Record {
        let (tag, body) = (self.tag.to_owned(), Bytes::copy_from_slice(self.body));
        Record { key, revision: self.revision, tag, body }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_frame_belongs_to_its_key() {
        let frame = encode(b"a", Revision(7), "t.v1", b"body");
        let expected = Frame { revision: Revision(7), tag: "t.v1", body: b"body" };
        assert_eq!(decode(b"a", &frame), Ok(expected));
        assert_eq!(decode(b"b", &frame), Err(FrameError::OtherKey));
        assert_eq!(decode(b"a", &frame[..20]), Err(FrameError::Short));
        assert_eq!(decode(b"a", b""), Err(FrameError::Short));
    }

    proptest! {
        #[test]
        fn no_changed_byte_goes_unnoticed(
            body in prop::collection::vec(any::<u8>(), 0..64), at: prop::sample::Index, mask in 1_u8..,
        ) {
            let mut frame = encode(b"key", Revision(1), "t", &body);
            let at = at.index(frame.len());
            frame[at] ^= mask;
            prop_assert!(decode(b"key", &frame).is_err());
            prop_assert!(decode(b"key", &frame[..at]).is_err());
        }
    }
}
