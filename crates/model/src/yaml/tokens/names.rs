//! Directives, anchors, aliases and tags.

use super::{Kind, Scanned, Scanner};

impl Scanner<'_> {
    pub(super) fn directive(&mut self) -> Scanned {
        self.unroll_to(-1);
        self.remove_key()?;
        self.key_allowed = false;
        let mark = self.cursor.mark;
        self.cursor.skip();
        let name = self.word();
        let kind = match name.as_str() {
            "YAML" if self.cursor.is_blank(0) => self.version()?,
            "TAG" if self.cursor.is_blank(0) => self.tag_directive()?,
            _ => return Err(self.wrong(format!("%{name:.40} is not a directive of YAML"))),
        };
        self.cursor.skip_blanks();
        if self.cursor.byte(0) == b'#' {
            self.cursor.skip_line_rest();
        }
        if !self.cursor.is_break_or_end(0) {
            return Err(self.wrong("nothing but a comment may follow a directive"));
        }
        if self.cursor.is_break(0) {
            self.cursor.skip_break();
        }
        self.push(kind, mark);
        Ok(())
    }

    fn version(&mut self) -> Scanned<Kind> {
        self.cursor.skip_blanks();
        let major = self.number();
        let dot = self.cursor.byte(0) == b'.';
        self.cursor.skip();
        match (major, dot, self.number()) {
            (Some(major), true, Some(minor)) => Ok(Kind::Version(major, minor)),
            _ => Err(self.wrong("%YAML is followed by a version such as 1.1")),
        }
    }

    fn number(&mut self) -> Option<u8> {
        let mut digits = String::new();
        while self.cursor.byte(0).is_ascii_digit() && digits.len() <= 2 {
            self.cursor.read(&mut digits);
        }
        digits.parse().ok().filter(|_| digits.len() <= 2)
    }

    fn tag_directive(&mut self) -> Scanned<Kind> {
        self.cursor.skip_blanks();
        let handle = self.tag_handle(true)?;
        if !self.cursor.is_blank(0) {
            return Err(self.wrong("%TAG is followed by a handle and a prefix"));
        }
        self.cursor.skip_blanks();
        let prefix = self.tag_uri("")?;
        if !self.cursor.is_blank_or_end(0) {
            return Err(self.wrong("a blank or the end of the line must follow the prefix of %TAG"));
        }
        Ok(Kind::TagDirective { handle, prefix })
    }

    pub(super) fn anchor(&mut self, alias: bool) -> Scanned {
        self.save_key()?;
        self.key_allowed = false;
        let mark = self.cursor.mark;
        self.cursor.skip();
        let name = self.word();
        let ends = self.cursor.is_blank_or_end(0) || b"?:,]}%@`".contains(&self.cursor.byte(0));
        if name.is_empty() || !ends {
            let (sign, what) = if alias { ('*', "an alias") } else { ('&', "an anchor") };
            return Err(self.wrong(format!(
                "{sign:?} begins the name of {what}: letters, digits, '-' and '_'; quote a text \
                 that begins so"
            )));
        }
        self.push(if alias { Kind::Alias(name) } else { Kind::Anchor(name) }, mark);
        Ok(())
    }

    fn word(&mut self) -> String {
        let mut word = String::new();
        while is_word(self.cursor.byte(0)) {
            self.cursor.read(&mut word);
        }
        word
    }

    pub(super) fn tag(&mut self) -> Scanned {
        self.save_key()?;
        self.key_allowed = false;
        let mark = self.cursor.mark;
        let kind = if self.cursor.byte(1) == b'<' {
            self.cursor.skip();
            self.cursor.skip();
            let suffix = self.tag_uri("")?;
            if self.cursor.byte(0) != b'>' {
                return Err(self.wrong("a tag that begins with '!<' ends with '>'"));
            }
            self.cursor.skip();
            Kind::Tag { handle: String::new(), suffix }
        } else {
            self.short_tag()?
        };
        if !self.cursor.is_blank_or_end(0) {
            return Err(self.wrong("a blank or the end of the line must follow a tag"));
        }
        self.push(kind, mark);
        Ok(())
    }

    fn short_tag(&mut self) -> Scanned<Kind> {
        let handle = self.tag_handle(false)?;
        if handle.len() > 1 && handle.ends_with('!') {
            return Ok(Kind::Tag { suffix: self.tag_uri("")?, handle });
        }
        // What was taken for a handle is the beginning of the name.
        let suffix = self.tag_uri(&handle)?;
        Ok(match suffix.is_empty() {
            true => Kind::Tag { handle: String::new(), suffix: "!".to_owned() },
            false => Kind::Tag { handle: "!".to_owned(), suffix },
        })
    }

    fn tag_handle(&mut self, directive: bool) -> Scanned<String> {
        if self.cursor.byte(0) != b'!' {
            return Err(self.wrong("the handle of a tag begins with '!'"));
        }
        let mut handle = String::new();
        self.cursor.read(&mut handle);
        handle.push_str(&self.word());
        if self.cursor.byte(0) == b'!' {
            self.cursor.read(&mut handle);
        } else if directive && handle != "!" {
            return Err(self.wrong("the handle of a tag ends with '!'"));
        }
        Ok(handle)
    }

    fn tag_uri(&mut self, head: &str) -> Scanned<String> {
        let mut uri = head.get(1..).unwrap_or_default().to_owned();
        let mut found = !head.is_empty();
        loop {
            let byte = self.cursor.byte(0);
            if byte == b'%' {
                uri.push(self.escaped()?);
            } else if is_word(byte) || b";/?:@&=+$,.!~*'()[]".contains(&byte) {
                self.cursor.read(&mut uri);
            } else {
                break;
            }
            found = true;
        }
        match found {
            true => Ok(uri),
            false => Err(self.wrong("the name of a tag is missing")),
        }
    }

    /// `%41`. One that is more than one byte would name no tag that is known.
    fn escaped(&mut self) -> Scanned<char> {
        let digit = |byte: u8| char::from(byte).to_digit(16);
        let (high, low) = (digit(self.cursor.byte(1)), digit(self.cursor.byte(2)));
        match (high, low) {
            (Some(high @ 0..8), Some(low)) => {
                (0..3).for_each(|_| self.cursor.skip());
                Ok(char::from_u32(high * 16 + low).unwrap_or(' '))
            }
            _ => Err(self.wrong("'%' in a tag is followed by two digits of an ASCII character")),
        }
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}
