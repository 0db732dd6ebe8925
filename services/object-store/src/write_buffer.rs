//! The bytes to be written to a client next. Small payloads are copied together; large ones are shared with the store.

use std::collections::VecDeque;
use std::io::{self, IoSlice};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncWrite, AsyncWriteExt};

use crate::header::HEADER_LEN;
use crate::ymq::put_response_head;

/// Payloads up to this many bytes are copied next to their header. That is cheaper than a slice of their own.
const COPY_MAX: usize = 4 << 10;
/// Slices in one vectored write.
const MAX_SLICES: usize = 32;

/// Bytes to write, in order.
#[derive(Default)]
pub(crate) struct WriteBuffer {
    /// Written first.
    parts: VecDeque<Bytes>,
    /// Written after the parts.
    tail: BytesMut,
    len: usize,
    written: u64,
}

impl WriteBuffer {
    /// Number of bytes that are not written yet.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Number of bytes that have been written.
    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    pub(crate) fn push_bytes(&mut self, bytes: &[u8]) {
        self.tail.extend_from_slice(bytes);
        self.len += bytes.len();
    }

    /// Adds a header frame and, unless the payload is empty, a payload frame.
    pub(crate) fn push_response(&mut self, header: &[u8; HEADER_LEN], payload: Bytes) {
        let before = self.tail.len();
        put_response_head(&mut self.tail, header, payload.len());
        self.len += self.tail.len() - before;
        if payload.len() <= COPY_MAX {
            self.push_bytes(&payload);
        } else {
            self.push_shared(payload);
        }
    }

    /// Adds bytes that are not copied.
    pub(crate) fn push_shared(&mut self, bytes: Bytes) {
        if !self.tail.is_empty() {
            self.parts.push_back(self.tail.split().freeze());
        }
        self.len += bytes.len();
        self.parts.push_back(bytes);
    }

    /// Makes one write call and removes what it wrote.
    pub(crate) async fn write(&mut self, stream: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
        let written = if self.parts.is_empty() {
            stream.write(&self.tail).await?
        } else {
            let mut slices = [IoSlice::new(&[]); MAX_SLICES];
            let parts = self.parts.iter().map(Bytes::as_ref).chain([self.tail.as_ref()]);
            let count = slices.iter_mut().zip(parts).map(|(slice, part)| *slice = IoSlice::new(part)).count();
            stream.write_vectored(&slices[..count]).await?
        };
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.advance(written);
        Ok(())
    }

    fn advance(&mut self, mut written: usize) {
        self.len -= written;
        self.written += written as u64;
        while let Some(part) = self.parts.front_mut() {
            if written < part.len() {
                return part.advance(written);
            }
            written -= part.len();
            self.parts.pop_front();
        }
        if written == self.tail.len() {
            // Not `advance`: it would use up the capacity, and the buffer would be allocated again.
            self.tail.clear();
        } else {
            self.tail.advance(written);
        }
    }
}
