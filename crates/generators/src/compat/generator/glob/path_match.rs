//! Go's `path.Match`, with which directories are chosen: `*` and `?` stay within a component,
//! `[a-z]` and `[^a]` are classes, a backslash takes the special meaning off.

use super::literal_directories;

const SPECIAL: [char; 4] = ['*', '?', '[', '\\'];

/// A pattern, compiled: pieces between stars.
#[derive(Debug)]
pub(in super::super) struct Pattern {
    /// Whether a star stands before the piece, with the piece.
    pieces: Vec<(bool, Vec<One>)>,
    /// The directories below which all matches lie.
    pub(in super::super) start: Vec<String>,
    /// How many components a match has below `start`; none when a class might take a slash.
    pub(in super::super) levels: Option<usize>,
}

/// What takes one character.
#[derive(Debug)]
enum One {
    Is(char),
    /// Any but a slash.
    Any,
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
}

impl Pattern {
    /// Compiles a pattern; the error says what is wrong with it.
    pub(in super::super) fn compile(source: &str) -> Result<Self, String> {
        let mut pieces = vec![(false, Vec::new())];
        let mut rest = source.chars();
        let refused = |why: &str| format!("the pattern {source:?} is not valid: {why}");
        let mut has_class = false;
        while let Some(character) = rest.next() {
            let one = match character {
                '*' => {
                    match pieces.last_mut() {
                        Some((star, piece)) if piece.is_empty() => *star = true,
                        _ => pieces.push((true, Vec::new())),
                    }
                    continue;
                }
                '?' => One::Any,
                '[' => {
                    has_class = true;
                    class(&mut rest).map_err(refused)?
                }
                '\\' => One::Is(rest.next().ok_or_else(|| refused("it ends with a backslash"))?),
                other => One::Is(other),
            };
            if let Some((_, piece)) = pieces.last_mut() {
                piece.push(one);
            }
        }
        let start = literal_directories(source, &SPECIAL);
        let components = source.split('/').count();
        let levels = (!has_class).then(|| components - start.len());
        Ok(Self { pieces, start, levels })
    }

    pub(in super::super) fn matches(&self, path: &str) -> bool {
        let mut path = path.as_bytes();
        for (index, (star, piece)) in self.pieces.iter().enumerate() {
            let is_last = index + 1 == self.pieces.len();
            match after(*star, piece, is_last, path) {
                Some(rest) => path = rest,
                None => return false,
            }
        }
        path.is_empty()
    }
}

/// What is left behind a piece. With a star before it the first place counts where it fits, as in
/// Go, and for the last piece the first that leaves nothing. As there a star ends at any byte.
fn after<'p>(star: bool, piece: &[One], is_last: bool, path: &'p [u8]) -> Option<&'p [u8]> {
    if star && is_last && piece.is_empty() {
        return (!path.contains(&b'/')).then_some(&[]);
    }
    if !star {
        return fit(piece, path);
    }
    let mut rest = path;
    loop {
        if let Some(behind) = fit(piece, rest).filter(|behind| !is_last || behind.is_empty()) {
            return Some(behind);
        }
        match rest.split_first() {
            None | Some((b'/', _)) => return None,
            Some((_, behind)) => rest = behind,
        }
    }
}

fn fit<'p>(piece: &[One], path: &'p [u8]) -> Option<&'p [u8]> {
    let mut rest = path;
    for one in piece {
        let (character, width) = decoded(rest)?;
        let takes = match one {
            One::Is(wanted) => {
                rest = rest.strip_prefix(wanted.encode_utf8(&mut [0; 4]).as_bytes())?;
                continue;
            }
            One::Any => character != '/',
            One::Class { negated, ranges } => {
                ranges.iter().any(|(low, high)| (*low..=*high).contains(&character)) != *negated
            }
        };
        if !takes {
            return None;
        }
        rest = &rest[width..];
    }
    Some(rest)
}

/// The first character and its bytes; what is not UTF-8 is one byte of U+FFFD, as in Go.
fn decoded(bytes: &[u8]) -> Option<(char, usize)> {
    let first = &bytes[..bytes.len().min(4)];
    let valid = match std::str::from_utf8(first) {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(&first[..error.valid_up_to()]).unwrap_or_default(),
    };
    match valid.chars().next() {
        Some(character) => Some((character, character.len_utf8())),
        None => (!bytes.is_empty()).then_some((char::REPLACEMENT_CHARACTER, 1)),
    }
}

fn class(rest: &mut std::str::Chars<'_>) -> Result<One, &'static str> {
    let negated = rest.as_str().starts_with('^');
    if negated {
        rest.next();
    }
    let mut ranges = Vec::new();
    loop {
        if rest.as_str().starts_with(']') && !ranges.is_empty() {
            rest.next();
            return Ok(One::Class { negated, ranges });
        }
        let low = class_character(rest)?;
        let mut high = low;
        if rest.as_str().starts_with('-') {
            rest.next();
            high = class_character(rest)?;
        }
        ranges.push((low, high));
    }
}

fn class_character(rest: &mut std::str::Chars<'_>) -> Result<char, &'static str> {
    const OPEN: &str = "a class is not closed; write ]";
    let character = match rest.next() {
        None => return Err(OPEN),
        Some('-' | ']') => return Err("a class has nothing before - or ]; write \\ before it"),
        Some('\\') => rest.next().ok_or(OPEN)?,
        Some(character) => character,
    };
    if rest.as_str().is_empty() { Err(OPEN) } else { Ok(character) }
}
