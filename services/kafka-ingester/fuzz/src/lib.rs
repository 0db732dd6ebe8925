//! The service's own decoders, and what must be true of them whatever the bytes are.
//!
//! The modules are the files themselves, so that librdkafka need not be built.
#![allow(dead_code, unused_imports, unreachable_pub, reason = "the modules are the service's, and this crate uses a part of them")]

#[path = "../../src/mappings.rs"]
mod mappings;
#[path = "../../src/topic_selector.rs"]
mod topic_selector;

#[path = "../../src/config"]
mod config {
    mod format;
    mod ingest_file;
    mod mapping;

    pub use mapping::MappingConfig;

    /// Reads the text of an `INGEST_CONFIG` with this name.
    pub fn parse_ingest_file(name: &str, text: &str) -> Result<(), String> {
        ingest_file::parse(name, text).map(drop).map_err(|error| error.to_string())
    }
}

#[path = "../../src/message"]
mod message {
    mod bad_message;
    mod change;
    mod decode;
    mod envelope;
    mod fields;
    mod format;
    mod id;
    mod json;
    mod key_template;
    mod non_finite;
    mod numbers;
    mod path;
    mod placeholder;
    mod policy;
    mod record;
    mod rows;
    mod unpacked;

    pub use bad_message::BadMessage;
    pub use change::{Action, Change};
    pub use format::{AvroSchema, Encoding, Format, Schema, SchemaCache, SchemaId};
    pub use key_template::KeyTemplate;
    pub use placeholder::Placeholder;
    pub use policy::{Envelope, Nested, NonFinite, Notify, Nulls, Policy, StoreAs, Tombstones, TtlUnit};
    pub use record::Record;
    pub use unpacked::unpack;
}

mod checked;
mod schemas;

use std::sync::LazyLock;

pub use checked::{Seen, decode, decode_by_schema, decode_made_json};
pub use config::parse_ingest_file;
pub use message::{
    Encoding, Envelope, Format, KeyTemplate, Nested, NonFinite, Notify, Nulls, Policy, Record, Schema, SchemaCache,
    SchemaId, StoreAs, TtlUnit,
};
pub use schemas::{AVRO_SCHEMA, SCHEMAS};

/// What is done with messages by default, of this format.
pub fn policy(format: Format) -> Policy {
    Policy { value: Encoding { format, schema: None }, ..DEFAULT.clone() }
}

static DEFAULT: LazyLock<Policy> =
    LazyLock::new(|| config::MappingConfig::default().policy().expect("the defaults go together"));

/// A message of a value alone.
pub fn record(value: &[u8]) -> Record<'_> {
    Record { value: Some(value), ..Record::default() }
}
