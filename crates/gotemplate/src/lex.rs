//! The first pass over a template: finds its actions, trims the text beside them, and refuses
//! constants that Go refuses and the parser does not. Pure.
//!
//! What the parser gets is the same template without comments and trim markers. Go trims ASCII
//! spaces only, a trim marker of a comment only its own side, and an action may end in `|`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::error::ParseError;
use crate::functions::cast;
use crate::functions::types::{BYTES, COMPLEX, LEAST};

/// More than any object that Kubernetes stores could hold.
pub(crate) const MAX_SOURCE: usize = 1 << 20;

/// How deep parentheses may lie within each other: the parser recurses.
const MAX_PARENTHESES: usize = 50;

/// Begins an action in the prepared text. Text has no `{{`, so it cannot be met there; with a plain
/// `{{`, a brace that comes to stand before it by trimming would belong to it.
pub(crate) const LEFT: &str = "\u{e000}{{";
pub(crate) const RIGHT: &str = "}}";

/// A template that the parser reads as Go reads the source.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) text: String,
    /// Where pieces of the text come from: offsets here and in the source, both rising.
    origins: Vec<(usize, usize)>,
    pub(crate) actions: Vec<Action>,
}

#[derive(Debug)]
pub(crate) struct Action {
    /// Of the `{{` in the source.
    pub(crate) offset: usize,
    /// The first two words.
    pub(crate) words: Vec<String>,
}

impl Prepared {
    /// The offset in the source of what is here in the text.
    pub(crate) fn origin(&self, offset: usize) -> usize {
        let after = self.origins.partition_point(|(here, _)| *here <= offset);
        match after.checked_sub(1).map(|at| self.origins[at]) {
            Some((here, source)) => source + (offset - here),
            None => offset,
        }
    }

    /// The same for a line and column, both from 1.
    pub(crate) fn origin_of_line(&self, line: usize, column: usize) -> usize {
        let start: usize =
            self.text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
        let rest = &self.text[start..];
        let within =
            rest.char_indices().nth(column.saturating_sub(1)).map_or(rest.len(), |(at, _)| at);
        self.origin(start + within)
    }

    fn push(&mut self, source: &str, from: usize, to: usize) {
        self.origins.push((self.text.len(), from));
        self.text.push_str(&source[from..to]);
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// Prepares a source.
pub(crate) fn prepare(source: &str) -> Result<Prepared, ParseError> {
    if source.len() > MAX_SOURCE {
        let at = ParseError::at(source, 0);
        return Err(at(format!("the template is longer than {MAX_SOURCE} bytes")));
    }
    let mut done = Prepared { text: String::new(), origins: Vec::new(), actions: Vec::new() };
    let bytes = source.as_bytes();
    let (mut at, mut trim_start) = (0, false);
    while at <= source.len() {
        let open = source[at..].find("{{").map(|found| at + found);
        let trims = open.is_some_and(|open| {
            bytes.get(open + 2) == Some(&b'-') && bytes.get(open + 3).copied().is_some_and(is_space)
        });
        let (mut from, mut to) = (at, open.unwrap_or(source.len()));
        while trim_start && from < to && is_space(bytes[from]) {
            from += 1;
        }
        while trims && from < to && is_space(bytes[to - 1]) {
            to -= 1;
        }
        done.push(source, from, to);
        let Some(open) = open else { break };
        let inside = open + if trims { 4 } else { 2 };
        (at, trim_start) = if source[inside..].starts_with("/*") {
            comment(source, open, inside)?
        } else {
            action(&mut done, source, open, inside)?
        };
    }
    Ok(done)
}

/// Where the action ends whose right delimiter is here, and whether it trims.
fn right(source: &str, at: usize) -> Option<(usize, bool)> {
    let rest = &source.as_bytes()[at..];
    match rest {
        [b'}', b'}', ..] => Some((at + 2, false)),
        [space, b'-', b'}', b'}', ..] if is_space(*space) => Some((at + 4, true)),
        _ => None,
    }
}

fn comment(source: &str, open: usize, inside: usize) -> Result<(usize, bool), ParseError> {
    let fail = |message: &str| ParseError::at(source, open)(message.to_owned());
    let end = source[inside..].find("*/").ok_or_else(|| fail("unclosed comment"))?;
    right(source, inside + end + 2).ok_or_else(|| fail("a comment must end right before }}"))
}

/// Copies an action; its constants are checked and a `|` at the end of a pipeline is left out.
fn action(
    done: &mut Prepared,
    source: &str,
    open: usize,
    inside: usize,
) -> Result<(usize, bool), ParseError> {
    done.origins.push((done.text.len(), open));
    done.text.push_str(LEFT);
    let start = done.text.len();
    done.origins.push((start, inside));
    let mut scan = Scan { source, at: inside, pipe: None, parentheses: 0, instead: None };
    // Where the pipe stands in the text.
    let mut pipe = None;
    let (end, trims) = loop {
        if let Some(end) = right(source, scan.at) {
            break end;
        }
        if scan.at >= source.len() {
            return Err(ParseError::at(source, open)("unclosed action".to_owned()));
        }
        let before = scan.at;
        let closes = source.as_bytes()[before] == b')';
        if let Some(pipe) = pipe.take_if(|_| closes) {
            drop_pipe(done, pipe);
            scan.pipe = None;
        }
        scan.token()?;
        pipe = match scan.pipe {
            Some(at) if at == before => Some(done.text.len()),
            Some(_) => pipe,
            None => None,
        };
        match scan.instead.take() {
            Some(text) => {
                done.origins.push((done.text.len(), before));
                done.text.push_str(&text);
                done.origins.push((done.text.len(), scan.at));
            }
            None => done.text.push_str(&source[before..scan.at]),
        }
    };
    if let Some(pipe) = pipe {
        drop_pipe(done, pipe);
    }
    let words = done.text[start..].split([' ', '\t', '\r', '\n', '(', '"', '`', '$', '.', '-']);
    let words = words.filter(|word| !word.is_empty()).take(2).map(str::to_owned).collect();
    done.actions.push(Action { offset: open, words });
    done.origins.push((done.text.len(), scan.at));
    done.text.push(' ');
    done.text.push_str(RIGHT);
    Ok((end, trims))
}

fn drop_pipe(done: &mut Prepared, at: usize) {
    done.text.replace_range(at..=at, " ");
}

struct Scan<'a> {
    source: &'a str,
    at: usize,
    /// The `|` that nothing but spaces follows so far, with a command before it.
    pipe: Option<usize>,
    parentheses: usize,
    /// What stands for the last token, when the parser would read it as something else.
    instead: Option<String>,
}

impl Scan<'_> {
    fn fail(&self, message: String) -> ParseError {
        ParseError::at(self.source, self.at)(message)
    }

