//! A set of fields of an object: a tree of path elements, some of which are members. Its text form
//! is the `fieldsV1` of `metadata.managedFields`. It knows no types.

use std::cmp::Ordering;

use serde_json::{Map, Value};

use super::path::PathElement;

/// A set of fields. Every node is a member or has members below it, so that equal sets are equal
/// trees.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FieldSet {
    nodes: Vec<Node>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) element: PathElement,
    pub(super) member: bool,
    pub(super) below: FieldSet,
}

impl Node {
    fn is_needed(&self) -> bool {
        self.member || !self.below.is_empty()
    }
}

impl FieldSet {
    /// The set of these fields, each given as its names with dots between, such as `metadata.name`.
    #[must_use]
    pub fn of<'a>(paths: impl IntoIterator<Item = &'a str>) -> Self {
        let mut set = Self::default();
        for path in paths {
            let mut names = path.rsplit('.').map(PathElement::field);
            let Some(last) = names.next() else { continue };
            let leaf =
                Self { nodes: vec![Node { element: last, member: true, below: Self::default() }] };
            set = set.union(&names.fold(leaf, |below, element| Self {
                nodes: vec![Node { element, member: false, below }],
            }));
        }
        set
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    pub(super) fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    fn find(&self, element: &PathElement) -> Result<usize, usize> {
        // Sets are mostly built in order, and then the place is the end.
        match self.nodes.last() {
            None => Err(0),
            Some(last) if last.element < *element => Err(self.nodes.len()),
            Some(_) => self.nodes.binary_search_by(|node| node.element.cmp(element)),
        }
    }

    pub(super) fn get(&self, element: &PathElement) -> Option<&Node> {
        self.find(element).ok().map(|at| &self.nodes[at])
    }

    /// Adds an element as a member, or what is below it, or both.
    pub(super) fn add(&mut self, element: PathElement, member: bool, below: Self) {
        let node = Node { element, member, below };
        if !node.is_needed() {
            return;
        }
        match self.find(&node.element) {
            Err(at) => self.nodes.insert(at, node),
            Ok(at) => {
                let there = &mut self.nodes[at];
                there.member |= node.member;
                if there.below.is_empty() {
                    there.below = node.below;
                } else if !node.below.is_empty() {
                    there.below = there.below.union(&node.below);
                }
            }
        }
    }

    /// Whether the field is a member.
    #[must_use]
    pub fn contains(&self, path: &[PathElement]) -> bool {
        let Some((first, rest)) = path.split_first() else { return false };
        self.get(first).is_some_and(|node| {
            if rest.is_empty() { node.member } else { node.below.contains(rest) }
        })
    }

    /// The members of both sets.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        self.zip(other, |mine, theirs| match (mine, theirs) {
            (Some(node), None) | (None, Some(node)) => Some(node.clone()),
            (Some(mine), Some(theirs)) => Some(Node {
                element: mine.element.clone(),
                member: mine.member || theirs.member,
                below: mine.below.union(&theirs.below),
            }),
            (None, None) => None,
        })
    }

    /// The members that both sets have.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        self.zip(other, |mine, theirs| {
            let (mine, theirs) = (mine?, theirs?);
            Some(Node {
                element: mine.element.clone(),
                member: mine.member && theirs.member,
                below: mine.below.intersection(&theirs.below),
            })
        })
    }

    /// The members that the other set does not have. What is below a member of the other set stays.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        self.zip(other, |mine, theirs| {
            let mine = mine?;
            let Some(theirs) = theirs else { return Some(mine.clone()) };
            Some(Node {
                element: mine.element.clone(),
                member: mine.member && !theirs.member,
                below: mine.below.difference(&theirs.below),
            })
        })
    }

    /// The members that the other set does not have and that are not below one of its members.
    #[must_use]
    pub fn recursive_difference(&self, other: &Self) -> Self {
        self.zip(other, |mine, theirs| {
            let mine = mine?;
            let Some(theirs) = theirs else { return Some(mine.clone()) };
            (!theirs.member).then(|| Node {
                element: mine.element.clone(),
                member: mine.member,
                below: mine.below.recursive_difference(&theirs.below),
            })
        })
    }

    /// The members that have no member below them.
    #[must_use]
    pub fn leaves(&self) -> Self {
        let leaf = |node: &Node| Node {
            element: node.element.clone(),
            member: node.member && node.below.is_empty(),
            below: node.below.leaves(),
        };
        Self { nodes: self.nodes.iter().map(leaf).collect() }
    }

    /// Walks both sets in order and keeps what `choose` makes of each pair.
    fn zip(
        &self,
        other: &Self,
        choose: impl Fn(Option<&Node>, Option<&Node>) -> Option<Node>,
    ) -> Self {
        let (mut mine, mut theirs) = (self.nodes.iter().peekable(), other.nodes.iter().peekable());
        let mut nodes = Vec::with_capacity(self.nodes.len());
        loop {
            let order = match (mine.peek(), theirs.peek()) {
                (None, None) => return Self { nodes },
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(a), Some(b)) => a.element.cmp(&b.element),
            };
            let chosen = match order {
                Ordering::Less => choose(mine.next(), None),
                Ordering::Greater => choose(None, theirs.next()),
                Ordering::Equal => choose(mine.next(), theirs.next()),
            };
            nodes.extend(chosen.filter(Node::is_needed));
        }
    }

    /// The members as paths, such as `.spec.containers[name="c"].image`: those of a level first,
    /// then what is below them, which is the order in which a real server lists conflicts.
    #[must_use]
    pub fn paths(&self) -> Vec<String> {
        let mut paths = Vec::new();
        self.paths_below(&mut String::new(), &mut paths);
        paths
    }

    fn paths_below(&self, prefix: &mut String, paths: &mut Vec<String>) {
        for node in self.nodes.iter().filter(|node| node.member) {
            paths.push(format!("{prefix}{}", node.element));
        }
        for node in self.nodes.iter().filter(|node| !node.below.is_empty()) {
            let length = prefix.len();
            prefix.push_str(&node.element.to_string());
            node.below.paths_below(prefix, paths);
            prefix.truncate(length);
        }
    }

    /// Reads a `fieldsV1`. Elements of an unknown kind are dropped, as the real server does.
    ///
    /// # Errors
    /// When a key is not a path element.
    pub fn from_json(json: &Value) -> Result<Self, String> {
        Ok(Self::read(json)?.0)
    }

    /// What is below, and whether the node itself is a member.
    fn read(json: &Value) -> Result<(Self, bool), String> {
        let mut set = Self::default();
        let mut member = false;
        let Value::Object(entries) = json else {
            return Err(format!("not an object: {json}"));
        };
        for (key, value) in entries {
            if key == "." {
                member = true;
            } else if let Some(element) = PathElement::parse(key)? {
                let (below, is_member) = Self::read(value)?;
                set.add(element, is_member, below);
            }
        }
        let member = member || set.is_empty();
        Ok((set, member))
    }

    /// The set as a `fieldsV1`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        Value::Object(self.write(Map::new()))
    }

    fn write(&self, mut entries: Map<String, Value>) -> Map<String, Value> {
        for node in &self.nodes {
            let mut below = Map::new();
            if node.member && !node.below.is_empty() {
                below.insert(".".to_owned(), Value::Object(Map::new()));
            }
            entries.insert(node.element.to_text(), Value::Object(node.below.write(below)));
        }
        entries
    }
}
