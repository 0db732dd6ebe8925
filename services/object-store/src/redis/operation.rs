//! One operation of the script `batch.lua`: its arguments, and what its reply means.

use std::sync::Arc;

use bytes::Bytes;
use smallvec::SmallVec;

use super::record::Found;
use crate::id::ObjectId;
use crate::request::{Asker, Content, Wait};

/// An operation on its way through Redis.
pub(crate) struct Operation {
    /// Its name and arguments, each behind its length.
    pub(crate) said: Vec<u8>,
    /// The small content that it stores, as its key is to have it.
    pub(crate) content: Option<Bytes>,
    /// A chunk, by its key, that is to be stored before.
    pub(crate) ahead: Option<(String, Bytes)>,
    pub(crate) then: Then,
}

impl Operation {
    pub(crate) fn new(name_and_args: &[&[u8]], then: Then) -> Self {
        let mut said = Vec::with_capacity(name_and_args.iter().map(|arg| 4 + arg.len()).sum());
        for arg in name_and_args {
            // The cast cannot cut: the longest is metadata that came over HTTP.
            said.extend_from_slice(&(arg.len() as u32).to_be_bytes());
            said.extend_from_slice(arg);
        }
        Self { said, content: None, ahead: None, then }
    }

    /// The object, unless the node has it already; with a ticket it waits.
    pub(crate) fn get(id: &ObjectId, have: &[u8], ticket: Option<u64>, then: Then) -> Self {
        let ticket = ticket.map(|ticket| ticket.to_string()).unwrap_or_default();
        Self::new(&[b"get", &id_hex(id), have, ticket.as_bytes()], then)
    }

    pub(crate) fn duplicate(id: &ObjectId, original: &ObjectId, ticket: u64, then: Then) -> Self {
        let ticket = ticket.to_string();
        Self::new(&[b"duplicate", &id_hex(id), &id_hex(original), ticket.as_bytes()], then)
    }

    /// What a request waits for is not to happen any more.
    pub(crate) fn forget(ticket: u64, id: &ObjectId, wait: &Wait) -> Self {
        let copy = wait.copy().map(id_hex).unwrap_or_default();
        let ticket = ticket.to_string();
        Self::new(&[b"forget", &id_hex(id), ticket.as_bytes(), &copy], Then::Forget)
    }

    /// Bytes that it sends.
    pub(crate) fn bytes(&self) -> usize {
        let chunk = self.ahead.as_ref().map(|(_, chunk)| chunk);
        self.said.len() + self.content.iter().chain(chunk).map(Bytes::len).sum::<usize>()
    }
}

/// As its key has it.
pub(crate) fn id_hex(id: &ObjectId) -> SmallVec<[u8; 64]> {
    let mut digits = SmallVec::from_elem(0, 2 * id.as_bytes().len());
    // It has just the room that they take.
    let _ = hex::encode_to_slice(id.as_bytes(), &mut digits);
    digits
}

/// What is to be done with the reply.
pub(crate) enum Then {
    /// A content was stored, or is to be uploaded first.
    Store {
        id: ObjectId,
        content: Content,
        metadata: Bytes,
        at: Option<Arc<str>>,
        asker: Asker,
    },
    /// Without an object it waits, if it has a ticket for that. `known` is what the node has already.
    Get {
        id: ObjectId,
        ticket: Option<u64>,
        known: Option<Found>,
        asker: Asker,
    },
    Duplicate {
        id: ObjectId,
        original: ObjectId,
        ticket: u64,
        asker: Asker,
    },
    /// Is there now what this waits for? Perhaps nobody told.
    Poll {
        ticket: u64,
    },
    Forget,
    /// Messages of other nodes.
    Mail,
    Nothing {
        asker: Asker,
    },
    Stat {
        id: ObjectId,
        asker: Asker,
    },
    Delete {
        asker: Asker,
    },
    Totals {
        asker: Asker,
    },
}

/// A message to a node: its number, lengths of the tickets and of the record, each with a colon; then tickets, record and
/// content.
pub(crate) fn parse_mail(message: &Bytes) -> Option<(u64, Vec<u64>, Found)> {
    let (mut numbers, mut rest) = ([0_usize; 3], message.clone());
    for number in &mut numbers {
        let end = rest.iter().position(|&byte| byte == b':')?;
        *number = text(&rest.split_to(end))?.parse().ok()?;
        let _colon = rest.split_to(1);
    }
    let [number, tickets, record] = numbers;
    let mut take = |length: usize| (length <= rest.len()).then(|| rest.split_to(length));
    let (tickets, record) = (take(tickets)?, take(record)?);
    Some((number as u64, parse_tickets(&tickets), Found::parse(&[record, rest])?))
}

/// Numbers separated by commas.
pub(crate) fn parse_tickets(tickets: &Bytes) -> Vec<u64> {
    text(tickets)
        .into_iter()
        .flat_map(|text| text.split(','))
        .filter_map(|ticket| ticket.parse().ok())
        .collect()
}

pub(crate) fn text(bytes: &Bytes) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::super::record::{Record, small_content};
    use super::*;

    #[test]
    fn an_operation_is_said_as_the_script_reads_it() {
        let operation = Operation::new(&[b"delete", b"00ff"], Then::Forget);
        assert_eq!(operation.said, b"\0\0\0\x06delete\0\0\0\x0400ff");
    }

    fn message(record: &Record, content: &[u8]) -> Bytes {
        let head = format!("9:4:{}:7,12", record.bytes().len());
        [head.as_bytes(), record.bytes(), content].concat().into()
    }

    #[test]
    fn a_message_carries_a_small_content() {
        let record = Record::new(&[0xab; 32], None, 5, b"md");
        let (number, tickets, found) = parse_mail(&message(&record, &small_content(b"hello"))).unwrap();
        assert_eq!((number, tickets), (9, vec![7, 12]));
        assert_eq!(found, Found { record, data: Some(Bytes::from("hello")) });
    }

    #[test]
    fn a_message_names_the_chunks_of_a_large_content() {
        let record = Record::new(&[0xab; 32], Some("0123456789abcdef"), 9_999_999, b"");
        let (_, _, found) = parse_mail(&message(&record, b"")).unwrap();
        assert_eq!(found, Found { record, data: None });
    }

    #[test]
    fn other_messages_are_none() {
        for bad in ["", "1:2", "1:4:0:00ff", "9:9:9:", "x:4:2:00ff"] {
            assert!(parse_mail(&Bytes::from(bad)).is_none(), "{bad}");
        }
    }
}