    /// Moves over one token or space.
    fn token(&mut self) -> Result<(), ParseError> {
        let rest = &self.source[self.at..];
        let first = rest.chars().next().unwrap_or_default();
        if first.is_ascii() && is_space(rest.as_bytes()[0]) {
            self.at += 1;
            return Ok(());
        }
        match first {
            // The parser would take a comment here, which must stand right behind `{{`.
            '/' => return Err(self.fail("unexpected \"/\" in command".to_owned())),
            '(' => self.parentheses += 1,
            ')' => self.parentheses = self.parentheses.saturating_sub(1),
            _ => {}
        }
        if self.parentheses > MAX_PARENTHESES {
            let message = format!("parentheses are nested deeper than {MAX_PARENTHESES}");
            return Err(self.fail(message));
        }
        // Of two in a row the parser complains.
        let pipe = (first == '|' && self.pipe.is_none()).then_some(self.at);
        self.pipe = pipe;
        self.at += match first {
            '"' | '\'' => self.quoted(first)?,
            '`' => {
                let end = rest[1..]
                    .find('`')
                    .ok_or_else(|| self.fail("unterminated raw string".to_owned()))?;
                end + 2
            }
            '0'..='9' => self.constant(rest, 0)?,
            '+' | '-' if rest[1..].starts_with(|c: char| c.is_ascii_digit() || c == '.') => {
                self.constant(rest, 1)?
            }
            '.' if rest[1..].starts_with(|c: char| c.is_ascii_digit()) => self.constant(rest, 0)?,
            c if c == '_' || c == '$' || c == '.' || c.is_alphanumeric() => {
                let word = rest[c.len_utf8()..].find(|c: char| c != '_' && !c.is_alphanumeric());
                word.map_or(rest.len(), |end| end + c.len_utf8())
            }
            c if !c.is_ascii() => {
                return Err(self.fail(format!("bad character U+{:04X}", u32::from(c))));
            }
            _ => 1,
        };
        Ok(())
    }

    /// The length of a quoted text or character.
    fn quoted(&mut self, mark: char) -> Result<usize, ParseError> {
        let rest = &self.source[self.at..];
        let mut chars = rest.char_indices().skip(1);
        while let Some((at, c)) = chars.next() {
            match c {
                '\n' => break,
                '\\' => {
                    let escaped = chars.next().map(|(_, c)| c);
                    // The other kind of quotes needs no escape and may have none.
                    let known =
                        escaped.is_some_and(|c| c == mark || "abfnrtvxuU\\01234567".contains(c));
                    if !known {
                        return Err(
                            self.fail("invalid syntax: an escape that Go does not have".to_owned())
                        );
                    }
                }
                c if c == mark => {
                    if mark == '"' {
                        self.instead = self.bytes_of(&rest[1..at])?;
                    }
                    return Ok(at + 1);
                }
                _ => {}
            }
        }
        Err(self.fail("unterminated quoted string".to_owned()))
    }

