//! Scalars: in quotes, in blocks, and plain.

use super::{Kind, Scanned, Scanner};
use crate::yaml::YamlError;

/// Line breaks and blanks between two words, which become what depends on the word after them.
#[derive(Default)]
struct Between {
    blanks: String,
    first: String,
    others: String,
    broken: bool,
}

impl Between {
    /// A single line break is a blank; of several the first says nothing.
    fn fold(&mut self, into: &mut String) {
        if !self.broken {
            into.push_str(&self.blanks);
        } else if self.first.starts_with('\n') {
            into.push_str(if self.others.is_empty() { " " } else { &self.others });
        } else {
            into.push_str(&self.first);
            into.push_str(&self.others);
        }
        self.blanks.clear();
        self.first.clear();
        self.others.clear();
        self.broken = false;
    }

    fn is_empty(&self) -> bool {
        !self.broken && self.blanks.is_empty()
    }
}

impl Scanner<'_> {
    fn between_blank(&mut self, between: &mut Between) {
        match between.broken {
            true => self.cursor.skip(),
            false => self.cursor.read(&mut between.blanks),
        }
    }

    fn between_break(&mut self, between: &mut Between) {
        if between.broken {
            self.cursor.read_break(&mut between.others);
        } else {
            between.blanks.clear();
            self.cursor.read_break(&mut between.first);
            between.broken = true;
        }
    }

    pub(super) fn plain_scalar(&mut self) -> Scanned {
        self.save_key()?;
        self.key_allowed = false;
        let mark = self.cursor.mark;
        let indent = self.indent + 1;
        let mut text = String::new();
        let mut between = Between::default();
        loop {
            let cursor = &self.cursor;
            if (cursor.column() == 0 && cursor.is_document_mark()) || cursor.byte(0) == b'#' {
                break;
            }
            self.plain_word(&mut text, &mut between);
            if !(self.cursor.is_blank(0) || self.cursor.is_break(0)) {
                break;
            }
            while self.cursor.is_blank(0) || self.cursor.is_break(0) {
                if self.cursor.is_break(0) {
                    self.between_break(&mut between);
                    continue;
                }
                let is_tab = self.cursor.byte(0) == b'\t';
                if between.broken && is_tab && self.column() < indent {
                    return Err(self.wrong("a tab stands in the indentation; put spaces there"));
                }
                self.between_blank(&mut between);
            }
            if self.flow == 0 && self.column() < indent {
                break;
            }
        }
        if between.broken {
            self.key_allowed = true;
        }
        self.push(Kind::Scalar { text, plain: true }, mark);
        Ok(())
    }

    fn column(&self) -> isize {
        isize::try_from(self.cursor.column()).unwrap_or(isize::MAX)
    }

    fn plain_word(&mut self, text: &mut String, between: &mut Between) {
        while !self.cursor.is_blank_or_end(0) {
            let byte = self.cursor.byte(0);
            let ends = (byte == b':' && self.cursor.is_blank_or_end(1))
                || (self.flow > 0 && b",?[]{}".contains(&byte));
            if ends {
                break;
            }
            if !between.is_empty() {
                between.fold(text);
            }
            self.cursor.read(text);
        }
    }

    pub(super) fn quoted_scalar(&mut self, single: bool) -> Scanned {
        self.save_key()?;
        self.key_allowed = false;
        let mark = self.cursor.mark;
        let quote = self.cursor.byte(0);
        self.cursor.skip();
        let mut text = String::new();
        let mut between = Between::default();
        loop {
            let is_mark = self.cursor.column() == 0 && self.cursor.is_document_mark();
            if is_mark || self.cursor.is_end() {
                let message = "the quotation mark that begins here has no partner";
                return Err(YamlError::at(mark.line + 1, message));
            }
            self.quoted_word(single, &mut text, &mut between)?;
            if self.cursor.byte(0) == quote {
                break;
            }
            while self.cursor.is_blank(0) || self.cursor.is_break(0) {
                match self.cursor.is_break(0) {
                    true => self.between_break(&mut between),
                    false => self.between_blank(&mut between),
                }
            }
            between.fold(&mut text);
        }
        self.cursor.skip();
        self.push(Kind::Scalar { text, plain: false }, mark);
        Ok(())
    }

    fn quoted_word(&mut self, single: bool, text: &mut String, between: &mut Between) -> Scanned {
        while !self.cursor.is_blank_or_end(0) {
            match (single, self.cursor.byte(0), self.cursor.byte(1)) {
                (true, b'\'', b'\'') => {
                    self.cursor.skip();
                    self.cursor.read(text);
                }
                (true, b'\'', _) | (false, b'"', _) => break,
                (false, b'\\', _) if self.cursor.is_break(1) => {
                    self.cursor.skip();
                    self.cursor.skip_break();
                    between.broken = true;
                    break;
                }
                (false, b'\\', _) => text.push(self.escape()?),
                _ => self.cursor.read(text),
            }
        }
        Ok(())
    }

    fn escape(&mut self) -> Scanned<char> {
        self.cursor.skip();
        let letter = self.cursor.char();
        let digits = match letter {
            Some('x') => 2,
            Some('u') => 4,
            Some('U') => 8,
            _ => 0,
        };
        if digits == 0 {
            let char = match letter {
                Some('/') if self.lenient => Some('/'),
                letter => letter.and_then(escaped),
            };
            let char = char.ok_or_else(|| {
                let letter = letter.unwrap_or(' ');
                self.wrong(format!("\\{letter} means nothing in quotation marks; write \\\\"))
            })?;
            self.cursor.skip();
            return Ok(char);
        }
        self.cursor.skip();
        let mut code = 0u32;
        for _ in 0..digits {
            let digit = self.cursor.char().and_then(|char| char.to_digit(16));
            let digit = digit.ok_or_else(|| {
                self.wrong(format!("{digits} hexadecimal digits belong behind this \\"))
            })?;
            code = code.wrapping_mul(16).wrapping_add(digit);
            self.cursor.skip();
        }
        char::from_u32(code).ok_or_else(|| {
            self.wrong(format!("U+{code:04X} is no character; write the character itself"))
        })
    }

    pub(super) fn block_scalar(&mut self, literal: bool) -> Scanned {
        self.remove_key()?;
        self.key_allowed = true;
        let mark = self.cursor.mark;
        self.cursor.skip();
        let (chomping, increment) = self.block_header()?;
        let mut indent = match increment {
            0 => 0,
            increment => self.indent.max(0) + increment,
        };
        let mut text = String::new();
        let (mut leading, mut trailing) = (String::new(), String::new());
        let mut leading_blank = false;
        self.block_breaks(&mut indent, &mut trailing)?;
        while self.column() == indent && !self.cursor.is_end() {
            let trailing_blank = self.cursor.is_blank(0);
            if !literal && leading.starts_with('\n') && !leading_blank && !trailing_blank {
                if trailing.is_empty() {
                    text.push(' ');
                }
            } else {
                text.push_str(&leading);
            }
            leading.clear();
            text.push_str(&trailing);
            trailing.clear();
            leading_blank = self.cursor.is_blank(0);
            while !self.cursor.is_break_or_end(0) {
                self.cursor.read(&mut text);
            }
            self.cursor.read_break(&mut leading);
            self.block_breaks(&mut indent, &mut trailing)?;
        }
        if chomping != Chomping::Strip {
            text.push_str(&leading);
        }
        if chomping == Chomping::Keep {
            text.push_str(&trailing);
        }
        self.push(Kind::Scalar { text, plain: false }, mark);
        Ok(())
    }

    /// What stands behind `|` or `>`, up to the next line.
    fn block_header(&mut self) -> Scanned<(Chomping, isize)> {
        let (mut chomping, mut increment) = (None, None);
        loop {
            match self.cursor.byte(0) {
                b'+' if chomping.is_none() => chomping = Some(Chomping::Keep),
                b'-' if chomping.is_none() => chomping = Some(Chomping::Strip),
                digit @ b'1'..=b'9' if increment.is_none() => {
                    increment = Some(isize::from(digit - b'0'));
                }
                _ => break,
            }
            self.cursor.skip();
        }
        self.cursor.skip_blanks();
        if self.cursor.byte(0) == b'#' {
            self.cursor.skip_line_rest();
        }
        if !self.cursor.is_break_or_end(0) {
            return Err(self.wrong(
                "behind '|' or '>' stand at most '+' or '-', a digit from 1 to 9 and a comment; \
                 the text begins on the next line",
            ));
        }
        if self.cursor.is_break(0) {
            self.cursor.skip_break();
        }
        Ok((chomping.unwrap_or(Chomping::Clip), increment.unwrap_or(0)))
    }

    /// Empty lines, and the indentation of the next line that is not; it decides where nothing else
    /// has decided yet.
    fn block_breaks(&mut self, indent: &mut isize, breaks: &mut String) -> Scanned {
        let mut most = 0;
        loop {
            let inside = |column: isize| *indent == 0 || column < *indent;
            while inside(self.column()) && self.cursor.byte(0) == b' ' {
                self.cursor.skip();
            }
            most = most.max(self.column());
            if inside(self.column()) && self.cursor.byte(0) == b'\t' {
                return Err(self.wrong(
                    "a tab stands where the indentation of a block of text is looked for; put \
                     spaces there, or say how many there are: '|2'",
                ));
            }
            if !self.cursor.is_break(0) {
                break;
            }
            self.cursor.read_break(breaks);
        }
        if *indent == 0 {
            *indent = most.max(self.indent + 1).max(1);
        }
        Ok(())
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Chomping {
    Strip,
    Clip,
    Keep,
}

fn escaped(letter: char) -> Option<char> {
    Some(match letter {
        '0' => '\0',
        'a' => '\u{7}',
        'b' => '\u{8}',
        't' | '\t' => '\t',
        'n' => '\n',
        'v' => '\u{b}',
        'f' => '\u{c}',
        'r' => '\r',
        'e' => '\u{1b}',
        ' ' | '"' | '\'' | '\\' => letter,
        'N' => '\u{85}',
        '_' => '\u{a0}',
        'L' => '\u{2028}',
        'P' => '\u{2029}',
        _ => return None,
    })
}
