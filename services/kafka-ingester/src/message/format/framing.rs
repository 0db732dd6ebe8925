//! The frame of a schema registry: a byte 0, the schema's id in four bytes, the payload.

use super::schema_cache::SchemaId;
use crate::message::bad_message::BadMessage;

/// The first byte.
pub(super) const MAGIC: u8 = 0;

/// The schema's id and the payload.
pub(super) fn split(bytes: &[u8]) -> Result<(SchemaId, &[u8]), BadMessage> {
    match *bytes {
        [MAGIC, a, b, c, d, ref payload @ ..] => Ok((SchemaId(u32::from_be_bytes([a, b, c, d])), payload)),
        _ => Err(BadMessage::Schema(
            "it does not begin with a byte 0 and four bytes of a schema's id".to_owned(),
        )),
    }
}
