//! Mistakes that the parser lets through: blocks that are not closed or closed twice, functions and
//! variables that do not exist, loops that are left from outside. Pure.

use gotmpl::parse::{BranchNode, CommandNode, Expr, ListNode, Node, PipeNode, SmolStr};

use crate::error::ParseError;
use crate::lex::Action;
use crate::{Template, functions};

/// How deep blocks may lie within each other; an `else if` lies within its `if`.
const MAX_BLOCKS: usize = 80;
/// How many variables may be known at one place: each use looks for its own.
const MAX_VARIABLES: usize = 1_000;

/// What an action opens or closes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Block {
    If,
    With,
    Range,
    Define,
    Other,
}

struct Open {
    block: Block,
    /// A final `{{else}}` was seen: only `{{end}}` may follow.
    closed: bool,
    /// One, and one for each `else if`.
    depth: usize,
    offset: usize,
}

/// Checks that every block of the source is closed once.
pub(crate) fn blocks(source: &str, actions: &[Action]) -> Result<(), ParseError> {
    let mut open: Vec<Open> = Vec::new();
    let mut depth = 0;
    let too_deep = || format!("blocks are nested deeper than {MAX_BLOCKS}");
    for Action { offset, words } in actions {
        let offset = *offset;
        let fail = |message: &str| Err(ParseError::at(source, offset)(message.to_owned()));
        let block = match words.first().map(String::as_str).unwrap_or_default() {
            "if" => Block::If,
            "with" => Block::With,
            "range" => Block::Range,
            "define" if open.is_empty() => Block::Define,
            "define" => return fail("unexpected {{define}}: it may not be inside another block"),
            "block" => Block::Other,
            "end" => {
                match open.pop() {
                    Some(last) => depth -= last.depth,
                    None => return fail("unexpected {{end}}"),
                }
                continue;
            }
            "else" => {
                let Some(last) = open.last_mut() else { return fail("unexpected {{else}}") };
                let goes_on = words.get(1).map(String::as_str);
                let legal = match (last.block, goes_on) {
                    _ if last.closed => false,
                    (Block::If | Block::With | Block::Range, None) => true,
                    (Block::If, Some("if")) | (Block::With, Some("with")) => true,
                    _ => false,
                };
                if !legal {
                    return fail("unexpected {{else}}");
                }
                last.closed = goes_on.is_none();
                depth += usize::from(!last.closed);
                last.depth += usize::from(!last.closed);
                if depth > MAX_BLOCKS {
                    return fail(&too_deep());
                }
                continue;
            }
            word @ ("break" | "continue") => {
                if words.len() == 1 && !open.iter().any(|open| open.block == Block::Range) {
                    return fail(&format!("{{{{{word}}}}} outside {{{{range}}}}"));
                }
                continue;
            }
            _ => continue,
        };
        depth += 1;
        if depth > MAX_BLOCKS {
            return fail(&too_deep());
        }
        open.push(Open { block, closed: false, depth: 1, offset });
    }
    match open.last() {
        None => Ok(()),
        Some(open) => {
            let at = ParseError::at(source, open.offset);
            Err(at("this block has no {{end}}".to_owned()))
        }
    }
}

/// Checks that functions and variables exist; returns the volatile functions in use.
pub(crate) fn names(template: &Template) -> Result<Vec<&'static str>, ParseError> {
    let mut walk = Walk { template, variables: vec!["$".into()], volatile: Vec::new() };
    walk.list(&template.body)?;
    for body in template.defines.values() {
        // A define sees no variable of its surroundings.
        walk.variables.truncate(1);
        walk.list(body)?;
    }
    walk.volatile.sort_unstable();
    walk.volatile.dedup();
    Ok(walk.volatile)
}

struct Walk<'a> {
    template: &'a Template,
    variables: Vec<SmolStr>,
    volatile: Vec<&'static str>,
}

impl Walk<'_> {
    fn list(&mut self, list: &ListNode) -> Result<(), ParseError> {
        for node in &list.nodes {
            match node {
                Node::Action(action) => self.pipe(&action.pipe)?,
                Node::If(branch) | Node::With(branch) | Node::Range(branch) => {
                    self.branch(branch)?;
                }
                Node::Template(call) => {
                    if let Some(pipe) = &call.pipe {
                        self.pipe(pipe)?;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn branch(&mut self, branch: &BranchNode) -> Result<(), ParseError> {
        let outside = self.variables.len();
        self.pipe(&branch.pipe)?;
        self.list(&branch.body)?;
        // What the body declares is still known here, and missed when it is run.
        if let Some(other) = &branch.else_body {
            self.list(other)?;
        }
        self.variables.truncate(outside);
        Ok(())
    }

    fn pipe(&mut self, pipe: &PipeNode) -> Result<(), ParseError> {
        // To Go's parser a variable is known from here on, declared or only assigned to.
        self.variables.extend(pipe.decl.iter().cloned());
        if self.variables.len() > MAX_VARIABLES {
            let message = format!("more than {MAX_VARIABLES} variables");
            return Err(self.fail(pipe.pos.offset, message));
        }
        pipe.commands.iter().try_for_each(|command| self.command(command))
    }

    fn command(&mut self, command: &CommandNode) -> Result<(), ParseError> {
        command.args.iter().try_for_each(|argument| self.expression(argument))
    }

    fn expression(&mut self, expression: &Expr) -> Result<(), ParseError> {
        match expression {
            Expr::Variable(pos, name, _) => self.variable(name, pos.offset),
            Expr::Identifier(pos, name) => match functions::find(name) {
                Some(function) => {
                    if function.volatile {
                        self.volatile.push(function.name);
                    }
                    Ok(())
                }
                None => {
                    Err(self.fail(pos.offset, format!("function {:?} not defined", name.as_str())))
                }
            },
            Expr::Pipe(_, pipe) => self.pipe(pipe),
            Expr::Chain(_, inner, _) => self.expression(inner),
            _ => Ok(()),
        }
    }

    fn variable(&self, name: &SmolStr, offset: usize) -> Result<(), ParseError> {
        if self.variables.contains(name) {
            return Ok(());
        }
        Err(self.fail(offset, format!("undefined variable {:?}", name.as_str())))
    }

    fn fail(&self, offset: usize, message: String) -> ParseError {
        ParseError::at(&self.template.source, self.template.prepared.origin(offset))(message)
    }
}
