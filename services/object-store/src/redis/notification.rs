//! A notification of another node: requests of this node waited for an object, and it exists now, or will not.

use bytes::Bytes;

use super::fields::{parse_tickets, text};
use super::record::LoadedObject;
use super::settle::{Outcome, Woken};

pub(super) struct Notification {
    pub(super) number: u64,
    /// The requests that are done. `None` if this is damaged: then the next check of the waiting requests finds out.
    pub(super) woken: Option<Woken>,
}

impl Notification {
    /// Parses a notification: its number, the length of the tickets and of the record, each followed by a colon; then the
    /// tickets, the record and the content.
    pub(super) fn parse(bytes: &Bytes) -> Option<Self> {
        let (mut numbers, mut rest) = ([0_usize; 3], bytes.clone());
        for number in &mut numbers {
            let end = rest.iter().position(|&byte| byte == b':')?;
            *number = text(&rest.split_to(end))?.parse().ok()?;
            let _colon = rest.split_to(1);
        }
        let [number, tickets, record] = numbers;
        let mut take = |length: usize| (length <= rest.len()).then(|| rest.split_to(length));
        let (tickets, record) = (take(tickets)?, take(record)?);
        let outcome = match LoadedObject::parse(&[record.clone(), rest]) {
            None if record == "refused" => Some(Outcome::Refused),
            object => object.map(Outcome::Stored),
        };
        let woken = outcome.map(|outcome| Woken { tickets: parse_tickets(&tickets), outcome });
        Some(Self { number: number as u64, woken })
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::{Record, encode_small_content};
    use super::*;

    fn encode(record: &Record, content: &[u8]) -> Bytes {
        let head = format!("9:4:{}:7,12", record.bytes().len());
        [head.as_bytes(), record.bytes(), content].concat().into()
    }

    #[test]
    fn a_notification_carries_a_small_content() {
        let record = Record::new(&[0xab; 32], None, 5, b"md");
        let parsed = Notification::parse(&encode(&record, &encode_small_content(b"hello"))).unwrap();
        let outcome = Outcome::Stored(LoadedObject { record, data: Some(Bytes::from("hello")) });
        assert_eq!((parsed.number, parsed.woken), (9, Some(Woken { tickets: vec![7, 12], outcome })));
    }

    #[test]
    fn a_notification_names_the_chunks_of_a_large_content() {
        let record = Record::new(&[0xab; 32], Some("0123456789abcdef"), 9_999_999, b"");
        let parsed = Notification::parse(&encode(&record, b"")).unwrap();
        assert_eq!(parsed.woken.unwrap().outcome, Outcome::Stored(LoadedObject { record, data: None }));
    }

    #[test]
    fn a_notification_without_an_object_still_has_its_number() {
        let parsed = Notification::parse(&Bytes::from("1:4:0:00ff")).unwrap();
        assert_eq!((parsed.number, parsed.woken), (1, None));
        let parsed = Notification::parse(&Bytes::from("2:4:7:7,12refused")).unwrap();
        assert_eq!(parsed.woken, Some(Woken { tickets: vec![7, 12], outcome: Outcome::Refused }));
    }

    #[test]
    fn other_bytes_are_no_notification() {
        for bad in ["", "1:2", "9:9:9:", "x:4:2:00ff"] {
            assert!(Notification::parse(&Bytes::from(bad)).is_none(), "{bad}");
        }
    }
}
