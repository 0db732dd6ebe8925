//! The formats of keys and values: from their bytes to JSON text. JSON stays where it is.

mod avro;
mod framing;
mod input;
mod integer;
mod json_text;
mod msgpack;
mod protobuf;
mod schema;
mod schema_cache;

use std::borrow::Cow;
use std::sync::Arc;

use super::bad_message::BadMessage;

pub use avro::AvroSchema;
pub use schema::Schema;
pub use schema_cache::{SchemaCache, SchemaId};

/// How the bytes of a key or a value are to be understood.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Encoding {
    /// The format.
    pub format: Format,
    /// The schema of `Format::Avro`.
    pub schema: Option<Arc<AvroSchema>>,
}

/// The format of a key or a value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Framed by a schema registry, MessagePack or JSON, as the first byte says.
    #[default]
    Auto,
    /// JSON; a key may be another text, too.
    Json,
    /// Avro, Protobuf or JSON, framed by a schema registry.
    Registry,
    /// Avro by the schema of a file.
    Avro,
    /// MessagePack.
    Msgpack,
    /// A text of any content.
    Text,
    /// A signed integer of 1, 2, 4 or 8 bytes, big-endian, as Kafka's serializers write it.
    Integer,
}

/// Why bytes are not JSON text now.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Undecoded {
    /// The message is bad.
    Bad(BadMessage),
    /// The registry's schema of this id must be loaded first.
    NeedsSchema(SchemaId),
}

impl From<BadMessage> for Undecoded {
    fn from(bad: BadMessage) -> Self {
        Self::Bad(bad)
    }
}

impl Encoding {
    /// The JSON text of a value. What is neither JSON itself nor an object or array becomes the field `value` of one.
    pub(super) fn value_to_json<'a>(
        &self,
        bytes: &'a [u8],
        schemas: Option<&SchemaCache>,
    ) -> Result<Cow<'a, [u8]>, Undecoded> {
        let json = self.key_to_json(bytes, schemas)?;
        let is_scalar = self.detect(bytes) != Format::Json
            && !matches!(json.trim_ascii_start().first(), Some(b'{' | b'['));
        Ok(if is_scalar { Cow::Owned([br#"{"value":"#, &*json, b"}"].concat()) } else { json })
    }

    /// The JSON text of a key. If it is to be understood as JSON, it may be another text, too.
    pub(super) fn key_to_json<'a>(
        &self,
        bytes: &'a [u8],
        schemas: Option<&SchemaCache>,
    ) -> Result<Cow<'a, [u8]>, Undecoded> {
        let json = match self.detect(bytes) {
            Format::Auto | Format::Json => return Ok(Cow::Borrowed(bytes)),
            Format::Registry => return framed_to_json(bytes, schemas),
            Format::Avro => match &self.schema {
                Some(schema) => schema.to_json(bytes),
                None => Err(BadMessage::NotAvro("there is no schema".to_owned())),
            },
            Format::Msgpack => msgpack::to_json(bytes),
            Format::Text => json_text::of_text(bytes),
            Format::Integer => integer::to_json(bytes),
        };
        Ok(Cow::Owned(json?))
    }

    /// Adds to a reason that the format was a guess.
    pub(super) fn say_what_was_tried(&self, bytes: Option<&[u8]>, bad: BadMessage) -> BadMessage {
        let first = bytes.and_then(|bytes| bytes.trim_ascii_start().first());
        let is_guess = self.format == Format::Auto && self.detect(bytes.unwrap_or_default()) == Format::Json;
        match (first, &bad) {
            (Some(b'{' | b'[') | None, _) => bad,
            (Some(first), BadMessage::NotJson(_) | BadMessage::NotUtf8(_)) if is_guess => {
                BadMessage::TriedAsJson(Box::new(bad), *first)
            }
            _ => bad,
        }
    }

    /// The format of these bytes. A text of JSON never begins as a collection of MessagePack does; a key that is another
    /// text may.
    fn detect(&self, bytes: &[u8]) -> Format {
        match self.format {
            Format::Auto if bytes.first() == Some(&framing::MAGIC) => Format::Registry,
            Format::Auto if msgpack::is_collection(bytes) && std::str::from_utf8(bytes).is_err() => {
                Format::Msgpack
            }
            Format::Auto => Format::Json,
            format => format,
        }
    }
}

fn framed_to_json<'a>(bytes: &'a [u8], schemas: Option<&SchemaCache>) -> Result<Cow<'a, [u8]>, Undecoded> {
    let (id, payload) = framing::split(bytes)?;
    let Some(schemas) = schemas else {
        let reason = "a schema registry's frame, and SCHEMA_REGISTRY_URL is not set";
        return Err(BadMessage::Schema(reason.to_owned()).into());
    };
    match schemas.get(id) {
        None => Err(Undecoded::NeedsSchema(id)),
        Some(Err(reason)) => Err(BadMessage::Schema(reason).into()),
        Some(Ok(schema)) => {
            schema.to_json(payload).map_err(|bad| BadMessage::BySchema(Box::new(bad), id.0).into())
        }
    }
}

#[cfg(test)]
mod tests;
