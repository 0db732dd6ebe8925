//! A schema of a registry.

use std::borrow::Cow;

use super::avro::AvroSchema;
use super::protobuf::ProtobufSchema;
use crate::message::bad_message::BadMessage;

/// A schema of a registry, ready to decode with.
#[derive(Debug)]
pub enum Schema {
    /// Avro.
    Avro(AvroSchema),
    /// Protobuf.
    Protobuf(ProtobufSchema),
    /// JSON. The schema says only what is allowed, so it is not needed.
    Json,
}

impl Schema {
    /// `kind` is the registry's `schemaType`; `references` are the names and texts of all schemas that it needs.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn parse(kind: &str, text: &str, references: &[(String, String)]) -> Result<Self, String> {
        match kind {
            "AVRO" => AvroSchema::parse(text, references).map(Self::Avro),
            "PROTOBUF" => ProtobufSchema::parse(text, references).map(Self::Protobuf),
            "JSON" => Ok(Self::Json),
            other => Err(format!("its type {other} is none of AVRO, PROTOBUF and JSON")),
        }
    }

    pub(super) fn to_json<'a>(&self, payload: &'a [u8]) -> Result<Cow<'a, [u8]>, BadMessage> {
        match self {
            Self::Avro(schema) => schema.to_json(payload).map(Cow::Owned),
            Self::Protobuf(schema) => schema.to_json(payload).map(Cow::Owned),
            Self::Json => Ok(Cow::Borrowed(payload)),
        }
    }
}
