//! Encodes messages for the script that applies them. `batch.rs` describes the format.

use std::borrow::Cow;

use super::msgpack;
use crate::message::{Action, Change, Expiry};

/// Adds a change, and returns how many items it is. With `with_id` a write carries its id.
pub(super) fn encode_change(
    out: &mut Vec<u8>,
    offset: i64,
    key: &str,
    change: &Change<'_>,
    with_id: bool,
) -> usize {
    let (kind, has_id) = match change.action {
        Action::Write { .. } => (WRITE, with_id),
        Action::Delete => (DELETE, true),
        Action::Remove { .. } => (REMOVE, true),
    };
    msgpack::write_integer(out, offset);
    msgpack::write_integer(out, kind);
    msgpack::write_string(out, key.as_bytes());
    msgpack::write_string_or_false(out, has_id.then_some(&*change.id));
    msgpack::write_string_or_false(out, change.notification.as_deref());
    match &change.action {
        Action::Write { set, unset, expiry } => {
            encode_extras(out, change.version, unset, *expiry);
            msgpack::write_integer(out, 2 * set.len() as i64);
            for (name, value) in set {
                msgpack::write_string(out, name.as_bytes());
                msgpack::write_string(out, value.as_bytes());
            }
            7 + 2 * set.len()
        }
        Action::Delete => {
            encode_extras(out, change.version, &[], None);
            6
        }
        Action::Remove { member } => {
            msgpack::write_string(out, member.as_bytes());
            6
        }
    }
}

/// What most messages do not have is one item, so that they cost the script no more.
fn encode_extras(out: &mut Vec<u8>, version: Option<u64>, unset: &[Cow<'_, str>], expiry: Option<Expiry>) {
    if version.is_none() && unset.is_empty() && expiry.is_none() {
        return msgpack::write_string_or_false(out, None);
    }
    msgpack::write_array_header(out, 4);
    msgpack::write_string_or_false(out, version.map(|version| version.to_string()).as_deref());
    if unset.is_empty() {
        msgpack::write_string_or_false(out, None);
    } else {
        msgpack::write_array_header(out, unset.len());
        unset.iter().for_each(|name| msgpack::write_string(out, name.as_bytes()));
    }
    let (command, ms) = match expiry {
        None => (None, None),
        Some(Expiry::AfterMs(ms)) => (Some("PEXPIRE"), Some(ms)),
        Some(Expiry::AtMs(ms)) => (Some("PEXPIREAT"), Some(ms)),
    };
    msgpack::write_string_or_false(out, command);
    msgpack::write_string_or_false(out, ms.map(|ms| ms.to_string()).as_deref());
}

/// Adds a dead letter, and returns how many items it is.
pub(super) fn encode_dead_letter(
    out: &mut Vec<u8>,
    offset: i64,
    kafka_key: &[u8],
    reason: &str,
    value: &[u8],
) -> usize {
    msgpack::write_integer(out, offset);
    msgpack::write_integer(out, DEAD_LETTER);
    msgpack::write_string(out, kafka_key);
    msgpack::write_string(out, reason.as_bytes());
    msgpack::write_string(out, value);
    5
}

const DEAD_LETTER: i64 = 0;
const WRITE: i64 = 1;
const DELETE: i64 = 2;
const REMOVE: i64 = 3;
