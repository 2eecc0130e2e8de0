//! YAML text to tokens, by the rules of YAML 1.1 as libyaml and its translation into Go have them.
//!
//! Kubernetes, Helm and Argo CD read YAML with that translation, and its edges differ from those of
//! YAML 1.2: a closing bracket may stand at any column, a quoted text may go on at the margin, a
//! block of text at the end of a file has no line end that is not there. What they accept is accepted
//! here with the same meaning, and little else.
//!
//! A token that turns out to be a key gets a `Key` before it when its `:` comes, so tokens are held
//! back as long as the first of them may still become one.

mod cursor;
mod names;
mod text;

use std::collections::VecDeque;

use super::{MAX_DEPTH, YamlError, too_deep};
use cursor::{Cursor, Mark};

/// How far behind the beginning of a key its `:` may stand, in characters.
const MAX_KEY: usize = 1024;

#[derive(Debug)]
pub(super) struct Token {
    pub(super) kind: Kind,
    /// From 1.
    pub(super) line: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    Version(u8, u8),
    TagDirective { handle: String, prefix: String },
    DocumentStart,
    DocumentEnd,
    StreamEnd,
    BlockList,
    BlockMapping,
    BlockEnd,
    FlowList,
    FlowListEnd,
    FlowMapping,
    FlowMappingEnd,
    BlockEntry,
    FlowEntry,
    Key,
    Value,
    Alias(String),
    Anchor(String),
    Tag { handle: String, suffix: String },
    Scalar { text: String, plain: bool },
}

/// What may become a key when a `:` follows.
#[derive(Debug, Clone, Copy, Default)]
struct SimpleKey {
    possible: bool,
    /// Nothing else can stand at its column, so that the lack of a `:` is an error.
    required: bool,
    token: usize,
    mark: Mark,
}

pub(super) struct Scanner<'t> {
    cursor: Cursor<'t>,
    /// Takes what libyaml refuses and others do not: a tab behind `-`, and `\/`.
    lenient: bool,
    tokens: VecDeque<Token>,
    /// How many tokens were handed out.
    taken: usize,
    flow: usize,
    /// -1 outside of all collections.
    indent: isize,
    indents: Vec<isize>,
    keys: Vec<SimpleKey>,
    key_allowed: bool,
    /// The line of the last token, from 1.
    last_line: usize,
    ended: bool,
}

type Scanned<T = ()> = Result<T, YamlError>;

impl<'t> Scanner<'t> {
    pub(super) fn new(text: &'t str, lenient: bool) -> Self {
        Self {
            cursor: Cursor::new(text),
            lenient,
            tokens: VecDeque::new(),
            taken: 0,
            flow: 0,
            indent: -1,
            indents: Vec::new(),
            keys: vec![SimpleKey::default()],
            key_allowed: true,
            last_line: 0,
            ended: false,
        }
    }

    /// The next token, which stays the next one. After the last it is `StreamEnd` for ever.
    pub(super) fn peek(&mut self) -> Scanned<&Token> {
        while !self.ended && (self.tokens.is_empty() || self.may_be_key()?) {
            self.fetch()?;
        }
        if self.tokens.is_empty() {
            let line = self.cursor.mark.line + 1;
            self.tokens.push_back(Token { kind: Kind::StreamEnd, line });
        }
        Ok(&self.tokens[0])
    }

    pub(super) fn next(&mut self) -> Scanned<Token> {
        self.peek()?;
        self.taken += 1;
        Ok(self.tokens.pop_front().expect("it was seen just now"))
    }

    /// Whether the first token may still get a `Key` before it.
    fn may_be_key(&mut self) -> Scanned<bool> {
        let taken = self.taken;
        match self.keys.iter().position(|key| key.possible && key.token == taken) {
            Some(index) => self.is_valid(index),
            None => Ok(false),
        }
    }

    fn is_valid(&mut self, index: usize) -> Scanned<bool> {
        let now = self.cursor.mark;
        let key = &mut self.keys[index];
        if !key.possible {
            return Ok(false);
        }
        if key.mark.line < now.line || key.mark.index + MAX_KEY < now.index {
            if key.required {
                return Err(no_colon(key.mark));
            }
            key.possible = false;
            return Ok(false);
        }
        Ok(true)
    }

