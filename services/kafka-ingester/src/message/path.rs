//! A path to a value inside a message: `actor.login`, `items[0].id`, `a\.b`.

use std::str::FromStr;

use serde_json::value::RawValue;

use super::bad_message::BadMessage;
use super::json::{self, JsonType, RawField};

/// Names of fields, or indices of arrays, from the outside to the inside. There is one at least.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Path(Vec<String>);

impl Path {
    /// The field's name, if the path leads to a field of the message itself.
    pub(super) fn top_level(&self) -> Option<&str> {
        if let [name] = self.0.as_slice() { Some(name) } else { None }
    }

    /// The value at this path. If a field is there twice, the last one counts.
    pub(super) fn find<'a>(&self, fields: &[RawField<'a>]) -> Result<Option<&'a RawValue>, BadMessage> {
        let mut value = last(fields, &self.0[0]);
        for name in &self.0[1..] {
            let Some(outer) = value else { return Ok(None) };
            value = match json::json_type(outer) {
                JsonType::Object => last(&json::parse_object(outer.get())?, name),
                JsonType::Array => item(&json::parse_array(outer.get())?, name),
                _ => None,
            };
        }
        Ok(value)
    }
}

fn last<'a>(fields: &[RawField<'a>], name: &str) -> Option<&'a RawValue> {
    fields.iter().rev().find(|(field, _)| *field == name).map(|(_, value)| *value)
}

fn item<'a>(items: &[&'a RawValue], index: &str) -> Option<&'a RawValue> {
    items.get(index.parse::<usize>().ok()?).copied()
}

impl FromStr for Path {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (mut names, mut name, mut chars) = (Vec::new(), String::new(), text.chars());
        while let Some(c) = chars.next() {
            match c {
                '\\' => name.extend(chars.next()),
                '.' | '[' => names.push(std::mem::take(&mut name)),
                ']' => {}
                _ => name.push(c),
            }
        }
        names.push(name);
        if names.iter().any(String::is_empty) {
            return Err(format!("{text} is no path such as actor.login, items[0].id or a\\.b"));
        }
        Ok(Self(names))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(path: &str, text: &str) -> Option<String> {
        let fields = json::parse_object(text).unwrap();
        path.parse::<Path>().unwrap().find(&fields).unwrap().map(|value| value.get().to_owned())
    }

    #[test]
    fn a_path_leads_into_objects_and_arrays() {
        let text = r#"{"a":{"b":[1,{"c":"x"}],"1":2},"a.b":3,"d":[[4]],"e":1,"e":5}"#;
        for (path, value) in [
            ("a.b[1].c", Some(r#""x""#)),
            ("a.b.0", Some("1")),
            ("a.1", Some("2")),
            (r"a\.b", Some("3")),
            ("d[0][0]", Some("4")),
            ("e", Some("5")),
            ("a.b[2]", None),
            ("a.b.c", None),
            ("e.f", None),
            ("x.y", None),
        ] {
            assert_eq!(find(path, text).as_deref(), value, "{path}");
        }
        for bad in ["", ".", "a.", ".a", "a..b", "[0]"] {
            assert!(bad.parse::<Path>().is_err(), "{bad}");
        }
    }
}
