//! Reads the values at some paths out of a JSON object, without building the rest of it.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::table::Value;

/// Paths such as `STATUS.ACTION`, each with its number.
#[derive(Debug, Default)]
pub(super) struct JsonPaths {
    children: Vec<(String, Node)>,
}

#[derive(Debug)]
enum Node {
    Value(usize),
    Object(JsonPaths),
}

impl JsonPaths {
    /// Adds a path. False if it is empty, or begins with another one, or another one begins with it.
    pub(super) fn add(&mut self, path: &str, number: usize) -> bool {
        let (name, rest) = path.split_once('.').map_or((path, None), |(name, rest)| (name, Some(rest)));
        let child = self.children.iter_mut().find(|(child, _)| child == name).map(|(_, node)| node);
        match (child, rest) {
            _ if name.is_empty() => false,
            (None, None) => {
                self.children.push((name.to_owned(), Node::Value(number)));
                true
            }
            (None, Some(rest)) => {
                let mut below = Self::default();
                let is_added = below.add(rest, number);
                self.children.push((name.to_owned(), Node::Object(below)));
                is_added
            }
            (Some(Node::Object(below)), Some(rest)) => below.add(rest, number),
            _ => false,
        }
    }

    /// Reads the values at the paths into the places of their numbers. What is not there stays as it is.
    ///
    /// # Errors
    /// When the text is no JSON object, or what has a path below it is none.
    pub(super) fn read<'j>(&self, json: &'j str, values: &mut [Value<'j>]) -> Result<(), serde_json::Error> {
        let mut deserializer = serde_json::Deserializer::from_str(json);
        ReadObject { paths: self, values }.deserialize(&mut deserializer)?;
        deserializer.end()
    }
}

struct ReadObject<'p, 'v, 'j> {
    paths: &'p JsonPaths,
    values: &'v mut [Value<'j>],
}

impl<'j> DeserializeSeed<'j> for ReadObject<'_, '_, 'j> {
    type Value = ();

    fn deserialize<D: Deserializer<'j>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'j> Visitor<'j> for ReadObject<'_, '_, 'j> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_map<A: MapAccess<'j>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(child) = map.next_key_seed(FindChild(self.paths))? {
            match child {
                Some(Node::Value(number)) => self.values[*number] = map.next_value_seed(ReadValue)?,
                Some(Node::Object(paths)) => {
                    map.next_value_seed(ReadObject { paths, values: &mut *self.values })?;
                }
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

/// Finds the part of the paths that a key names.
struct FindChild<'p>(&'p JsonPaths);

impl<'j, 'p> DeserializeSeed<'j> for FindChild<'p> {
    type Value = Option<&'p Node>;

    fn deserialize<D: Deserializer<'j>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'p> Visitor<'_> for FindChild<'p> {
    type Value = Option<&'p Node>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self.0.children.iter().find(|(name, _)| name == key).map(|(_, node)| node))
    }
}

/// Reads one value. Text without escapes is borrowed.
struct ReadValue;

impl<'j> DeserializeSeed<'j> for ReadValue {
    type Value = Value<'j>;

    fn deserialize<D: Deserializer<'j>>(self, deserializer: D) -> Result<Value<'j>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'j> Visitor<'j> for ReadValue {
    type Value = Value<'j>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value<'j>, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value<'j>, E> {
        Ok(Value::Boolean(value))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value<'j>, E> {
        Ok(Value::Integer(number.into()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value<'j>, E> {
        Ok(Value::Integer(number.into()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value<'j>, E> {
        Ok(Value::Float(number))
    }

    fn visit_borrowed_str<E>(self, text: &'j str) -> Result<Value<'j>, E> {
        Ok(Value::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value<'j>, E> {
        Ok(Value::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'j>>(self, mut seq: A) -> Result<Value<'j>, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(ReadValue)? {
            items.push(item);
        }
        Ok(Value::List(items))
    }

    fn visit_map<A: MapAccess<'j>>(self, mut map: A) -> Result<Value<'j>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Value::Object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_values_at_the_paths_are_read_and_nothing_else() {
        let mut paths = JsonPaths::default();
        for (number, path) in ["a", "b.c", "b.d.e", "tags"].iter().enumerate() {
            assert!(paths.add(path, number), "{path}");
        }
        for bad in ["a", "a.x", "b", "b.d", "", "x..y"] {
            assert!(!paths.add(bad, 0), "{bad}");
        }
        let text =
            r#"{"z": {"a": 9}, "b": {"c": "x", "c2": [], "d": {"e": -1.5}}, "a": 7, "tags": ["p", true]}"#;
        let tags = Value::List(vec![Value::Text("p".into()), Value::Boolean(true)]);
        let values = [Value::Integer(7), Value::Text("x".into()), Value::Float(-1.5), tags];
        let mut found = vec![Value::Null; 4];
        paths.read(text, &mut found).unwrap();
        assert_eq!(found, values);
        let mut nothing = vec![Value::Null; 4];
        paths.read(r#"{"b": null}"#, &mut nothing).unwrap();
        assert_eq!(nothing, vec![Value::Null; 4]);
        for bad in ["", "[]", "7", "{", r#"{"b": 7}"#, "{} x"] {
            assert!(paths.read(bad, &mut nothing).is_err(), "{bad}");
        }
    }
}
