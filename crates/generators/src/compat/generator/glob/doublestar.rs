//! The patterns of the `doublestar` option: `*` and `?` stay within a component, `**` as a component
//! stands for any number of them, `[a-z]`, `[^a]` and `[!a]` are classes, `{a,b}` alternatives that
//! may hold slashes, and a backslash takes the special meaning off.

use super::literal_directories;

const SPECIAL: [char; 5] = ['*', '?', '[', '{', '\\'];
/// The most patterns that the alternatives of one may make.
const MAX_ALTERNATIVES: usize = 1_000;
/// How deep alternatives may lie in each other.
const MAX_DEPTH: usize = 16;

/// A pattern, compiled.
#[derive(Debug)]
pub(in super::super) struct Pattern {
    choices: Vec<Choice>,
    /// The pattern is the top of the repository itself.
    is_top: bool,
    /// The directories below which all matches lie.
    pub(in super::super) start: Vec<String>,
}

/// One choice of alternatives.
#[derive(Debug)]
struct Choice {
    components: Vec<Component>,
    /// Whether it ends with a slash.
    directories_only: bool,
    /// What stands behind a final `**` for a file, which is not a directory that `**` may stand for.
    for_files: Vec<Component>,
}

#[derive(Debug, Clone)]
enum Component {
    /// Any number of components.
    Any,
    Name(Vec<One>),
}

#[derive(Debug, Clone)]
enum One {
    Is(char),
    /// One character.
    Any,
    /// Any number of characters.
    Star,
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
}

impl Pattern {
    /// Compiles a pattern; the error says what is wrong with it.
    pub(in super::super) fn compile(source: &str) -> Result<Self, String> {
        let refused = |why: &str| format!("the pattern {source:?} is not valid: {why}");
        let clean = cleaned(source).map_err(refused)?;
        let mut choices = Vec::new();
        expand(&clean, 0, &mut choices).map_err(refused)?;
        let choices = choices.iter().filter_map(|choice| Choice::compile(choice).transpose());
        Ok(Self {
            choices: choices.collect::<Result<_, _>>().map_err(refused)?,
            is_top: clean.is_empty(),
            start: literal_directories(&clean, &SPECIAL),
        })
    }

    pub(in super::super) fn matches(&self, path: &str, is_directory: bool) -> bool {
        let path: Vec<&str> = path.split('/').filter(|name| !name.is_empty()).collect();
        self.choices.iter().any(|choice| choice.matches(&path, is_directory))
    }

    /// Whether the top of the repository, a directory, matches.
    pub(in super::super) fn matches_top(&self) -> bool {
        self.is_top || self.matches("", true)
    }
}

impl Choice {
    /// None for a choice that matches nothing, because it is empty or has an empty component.
    fn compile(pattern: &str) -> Result<Option<Self>, &'static str> {
        let directories_only = pattern.ends_with('/');
        let components = components(pattern.strip_suffix('/').unwrap_or(pattern))?;
        let Some(components) = components else { return Ok(None) };
        let mut for_files = components.clone();
        if matches!(for_files.last(), Some(Component::Any)) {
            for_files.push(Component::Name(vec![One::Star]));
        }
        Ok(Some(Self { components, directories_only, for_files }))
    }

    fn matches(&self, path: &[&str], is_directory: bool) -> bool {
        match is_directory {
            true if self.directories_only && path.is_empty() => false,
            true => matches(&self.components, path),
            false => !self.directories_only && matches(&self.for_files, path),
        }
    }
}

/// The pattern as it is below the top of the repository, without `.`, `..` and empty components.
fn cleaned(source: &str) -> Result<String, &'static str> {
    let mut components: Vec<&str> = Vec::new();
    for component in source.split('/') {
        match component {
            "" | "." => {}
            ".." => {
                components.pop().ok_or("it lies outside of the repository")?;
            }
            name => components.push(name),
        }
    }
    Ok(components.join("/"))
}

/// Writes alternatives out.
fn expand(pattern: &str, depth: usize, out: &mut Vec<String>) -> Result<(), &'static str> {
    const OPEN: &str = "an alternative is not closed; write }";
    if depth > MAX_DEPTH {
        return Err("alternatives lie too deep in each other");
    }
    let Some(open) = first_open(pattern)? else {
        if out.len() == MAX_ALTERNATIVES {
            return Err("it has too many alternatives");
        }
        out.push(pattern.to_owned());
        return Ok(());
    };
    let (before, inside) = (&pattern[..open], &pattern[open + 1..]);
    let mut level = 0;
    let mut from = 0;
    let mut alternatives = Vec::new();
    let mut scan = Scan { rest: inside, at: 0 };
    loop {
        match scan.next()?.ok_or(OPEN)? {
            (_, '{') => level += 1,
            (at, '}') if level == 0 => {
                alternatives.push(&inside[from..at]);
                from = at + 1;
                break;
            }
            (_, '}') => level -= 1,
            (at, ',') if level == 0 => {
                alternatives.push(&inside[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    let behind = &inside[from..];
    let alternatives = alternatives.into_iter();
    alternatives.map(|one| [before, one, behind].concat()).try_for_each(|pattern| {
        expand(&pattern, depth + usize::from(pattern[before.len()..].contains('{')), out)
    })
}

/// The place of the first `{`.
fn first_open(pattern: &str) -> Result<Option<usize>, &'static str> {
    let mut scan = Scan { rest: pattern, at: 0 };
    while let Some((at, character)) = scan.next()? {
        match character {
            '{' => return Ok(Some(at)),
            '}' => return Err("a } has no { before it; write \\}"),
            _ => {}
        }
    }
    Ok(None)
}

/// The signs of a pattern with their places; escaped ones and those in classes are passed over.
struct Scan<'p> {
    rest: &'p str,
    at: usize,
}

impl Scan<'_> {
    fn next(&mut self) -> Result<Option<(usize, char)>, &'static str> {
        loop {
            let mut characters = self.rest.chars();
            let Some(character) = characters.next() else { return Ok(None) };
            let here = self.at;
            let rest = match character {
                '\\' => {
                    characters.next().ok_or("it ends with a backslash")?;
                    characters.as_str()
                }
                '[' => class(&mut characters).map(|_| characters.as_str())?,
                _ => characters.as_str(),
            };
            self.at += self.rest.len() - rest.len();
            self.rest = rest;
            if !matches!(character, '\\' | '[') {
                return Ok(Some((here, character)));
            }
        }
    }
}

