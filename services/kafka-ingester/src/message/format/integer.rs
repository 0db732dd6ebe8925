//! Integers as Kafka's own serializers write them.

use crate::message::bad_message::BadMessage;

/// The decimal digits of a big-endian signed integer.
pub(super) fn to_json(bytes: &[u8]) -> Result<Vec<u8>, BadMessage> {
    let number = match *bytes {
        [a] => i64::from(i8::from_be_bytes([a])),
        [a, b] => i64::from(i16::from_be_bytes([a, b])),
        [a, b, c, d] => i64::from(i32::from_be_bytes([a, b, c, d])),
        [a, b, c, d, e, f, g, h] => i64::from_be_bytes([a, b, c, d, e, f, g, h]),
        _ => return Err(BadMessage::NotInteger(bytes.len())),
    };
    Ok(number.to_string().into_bytes())
}