    /// What stands for the text between quotes, when it has bytes by their numbers.
    fn bytes_of(&self, quoted: &str) -> Result<Option<String>, ParseError> {
        if !quoted.contains('\\') {
            return Ok(None);
        }
        let Some((bytes, is_numbered)) = unescape(quoted) else {
            return Err(self.fail("invalid syntax: an escape that stands for nothing".to_owned()));
        };
        Ok(is_numbered.then(|| format!("({BYTES} \"{}\")", STANDARD.encode(bytes))))
    }

    /// The length of a number with its sign; of a complex one its parts are kept.
    fn constant(&mut self, rest: &str, sign: usize) -> Result<usize, ParseError> {
        let first = sign + self.number(&rest[sign..])?;
        let text = |text: &str| text.trim_start_matches('+').replace('_', "");
        if let Some(imaginary) = imaginary_of(&rest[..first]) {
            self.instead = Some(complex("0", &text(imaginary)));
            return Ok(first);
        }
        if !rest[first..].starts_with(['+', '-']) {
            if rest.starts_with('-') && cast::parse_int(&rest[..first]) == Some(i64::MIN) {
                self.instead = Some(format!("({LEAST})"));
            }
            return Ok(first);
        }
        let second = match rest[first + 1..].starts_with(|c: char| c.is_ascii_digit() || c == '.') {
            true => first + 1 + self.number(&rest[first + 1..])?,
            false => first + 1,
        };
        let Some(imaginary) = imaginary_of(&rest[first..second]) else {
            return Err(self.fail(format!("bad number syntax: {:?}", &rest[..second])));
        };
        self.instead = Some(complex(&text(&rest[..first]), &text(imaginary)));
        Ok(second)
    }

    /// The length of a number without its sign.
    fn number(&self, rest: &str) -> Result<usize, ParseError> {
        let hex = rest.starts_with("0x") || rest.starts_with("0X");
        let mut previous = ' ';
        let end = rest.find(|c: char| {
            let exponent =
                if hex { matches!(previous, 'p' | 'P') } else { matches!(previous, 'e' | 'E') };
            previous = c;
            !(c == '_' || c == '.' || c.is_alphanumeric() || (exponent && matches!(c, '+' | '-')))
        });
        let text = &rest[..end.unwrap_or(rest.len())];
        if !underscores_separate(text) {
            return Err(self.fail(format!("illegal number syntax: {text:?}")));
        }
        if imaginary_of(text).is_some() {
            return Ok(text.len());
        }
        let octal = text.len() > 1
            && text.starts_with('0')
            && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_');
        if octal && text.contains(['8', '9']) {
            return Err(self.fail(format!("integer overflow: {text:?}")));
        }
        Ok(text.len())
    }
}

fn complex(real: &str, imaginary: &str) -> String {
    format!("({COMPLEX} {real:?} {imaginary:?})")
}

/// What stands between quotes, and whether bytes above ASCII are told by their numbers: of those the
/// parser would make characters. `None` when an escape is not complete or not of a character.
fn unescape(quoted: &str) -> Option<(Vec<u8>, bool)> {
    let mut out = Vec::new();
    let mut has_bytes = false;
    let mut rest = quoted;
    while let Some(at) = rest.find('\\') {
        out.extend_from_slice(&rest.as_bytes()[..at]);
        let (kind, after) = (*rest.as_bytes().get(at + 1)?, at + 2);
        let (digits, radix) = match kind {
            b'x' => (2, 16),
            b'u' => (4, 16),
            b'U' => (8, 16),
            b'0'..=b'7' => (3, 8),
            _ => (0, 0),
        };
        let start = if radix == 8 { after - 1 } else { after };
        let code = match rest.get(start..start + digits)? {
            "" => 0,
            text if text.bytes().all(|byte| char::from(byte).is_digit(radix)) => {
                u32::from_str_radix(text, radix).ok()?
            }
            _ => return None,
        };
        match kind {
            b'a' => out.push(7),
            b'b' => out.push(8),
            b'f' => out.push(12),
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b't' => out.push(b'\t'),
            b'v' => out.push(11),
            b'u' | b'U' => {
                out.extend_from_slice(char::from_u32(code)?.encode_utf8(&mut [0; 4]).as_bytes());
            }
            b'x' | b'0'..=b'7' => {
                has_bytes |= code >= 0x80;
                out.push(u8::try_from(code).ok()?);
            }
            other => out.push(other),
        }
        rest = &rest[start + digits..];
    }
    out.extend_from_slice(rest.as_bytes());
    Some((out, has_bytes))
}

/// The number before the `i` of an imaginary constant.
fn imaginary_of(text: &str) -> Option<&str> {
    let number = text.strip_suffix('i')?;
    number.ends_with(|c: char| c.is_ascii_digit() || c == '.').then_some(number)
}

/// Whether each underscore stands between two digits or after the prefix of the base.
fn underscores_separate(text: &str) -> bool {
    let bytes = text.as_bytes();
    let digit =
        |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_alphanumeric);
    let underscore = |at: &usize| bytes[*at] == b'_';
    (0..bytes.len()).filter(underscore).all(|at| digit(at.checked_sub(1)) && digit(Some(at + 1)))
}