    fn fetch(&mut self) -> Scanned {
        self.skip_to_token()?;
        let column = self.cursor.column();
        self.unroll(column);
        let cursor = &self.cursor;
        let (byte, next) = (cursor.byte(0), cursor.byte(1));
        if cursor.is_end() {
            return self.stream_end();
        }
        if column == 0 && byte == b'%' {
            return self.directive();
        }
        if column == 0 && cursor.is_document_mark() {
            let kind = if byte == b'-' { Kind::DocumentStart } else { Kind::DocumentEnd };
            return self.document_mark(kind);
        }
        let ends_word = cursor.is_blank_or_end(1);
        let in_flow = self.flow > 0;
        match byte {
            b'[' => self.flow_start(Kind::FlowList),
            b'{' => self.flow_start(Kind::FlowMapping),
            b']' => self.flow_end(Kind::FlowListEnd),
            b'}' => self.flow_end(Kind::FlowMappingEnd),
            b',' => self.flow_entry(),
            b'-' if ends_word => self.block_entry(),
            b'?' if in_flow || ends_word => self.key(),
            b':' if in_flow || ends_word => self.value(),
            b'*' | b'&' => self.anchor(byte == b'*'),
            b'!' => self.tag(),
            b'|' | b'>' if !in_flow => self.block_scalar(byte == b'|'),
            b'\'' | b'"' => self.quoted_scalar(byte == b'\''),
            b'-' if !matches!(next, b' ' | b'\t') => self.plain_scalar(),
            b'?' | b':' if !in_flow && !ends_word => self.plain_scalar(),
            b'\t' => Err(self.wrong("a tab stands where only spaces may; put spaces there")),
            b'-' | b'?' | b':' | b'#' | b'|' | b'>' | b'%' | b'@' | b'`' => {
                let found = char::from(byte);
                Err(self.wrong(format!("{found:?} cannot begin a value here; quote it")))
            }
            _ => self.plain_scalar(),
        }
    }

    fn skip_to_token(&mut self) -> Scanned {
        loop {
            let cursor = &mut self.cursor;
            if self.lenient && cursor.column() == 0 && cursor.is_bom() {
                cursor.skip();
            }
            let is_behind = self.last_line == cursor.mark.line + 1;
            let tabs = self.flow > 0 || !self.key_allowed || (self.lenient && is_behind);
            while cursor.byte(0) == b' ' || (tabs && cursor.byte(0) == b'\t') {
                cursor.skip();
            }
            if cursor.byte(0) == b'#' {
                cursor.skip_line_rest();
            }
            if !cursor.is_break(0) {
                return Ok(());
            }
            cursor.skip_break();
            if self.flow == 0 {
                self.key_allowed = true;
            }
        }
    }

    fn push(&mut self, kind: Kind, mark: Mark) {
        self.last_line = self.cursor.mark.line + 1;
        self.tokens.push_back(Token { kind, line: mark.line + 1 });
    }

    /// A token of `length` bytes that is only itself.
    fn push_here(&mut self, kind: Kind, length: usize) {
        let mark = self.cursor.mark;
        (0..length).for_each(|_| self.cursor.skip());
        self.push(kind, mark);
    }

    fn wrong(&self, message: impl Into<String>) -> YamlError {
        YamlError::at(self.cursor.mark.line + 1, message)
    }

    fn save_key(&mut self) -> Scanned {
        if !self.key_allowed {
            return Ok(());
        }
        let mark = self.cursor.mark;
        let required = self.flow == 0 && self.indent == isize::try_from(mark.column).unwrap_or(-2);
        let token = self.taken + self.tokens.len();
        self.remove_key()?;
        let last = self.keys.last_mut().expect("one for each level");
        *last = SimpleKey { possible: true, required, token, mark };
        Ok(())
    }

    fn remove_key(&mut self) -> Scanned {
        let key = self.keys.last_mut().expect("one for each level");
        if key.possible && key.required {
            return Err(no_colon(key.mark));
        }
        key.possible = false;
        Ok(())
    }

