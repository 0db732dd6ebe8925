//! The formats of keys and values: from their bytes to JSON text. JSON stays where it is.

mod integer;
mod json_text;
mod msgpack;

use std::borrow::Cow;

use super::bad_message::BadMessage;

/// How the bytes of a key or a value are to be understood.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Encoding {
    /// The format.
    pub format: Format,
}

/// The format of a key or a value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// MessagePack or JSON, as the first byte says.
    #[default]
    Auto,
    /// JSON; a key may be another text, too.
    Json,
    /// MessagePack.
    Msgpack,
    /// A text of any content.
    Text,
    /// A signed integer of 1, 2, 4 or 8 bytes, big-endian, as Kafka's serializers write it.
    Integer,
}

impl Encoding {
    /// The JSON text of a value. What is neither JSON itself nor an object or array becomes the field `value` of one.
    pub(super) fn value_to_json<'a>(&self, bytes: &'a [u8]) -> Result<Cow<'a, [u8]>, BadMessage> {
        let json = self.key_to_json(bytes)?;
        let is_scalar = !self.is_json(bytes) && !matches!(json.first(), Some(b'{' | b'['));
        Ok(if is_scalar { Cow::Owned([br#"{"value":"#, &*json, b"}"].concat()) } else { json })
    }

    /// The JSON text of a key. If it is to be understood as JSON, it may be another text, too.
    pub(super) fn key_to_json<'a>(&self, bytes: &'a [u8]) -> Result<Cow<'a, [u8]>, BadMessage> {
        match self.format {
            _ if self.is_json(bytes) => Ok(Cow::Borrowed(bytes)),
            Format::Text => json_text::of_text(bytes).map(Cow::Owned),
            Format::Integer => integer::to_json(bytes).map(Cow::Owned),
            Format::Auto | Format::Json | Format::Msgpack => msgpack::to_json(bytes).map(Cow::Owned),
        }
    }

    /// Adds to a reason that the format was a guess.
    pub(super) fn say_what_was_tried(&self, bytes: Option<&[u8]>, bad: BadMessage) -> BadMessage {
        let first = bytes.and_then(|bytes| bytes.trim_ascii_start().first());
        match (first, &bad) {
            (Some(b'{' | b'[') | None, _) => bad,
            (Some(first), BadMessage::NotJson(_) | BadMessage::NotUtf8(_)) if self.format == Format::Auto => {
                BadMessage::TriedAsJson(Box::new(bad), *first)
            }
            _ => bad,
        }
    }

    /// A text of JSON never begins as a collection of MessagePack does. A key that is another text may.
    fn is_json(&self, bytes: &[u8]) -> bool {
        match self.format {
            Format::Auto => !msgpack::is_collection(bytes) || std::str::from_utf8(bytes).is_ok(),
            Format::Json => true,
            Format::Msgpack | Format::Text | Format::Integer => false,
        }
    }
}

#[cfg(test)]
mod tests;
