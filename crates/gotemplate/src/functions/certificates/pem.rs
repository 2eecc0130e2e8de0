//! PEM as Go's `encoding/pem` reads and writes it: what is not a block is skipped.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::super::encoding::from_base64;

pub(super) struct Block {
    pub(super) kind: Vec<u8>,
    pub(super) bytes: Vec<u8>,
}

/// Characters of a line of base 64.
const LINE: usize = 64;

pub(super) fn encode(kind: &str, bytes: &[u8]) -> String {
    let mut out = format!("-----BEGIN {kind}-----\n");
    let text = STANDARD.encode(bytes);
    for line in text.as_bytes().chunks(LINE) {
        out.extend(line.iter().map(|byte| char::from(*byte)));
        out.push('\n');
    }
    out.push_str("-----END ");
    out.push_str(kind);
    out.push_str("-----\n");
    out
}

const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"\n-----END ";
const DASHES: &[u8] = b"-----";

/// The first block of a text.
pub(super) fn decode(text: &[u8]) -> Option<Block> {
    let mut from = 0;
    loop {
        let end = from + find(&text[from..], END)?;
        let next = end + END.len();
        // Of the beginnings before this end, the last is its own.
        if let Some(begin) = find_last(&text[from..end], BEGIN).map(|at| from + at)
            && (begin == from || text[begin - 1] == b'\n')
            && let Some(block) = block(&text[begin + BEGIN.len()..], next - begin - BEGIN.len())
        {
            return Some(block);
        }
        from = next;
    }
}

/// A block whose text begins after `BEGIN`, and whose end line goes on at `after`.
fn block(text: &[u8], after: usize) -> Option<Block> {
    let (line, mut rest) = first_line(text);
    let kind = line.strip_suffix(DASHES)?;
    let mut has_headers = false;
    loop {
        if rest.is_empty() {
            return None;
        }
        let (line, next) = first_line(rest);
        if !line.contains(&b':') {
            break;
        }
        has_headers = true;
        rest = next;
    }
    let start = text.len() - rest.len();
    // An empty block ends where it begins, and then shares its line end with the line before.
    let end = after - END.len();
    let last = text.get(after..)?.strip_prefix(kind)?.strip_prefix(DASHES)?;
    if !first_line(last).0.is_empty() || start > end + usize::from(!has_headers) {
        return None;
    }
    let content = text.get(start..end).unwrap_or_default();
    let content: Vec<u8> =
        content.iter().copied().filter(|byte| !matches!(byte, b' ' | b'\t')).collect();
    Some(Block { kind: kind.to_vec(), bytes: from_base64(&content)? })
}

/// The first line without white space at its end, and what follows it.
fn first_line(text: &[u8]) -> (&[u8], &[u8]) {
    let (mut line, rest) = match text.iter().position(|byte| *byte == b'\n') {
        Some(at) => (text[..at].strip_suffix(b"\r").unwrap_or(&text[..at]), &text[at + 1..]),
        None => (text, &[][..]),
    };
    while let [before @ .., b' ' | b'\t'] = line {
        line = before;
    }
    (line, rest)
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}

fn find_last(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).rposition(|window| window == wanted)
}
