//! Git's pathspecs, with which files are chosen: what `git ls-files -- PATTERN` lists.
//!
//! A pattern is a path or a directory, or has wildcards that cross slashes; magic stands before it
//! in `:(glob,icase)`, `:!` or `:/`. Git compares bytes.

use super::literal_directories;

const SPECIAL: [char; 4] = ['*', '?', '[', '\\'];
/// The signs that may be magic behind a colon.
const MAGIC_SIGNS: &[u8] = b"!\"#%&',-/:;<=>@_`~";
/// The steps that one comparison may take; only hostile patterns need more.
const MAX_STEPS: u32 = 1_000_000;

/// A pathspec, compiled.
#[derive(Debug)]
pub(in super::super) struct Pathspec {
    source: String,
    pattern: Vec<u8>,
    /// How many bytes stand before the first wildcard.
    literal: usize,
    icase: bool,
    /// `*` stays within a component and `**` does not.
    glob: bool,
    exclude: bool,
    /// The directories below which all matches lie.
    pub(in super::super) start: Vec<String>,
}

impl Pathspec {
    /// Compiles a pathspec; the error says what is wrong with it.
    pub(in super::super) fn compile(source: &str) -> Result<Self, String> {
        let refused = |why: &str| format!("the pattern {source:?} is not valid: {why}");
        let (magic, rest) = magic(source).map_err(|why| refused(&why))?;
        if magic.literal && magic.glob {
            return Err(refused("literal and glob exclude each other"));
        }
        // From the top on a path is taken as it is written.
        let path = if magic.top { rest.to_owned() } else { cleaned(rest).map_err(refused)? };
        let wildcard = path.bytes().position(|byte| b"*?[\\".contains(&byte));
        let literal = if magic.literal { None } else { wildcard }.unwrap_or(path.len());
        let start = match magic {
            Magic { exclude: true, .. } | Magic { icase: true, .. } => Vec::new(),
            // Wildcards may also be meant as they are, so they end the beginning in any case.
            _ => literal_directories(&path, &SPECIAL),
        };
        Ok(Self {
            source: source.to_owned(),
            pattern: path.into_bytes(),
            literal,
            icase: magic.icase,
            glob: magic.glob,
            exclude: magic.exclude,
            start,
        })
    }

    /// Whether a path is listed. Alone, a pattern that excludes lists all others.
    pub(in super::super) fn lists(&self, path: &str, is_directory: bool) -> Result<bool, String> {
        let matched = self.matches(path.as_bytes(), is_directory)?;
        Ok(matched != self.exclude)
    }

    fn matches(&self, path: &[u8], is_directory: bool) -> Result<bool, String> {
        let pattern = self.pattern.as_slice();
        let Some(last) = pattern.last() else { return Ok(true) };
        if self.same(pattern, path.get(..pattern.len()).unwrap_or_default()) {
            if path.len() == pattern.len() || *last == b'/' || path[pattern.len()] == b'/' {
                return Ok(true);
            }
        } else if is_directory && *last == b'/' && self.same(&pattern[..pattern.len() - 1], path) {
            return Ok(true);
        }
        if self.literal == pattern.len() {
            return Ok(false);
        }
        let (before, wild) = pattern.split_at(self.literal);
        let Some((start, rest)) = path.split_at_checked(self.literal) else { return Ok(false) };
        if !self.same(before, start) {
            return Ok(false);
        }
        let mut wildmatch =
            Wildmatch { pattern: wild, pathname: self.glob, fold: self.icase, steps: MAX_STEPS };
        let outcome = wildmatch.run(0, rest);
        if wildmatch.steps == 0 {
            return Err(format!("the pattern {:?} takes too long; use fewer stars", self.source));
        }
        Ok(outcome == Outcome::Match)
    }

    fn same(&self, a: &[u8], b: &[u8]) -> bool {
        if self.icase { a.eq_ignore_ascii_case(b) } else { a == b }
    }
}

#[derive(Debug, Default)]
struct Magic {
    top: bool,
    literal: bool,
    icase: bool,
    glob: bool,
    exclude: bool,
}