    /// Begins a block collection at a column that is further right than the last one. `before` is
    /// the token to stand before; the last place otherwise.
    fn roll(&mut self, column: usize, before: Option<usize>, kind: Kind, mark: Mark) {
        let column = isize::try_from(column).unwrap_or(isize::MAX);
        if self.flow > 0 || self.indent >= column {
            return;
        }
        self.indents.push(self.indent);
        self.indent = column;
        let token = Token { kind, line: mark.line + 1 };
        match before {
            Some(number) => self.tokens.insert(number - self.taken, token),
            None => self.tokens.push_back(token),
        }
    }

    fn unroll(&mut self, column: usize) {
        self.unroll_to(isize::try_from(column).unwrap_or(isize::MAX));
    }

    fn unroll_to(&mut self, column: isize) {
        if self.flow > 0 {
            return;
        }
        while self.indent > column {
            self.push(Kind::BlockEnd, self.cursor.mark);
            self.indent = self.indents.pop().unwrap_or(-1);
        }
    }

    fn stream_end(&mut self) -> Scanned {
        self.unroll_to(-1);
        self.remove_key()?;
        self.key_allowed = false;
        self.ended = true;
        self.push(Kind::StreamEnd, self.cursor.mark);
        Ok(())
    }

    fn document_mark(&mut self, kind: Kind) -> Scanned {
        self.unroll_to(-1);
        self.remove_key()?;
        self.key_allowed = false;
        self.push_here(kind, 3);
        Ok(())
    }

    fn flow_start(&mut self, kind: Kind) -> Scanned {
        self.save_key()?;
        if self.flow == MAX_DEPTH {
            return Err(too_deep(self.cursor.mark.line + 1));
        }
        self.flow += 1;
        self.keys.push(SimpleKey::default());
        self.key_allowed = true;
        self.push_here(kind, 1);
        Ok(())
    }

    fn flow_end(&mut self, kind: Kind) -> Scanned {
        self.remove_key()?;
        if self.flow > 0 {
            self.flow -= 1;
            self.keys.pop();
        }
        self.key_allowed = false;
        self.push_here(kind, 1);
        Ok(())
    }

    fn flow_entry(&mut self) -> Scanned {
        self.remove_key()?;
        self.key_allowed = true;
        self.push_here(Kind::FlowEntry, 1);
        Ok(())
    }

    fn block_entry(&mut self) -> Scanned {
        if self.flow == 0 {
            if !self.key_allowed {
                return Err(self.wrong("'- ' cannot stand here; begin a new line for the list"));
            }
            let mark = self.cursor.mark;
            self.roll(mark.column, None, Kind::BlockList, mark);
        }
        self.remove_key()?;
        self.key_allowed = true;
        self.push_here(Kind::BlockEntry, 1);
        Ok(())
    }

    fn key(&mut self) -> Scanned {
        if self.flow == 0 {
            if !self.key_allowed {
                return Err(self.wrong("'? ' cannot stand here"));
            }
            let mark = self.cursor.mark;
            self.roll(mark.column, None, Kind::BlockMapping, mark);
        }
        self.remove_key()?;
        self.key_allowed = self.flow == 0;
        self.push_here(Kind::Key, 1);
        Ok(())
    }

    fn value(&mut self) -> Scanned {
        let last = self.keys.len() - 1;
        if self.is_valid(last)? {
            let key = self.keys[last];
            let token = Token { kind: Kind::Key, line: key.mark.line + 1 };
            self.tokens.insert(key.token - self.taken, token);
            self.roll(key.mark.column, Some(key.token), Kind::BlockMapping, key.mark);
            self.keys[last].possible = false;
            self.key_allowed = false;
        } else {
            if self.flow == 0 {
                if !self.key_allowed {
                    let message = "mapping values are not allowed here: a text with ': ' in it \
                                   must be quoted, and a key begins its line";
                    return Err(self.wrong(message));
                }
                let mark = self.cursor.mark;
                self.roll(mark.column, None, Kind::BlockMapping, mark);
            }
            self.key_allowed = self.flow == 0;
        }
        self.push_here(Kind::Value, 1);
        Ok(())
    }
}

fn no_colon(mark: Mark) -> YamlError {
    YamlError::at(mark.line + 1, "no ':' follows the key that begins here")
}
