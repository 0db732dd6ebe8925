//! The frames of a response.

use bytes::{BufMut, BytesMut};

use crate::header::HEADER_LEN;

/// Appends a header frame, and of a payload frame the length, unless the payload is empty. The payload follows.
pub(crate) fn put_response_head(into: &mut BytesMut, header: &[u8; HEADER_LEN], payload_length: usize) {
    into.put_u64_le(HEADER_LEN as u64);
    into.put_slice(header);
    if payload_length > 0 {
        into.put_u64_le(payload_length as u64);
    }
}
