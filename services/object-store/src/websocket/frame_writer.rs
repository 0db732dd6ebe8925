//! What the server sends: each write is a frame, and between two frames are the answers to pings and to a close.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use smallvec::SmallVec;
use tokio::io::AsyncWrite;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::frame::{Frame, FrameHeader};

/// Slices in one write, with that of the head.
const SLICES: usize = 33;

#[derive(Default)]
pub(super) struct FrameWriter {
    /// What is left to be written of a head, or of a control frame.
    head: BytesMut,
    /// Bytes that the current frame still has to have. The caller gives them in the next writes.
    remaining: usize,
    /// The answer to the last ping. Those before it need none.
    pong: Option<Vec<u8>>,
    close: Close,
}

#[derive(Default, PartialEq, Eq)]
enum Close {
    #[default]
    No,
    Wanted,
    Sent,
}

impl FrameWriter {
    /// Answers a ping when the current frame is complete.
    pub(super) fn pong(&mut self, payload: Vec<u8>) {
        self.pong = Some(payload);
    }

    /// Sends a close frame when the current frame is complete.
    pub(super) fn close(&mut self) {
        if self.close == Close::No {
            self.close = Close::Wanted;
        }
    }

    /// Writes some of the data, as a part of the current frame or as a new one. The frame has as many bytes as are given, and a
    /// caller that is told of fewer has to give the rest next.
    pub(super) fn poll_data(
        &mut self,
        mut io: Pin<&mut (impl AsyncWrite + Unpin)>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.remaining == 0 {
            ready!(self.poll_control(io.as_mut(), cx))?;
            self.remaining = bufs.iter().map(|buf| buf.len()).sum();
            let header = FrameHeader { opcode: OpCode::Data(Data::Binary), ..FrameHeader::default() };
            // Writing to memory cannot fail.
            let _ = header.format(self.remaining as u64, &mut (&mut self.head).writer());
        }
        loop {
            let mut left = self.remaining;
            let payload = bufs.iter().map_while(|buf| {
                let part = &buf[..buf.len().min(left)];
                left -= part.len();
                (!part.is_empty()).then(|| IoSlice::new(part))
            });
            let slices: SmallVec<[IoSlice<'_>; SLICES]> =
                std::iter::once(IoSlice::new(&self.head)).chain(payload).collect();
            let written = ready!(io.as_mut().poll_write_vectored(cx, &slices))?;
            drop(slices);
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            let of_head = written.min(self.head.len());
            self.head.advance(of_head);
            let of_payload = written - of_head;
            self.remaining -= of_payload;
            if of_payload > 0 || self.remaining == 0 {
                return Poll::Ready(Ok(of_payload));
            }
        }
    }

    /// Writes the control frames that wait, unless a frame of data is not complete.
    pub(super) fn poll_control(
        &mut self,
        mut io: Pin<&mut (impl AsyncWrite + Unpin)>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        if self.remaining > 0 {
            return Poll::Ready(Ok(()));
        }
        loop {
            while !self.head.is_empty() {
                let written = ready!(io.as_mut().poll_write(cx, &self.head))?;
                if written == 0 {
                    return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                }
                self.head.advance(written);
            }
            let frame = if let Some(payload) = self.pong.take() {
                Frame::pong(Bytes::from(payload))
            } else if self.close == Close::Wanted {
                self.close = Close::Sent;
                Frame::close(None)
            } else {
                return Poll::Ready(Ok(()));
            };
            // Writing to memory cannot fail.
            let _ = frame.format(&mut (&mut self.head).writer());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use tokio::io::AsyncReadExt;

    #[tokio::test]
    async fn a_pong_and_a_close_come_between_two_frames_and_not_within_one() {
        let (mut server, mut client) = tokio::io::duplex(4);
        let mut writer = FrameWriter::default();
        let reading = tokio::spawn(async move {
            let mut bytes = Vec::new();
            client.read_to_end(&mut bytes).await.map(|_| bytes)
        });
        let mut data = b"some bytes".as_slice();
        while !data.is_empty() {
            let written = poll_fn(|cx| writer.poll_data(Pin::new(&mut server), cx, &[IoSlice::new(data)]))
                .await
                .unwrap();
            data = &data[written..];
            writer.pong(b"p".to_vec());
            writer.close();
            poll_fn(|cx| writer.poll_control(Pin::new(&mut server), cx)).await.unwrap();
        }
        drop(server);
        let bytes = reading.await.unwrap().unwrap();
        assert_eq!(bytes, b"\x82\x0asome bytes\x8a\x01p\x88\x00");
    }
}
