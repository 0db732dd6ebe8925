//! Encodes messages for the script that applies them. `batch.rs` describes the format.

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
    let version = change.version.map(|version| version.to_string());
    match &change.action {
        Action::Write { set, unset, expiry } => {
            msgpack::write_string_or_false(out, version.as_deref());
            if unset.is_empty() {
                msgpack::write_string_or_false(out, None);
            } else {
                msgpack::write_array_header(out, unset.len());
                unset.iter().for_each(|name| msgpack::write_string(out, name.as_bytes()));
            }
            encode_expiry(out, *expiry);
            msgpack::write_integer(out, 2 * set.len() as i64);
            for (name, value) in set {
                msgpack::write_string(out, name.as_bytes());
                msgpack::write_string(out, value.as_bytes());
            }
            9 + 2 * set.len()
        }
        Action::Delete => {
            msgpack::write_string_or_false(out, version.as_deref());
            6
        }
        Action::Remove { member } => {
            msgpack::write_string(out, member.as_bytes());
            6
        }
    }
}

fn encode_expiry(out: &mut Vec<u8>, expiry: Option<Expiry>) {
    let (command, ms) = match expiry {
        None => return msgpack::write_string_or_false(out, None),
        Some(Expiry::AfterMs(ms)) => ("PEXPIRE", ms),
        Some(Expiry::AtMs(ms)) => ("PEXPIREAT", ms),
    };
    msgpack::write_array_header(out, 2);
    msgpack::write_string(out, command.as_bytes());
    msgpack::write_string(out, ms.to_string().as_bytes());
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