/// What stands before the path, and the path.
fn magic(source: &str) -> Result<(Magic, &str), String> {
    let mut magic = Magic::default();
    let Some(rest) = source.strip_prefix(':') else { return Ok((magic, source)) };
    if let Some(words) = rest.strip_prefix('(') {
        let (words, path) = words.split_once(')').ok_or("a ')' is missing")?;
        for word in words.split(',').filter(|word| !word.is_empty()) {
            match word {
                "top" => magic.top = true,
                "literal" => magic.literal = true,
                "icase" => magic.icase = true,
                "glob" => magic.glob = true,
                "exclude" => magic.exclude = true,
                other => {
                    let known = ["top", "literal", "icase", "glob", "exclude"];
                    return Err(model::suggest::unknown("magic", other, &known));
                }
            }
        }
        return Ok((magic, path));
    }
    let mut path = rest;
    while let Some(sign) = path.bytes().next() {
        match sign {
            b':' => return Ok((magic, &path[1..])),
            b'^' | b'!' => magic.exclude = true,
            b'/' => magic.top = true,
            sign if MAGIC_SIGNS.contains(&sign) => {
                return Err(format!("':{}' has no meaning", char::from(sign)));
            }
            _ => break,
        }
        path = &path[1..];
    }
    Ok((magic, path))
}

/// The path without `.`, `..` and empty components; a slash at the end stays.
fn cleaned(path: &str) -> Result<String, &'static str> {
    const OUTSIDE: &str = "it lies outside of the repository; write it relative to its root";
    if path.starts_with('/') {
        return Err(OUTSIDE);
    }
    let mut components: Vec<&str> = Vec::new();
    for component in path.split('/') {
        match component {
            "" | "." => {}
            ".." => {
                components.pop().ok_or(OUTSIDE)?;
            }
            name => components.push(name),
        }
    }
    let mut cleaned = components.join("/");
    let is_directory =
        matches!(path.rsplit('/').next(), Some("" | "." | "..")) && path.contains('/');
    if is_directory && !cleaned.is_empty() {
        cleaned.push('/');
    }
    Ok(cleaned)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Match,
    NoMatch,
    /// No longer path of this one can match.
    Abort,
    /// As far as only stars are concerned that stay within a component.
    AbortToDoubleStar,
}

/// Git's `wildmatch`.
struct Wildmatch<'a> {
    pattern: &'a [u8],
    pathname: bool,
    fold: bool,
    steps: u32,
}

