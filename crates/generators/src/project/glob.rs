//! The globs of AppProjects: `*`, `**`, `?`, `[abc]`, `{a,b}`, `\x`, and `!` in front.
//!
//! Matching takes time in proportion to pattern times text, whatever the pattern; one that is too
//! large or cannot be read matches nothing, and as a denial denies everything.

/// The most alternatives that `{a,b}` may come to, and the longest pattern in bytes.
const MAX_ALTERNATIVES: usize = 256;
const MAX_BYTES: usize = 4096;

#[derive(Debug)]
pub(super) struct Pattern {
    denies: bool,
    /// `None` when it cannot be read.
    alternatives: Option<Vec<Vec<Token>>>,
}

#[derive(Debug, Clone)]
enum Token {
    Char(char),
    /// `?`, and `*` when it stays within a segment.
    One {
        segments: bool,
    },
    Any {
        segments: bool,
    },
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
}

impl Pattern {
    /// `*` matches everything, slashes too.
    pub(super) fn free(text: &str) -> Self {
        Self::new(text, false)
    }

    /// `*` does not match a slash, `**` does; `*` alone is everything.
    pub(super) fn within_segments(text: &str) -> Self {
        Self::new(text, true)
    }

    fn new(text: &str, segments: bool) -> Self {
        let (denies, text) = match text.strip_prefix('!') {
            Some(text) => (true, text),
            None => (false, text),
        };
        let alternatives = if text == "*" {
            Some(vec![vec![Token::Any { segments: false }]])
        } else if text.len() > MAX_BYTES {
            None
        } else {
            expand(text).and_then(|all| all.iter().map(|one| tokens(one, segments)).collect())
        };
        Self { denies, alternatives }
    }

    pub(super) fn denies(&self) -> bool {
        self.denies
    }

    /// Whether the text is permitted by this pattern alone.
    pub(super) fn matches(&self, text: &str) -> bool {
        let Some(alternatives) = &self.alternatives else { return false };
        let text: Vec<char> = text.chars().collect();
        alternatives.iter().any(|tokens| matches(tokens, &text)) != self.denies
    }
}

/// The texts that `{a,b}` stands for; `None` when a brace is not closed or there are too many.
fn expand(text: &str) -> Option<Vec<String>> {
    let mut done = vec![String::new()];
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        let choices: Vec<String> = match c {
            '{' => {
                let inner = group(&mut rest)?;
                let mut choices = Vec::new();
                for part in inner {
                    choices.extend(expand(&part)?);
                }
                choices
            }
            '\\' => vec![format!("\\{}", rest.next()?)],
            other => vec![other.to_string()],
        };
        if done.len() * choices.len() > MAX_ALTERNATIVES {
            return None;
        }
        done = done
            .iter()
            .flat_map(|start| choices.iter().map(move |choice| format!("{start}{choice}")))
            .collect();
    }
    Some(done)
}

/// The parts between a brace and the one that closes it.
fn group(rest: &mut std::str::Chars<'_>) -> Option<Vec<String>> {
    let (mut parts, mut depth) = (vec![String::new()], 0_usize);
    loop {
        let c = rest.next()?;
        match c {
            '}' if depth == 0 => return Some(parts),
            ',' if depth == 0 => parts.push(String::new()),
            _ => {
                match c {
                    '{' => depth += 1,
                    '}' => depth -= 1,
                    _ => {}
                }
                let part = parts.last_mut()?;
                part.push(c);
                if c == '\\' {
                    part.push(rest.next()?);
                }
            }
        }
    }
}

fn tokens(text: &str, segments: bool) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        tokens.push(match c {
            '*' => {
                let double = rest.next_if_eq(&'*').is_some();
                Token::Any { segments: segments && !double }
            }
            '?' => Token::One { segments },
            '\\' => Token::Char(rest.next()?),
            '[' => {
                let negated = rest.next_if(|c| matches!(c, '!' | '^')).is_some();
                let mut ranges = Vec::new();
                loop {
                    let low = match rest.next()? {
                        ']' if !ranges.is_empty() => break,
                        '\\' => rest.next()?,
                        c => c,
                    };
                    let high = match rest.next_if_eq(&'-') {
                        Some(_) => rest.next()?,
                        None => low,
                    };
                    ranges.push((low, high));
                }
                Token::Class { negated, ranges }
            }
            other => Token::Char(other),
        });
    }
    Some(tokens)
}

/// Keeps which places of the text the tokens so far can have come to.
fn matches(tokens: &[Token], text: &[char]) -> bool {
    let mut reached = vec![false; text.len() + 1];
    reached[0] = true;
    for token in tokens {
        let mut next = vec![false; text.len() + 1];
        match token {
            Token::Any { segments } => {
                let mut open = false;
                for place in 0..=text.len() {
                    open |= reached[place];
                    next[place] = open;
                    if *segments && text.get(place) == Some(&'/') {
                        open = false;
                    }
                }
            }
            one => {
                for (place, c) in text.iter().enumerate() {
                    next[place + 1] = reached[place] && takes(one, *c);
                }
            }
        }
        reached = next;
    }
    reached[text.len()]
}

fn takes(token: &Token, c: char) -> bool {
    match token {
        Token::Char(wanted) => *wanted == c,
        Token::One { segments } => !(*segments && c == '/'),
        Token::Class { negated, ranges } => {
            ranges.iter().any(|(low, high)| (*low..=*high).contains(&c)) != *negated
        }
        Token::Any { .. } => false,
    }
}
