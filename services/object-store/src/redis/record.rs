//! An object as Redis has it: a record of fixed layout at its id, and its content beside it.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};

use super::operation::text;
use crate::request::{Answer, Hash, Object, Place, Remote};

/// Stands in a record in place of the name of chunks: the content is small, and lies in its own key.
const SMALL_AT: &[u8; AT_LEN] = b"----------------";
/// Bytes of the name of an upload's chunks.
const AT_LEN: usize = 16;
/// Bytes of a record before the metadata.
const HEAD: usize = 32 + AT_LEN + 8;
/// Bytes before the content in its own key: how many ids have it, and the record's middle.
const CONTENT_HEAD: usize = 8 + AT_LEN + 8;

/// Hash of the content, name of its chunks, its length, and the metadata. `batch.lua` reads and writes it too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record(Bytes);

impl Record {
    /// Without the name of chunks the content is a small one.
    pub(crate) fn new(hash: &Hash, at: Option<&str>, length: usize, metadata: &[u8]) -> Self {
        let mut record = BytesMut::with_capacity(HEAD + metadata.len());
        record.put_slice(hash);
        record.put_slice(at.map_or(SMALL_AT, str::as_bytes));
        record.put_u64(length as u64);
        record.put_slice(metadata);
        Self(record.freeze())
    }

    pub(crate) fn parse(bytes: &Bytes) -> Option<Self> {
        (bytes.len() >= HEAD).then(|| Self(bytes.clone()))
    }

    pub(crate) fn bytes(&self) -> &Bytes {
        &self.0
    }

    pub(crate) fn hash(&self) -> Hash {
        let mut hash = Hash::default();
        hash.copy_from_slice(&self.0[..32]);
        hash
    }

    fn at(&self) -> Option<Arc<str>> {
        let at = self.0.slice(32..32 + AT_LEN);
        if at == SMALL_AT.as_slice() { None } else { text(&at).map(Arc::from) }
    }

    pub(crate) fn is_small(&self) -> bool {
        self.0[32..32 + AT_LEN] == *SMALL_AT
    }

    pub(crate) fn length(&self) -> u64 {
        self.0[32 + AT_LEN..].first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
    }

    pub(crate) fn metadata(&self) -> Bytes {
        self.0.slice(HEAD..)
    }

    /// The same, in memory of its own: a reply's shares that of the whole reply.
    pub(crate) fn to_owned(&self) -> Self {
        Self(Bytes::copy_from_slice(&self.0))
    }
}

/// A small content as its key has it when one id has it.
pub(crate) fn small_content(data: &[u8]) -> Bytes {
    let mut content = BytesMut::with_capacity(CONTENT_HEAD + data.len());
    content.put_u64(1);
    content.put_slice(SMALL_AT);
    content.put_u64(data.len() as u64);
    content.put_slice(data);
    content.freeze()
}

/// An object that was found, with its content unless that lies in chunks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) record: Record,
    pub(crate) data: Option<Bytes>,
}

impl Found {
    /// From record and content, as the script gives them. `None` if they are not whole, as when Redis removed a part of them
    /// to make room.
    pub(crate) fn parse(fields: &[Bytes]) -> Option<Self> {
        let record = Record::parse(fields.first()?)?;
        let data = match fields.get(1) {
            Some(content) if record.is_small() && content.len() >= CONTENT_HEAD => {
                Some(content.slice(CONTENT_HEAD..))
            }
            Some(chunk) if !record.is_small() && !chunk.is_empty() => Some(chunk.clone()),
            _ if record.is_small() => return None,
            _ => None,
        };
        let is_whole = data.as_ref().is_none_or(|data| data.len() as u64 == record.length());
        is_whole.then_some(Self { record, data })
    }

    pub(crate) fn answer(&self) -> Answer {
        let metadata = self.record.metadata();
        match (&self.data, self.record.at()) {
            (Some(data), _) => Answer::Object(Object { data: data.clone(), metadata }),
            (None, Some(at)) => {
                let place = Place::Chunks { at, hash: self.record.hash(), metadata };
                Answer::Remote(Remote { length: self.record.length(), place })
            }
            (None, None) => Answer::Absent,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_laid_out_as_the_script_reads_it() {
        let record = Record::new(&[0xab; 32], Some("0123456789abcdef"), 0x0102, b"md");
        assert_eq!(
            hex::encode(record.bytes()),
            format!("{}{}00000000000001026d64", "ab".repeat(32), hex::encode("0123456789abcdef"))
        );
        assert_eq!((record.length(), record.metadata()), (0x0102, Bytes::from("md")));
        assert_eq!((record.hash(), record.at().as_deref()), ([0xab; 32], Some("0123456789abcdef")));
    }

    #[test]
    fn a_small_content_is_found_behind_its_head() {
        let record = Record::new(&[1; 32], None, 5, b"");
        let found = Found::parse(&[record.0.clone(), small_content(b"hello")]).unwrap();
        assert_eq!((found.record, found.data), (record, Some(Bytes::from("hello"))));
    }

    #[test]
    fn what_is_not_whole_is_not_found() {
        let record = Record::new(&[1; 32], None, 6, b"").0;
        for fields in
            [vec![], vec![record.slice(1..)], vec![record.clone()], vec![record, small_content(b"hello")]]
        {
            assert_eq!(Found::parse(&fields), None);
        }
    }
}
