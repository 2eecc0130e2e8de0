//! Go's `text/template` with the functions that Argo CD's ApplicationSets may call.
//!
//! The language's parser is the library `gotmpl`; what a template *does* is here, because sprig's
//! functions need values that can be changed in place, Go's types and Go's bytes, none of which that
//! library's values have (see `docs/design/gotemplate.md`). A [`Template`] is parsed once and may be
//! rendered from many threads; a [`Value`] belongs to one.
//!
//! Rendering has no I/O. Only the functions that [`Template::volatile`] names look at a clock or at
//! randomness. It must not know what the rendered text is for.

mod check;
mod error;
mod exec;
pub mod functions;
mod lex;
pub mod print;
pub mod printf;
pub mod value;

use std::collections::BTreeMap;

use gotmpl::parse::{Expr, ListNode, Node, Parser};

pub use error::{ParseError, RenderError};
pub use exec::{Limits, MissingKey};
pub use value::{Map, Text, Value};

/// A piece of a simple template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    Text(Box<str>),
    /// `{{.a.b}}`, by its names.
    Field(Vec<Box<str>>),
}

fn piece(node: &Node) -> Option<Piece> {
    let action = match node {
        Node::Text(text) => return Some(Piece::Text((&*text.text).into())),
        Node::Action(action) if action.pipe.decl.is_empty() => action,
        _ => return None,
    };
    let [command] = action.pipe.commands.as_slice() else { return None };
    match command.args.as_slice() {
        [Expr::Field(_, path)] if !path.is_empty() => {
            Some(Piece::Field(path.iter().map(|name| name.as_str().into()).collect()))
        }
        _ => None,
    }
}

/// A parsed template.
#[derive(Debug)]
pub struct Template {
    body: ListNode,
    defines: BTreeMap<String, ListNode>,
    source: String,
    prepared: lex::Prepared,
    missing_key: MissingKey,
    volatile: Vec<&'static str>,
}

impl Template {
    /// Parses a template and checks that its functions, variables and blocks exist and are closed.
    ///
    /// # Errors
    /// The first mistake, with its line and column.
    pub fn parse(source: &str, missing_key: MissingKey) -> Result<Self, ParseError> {
        let prepared = lex::prepare(source)?;
        check::blocks(source, &prepared.actions)?;
        let wrong = |error: gotmpl::TemplateError| error::parse(&error, source, &prepared);
        let parser = Parser::new(&prepared.text, lex::LEFT, lex::RIGHT).map_err(wrong)?;
        let (body, found) = parser.parse().map_err(wrong)?;
        let mut defines = BTreeMap::new();
        for define in found {
            let name = define.name.to_string();
            let empty = define.body.is_empty_tree();
            match defines.get(&name) {
                Some(known) if !empty && !ListNode::is_empty_tree(known) => {
                    let at = ParseError::at(source, prepared.origin(define.pos.offset));
                    return Err(at(format!("multiple definition of template {name:?}")));
                }
                Some(_) if empty => {}
                _ => {
                    defines.insert(name, define.body);
                }
            }
        }
        let mut template = Self {
            body,
            defines,
            source: source.to_owned(),
            prepared,
            missing_key,
            volatile: Vec::new(),
        };
        template.volatile = check::names(&template)?;
        Ok(template)
    }

    /// The functions in use whose answer differs from one rendering to the next.
    #[must_use]
    pub fn volatile(&self) -> &[&'static str] {
        &self.volatile
    }

    /// The template in pieces, when it is no more than text and fields of the dot: then who knows
    /// that all of these fields are strings may put them together without a [`Value`].
    #[must_use]
    pub fn pieces(&self) -> Option<Vec<Piece>> {
        self.body.nodes.iter().map(piece).collect()
    }

    /// Renders with `data` as the dot.
    ///
    /// # Errors
    /// The first expression that fails, or a limit.
    pub fn render(&self, data: &Value, limits: &Limits) -> Result<String, RenderError> {
        let bytes = exec::execute(self, data, limits)?;
        Ok(match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => value::lossy(error.as_bytes()).into_owned(),
        })
    }
}
