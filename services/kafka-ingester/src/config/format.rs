//! The settings of formats: how the bytes of keys and values are to be understood.

use crate::message::{Encoding, Format};

/// How the bytes of messages are to be understood.
#[derive(Clone, PartialEq, clap::Args)]
pub(super) struct FormatConfig {
    /// Format of values: auto (MessagePack or JSON, as the first byte says), json, msgpack, text (the field
    /// `value`) or integer (likewise; 1, 2, 4 or 8 bytes, big-endian)
    #[arg(long, env = "VALUE_FORMAT", default_value = "auto")]
    value_format: Format,

    /// Format of Kafka keys: auto (as of values, or a text), json, msgpack, text or integer
    #[arg(long, env = "KEY_FORMAT", default_value = "auto")]
    key_format: Format,
}

impl FormatConfig {
    /// How values are to be understood.
    pub(super) fn value(&self) -> Encoding {
        Encoding { format: self.value_format }
    }

    /// How Kafka keys are to be understood.
    pub(super) fn key(&self) -> Encoding {
        Encoding { format: self.key_format }
    }
}