impl Wildmatch<'_> {
    fn at(&self, index: usize) -> u8 {
        self.pattern.get(index).copied().unwrap_or(0)
    }

    fn folded(&self, byte: u8) -> u8 {
        if self.fold { byte.to_ascii_lowercase() } else { byte }
    }

    fn run(&mut self, mut p: usize, mut text: &[u8]) -> Outcome {
        while p < self.pattern.len() {
            if self.steps == 0 {
                return Outcome::Abort;
            }
            self.steps -= 1;
            let sign = self.pattern[p];
            let Some((&first, rest)) = text.split_first() else {
                if sign != b'*' {
                    return Outcome::Abort;
                }
                return self.star(p, text);
            };
            let byte = self.folded(first);
            match sign {
                b'?' if self.pathname && byte == b'/' => return Outcome::NoMatch,
                b'?' => {}
                b'*' => return self.star(p, text),
                b'[' => match self.class(p, byte) {
                    Some((_, false)) => return Outcome::NoMatch,
                    Some((_, true)) if self.pathname && byte == b'/' => return Outcome::NoMatch,
                    Some((end, true)) => p = end,
                    None => return Outcome::Abort,
                },
                sign => {
                    let wanted = if sign == b'\\' {
                        p += 1;
                        self.at(p)
                    } else {
                        self.folded(sign)
                    };
                    if byte != wanted {
                        return Outcome::NoMatch;
                    }
                }
            }
            p += 1;
            text = rest;
        }
        if text.is_empty() { Outcome::Match } else { Outcome::NoMatch }
    }

    /// From a star at `p` on, to the end.
    fn star(&mut self, p: usize, text: &[u8]) -> Outcome {
        let mut next = p + 1;
        let mut crosses = !self.pathname;
        if self.at(next) == b'*' {
            while self.at(next) == b'*' {
                next += 1;
            }
            let begins = p == 0 || self.pattern[p - 1] == b'/';
            let behind = (self.at(next), self.at(next + 1));
            if self.pathname && begins && matches!(behind, (0 | b'/', _) | (b'\\', b'/')) {
                // Between two slashes it may stand for nothing at all.
                if behind.0 == b'/' && self.run(next + 1, text) == Outcome::Match {
                    return Outcome::Match;
                }
                crosses = true;
            }
        }
        if next >= self.pattern.len() {
            let stays = crosses || !text.contains(&b'/');
            return if stays { Outcome::Match } else { Outcome::AbortToDoubleStar };
        }
        if !crosses && self.at(next) == b'/' {
            let Some(slash) = text.iter().position(|byte| *byte == b'/') else {
                return Outcome::Abort;
            };
            return self.run(next + 1, &text[slash + 1..]);
        }
        self.each_end(next, text, crosses)
    }

    /// Tries each end that a star may have.
    fn each_end(&mut self, next: usize, text: &[u8], crosses: bool) -> Outcome {
        let sign = self.at(next);
        let plain = (!b"*?[\\".contains(&sign)).then(|| self.folded(sign));
        let mut text = text;
        while !text.is_empty() {
            if self.steps == 0 {
                return Outcome::Abort;
            }
            self.steps -= 1;
            if let Some(wanted) = plain {
                // A star ends before the byte that stands behind it.
                let at = text
                    .iter()
                    .position(|byte| self.folded(*byte) == wanted || (!crosses && *byte == b'/'));
                match at {
                    Some(at) if self.folded(text[at]) == wanted => text = &text[at..],
                    _ if crosses => return Outcome::Abort,
                    _ => return Outcome::AbortToDoubleStar,
                }
            }
            match self.run(next, text) {
                Outcome::NoMatch if !crosses && text[0] == b'/' => {
                    return Outcome::AbortToDoubleStar;
                }
                Outcome::NoMatch => {}
                Outcome::AbortToDoubleStar if crosses => {}
                outcome => return outcome,
            }
            text = &text[1..];
        }
        Outcome::Abort
    }

    /// The end of the class at `p` and whether it takes a byte; `None` when it is not closed.
    fn class(&self, p: usize, byte: u8) -> Option<(usize, bool)> {
        let mut p = p + 1;
        let negated = matches!(self.at(p), b'!' | b'^');
        p += usize::from(negated);
        let mut takes = false;
        let mut previous = 0;
        loop {
            let mut sign = *self.pattern.get(p)?;
            match sign {
                b'\\' => {
                    p += 1;
                    sign = *self.pattern.get(p)?;
                    takes |= byte == sign;
                }
                b'-' if previous != 0 && !matches!(self.at(p + 1), 0 | b']') => {
                    p += 1;
                    let mut high = self.pattern[p];
                    if high == b'\\' {
                        p += 1;
                        high = *self.pattern.get(p)?;
                    }
                    let range = previous..=high;
                    let upper = byte.to_ascii_uppercase();
                    takes |= range.contains(&byte) || (self.fold && range.contains(&upper));
                    sign = 0;
                }
                b'[' if self.at(p + 1) == b':' => {
                    let name = &self.pattern[p + 2..];
                    let end = name.iter().position(|byte| *byte == b']')?;
                    if end > 0 && name[end - 1] == b':' {
                        takes |= named(&name[..end - 1], byte, self.fold)?;
                        p += 2 + end;
                        sign = 0;
                    } else {
                        takes |= byte == b'[';
                    }
                }
                sign => takes |= byte == sign,
            }
            previous = sign;
            p += 1;
            if *self.pattern.get(p)? == b']' {
                return Some((p, takes != negated));
            }
        }
    }
}

fn named(name: &[u8], byte: u8, fold: bool) -> Option<bool> {
    Some(match name {
        b"alnum" => byte.is_ascii_alphanumeric(),
        b"alpha" => byte.is_ascii_alphabetic(),
        b"blank" => matches!(byte, b' ' | b'\t'),
        b"cntrl" => byte.is_ascii_control(),
        b"digit" => byte.is_ascii_digit(),
        b"graph" => byte.is_ascii_graphic(),
        b"lower" => byte.is_ascii_lowercase(),
        b"print" => byte.is_ascii_graphic() || byte == b' ',
        b"punct" => byte.is_ascii_punctuation(),
        b"space" => byte.is_ascii_whitespace(),
        b"upper" => byte.is_ascii_uppercase() || (fold && byte.is_ascii_lowercase()),
        b"xdigit" => byte.is_ascii_hexdigit(),
        _ => return None,
    })
}
