//! From tokens to values: the grammar of YAML, told to a [`Builder`] node by node.

use super::tokens::{Kind, Scanner};
use super::{Builder, Collection, Documents, Reading, YamlError};

const CORE: &str = "tag:yaml.org,2002:";

pub(super) struct Parser<'t, 'd> {
    tokens: Scanner<'t>,
    builder: Builder,
    documents: &'d mut Documents,
    /// Handles of the document's `%TAG` lines with what they stand for.
    handles: Vec<(String, String)>,
}

/// What is said of a node before it comes.
#[derive(Default)]
struct Properties {
    anchor: Option<String>,
    tag: Option<String>,
}

type Parsed<T = ()> = Result<T, YamlError>;

impl<'t, 'd> Parser<'t, 'd> {
    pub(super) fn new(text: &'t str, builder: Builder, documents: &'d mut Documents) -> Self {
        Self {
            tokens: Scanner::new(text, builder.reading == Reading::Safe),
            builder,
            documents,
            handles: Vec::new(),
        }
    }

    /// All documents, or only the first.
    pub(super) fn run(mut self) -> Parsed {
        let mut first = true;
        loop {
            while !first && self.is_next(&Kind::DocumentEnd)? {
                self.tokens.next()?;
            }
            if self.is_next(&Kind::StreamEnd)? {
                return Ok(());
            }
            self.document(first)?;
            first = false;
            if self.builder.reading == Reading::AsGo {
                return Ok(());
            }
        }
    }

    fn document(&mut self, first: bool) -> Parsed {
        let line = self.line()?;
        self.builder.start_document(line);
        let explicit = match self.kind()? {
            Kind::Version(..) | Kind::TagDirective { .. } | Kind::DocumentStart => true,
            _ => !first,
        };
        self.handles.clear();
        let mut is_empty = false;
        if explicit {
            self.directives()?;
            if !self.is_next(&Kind::DocumentStart)? {
                return Err(self.expected("a new document begins with '---'"));
            }
            self.tokens.next()?;
            is_empty = matches!(
                self.kind()?,
                Kind::Version(..)
                    | Kind::TagDirective { .. }
                    | Kind::DocumentStart
                    | Kind::DocumentEnd
                    | Kind::StreamEnd
            );
        }
        match is_empty {
            true => self.empty(line)?,
            false => self.node(true, false)?,
        }
        // What comes behind the first document need not be readable, but for its first token.
        if self.is_next(&Kind::DocumentEnd)? {
            self.tokens.next()?;
        }
        self.documents.push(self.builder.root.take(), self.builder.document_line)
    }

    fn directives(&mut self) -> Parsed {
        let mut version = false;
        loop {
            match self.kind()?.clone() {
                Kind::Version(..) if version => {
                    return Err(self.expected("a document has one %YAML line"));
                }
                Kind::Version(1, 1) => version = true,
                Kind::Version(1, 2) if self.builder.reading == Reading::Safe => version = true,
                Kind::Version(..) => return Err(self.expected("%YAML 1.1 is read, no other")),
                Kind::TagDirective { handle, .. }
                    if self.handles.iter().any(|(known, _)| *known == handle) =>
                {
                    return Err(self.expected(&format!("a document has one %TAG line of {handle}")));
                }
                Kind::TagDirective { handle, prefix } => self.handles.push((handle, prefix)),
                _ => return Ok(()),
            }
            self.tokens.next()?;
        }
    }

    fn kind(&mut self) -> Parsed<&Kind> {
        Ok(&self.tokens.peek()?.kind)
    }

    fn line(&mut self) -> Parsed<usize> {
        Ok(self.tokens.peek()?.line)
    }

    fn is_next(&mut self, kind: &Kind) -> Parsed<bool> {
        Ok(self.kind()? == kind)
    }

    /// Takes the next token when it is that.
    fn takes(&mut self, kind: &Kind) -> Parsed<bool> {
        let is_next = self.is_next(kind)?;
        if is_next {
            self.tokens.next()?;
        }
        Ok(is_next)
    }

    fn expected(&mut self, message: &str) -> YamlError {
        match self.line() {
            Ok(line) => YamlError::at(line, message),
            Err(error) => error,
        }
    }

    fn empty(&mut self, line: usize) -> Parsed {
        self.builder.scalar(String::new(), true, None, None, line)
    }

    /// `block`: in block style a collection may begin here; `indentless`: a list at the column of
    /// the key before it.
    fn node(&mut self, block: bool, indentless: bool) -> Parsed {
        if let Kind::Alias(name) = self.kind()? {
            let name = name.clone();
            let line = self.tokens.next()?.line;
            return self.builder.alias(&name, line);
        }
        let line = self.line()?;
        let Properties { anchor, tag } = self.properties()?;
        match self.kind()? {
            Kind::BlockEntry if indentless => {
                self.builder.open(Collection::List, anchor, line)?;
                self.indentless_list()
            }
            Kind::Scalar { .. } => {
                let Kind::Scalar { text, plain } = self.tokens.next()?.kind else { return Ok(()) };
                self.builder.scalar(text, plain, anchor, tag.as_deref(), line)
            }
            Kind::FlowList => {
                self.builder.open(Collection::List, anchor, line)?;
                self.flow_list()
            }
            Kind::FlowMapping => {
                self.builder.open(Collection::Mapping, anchor, line)?;
                self.flow_mapping()
            }
            Kind::BlockList if block => {
                self.builder.open(Collection::List, anchor, line)?;
                self.block_list()
            }
            Kind::BlockMapping if block => {
                self.builder.open(Collection::Mapping, anchor, line)?;
                self.block_mapping()
            }
            _ if anchor.is_some() || tag.is_some() => {
                self.builder.scalar(String::new(), true, anchor, tag.as_deref(), line)
            }
            _ => Err(self.expected("a value is expected here, and there is none")),
        }
    }