/// The components; none when one of them is empty.
fn components(pattern: &str) -> Result<Option<Vec<Component>>, &'static str> {
    let mut components = Vec::new();
    let mut scan = Scan { rest: pattern, at: 0 };
    let mut from = 0;
    loop {
        let sign = scan.next()?;
        let end = match sign {
            Some((at, '/')) => at,
            Some(_) => continue,
            None => pattern.len(),
        };
        match &pattern[from..end] {
            "" => return Ok(None),
            "**" => components.push(Component::Any),
            text => components.push(Component::Name(name(text)?)),
        }
        from = end + 1;
        if sign.is_none() {
            return Ok(Some(components));
        }
    }
}

fn name(text: &str) -> Result<Vec<One>, &'static str> {
    let mut rest = text.chars();
    let mut ones = Vec::new();
    while let Some(character) = rest.next() {
        ones.push(match character {
            '*' if matches!(ones.last(), Some(One::Star)) => {
                // The module takes three stars at the end as one character at least.
                if text.ends_with("***") && rest.as_str().is_empty() {
                    ones.push(One::Any);
                }
                continue;
            }
            '*' => One::Star,
            '?' => One::Any,
            '[' => class(&mut rest)?,
            '\\' => One::Is(rest.next().ok_or("it ends with a backslash")?),
            other => One::Is(other),
        });
    }
    Ok(ones)
}

fn class(rest: &mut std::str::Chars<'_>) -> Result<One, &'static str> {
    const OPEN: &str = "a class is not closed; write ]";
    let negated = rest.as_str().starts_with(['!', '^']);
    if negated {
        rest.next();
    }
    let mut ranges = Vec::new();
    loop {
        let character = rest.next().ok_or(OPEN)?;
        let low = match character {
            ']' if ranges.is_empty() => return Err("a class is empty"),
            ']' => return Ok(One::Class { negated, ranges }),
            '/' => return Err("a class holds a slash"),
            '\\' => rest.next().ok_or(OPEN)?,
            other => other,
        };
        let mut ahead = rest.clone();
        if ahead.next() != Some('-') || matches!(ahead.clone().next(), None | Some(']')) {
            ranges.push((low, low));
            continue;
        }
        let high = match ahead.next().ok_or(OPEN)? {
            '/' => return Err("a class holds a slash"),
            '\\' => ahead.next().ok_or(OPEN)?,
            other => other,
        };
        // The first one counts also when the range is the wrong way round.
        ranges.extend([(low, low), (low, high)]);
        *rest = ahead;
    }
}

/// Whether components match a path. Of several `**` only the last one needs to be tried again.
fn matches(pattern: &[Component], path: &[&str]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut again = None;
    loop {
        match pattern.get(p) {
            Some(Component::Any) => {
                p += 1;
                again = Some((p, n));
                continue;
            }
            Some(Component::Name(name)) if n < path.len() && fits(name, path[n]) => {
                p += 1;
                n += 1;
                continue;
            }
            None if n == path.len() => return true,
            _ => {}
        }
        match again {
            Some((after, from)) if from < path.len() => {
                again = Some((after, from + 1));
                (p, n) = (after, from + 1);
            }
            _ => return false,
        }
    }
}

/// Whether a name matches; of several stars only the last one needs to be tried again.
fn fits(pattern: &[One], name: &str) -> bool {
    let mut p = 0;
    let mut rest = name;
    let mut again: Option<(usize, &str)> = None;
    loop {
        let mut characters = rest.chars();
        let character = characters.next();
        let takes = match (pattern.get(p), character) {
            (Some(One::Star), _) => {
                p += 1;
                again = Some((p, rest));
                continue;
            }
            (None, None) => return true,
            (Some(One::Any), Some(_)) => true,
            (Some(One::Is(wanted)), Some(character)) => *wanted == character,
            (Some(One::Class { negated, ranges }), Some(character)) => {
                ranges.iter().any(|(low, high)| (*low..=*high).contains(&character)) != *negated
            }
            _ => false,
        };
        if takes {
            p += 1;
            rest = characters.as_str();
            continue;
        }
        let Some((after, from)) = again else { return false };
        let mut characters = from.chars();
        if characters.next().is_none() {
            return false;
        }
        again = Some((after, characters.as_str()));
        (p, rest) = (after, characters.as_str());
    }
}
