//! MessagePack as JSON text.

use jiff::Timestamp;
use rmpv::ValueRef;
use rmpv::decode::read_value_ref_with_max_depth;

use super::json_text::{push_bytes, push_display, push_float, push_list, push_quoted, push_string};
use crate::message::bad_message::BadMessage;

/// The JSON text of one MessagePack value.
pub(super) fn to_json(bytes: &[u8]) -> Result<Vec<u8>, BadMessage> {
    let (mut rest, mut out) = (bytes, Vec::with_capacity(bytes.len() * 2));
    let value = read_value_ref_with_max_depth(&mut rest, MAX_DEPTH);
    let value = value.map_err(|error| BadMessage::NotMsgpack(error.to_string()))?;
    if !rest.is_empty() {
        return Err(BadMessage::NotMsgpack(format!("{} bytes are left over", rest.len())));
    }
    push_value(&mut out, &value).map_err(BadMessage::NotMsgpack)?;
    Ok(out)
}

/// True if the first byte is that of a map or an array.
pub(super) fn is_collection(bytes: &[u8]) -> bool {
    matches!(bytes.first(), Some(0x80..=0x9f | 0xdc..=0xdf))
}

fn push_value(out: &mut Vec<u8>, value: &ValueRef<'_>) -> Result<(), String> {
    match value {
        ValueRef::Nil => out.extend_from_slice(b"null"),
        ValueRef::Boolean(boolean) => push_display(out, boolean),
        ValueRef::Integer(integer) => push_display(out, integer),
        ValueRef::F32(number) => push_float(out, *number),
        ValueRef::F64(number) => push_float(out, *number),
        ValueRef::String(text) => push_string(out, text.as_str().ok_or("a string is not UTF-8")?),
        ValueRef::Binary(bytes) => push_bytes(out, bytes),
        ValueRef::Array(items) => push_list(out, b"[]", items, push_value)?,
        ValueRef::Map(fields) => push_list(out, b"{}", fields, |out, (name, value)| {
            push_name(out, name)?;
            out.push(b':');
            push_value(out, value)
        })?,
        ValueRef::Ext(TIMESTAMP, bytes) => match timestamp(bytes) {
            Some(timestamp) => push_quoted(out, timestamp),
            None => push_bytes(out, bytes),
        },
        ValueRef::Ext(_, bytes) => push_bytes(out, bytes),
    }
    Ok(())
}

/// A name of a map: a string, or an integer as one.
fn push_name(out: &mut Vec<u8>, name: &ValueRef<'_>) -> Result<(), String> {
    match name {
        ValueRef::Integer(integer) => push_quoted(out, integer),
        ValueRef::String(_) => push_value(out, name)?,
        _ => return Err(format!("{name} is no name of a field")),
    }
    Ok(())
}

/// The three forms that the specification has.
fn timestamp(bytes: &[u8]) -> Option<Timestamp> {
    let (seconds, nanos) = match *bytes {
        [a, b, c, d] => (i64::from(u32::from_be_bytes([a, b, c, d])), 0),
        [a, b, c, d, e, f, g, h] => {
            let both = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
            ((both & 0x3_ffff_ffff) as i64, both >> 34)
        }
        [a, b, c, d, e, f, g, h, i, j, k, l] => {
            (i64::from_be_bytes([e, f, g, h, i, j, k, l]), u32::from_be_bytes([a, b, c, d]).into())
        }
        _ => return None,
    };
    Timestamp::new(seconds, i32::try_from(nanos).ok()?).ok()
}

/// rmpv counts two levels for each collection.
const MAX_DEPTH: usize = 200;
/// The type of an extension that is a timestamp.
const TIMESTAMP: i8 = -1;