    fn properties(&mut self) -> Parsed<Properties> {
        let mut properties = Properties::default();
        loop {
            match self.kind()? {
                Kind::Anchor(_) if properties.anchor.is_none() => {}
                Kind::Tag { .. } if properties.tag.is_none() => {}
                _ => return Ok(properties),
            }
            match self.tokens.next()?.kind {
                Kind::Anchor(name) => properties.anchor = Some(name),
                Kind::Tag { handle, suffix } => properties.tag = Some(self.tag(&handle, &suffix)?),
                _ => {}
            }
        }
    }

    fn tag(&mut self, handle: &str, suffix: &str) -> Parsed<String> {
        if handle.is_empty() {
            return Ok(suffix.to_owned());
        }
        let known = self.handles.iter().find(|(known, _)| known == handle);
        let prefix = match (known, handle) {
            (Some((_, prefix)), _) => prefix.as_str(),
            (None, "!") => "!",
            (None, "!!") => CORE,
            (None, _) => {
                let message = format!("no %TAG line says what {handle} stands for");
                return Err(self.expected(&message));
            }
        };
        Ok(format!("{prefix}{suffix}"))
    }

    /// Takes the token that ends a collection.
    fn close(&mut self) -> Parsed {
        let line = self.tokens.next()?.line;
        self.builder.close(line)
    }

    /// Ends a collection that has no token for it.
    fn close_here(&mut self) -> Parsed {
        let line = self.line()?;
        self.builder.close(line)
    }

    fn block_list(&mut self) -> Parsed {
        self.tokens.next()?;
        while self.takes(&Kind::BlockEntry)? {
            let line = self.line()?;
            match self.kind()? {
                Kind::BlockEntry | Kind::BlockEnd => self.empty(line)?,
                _ => self.node(true, false)?,
            }
        }
        if !self.is_next(&Kind::BlockEnd)? {
            return Err(self.expected("a list goes on with '- ' at the column where it began"));
        }
        self.close()
    }

    fn indentless_list(&mut self) -> Parsed {
        while self.takes(&Kind::BlockEntry)? {
            let line = self.line()?;
            match self.kind()? {
                Kind::BlockEntry | Kind::Key | Kind::Value | Kind::BlockEnd => self.empty(line)?,
                _ => self.node(true, false)?,
            }
        }
        self.close_here()
    }

    fn block_mapping(&mut self) -> Parsed {
        self.tokens.next()?;
        loop {
            let line = self.line()?;
            match self.kind()? {
                Kind::Key => {
                    self.tokens.next()?;
                    self.block_part(line)?;
                }
                Kind::BlockEnd => return self.close(),
                _ => {
                    return Err(
                        self.expected("a mapping goes on with a key at the column where it began")
                    );
                }
            }
            let line = self.line()?;
            match self.takes(&Kind::Value)? {
                true => self.block_part(line)?,
                false => self.empty(line)?,
            }
        }
    }

    fn block_part(&mut self, line: usize) -> Parsed {
        match self.kind()? {
            Kind::Key | Kind::Value | Kind::BlockEnd => self.empty(line),
            _ => self.node(true, true),
        }
    }

    fn flow_list(&mut self) -> Parsed {
        self.tokens.next()?;
        let mut first = true;
        while !self.is_next(&Kind::FlowListEnd)? {
            if !first && !self.takes(&Kind::FlowEntry)? {
                return Err(self.expected("',' or ']' is expected here"));
            }
            first = false;
            match self.kind()? {
                Kind::FlowListEnd => {}
                Kind::Key => self.pair()?,
                _ => self.node(false, false)?,
            }
        }
        self.close()
    }

    /// `a: b` in a list is a mapping of its own.
    fn pair(&mut self) -> Parsed {
        let line = self.tokens.next()?.line;
        self.builder.open(Collection::Mapping, None, line)?;
        match self.kind()? {
            Kind::Value | Kind::FlowEntry | Kind::FlowListEnd => {
                // As there, where the token is passed over.
                self.tokens.next()?;
                self.empty(line)?;
            }
            _ => self.node(false, false)?,
        }
        let has_value = self.takes(&Kind::Value)?;
        match self.kind()? {
            Kind::FlowEntry | Kind::FlowListEnd => self.empty(line)?,
            _ if !has_value => self.empty(line)?,
            _ => self.node(false, false)?,
        }
        self.close_here()
    }

    fn flow_mapping(&mut self) -> Parsed {
        self.tokens.next()?;
        let mut first = true;
        while !self.is_next(&Kind::FlowMappingEnd)? {
            if !first && !self.takes(&Kind::FlowEntry)? {
                return Err(self.expected("',' or '}' is expected here"));
            }
            first = false;
            let line = self.line()?;
            match self.kind()? {
                Kind::FlowMappingEnd => {}
                Kind::Key => {
                    self.tokens.next()?;
                    self.flow_part(line)?;
                    match self.takes(&Kind::Value)? {
                        true => self.flow_part(line)?,
                        false => self.empty(line)?,
                    }
                }
                _ => {
                    self.node(false, false)?;
                    self.empty(line)?;
                }
            }
        }
        self.close()
    }

    fn flow_part(&mut self, line: usize) -> Parsed {
        match self.kind()? {
            Kind::Value | Kind::FlowEntry | Kind::FlowMappingEnd => self.empty(line),
            _ => self.node(false, false),
        }
    }
}
