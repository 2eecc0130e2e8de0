//! What an Application says, shared with its neighbours as far as they say the same.
//!
//! The Applications of one set differ in a few texts. Where a set makes a hundred thousand of them,
//! each keeps its texts and a reference to what all have in common; the tree is made when it is
//! asked for.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::{Map, Value};

/// `metadata` and `spec` of an Application.
#[derive(Debug, Clone)]
pub struct Document(Form);

#[derive(Debug, Clone)]
enum Form {
    Whole(Value),
    Filled { skeleton: Arc<Skeleton>, texts: Texts },
}

/// A tree with holes for texts.
#[derive(Debug)]
pub enum Skeleton {
    Fixed(Value),
    /// The number of a text.
    Text(usize),
    List(Vec<Self>),
    Map(Vec<Entry>),
}

#[derive(Debug)]
pub struct Entry {
    pub key: String,
    pub value: Skeleton,
    /// Whether the key is left out when its value is an empty text or map.
    pub optional: bool,
}

/// Several texts in one piece of memory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Texts {
    joined: Box<str>,
    /// Where each ends.
    ends: Box<[u32]>,
}

impl Texts {
    /// `None` when together they are longer than 4 GiB.
    pub fn new(joined: String, ends: &[usize]) -> Option<Self> {
        let ends = ends.iter().map(|end| u32::try_from(*end).ok()).collect::<Option<_>>()?;
        Some(Self { joined: joined.into_boxed_str(), ends })
    }

    /// The text of this number; one that is not there is empty.
    #[must_use]
    pub fn get(&self, number: usize) -> &str {
        let end = |number: usize| self.ends.get(number).map_or(0, |end| *end as usize);
        let start = number.checked_sub(1).map_or(0, end);
        self.joined.get(start..end(number)).unwrap_or_default()
    }
}

impl Skeleton {
    fn fill(&self, texts: &Texts) -> Value {
        match self {
            Self::Fixed(value) => value.clone(),
            Self::Text(number) => texts.get(*number).into(),
            Self::List(items) => items.iter().map(|item| item.fill(texts)).collect(),
            Self::Map(entries) => {
                let mut map = Map::new();
                for Entry { key, value, optional } in entries {
                    let value = value.fill(texts);
                    let is_empty = match &value {
                        Value::String(text) => text.is_empty(),
                        Value::Object(map) => map.is_empty(),
                        _ => false,
                    };
                    if !(*optional && is_empty) {
                        map.insert(key.clone(), value);
                    }
                }
                Value::Object(map)
            }
        }
    }
}

impl Document {
    /// The skeleton with these texts in its holes.
    #[must_use]
    pub fn filled(skeleton: &Arc<Skeleton>, texts: Texts) -> Self {
        Self(Form::Filled { skeleton: Arc::clone(skeleton), texts })
    }

    /// The tree; it is made when the document has none of its own.
    #[must_use]
    pub fn value(&self) -> Cow<'_, Value> {
        match &self.0 {
            Form::Whole(value) => Cow::Borrowed(value),
            Form::Filled { skeleton, texts } => Cow::Owned(skeleton.fill(texts)),
        }
    }

    /// The tree, to be kept.
    #[must_use]
    pub fn to_value(&self) -> Value {
        self.value().into_owned()
    }
}

impl From<Value> for Document {
    fn from(value: Value) -> Self {
        Self(Form::Whole(value))
    }
}

impl PartialEq for Document {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (
                Form::Filled { skeleton, texts },
                Form::Filled { skeleton: others, texts: other_texts },
            ) if Arc::ptr_eq(skeleton, others) => texts == other_texts,
            _ => self.value() == other.value(),
        }
    }
}

impl Eq for Document {}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn texts_go_into_their_holes_and_empty_ones_may_vanish() {
        let entry = |key: &str, value, optional| Entry { key: key.to_owned(), value, optional };
        let skeleton = Arc::new(Skeleton::Map(vec![
            entry("kept", Skeleton::Text(0), false),
            entry("gone", Skeleton::Text(0), true),
            entry("list", Skeleton::List(vec![Skeleton::Text(1), Skeleton::Fixed(json!(2))]), true),
            entry("map", Skeleton::Map(vec![entry("x", Skeleton::Text(0), true)]), true),
        ]));
        let texts = |joined: &str, ends: &[usize]| Texts::new(joined.to_owned(), ends).unwrap();
        let document = Document::filled(&skeleton, texts("äb", &[0, 3]));
        assert_eq!(document.to_value(), json!({"kept": "", "list": ["äb", 2]}));
        assert_eq!(document, Document::from(document.to_value()));
        assert_ne!(document, Document::filled(&skeleton, texts("äb", &[3, 3])));
    }
}
