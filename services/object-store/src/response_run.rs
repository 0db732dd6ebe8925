//! Responses of the same length, encoded one after the other: thousands may have waited for one small object.

use bytes::{BufMut, Bytes, BytesMut};

use crate::header::HEADER_LEN;
use crate::ymq::put_response_head;

/// Several responses, as they are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ResponseRun {
    bytes: Bytes,
    /// Bytes of each response.
    each: usize,
}

impl ResponseRun {
    /// Encodes `count` responses with payloads of this length.
    pub(crate) fn encode(
        count: usize,
        payload_length: usize,
        responses: impl Iterator<Item = ([u8; HEADER_LEN], Bytes)>,
    ) -> Self {
        // A header frame, and a payload frame unless it is empty.
        let each = 8 + HEADER_LEN + if payload_length > 0 { 8 + payload_length } else { 0 };
        let mut bytes = BytesMut::with_capacity(count * each);
        for (header, payload) in responses {
            put_response_head(&mut bytes, &header, payload.len());
            bytes.put_slice(&payload);
        }
        Self { bytes: bytes.freeze(), each }
    }

    pub(crate) fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The responses of which nothing has been written, when the first `written` bytes have. `None` if there are none.
    pub(crate) fn unwritten(&self, written: usize) -> Option<Self> {
        let begun = written.div_ceil(self.each) * self.each;
        (begun < self.bytes.len()).then(|| Self { bytes: self.bytes.slice(begun..), each: self.each })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_responses_of_which_nothing_was_written_remain() {
        let of = |numbers: &[u8]| {
            let responses = numbers.iter().map(|n| ([*n; HEADER_LEN], Bytes::copy_from_slice(&[*n; 4])));
            ResponseRun::encode(numbers.len(), 4, responses)
        };
        let run = of(&[1, 2, 3]);
        assert_eq!(run.bytes().len(), 3 * (8 + HEADER_LEN + 8 + 4));
        for (written, remain) in
            [(0, Some(&[1, 2, 3][..])), (1, Some(&[2, 3])), (100, Some(&[2, 3])), (101, Some(&[3]))]
        {
            assert_eq!(run.unwritten(written), remain.map(of), "{written}");
        }
        assert_eq!((run.unwritten(201), run.unwritten(300)), (None, None));
    }
}
