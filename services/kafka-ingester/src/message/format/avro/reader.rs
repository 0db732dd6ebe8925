//! Reads a message by its plan.

use super::decimal::{self, push_decimal};
use super::plan::{Node, NodeId, Plan};
use super::time::{push_date, push_local_timestamp, push_time, push_timestamp};
use crate::message::format::input::Input;
use crate::message::format::json_text::{
    push_bytes, push_display, push_float, push_list, push_quoted, push_string,
};

/// Adds the JSON text of the value that comes next.
pub(super) fn push_value(plan: &Plan, input: &mut Input<'_>, out: &mut Vec<u8>) -> Result<(), String> {
    push_node(plan, plan.root, input, out, MAX_DEPTH)
}

fn push_node(
    plan: &Plan,
    node: NodeId,
    input: &mut Input<'_>,
    out: &mut Vec<u8>,
    depth: u8,
) -> Result<(), String> {
    match plan.node(node) {
        Node::Null => out.extend_from_slice(b"null"),
        Node::Boolean => out.extend_from_slice(match input.byte()? {
            0 => b"false".as_slice(),
            1 => b"true",
            other => return Err(format!("the byte {other} is no boolean")),
        }),
        Node::Integer => push_display(out, input.zigzag()?),
        Node::Float => push_float(out, f32::from_le_bytes(input.array()?)),
        Node::Double => push_float(out, f64::from_le_bytes(input.array()?)),
        Node::Bytes => push_bytes(out, input.sized()?),
        Node::String => push_string(out, text(input.sized()?)?),
        Node::Fixed(size) => push_bytes(out, input.take(*size)?),
        Node::Array(item) => {
            out.push(b'[');
            push_blocks(input, out, |input, out| push_node(plan, *item, input, out, deeper(depth)?))?;
            out.push(b']');
        }
        Node::Map(value) => {
            out.push(b'{');
            push_blocks(input, out, |input, out| {
                push_string(out, text(input.sized()?)?);
                out.push(b':');
                push_node(plan, *value, input, out, deeper(depth)?)
            })?;
            out.push(b'}');
        }
        Node::Union(variants) => {
            let index = input.zigzag()?;
            let variant = usize::try_from(index).ok().and_then(|index| variants.get(index));
            let variant = variant.ok_or_else(|| format!("a union has no type {index}"))?;
            push_node(plan, *variant, input, out, deeper(depth)?)?;
        }
        Node::Record(fields) => push_list(out, b"{}", fields, |out, (name, node)| {
            out.extend_from_slice(name);
            push_node(plan, *node, input, out, deeper(depth)?)
        })?,
        Node::Enum(names) => {
            let index = input.zigzag()?;
            let name = usize::try_from(index).ok().and_then(|index| names.get(index));
            out.extend_from_slice(name.ok_or_else(|| format!("an enum has no name {index}"))?);
        }
        Node::Decimal(size, scale) => {
            let unscaled = match size {
                Some(size) => input.take(*size)?,
                None => input.sized()?,
            };
            push_decimal(out, unscaled, *scale)?;
        }
        Node::BigDecimal => decimal::push_big_decimal(out, input.sized()?)?,
        Node::Uuid => push_uuid(input, out)?,
        Node::Date => push_date(out, input.zigzag()?),
        Node::Time(unit) => push_time(out, input.zigzag()?, *unit),
        Node::Timestamp(unit) => push_timestamp(out, input.zigzag()?, *unit),
        Node::LocalTimestamp(unit) => push_local_timestamp(out, input.zigzag()?, *unit),
        Node::Duration => {
            let mut part = || input.array().map(u32::from_le_bytes);
            let (months, days, millis) = (part()?, part()?, part()?);
            push_display(out, format_args!(r#"{{"months":{months},"days":{days},"milliseconds":{millis}}}"#));
        }
    }
    Ok(())
}

/// The blocks of an array or a map. An item may take no byte at all, so the text has a limit.
fn push_blocks(
    input: &mut Input<'_>,
    out: &mut Vec<u8>,
    mut push_item: impl FnMut(&mut Input<'_>, &mut Vec<u8>) -> Result<(), String>,
) -> Result<(), String> {
    let mut is_first = true;
    loop {
        let mut count = input.zigzag()?;
        if count < 0 {
            // The block's size in bytes follows.
            input.zigzag()?;
            count = count.saturating_neg();
        }
        if count == 0 {
            return Ok(());
        }
        for _ in 0..count {
            if !std::mem::take(&mut is_first) {
                out.push(b',');
            }
            push_item(input, out)?;
            if out.len() > MAX_TEXT_BYTES {
                return Err(format!("it is more than {MAX_TEXT_BYTES} bytes of JSON"));
            }
        }
    }
}

/// A string of 36 characters, or 16 bytes. The schema's parser does not tell which.
fn push_uuid(input: &mut Input<'_>, out: &mut Vec<u8>) -> Result<(), String> {
    if let Some(text) = input.0.strip_prefix(&[2 * UUID_TEXT_BYTES as u8])
        && let Some(text) = text.get(..UUID_TEXT_BYTES)
        && text.iter().all(|byte| byte.is_ascii_hexdigit() || *byte == b'-')
    {
        input.take(1 + UUID_TEXT_BYTES)?;
        push_quoted(out, String::from_utf8_lossy(text));
        return Ok(());
    }
    let [a, b, c, d, e] = [4, 2, 2, 2, 6].map(|size| {
        let part = input.take(size)?;
        Ok::<_, String>(part.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
    });
    push_quoted(out, [a?, b?, c?, d?, e?].join("-"));
    Ok(())
}

fn text(bytes: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(bytes).map_err(|_| "a string is not UTF-8".to_owned())
}

fn deeper(depth: u8) -> Result<u8, String> {
    depth.checked_sub(1).ok_or_else(|| format!("it is nested more than {MAX_DEPTH} levels deep"))
}

const MAX_DEPTH: u8 = 100;
const MAX_TEXT_BYTES: usize = 64 << 20;
const UUID_TEXT_BYTES: usize = 36;
