//! The settings of formats: how the bytes of keys and values are to be understood.

use std::fs;
use std::sync::Arc;

use chassis::settings::SettingError;

use crate::message::{AvroSchema, Encoding, Format};

/// How the bytes of messages are to be understood.
#[derive(Clone, PartialEq, clap::Args)]
pub(super) struct FormatConfig {
    /// Format of values: auto (framed by a schema registry, MessagePack or JSON, as the first byte says), json,
    /// registry, avro (by VALUE_SCHEMA), msgpack, text (the field `value`) or integer (likewise; 1, 2, 4 or 8 bytes,
    /// big-endian)
    #[arg(long, env = "VALUE_FORMAT", default_value = "auto")]
    value_format: Format,

    /// File with the Avro schema of values
    #[arg(long, env = "VALUE_SCHEMA", value_parser = read_schema)]
    value_schema: Option<Arc<AvroSchema>>,

    /// Format of Kafka keys: as of values; where JSON is expected, another text is one, too
    #[arg(long, env = "KEY_FORMAT", default_value = "auto")]
    key_format: Format,

    /// File with the Avro schema of Kafka keys
    #[arg(long, env = "KEY_SCHEMA", value_parser = read_schema)]
    key_schema: Option<Arc<AvroSchema>>,
}

impl FormatConfig {
    /// How values are to be understood.
    pub(super) fn value(&self) -> Result<Encoding, SettingError> {
        encoding(
            "VALUE_SCHEMA",
            "must be set if, and only if, VALUE_FORMAT is avro",
            self.value_format,
            &self.value_schema,
        )
    }

    /// How Kafka keys are to be understood.
    pub(super) fn key(&self) -> Result<Encoding, SettingError> {
        encoding(
            "KEY_SCHEMA",
            "must be set if, and only if, KEY_FORMAT is avro",
            self.key_format,
            &self.key_schema,
        )
    }
}

fn encoding(
    setting: &'static str,
    problem: &'static str,
    format: Format,
    schema: &Option<Arc<AvroSchema>>,
) -> Result<Encoding, SettingError> {
    if (format == Format::Avro) != schema.is_some() {
        return Err(SettingError::new(setting, problem));
    }
    Ok(Encoding { format, schema: schema.clone() })
}

fn read_schema(path: &str) -> Result<Arc<AvroSchema>, String> {
    let text =
        fs::read_to_string(path).map_err(|error| format!("must be a file that can be read: {error}"))?;
    let schema = AvroSchema::parse(&text, &[]);
    schema.map(Arc::new).map_err(|error| format!("must be a file with an Avro schema: {error}"))
}
