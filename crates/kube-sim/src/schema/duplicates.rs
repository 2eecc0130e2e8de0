//! Keys that a JSON document says twice: the later one counts, and strict validation refuses both.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// The paths of the keys that are repeated, in the order of the document; none when it is not JSON.
#[must_use]
pub fn duplicates(json: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    let walk = Walk { path: String::new(), found: &mut found };
    match walk.deserialize(&mut serde_json::Deserializer::from_slice(json)) {
        Ok(()) => found,
        Err(_) => Vec::new(),
    }
}

struct Walk<'a> {
    path: String,
    found: &'a mut Vec<String>,
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut known: Vec<String> = Vec::new();
        while let Some(key) = map.next_key::<String>()? {
            let path =
                if self.path.is_empty() { key.clone() } else { format!("{}.{key}", self.path) };
            map.next_value_seed(Walk { path: path.clone(), found: &mut *self.found })?;
            if known.contains(&key) {
                self.found.push(path);
            } else {
                known.push(key);
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        for index in 0_usize.. {
            let path = format!("{}[{index}]", self.path);
            if items.next_element_seed(Walk { path, found: &mut *self.found })?.is_none() {
                break;
            }
        }
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, other: D) -> Result<(), D::Error> {
        other.deserialize_ignored_any(IgnoredAny).map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_keys_are_found_at_any_depth() {
        let json = br#"{"metadata":{"name":"s","name":"s"},"data":{"a":"1","a":"2"},
            "x":[{"b":1},{"c":1,"c":null}],"data":{}}"#;
        assert_eq!(duplicates(json), ["metadata.name", "data.a", "x[1].c", "data"]);
        assert!(duplicates(br#"{"a":{"b":1},"c":{"b":1}}"#).is_empty());
        assert!(duplicates(b"a: 1\na: 2\n").is_empty());
    }
}
