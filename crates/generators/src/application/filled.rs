//! Reads an application straight from its template and the parameters, without a tree between.
//!
//! It is the way that elements usually take. It gives what rendering a tree and reading that would
//! give, or an error without a message: then the caller takes the slow way, which knows the message.

use std::cell::RefCell;

use serde::de::value::BorrowedStrDeserializer;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Error, Value};

use super::Node;
use crate::template::{Budget, Scope, Text};

/// A node of a template with the parameters that go into its leaves.
#[derive(Clone, Copy)]
pub(super) struct Filled<'de, 'a> {
    pub(super) node: &'de Node,
    pub(super) scope: &'a Scope,
    pub(super) budget: &'a RefCell<Budget>,
}

impl<'de, 'a> Filled<'de, 'a> {
    fn at(self, node: &'de Node) -> Self {
        Self { node, ..self }
    }

    fn render(self, text: &Text) -> Result<Value, Error> {
        let rendered = text.render(self.scope, &mut self.budget.borrow_mut());
        // The message would be made from all parameters; the slow way makes it.
        rendered.map_err(|_| Error::custom(""))
    }
}

/// Plain values and rendered texts are read as `serde_json` reads them; lists and maps are walked.
macro_rules! read_as {
    ($($method:ident($($argument:ident: $type:ty),*))*) => {
        $(fn $method<V: Visitor<'de>>(
            self,
            $($argument: $type,)*
            visitor: V,
        ) -> Result<V::Value, Error> {
            match self.node {
                Node::Plain(value) => value.$method($($argument,)* visitor),
                Node::Text { text, .. } => self.render(text)?.$method($($argument,)* visitor),
                Node::List(_) | Node::Map(_) => self.deserialize_any(visitor),
            }
        })*
    };
}

impl<'de> Deserializer<'de> for Filled<'de, '_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.node {
            Node::Plain(value) => value.deserialize_any(visitor),
            Node::Text { text, .. } => self.render(text)?.deserialize_any(visitor),
            Node::List(items) => {
                let mut rest = Items { filled: self, rest: items.iter() };
                let value = visitor.visit_seq(&mut rest)?;
                // A list that stands for a struct and has more items than that has fields.
                if rest.rest.len() > 0 { Err(Error::custom("")) } else { Ok(value) }
            }
            Node::Map(entries) => {
                let mut rest = Entries { filled: self, rest: entries.iter(), value: None };
                let value = visitor.visit_map(&mut rest)?;
                if rest.rest.len() > 0 { Err(Error::custom("")) } else { Ok(value) }
            }
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.node {
            Node::Plain(value) => value.deserialize_option(visitor),
            Node::Text { text, .. } => self.render(text)?.deserialize_option(visitor),
            Node::List(_) | Node::Map(_) => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.node {
            Node::Plain(value) => value.deserialize_newtype_struct(name, visitor),
            Node::Text { text, .. } => self.render(text)?.deserialize_newtype_struct(name, visitor),
            Node::List(_) | Node::Map(_) => visitor.visit_newtype_struct(self),
        }
    }

    read_as! {
        deserialize_bool() deserialize_i8() deserialize_i16() deserialize_i32() deserialize_i64()
        deserialize_i128() deserialize_u8() deserialize_u16() deserialize_u32() deserialize_u64()
        deserialize_u128() deserialize_f32() deserialize_f64() deserialize_char() deserialize_str()
        deserialize_string() deserialize_bytes() deserialize_byte_buf() deserialize_unit()
        deserialize_seq() deserialize_map() deserialize_identifier() deserialize_ignored_any()
        deserialize_unit_struct(name: &'static str)
        deserialize_tuple(length: usize)
        deserialize_tuple_struct(name: &'static str, length: usize)
        deserialize_struct(name: &'static str, fields: &'static [&'static str])
        deserialize_enum(name: &'static str, variants: &'static [&'static str])
    }
}

struct Items<'de, 'a> {
    filled: Filled<'de, 'a>,
    rest: std::slice::Iter<'de, Node>,
}

impl<'de> SeqAccess<'de> for &mut Items<'de, '_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Error> {
        let next = self.rest.next().map(|node| seed.deserialize(self.filled.at(node)));
        next.transpose()
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.rest.len())
    }
}

struct Entries<'de, 'a> {
    filled: Filled<'de, 'a>,
    rest: std::slice::Iter<'de, (String, Node)>,
    value: Option<&'de Node>,
}

impl<'de> MapAccess<'de> for &mut Entries<'de, '_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        let Some((key, node)) = self.rest.next() else { return Ok(None) };
        self.value = Some(node);
        seed.deserialize(BorrowedStrDeserializer::new(key)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let node = self.value.take().ok_or_else(|| Error::custom("a value without its key"))?;
        seed.deserialize(self.filled.at(node))
    }
}
