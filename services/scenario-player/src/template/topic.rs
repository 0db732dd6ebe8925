//! Topics: `customer/{id}/enter`.

use std::str::FromStr;

use chassis::parsers;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::field::Field;
use crate::event::CustomerStep;

/// A topic with placeholders.
#[derive(Debug, Clone)]
pub(crate) struct TopicTemplate {
    prefix: String,
    /// Each field with the text after it.
    parts: Vec<(Field, String)>,
}

impl TopicTemplate {
    /// The topic of a step. What has a meaning in topics is percent-encoded in a field, so that no customer's id reaches
    /// another topic.
    pub(crate) fn render(&self, step: &CustomerStep) -> String {
        let mut topic = self.prefix.clone();
        let mut text = String::new();
        for (field, after) in &self.parts {
            text.clear();
            // Writing to a text cannot fail.
            let _ = field.write(step, &mut text);
            topic.extend(utf8_percent_encode(&text, SPECIAL));
            topic.push_str(after);
        }
        topic
    }
}

impl FromStr for TopicTemplate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "must be a topic without wildcards, such as customer/{id}/enter".to_owned();
        let is_topic = (1..=MAX_BYTES).contains(&text.len()) && !text.contains(['+', '#', '\0']);
        let (prefix, named) = parsers::placeholders(text).filter(|_| is_topic).ok_or_else(wrong)?;
        let part = |(name, after): (&str, &str)| Ok((Field::parse(name)?, after.to_owned()));
        let parts = named.into_iter().map(part).collect::<Result<_, String>>()?;
        Ok(Self { prefix: prefix.to_owned(), parts })
    }
}

/// What MQTT gives a meaning: levels, wildcards, topics of the broker's own.
const SPECIAL: &AsciiSet = &CONTROLS.add(b'/').add(b'+').add(b'#').add(b'$').add(b'%');
/// A topic has 65,535 bytes at most. An id has 256 characters, of 12 bytes each at most when they are encoded.
const MAX_BYTES: usize = 60_000;
