//! An object as Redis has it: a record of fixed layout at its id, and its content in another key.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};

use super::fields::text;
use crate::object::{Hash, Object};
use crate::request::{ContentLocation, RemoteObject, Response};

/// In place of the name of an upload: the content is small, and is in its own key.
const NO_UPLOAD: &[u8; UPLOAD_LEN] = b"----------------";
/// Length of the name of an upload, in bytes.
const UPLOAD_LEN: usize = 16;
/// Length of a record without its metadata, in bytes.
const RECORD_HEAD: usize = 32 + UPLOAD_LEN + 8;
/// Bytes before a content in its own key: its reference count, its upload and its length.
const CONTENT_HEAD: usize = 8 + UPLOAD_LEN + 8;

/// The hash of the content, the name of its upload, its length, and the metadata. The script reads and writes it too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record(Bytes);

impl Record {
    /// A record. Without an upload the content is a small one.
    pub(crate) fn new(hash: &Hash, upload: Option<&str>, length: usize, metadata: &[u8]) -> Self {
        let mut record = BytesMut::with_capacity(RECORD_HEAD + metadata.len());
        record.put_slice(hash);
        record.put_slice(upload.map_or(NO_UPLOAD, str::as_bytes));
        record.put_u64(length as u64);
        record.put_slice(metadata);
        Self(record.freeze())
    }

    pub(crate) fn parse(bytes: &Bytes) -> Option<Self> {
        (bytes.len() >= RECORD_HEAD).then(|| Self(bytes.clone()))
    }

    pub(crate) fn bytes(&self) -> &Bytes {
        &self.0
    }

    pub(crate) fn hash(&self) -> Hash {
        let mut hash = Hash::default();
        hash.copy_from_slice(&self.0[..32]);
        hash
    }

    fn upload(&self) -> Option<Arc<str>> {
        let upload = self.0.slice(32..32 + UPLOAD_LEN);
        if upload == NO_UPLOAD.as_slice() { None } else { text(&upload).map(Arc::from) }
    }

    pub(crate) fn is_small(&self) -> bool {
        self.0[32..32 + UPLOAD_LEN] == *NO_UPLOAD
    }

    pub(crate) fn length(&self) -> u64 {
        self.0[32 + UPLOAD_LEN..].first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
    }

    pub(crate) fn metadata(&self) -> Bytes {
        self.0.slice(RECORD_HEAD..)
    }

    /// A copy in memory of its own. A record from a reply shares the memory of the whole reply.
    pub(crate) fn to_owned(&self) -> Self {
        Self(Bytes::copy_from_slice(&self.0))
    }
}

/// A small content as its key has it, with a reference count of one.
pub(crate) fn encode_small_content(data: &[u8]) -> Bytes {
    let mut content = BytesMut::with_capacity(CONTENT_HEAD + data.len());
    content.put_u64(1);
    content.put_slice(NO_UPLOAD);
    content.put_u64(data.len() as u64);
    content.put_slice(data);
    content.freeze()
}

/// An object that was read, with its content unless that is in chunks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LoadedObject {
    pub(crate) record: Record,
    pub(crate) data: Option<Bytes>,
}

impl LoadedObject {
    /// Parses record and content as the script returns them. `None` if they are incomplete, for example because Redis
    /// evicted the content.
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
        let is_complete = data.as_ref().is_none_or(|data| data.len() as u64 == record.length());
        is_complete.then_some(Self { record, data })
    }

    /// The response to a get in this partition.
    pub(crate) fn response(&self, partition: u16) -> Response {
        let metadata = self.record.metadata();
        match (&self.data, self.record.upload()) {
            (Some(data), _) => Response::Object(Object { data: data.clone(), metadata }),
            (None, Some(upload)) => {
                let location =
                    ContentLocation::Chunks { partition, upload, hash: self.record.hash(), metadata };
                Response::Remote(RemoteObject { length: self.record.length(), location })
            }
            (None, None) => Response::Absent,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_has_the_layout_that_the_script_reads() {
        let record = Record::new(&[0xab; 32], Some("0123456789abcdef"), 0x0102, b"md");
        assert_eq!(
            hex::encode(record.bytes()),
            format!("{}{}00000000000001026d64", "ab".repeat(32), hex::encode("0123456789abcdef"))
        );
        assert_eq!((record.length(), record.metadata()), (0x0102, Bytes::from("md")));
        assert_eq!((record.hash(), record.upload().as_deref()), ([0xab; 32], Some("0123456789abcdef")));
    }

    #[test]
    fn a_small_content_follows_its_head() {
        let record = Record::new(&[1; 32], None, 5, b"");
        let loaded = LoadedObject::parse(&[record.0.clone(), encode_small_content(b"hello")]).unwrap();
        assert_eq!((loaded.record, loaded.data), (record, Some(Bytes::from("hello"))));
    }

    #[test]
    fn an_incomplete_object_is_none() {
        let record = Record::new(&[1; 32], None, 6, b"").0;
        for fields in [
            vec![],
            vec![record.slice(1..)],
            vec![record.clone()],
            vec![record, encode_small_content(b"hello")],
        ] {
            assert_eq!(LoadedObject::parse(&fields), None);
        }
    }
}
