//! Pieces of JSON text.

use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use crate::message::bad_message::BadMessage;

/// Bytes that must be a text, as a JSON string.
pub(super) fn of_text(bytes: &[u8]) -> Result<Vec<u8>, BadMessage> {
    std::str::from_utf8(bytes).map(string).map_err(|error| BadMessage::NotUtf8(error.valid_up_to()))
}

/// A string, with quotes and escapes.
pub(super) fn string(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 2);
    push_string(&mut out, text);
    out
}

/// Adds a string, with quotes and escapes.
pub(super) fn push_string(out: &mut Vec<u8>, text: &str) {
    push(out, text);
}

/// Adds bytes as a string in base64.
pub(super) fn push_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    push(out, &STANDARD.encode(bytes));
}

/// Adds what prints itself, such as an integer.
pub(super) fn push_display(out: &mut Vec<u8>, value: impl std::fmt::Display) {
    let _ = write!(out, "{value}");
}

/// Adds what prints itself as a string, such as a timestamp. It must need no escape.
pub(super) fn push_quoted(out: &mut Vec<u8>, value: impl std::fmt::Display) {
    let _ = write!(out, "\"{value}\"");
}

/// Adds a number in its shortest form; NaN and the infinities as strings.
pub(super) fn push_float<F: Serialize + Into<f64> + Copy>(out: &mut Vec<u8>, value: F) {
    match value.into() {
        wide if wide.is_nan() => out.extend_from_slice(br#""NaN""#),
        f64::INFINITY => out.extend_from_slice(br#""Infinity""#),
        f64::NEG_INFINITY => out.extend_from_slice(br#""-Infinity""#),
        _ => push(out, &value),
    }
}

/// Adds the items with commas between them, inside the brackets.
pub(super) fn push_list<T, E>(
    out: &mut Vec<u8>,
    brackets: &[u8; 2],
    items: impl IntoIterator<Item = T>,
    mut push_item: impl FnMut(&mut Vec<u8>, T) -> Result<(), E>,
) -> Result<(), E> {
    out.push(brackets[0]);
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        push_item(out, item)?;
    }
    out.push(brackets[1]);
    Ok(())
}

/// A number or a string is always written to memory.
fn push<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) {
    let _ = serde_json::to_writer(out, value);
}
