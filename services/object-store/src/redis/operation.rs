//! One operation of the script `batch.lua`: its arguments, and what its reply means.

use std::sync::Arc;

use bytes::Bytes;
use fred::types::Value;

use crate::id::ObjectId;
use crate::request::{Answer, Asker, Content, Hash, Object, Place, Remote};

/// An operation on its way through Redis.
pub(crate) struct Operation {
    /// Its name and arguments.
    pub(crate) args: Vec<Value>,
    pub(crate) then: Then,
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
    Get {
        id: ObjectId,
        asker: Asker,
    },
    /// As `Get`, but without an object it waits, with this ticket.
    GetOrWait {
        id: ObjectId,
        ticket: u64,
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

/// An object as Redis has it.
#[derive(Clone)]
pub(crate) struct Found {
    pub(crate) hash: Hash,
    pub(crate) length: u64,
    pub(crate) metadata: Bytes,
    pub(crate) content: At,
}

/// A small content itself, or the name of a large one's chunks.
#[derive(Clone)]
pub(crate) enum At {
    Here(Bytes),
    Chunks(Arc<str>),
}

impl Found {
    /// From hash, length, metadata, name of the chunks and data, as the script gives them.
    pub(crate) fn parse(fields: &[Bytes]) -> Option<Self> {
        let [hash, length, metadata, at, data, ..] = fields else { return None };
        let mut bytes = Hash::default();
        hex::decode_to_slice(hash, &mut bytes).ok()?;
        let content = if at.is_empty() { At::Here(data.clone()) } else { At::Chunks(text(at)?.into()) };
        Some(Self { hash: bytes, length: text(length)?.parse().ok()?, metadata: metadata.clone(), content })
    }

    pub(crate) fn answer(&self) -> Answer {
        let metadata = self.metadata.clone();
        match &self.content {
            At::Here(data) => Answer::Object(Object { data: data.clone(), metadata }),
            At::Chunks(at) => {
                let place = Place::Chunks { at: Arc::clone(at), hash: self.hash, metadata };
                Answer::Remote(Remote { length: self.length, place })
            }
        }
    }
}

/// A message to a node: its number, lengths of the tickets, the metadata and the name of the chunks, and the length of the
/// content, each with a colon; then tickets, hash, metadata, name of the chunks and data.
pub(crate) fn parse_mail(message: &Bytes) -> Option<(u64, Vec<u64>, Found)> {
    let (mut numbers, mut rest) = ([0_usize; 5], message.clone());
    for number in &mut numbers {
        let end = rest.iter().position(|&byte| byte == b':')?;
        *number = text(&rest.split_to(end))?.parse().ok()?;
        let _colon = rest.split_to(1);
    }
    let [number, tickets, metadata, at, length] = numbers;
    let mut take = |length: usize| (length <= rest.len()).then(|| rest.split_to(length));
    let (tickets, hash, metadata, at) = (take(tickets)?, take(64)?, take(metadata)?, take(at)?);
    let found = Found::parse(&[hash, length.to_string().into(), metadata, at, rest])?;
    Some((number as u64, parse_tickets(&tickets), found))
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

/// Arguments of the script, in order.
pub(crate) fn args<const N: usize>(args: [Value; N]) -> Vec<Value> {
    args.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_carries_a_small_content() {
        let message = Bytes::from(format!("9:4:2:0:5:7,12{}mdhello", "ab".repeat(32)));
        let (number, tickets, found) = parse_mail(&message).unwrap();
        assert_eq!((number, tickets, found.length), (9, vec![7, 12], 5));
        assert_eq!((found.hash, found.metadata.as_ref()), ([0xab; 32], b"md".as_slice()));
        assert!(matches!(found.content, At::Here(data) if data == "hello"));
    }

    #[test]
    fn a_message_names_the_chunks_of_a_large_content() {
        let message = Bytes::from(format!("9:1:0:3:9999999:8{}xyz", "ab".repeat(32)));
        let (_, _, found) = parse_mail(&message).unwrap();
        assert!(matches!(found.content, At::Chunks(at) if &*at == "xyz"));
    }

    #[test]
    fn other_messages_are_none() {
        for bad in ["", "1:2", "1:4:0:0:5:00ff", "9:9:9:9:", "x:4:2:0:5:00ff"] {
            assert!(parse_mail(&Bytes::from(bad)).is_none(), "{bad}");
        }
    }
}
