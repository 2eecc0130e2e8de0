//! A place in a text, and what stands there.

/// A place. Columns and indexes count characters, from 0.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Mark {
    pub(super) index: usize,
    pub(super) line: usize,
    pub(super) column: usize,
}

pub(super) struct Cursor<'t> {
    text: &'t str,
    at: usize,
    pub(super) mark: Mark,
}

impl<'t> Cursor<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, at: 0, mark: Mark::default() }
    }

    pub(super) fn column(&self) -> usize {
        self.mark.column
    }

    /// A byte from here on; 0 behind the end, as no text has it.
    pub(super) fn byte(&self, ahead: usize) -> u8 {
        self.text.as_bytes().get(self.at + ahead).copied().unwrap_or(0)
    }

    pub(super) fn is_end(&self) -> bool {
        self.at == self.text.len()
    }

    fn starts_with(&self, ahead: usize, bytes: &[u8]) -> bool {
        self.text.as_bytes().get(self.at + ahead..).is_some_and(|rest| rest.starts_with(bytes))
    }

    pub(super) fn is_bom(&self) -> bool {
        self.starts_with(0, super::super::BOM)
    }

    /// A line break of YAML 1.1: CR, LF, NEL, LS or PS.
    pub(super) fn is_break(&self, ahead: usize) -> bool {
        match self.byte(ahead) {
            b'\r' | b'\n' => true,
            0xC2 => self.byte(ahead + 1) == 0x85,
            0xE2 => self.byte(ahead + 1) == 0x80 && matches!(self.byte(ahead + 2), 0xA8 | 0xA9),
            _ => false,
        }
    }

    pub(super) fn is_blank(&self, ahead: usize) -> bool {
        matches!(self.byte(ahead), b' ' | b'\t')
    }

    pub(super) fn is_break_or_end(&self, ahead: usize) -> bool {
        self.is_break(ahead) || self.at + ahead >= self.text.len()
    }

    pub(super) fn is_blank_or_end(&self, ahead: usize) -> bool {
        self.is_blank(ahead) || self.is_break_or_end(ahead)
    }

    /// `---` or `...` as a word.
    pub(super) fn is_document_mark(&self) -> bool {
        (self.starts_with(0, b"---") || self.starts_with(0, b"...")) && self.is_blank_or_end(3)
    }

    /// The character here; the end of the text has none.
    pub(super) fn char(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    /// Goes over one character that is no line break.
    pub(super) fn skip(&mut self) {
        let length = match self.text.as_bytes().get(self.at) {
            None => return,
            // Nearly all characters are of this kind.
            Some(byte) if byte.is_ascii() => 1,
            Some(_) => self.char().map_or(1, char::len_utf8),
        };
        self.at += length;
        self.mark.index += 1;
        self.mark.column += 1;
    }

    /// Goes over one character and keeps it.
    pub(super) fn read(&mut self, into: &mut String) {
        match self.text.as_bytes().get(self.at) {
            Some(byte) if byte.is_ascii() => into.push(char::from(*byte)),
            _ => into.extend(self.char()),
        }
        self.skip();
    }

    pub(super) fn skip_break(&mut self) {
        let crlf = self.starts_with(0, b"\r\n");
        let length = if crlf { 2 } else { self.char().map_or(0, char::len_utf8) };
        self.at += length;
        self.mark.index += if crlf { 2 } else { 1 };
        self.mark.line += 1;
        self.mark.column = 0;
    }

    /// Goes over a line break and keeps it: LS and PS as they are, the others as a line feed.
    pub(super) fn read_break(&mut self, into: &mut String) {
        match self.char() {
            Some(kept @ ('\u{2028}' | '\u{2029}')) => into.push(kept),
            Some(_) => into.push('\n'),
            None => return,
        }
        self.skip_break();
    }

    pub(super) fn skip_line_rest(&mut self) {
        while !self.is_break_or_end(0) {
            self.skip();
        }
    }

    pub(super) fn skip_blanks(&mut self) {
        while self.is_blank(0) {
            self.skip();
        }
    }
}
