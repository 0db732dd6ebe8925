//! One operation of the script: its arguments, and what to do with its reply.

use std::sync::Arc;

use bytes::Bytes;
use smallvec::SmallVec;

use super::partition_ids::PartitionIds;
use super::record::LoadedObject;
use crate::id::ObjectId;
use crate::object::{Content, Hash};
use crate::reply_to::{ReplyTo, Waiter};
use crate::request::Refused;

/// What the script notes in place of the id that a duplicate creates, if that is in another partition.
const COPY: &[u8] = b"*";

/// An operation on its way to Redis.
pub(crate) struct Operation {
    /// The name and the arguments, each after its length.
    pub(crate) encoded: Vec<u8>,
    /// The small content that it stores, in the form in which its key has it.
    pub(crate) content: Option<Bytes>,
    /// A chunk, with its key, that is stored before the batch.
    pub(crate) chunk: Option<(String, Bytes)>,
    pub(crate) on_reply: OnReply,
}

impl Operation {
    pub(crate) fn new(name_and_args: &[&[u8]], on_reply: OnReply) -> Self {
        let mut encoded = Vec::with_capacity(name_and_args.iter().map(|arg| 4 + arg.len()).sum());
        for arg in name_and_args {
            // The cast cannot truncate: the longest argument is metadata that came over HTTP.
            encoded.extend_from_slice(&(arg.len() as u32).to_be_bytes());
            encoded.extend_from_slice(arg);
        }
        Self { encoded, content: None, chunk: None, on_reply }
    }

    /// Reads an object, unless its record is `known`. With a ticket the request waits until the object exists.
    pub(crate) fn get(id: &ObjectId, known: &[u8], ticket: Option<u64>, on_reply: OnReply) -> Self {
        let ticket = ticket.map(|ticket| ticket.to_string()).unwrap_or_default();
        Self::new(&[b"get", &id_hex(id), known, ticket.as_bytes()], on_reply)
    }

    pub(crate) fn duplicate(id: &ObjectId, original: &ObjectId, ticket: u64, on_reply: OnReply) -> Self {
        let ticket = ticket.to_string();
        Self::new(&[b"duplicate", &id_hex(id), &id_hex(original), ticket.as_bytes()], on_reply)
    }

    /// A duplicate that waits, unless it has been executed since.
    pub(crate) fn recheck(id: &ObjectId, original: &ObjectId, ticket: u64, on_reply: OnReply) -> Self {
        Self::new(&[b"recheck", &id_hex(id), &id_hex(original), ticket.to_string().as_bytes()], on_reply)
    }

    /// Tells whoever waits for an object, or asks for it soon, that its set was refused.
    pub(crate) fn refuse(id: &ObjectId, on_reply: OnReply) -> Self {
        Self::new(&[b"refuse", &id_hex(id)], on_reply)
    }

    /// The original's part of a duplicate in another partition: reads it, and holds its content so that it can be copied.
    pub(crate) fn hold(original: &ObjectId, ticket: u64, on_reply: OnReply) -> Self {
        Self::new(&[b"hold", &id_hex(original), ticket.to_string().as_bytes()], on_reply)
    }

    /// Ends that hold.
    pub(crate) fn release(ticket: u64, hash: &Hash) -> Self {
        Self::new(&[b"release", ticket.to_string().as_bytes(), hash], OnReply::Ignore)
    }

    /// Cancels a request that waits in this partition.
    pub(crate) fn cancel(ticket: u64, id: &ObjectId, waiter: &Waiter, ids: PartitionIds) -> Self {
        let duplicate = match waiter.duplicate_id() {
            None => SmallVec::new(),
            Some(duplicate) if ids.has(duplicate) => id_hex(duplicate),
            Some(_) => SmallVec::from_slice(COPY),
        };
        let ticket = ticket.to_string();
        Self::new(&[b"cancel", &id_hex(id), ticket.as_bytes(), &duplicate], OnReply::Ignore)
    }

    /// Whether the script remembers it, because it must not be executed twice.
    pub(crate) fn is_write(&self) -> bool {
        split_word(&self.encoded).is_none_or(|(name, _)| !READS.contains(&name))
    }

    /// The first argument: in most operations the id in hex.
    pub(crate) fn first_argument(&self) -> &str {
        let argument = split_word(&self.encoded).and_then(|(_name, rest)| Some(split_word(rest)?.0));
        argument.and_then(|argument| std::str::from_utf8(argument).ok()).unwrap_or_default()
    }

    /// Bytes that are sent for it.
    pub(crate) fn size(&self) -> usize {
        let chunk = self.chunk.as_ref().map(|(_, chunk)| chunk);
        self.encoded.len() + self.content.iter().chain(chunk).map(Bytes::len).sum::<usize>()
    }
}

/// The operations that are no writes: `reads` of the script.
const READS: [&[u8]; 5] = [b"get", b"stat", b"notifications", b"ping", b"totals"];

/// The first word of an encoded operation, and what is behind it.
fn split_word(encoded: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = encoded.split_first_chunk()?;
    rest.split_at_checked(u32::from_be_bytes(*length) as usize)
}

/// The id in hex, as in its key.
pub(crate) fn id_hex(id: &ObjectId) -> SmallVec<[u8; 64]> {
    let mut digits = SmallVec::from_elem(0, 2 * id.as_bytes().len());
    // Cannot fail: the buffer has the right length.
    let _ = hex::encode_to_slice(id.as_bytes(), &mut digits);
    digits
}

/// What to do with the reply to an operation.
pub(crate) enum OnReply {
    /// Respond that the object is stored, or upload its content first.
    Store {
        id: ObjectId,
        content: Content,
        metadata: Bytes,
        upload: Option<Arc<str>>,
        reply_to: ReplyTo,
    },
    /// Respond with the object, which is `cached` if it is unchanged. If there is none, the request waits if it has a ticket.
    Get {
        id: ObjectId,
        ticket: Option<u64>,
        cached: Option<LoadedObject>,
        reply_to: ReplyTo,
    },
    /// Respond that the object exists. If it is in another partition than the original, copy it first.
    Duplicate {
        id: ObjectId,
        original: ObjectId,
        ticket: u64,
        reply_to: ReplyTo,
    },
    /// Finish a waiting request, in case its notification was lost.
    Recheck {
        ticket: u64,
    },
    /// Read the notifications of other nodes.
    Notifications,
    /// Respond that a malformed request is refused.
    Reject {
        reply_to: ReplyTo,
    },
    /// Respond that a set is refused.
    Refuse {
        reason: Refused,
        reply_to: ReplyTo,
    },
    Stat {
        id: ObjectId,
        reply_to: ReplyTo,
    },
    Delete {
        reply_to: ReplyTo,
    },
    Totals {
        reply_to: ReplyTo,
    },
    Ignore,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_is_encoded_as_the_script_reads_it() {
        let operation = Operation::new(&[b"delete", b"00ff"], OnReply::Ignore);
        assert_eq!(operation.encoded, b"\0\0\0\x06delete\0\0\0\x0400ff");
        assert_eq!((operation.first_argument(), operation.is_write()), ("00ff", true));
        let ping = Operation::new(&[b"ping"], OnReply::Ignore);
        assert_eq!((ping.first_argument(), ping.is_write()), ("", false));
    }

    #[test]
    fn the_reads_are_those_of_the_script() {
        let script = include_str!("script/operations.lua");
        let names = script.lines().filter_map(|line| line.strip_prefix("function reads.")?.split('(').next());
        assert!(names.map(str::as_bytes).eq(READS));
    }
}
