//! How a key is made of a message: `battery:{battery_id}:data`, `user:{actor.login}:{topic}`.

use std::str::FromStr;

use chassis::parsers;

use super::placeholder::{Placeholder, Source};

/// A key's name with placeholders. The id is what stands between the texts before the first placeholder and after the
/// last one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyTemplate {
    prefix: String,
    /// Each placeholder with the text after it. There is one at least, and the last one's text is the suffix.
    parts: Vec<(Placeholder, String)>,
}

impl KeyTemplate {
    /// The key of an id.
    pub fn key(&self, id: &str) -> String {
        [&self.prefix, id, &self.parts[self.parts.len() - 1].1].concat()
    }

    /// True if it has the placeholder `{name}`.
    pub fn has(&self, name: &str) -> bool {
        self.parts.iter().any(|(placeholder, _)| placeholder.name == name)
    }

    /// The template in which `{name}` is a field of the value, whatever else it may mean.
    ///
    /// # Errors
    /// If it is no path.
    pub fn with_field(mut self, name: &str) -> Result<Self, String> {
        for (placeholder, _) in &mut self.parts {
            if placeholder.name == name {
                placeholder.source = Source::Field(name.parse()?);
            }
        }
        Ok(self)
    }

    /// True if any placeholder is as wanted.
    pub(super) fn any(&self, is_wanted: fn(&Placeholder) -> bool) -> bool {
        self.parts.iter().any(|(placeholder, _)| is_wanted(placeholder))
    }

    /// How many placeholders are fields of the value.
    pub(super) fn field_count(&self) -> usize {
        self.parts.iter().filter(|(placeholder, _)| matches!(placeholder.source, Source::Field(_))).count()
    }

    /// True if a placeholder is this field of the message itself. It is not stored, since the key has it.
    pub(super) fn takes_out(&self, field: &str) -> bool {
        self.parts.iter().any(|(placeholder, _)| match &placeholder.source {
            Source::Field(path) => path.top_level() == Some(field),
            _ => false,
        })
    }

    /// The placeholders, each with the text between it and the next one; that of the last one is empty.
    pub(super) fn placeholders(&self) -> impl ExactSizeIterator<Item = (&Placeholder, &str)> {
        let last = self.parts.len() - 1;
        self.parts.iter().enumerate().map(move |(index, (placeholder, text))| {
            (placeholder, if index == last { "" } else { text.as_str() })
        })
    }
}

impl FromStr for KeyTemplate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let must_be = || {
            "must be a text with a placeholder, such as battery:{battery_id}:data or user:{actor.login}:{topic}"
                .to_owned()
        };
        let (prefix, named) = parsers::placeholders(text).ok_or_else(must_be)?;
        let part = |(name, literal): (&str, &str)| Ok((name.parse()?, literal.to_owned()));
        let parts: Result<Vec<_>, String> = named.into_iter().map(part).collect();
        let parts = parts.ok().filter(|parts| !parts.is_empty()).ok_or_else(must_be)?;
        Ok(Self { prefix: prefix.to_owned(), parts })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use redis_core::Key;

    #[test]
    fn the_default_template_makes_the_battery_key() {
        let template: KeyTemplate = "battery:{battery_id}:data".parse().unwrap();
        assert!(template.has("battery_id") && template.takes_out("battery_id"));
        assert_eq!(template.key("7"), "battery:7:data");
        assert_eq!(template.key("7"), Key::Battery("7").to_string());
        assert_eq!(template.key("a{b}c"), "battery:a{b}c:data");
    }

    #[test]
    fn a_template_has_placeholders() {
        assert_eq!("{id}".parse::<KeyTemplate>().unwrap().key("7"), "7");
        let several: KeyTemplate = "u:{a.b}:{topic}/{header.x-y}{key}!".parse().unwrap();
        let texts: Vec<&str> = several.placeholders().map(|(_, text)| text).collect();
        assert_eq!((texts, several.key("id")), (vec![":", "/", "", ""], "u:id!".to_owned()));
        assert!(several.any(Placeholder::is_header) && !several.takes_out("a"));
        for bad in ["", "battery", "{}", "a}{b}", "{a", "{{a}}", "{a}}", "{a}{", "{a..b}", "{key.}"] {
            assert!(bad.parse::<KeyTemplate>().is_err(), "{bad}");
        }
        let topic: KeyTemplate = "{topic}".parse().unwrap();
        assert!(!topic.takes_out("topic") && topic.with_field("topic").unwrap().takes_out("topic"));
    }
}
