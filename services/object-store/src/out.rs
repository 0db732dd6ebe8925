//! Bytes on their way to a client: small ones are gathered, large payloads are shared with the store, not copied.

use std::collections::VecDeque;
use std::io::{self, IoSlice};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::io::{AsyncWrite, AsyncWriteExt};

use crate::header::HEADER_LEN;

/// Payloads up to this many bytes are copied next to their header: cheaper than a slice of their own.
const COPY_MAX: usize = 4 << 10;
/// Slices that one system call takes.
const SLICES: usize = 32;

/// What is to be written next.
#[derive(Default)]
pub(crate) struct Out {
    parts: VecDeque<Bytes>,
    tail: BytesMut,
    len: usize,
}

impl Out {
    /// Bytes that are not written yet.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.tail.extend_from_slice(bytes);
        self.len += bytes.len();
    }

    /// Two frames: the header, and the payload unless it is empty.
    pub(crate) fn answer(&mut self, head: &[u8; HEADER_LEN], payload: Bytes) {
        self.tail.put_u64_le(HEADER_LEN as u64);
        self.raw(head);
        self.len += 8;
        if payload.is_empty() {
            return;
        }
        self.tail.put_u64_le(payload.len() as u64);
        self.len += 8;
        if payload.len() <= COPY_MAX {
            return self.raw(&payload);
        }
        self.len += payload.len();
        self.parts.extend([self.tail.split().freeze(), payload]);
    }

    /// Writes once, as much as the socket takes.
    pub(crate) async fn write(&mut self, stream: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
        let written = if self.parts.is_empty() {
            stream.write(&self.tail).await?
        } else {
            let mut slices = [IoSlice::new(&[]); SLICES];
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
        while let Some(part) = self.parts.front_mut() {
            if written < part.len() {
                return part.advance(written);
            }
            written -= part.len();
            self.parts.pop_front();
        }
        if written == self.tail.len() {
            // Not `advance`, which would move through the buffer and have it allocated anew.
            self.tail.clear();
        } else {
            self.tail.advance(written);
        }
    }
}
