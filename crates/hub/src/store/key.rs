//! Keys: paths of segments, ordered by their bytes.

use std::borrow::Borrow;
use std::fmt;
use std::ops::Bound;
use std::sync::Arc;

/// A path of segments. Any text may be a segment: what would be ambiguous is percent-escaped.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Arc<str>);

impl Key {
    pub fn new<S: AsRef<str>>(segments: impl IntoIterator<Item = S>) -> Self {
        Self(joined(segments).into())
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The segments as they were given.
    pub fn segments(&self) -> impl DoubleEndedIterator<Item = String> {
        self.0.split('/').map(unescape)
    }

    /// The last segment, which is usually a name.
    #[must_use]
    pub fn name(&self) -> String {
        self.segments().next_back().unwrap_or_default()
    }

    /// A key that was stored before; none when the bytes cannot be one.
    pub(super) fn from_stored(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        text.bytes().all(|byte| byte.is_ascii_graphic()).then(|| Self(text.into()))
    }
}

fn joined<S: AsRef<str>>(segments: impl IntoIterator<Item = S>) -> String {
    let mut text = String::new();
    for (index, segment) in segments.into_iter().enumerate() {
        if index > 0 {
            text.push('/');
        }
        escape(segment.as_ref(), &mut text);
    }
    text
}

fn escape(segment: &str, out: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for byte in segment.bytes() {
        if byte.is_ascii_graphic() && byte != b'/' && byte != b'%' {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(char::from(DIGITS[usize::from(byte >> 4)]));
            out.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
    }
}

fn unescape(segment: &str) -> String {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let escaped = (first == b'%').then(|| tail.get(..2)).flatten();
        let value = escaped
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match value {
            Some(value) => {
                bytes.push(value);
                rest = &tail[2..];
            }
            None => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

impl Borrow<str> for Key {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// Which keys a range or a watch covers: everything, what is below a path, or one key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Prefix(Arc<str>);

impl Prefix {
    #[must_use]
    pub fn all() -> Self {
        Self("".into())
    }

    /// The keys that begin with these segments and go on.
    pub fn new<S: AsRef<str>>(segments: impl IntoIterator<Item = S>) -> Self {
        let mut text = joined(segments);
        text.push('/');
        Self(text.into())
    }

    /// This key alone.
    #[must_use]
    pub fn only(key: &Key) -> Self {
        Self(Arc::clone(&key.0))
    }

    #[must_use]
    pub fn covers(&self, key: &Key) -> bool {
        if self.is_subtree() { key.as_str().starts_with(&*self.0) } else { self.0 == key.0 }
    }

    /// The key below this prefix with one more segment, which must need no escape.
    pub(super) fn child(&self, segment: &str) -> Key {
        Key(format!("{}{segment}", self.0).into())
    }

    /// Where a range over the covered keys begins; the covered keys follow without a gap.
    pub(super) fn start<'a>(&'a self, after: Option<&'a Key>) -> Bound<&'a str> {
        match after {
            Some(after) if after.as_str() >= &*self.0 => Bound::Excluded(after.as_str()),
            _ => Bound::Included(&self.0),
        }
    }

    fn is_subtree(&self) -> bool {
        self.0.is_empty() || self.0.ends_with('/')
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_prefix_ends_at_a_segment() {
        let key = Key::new(["cluster", "eu-10"]);
        assert!(Prefix::new(["cluster"]).covers(&key));
        assert!(!Prefix::new(["cluster", "eu-1"]).covers(&key));
        assert!(!Prefix::new(["cluster", "eu-10"]).covers(&key), "a key is not below itself");
        assert!(Prefix::only(&key).covers(&key));
        assert!(!Prefix::only(&Key::new(["cluster", "eu-1"])).covers(&key));
        assert!(Prefix::all().covers(&key));
    }

    proptest! {
        #[test]
        fn segments_come_back_as_they_were(segments in prop::collection::vec(".{0,6}", 1..4)) {
            let key = Key::new(&segments);
            prop_assert_eq!(key.segments().collect::<Vec<_>>(), segments);
            prop_assert_eq!(Key::from_stored(key.as_str().as_bytes()), Some(key));
        }
    }
}
