//! YMQ over WebSocket, as opengris-scaler 2.9 has it: the payloads of the data frames, one after the other, are the stream of
//! bytes. Where a frame begins and ends means nothing.
//!
//! tungstenite makes the handshake and parses the heads of frames. It would collect a whole frame, which is as long as an object;
//! here its payload is passed on as it comes, so that it counts against the transfer budget like any other.

mod frame_reader;
mod frame_writer;

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, BufReader, ReadBuf};

use frame_reader::{FrameReader, Part};
use frame_writer::FrameWriter;

/// Bytes that are read from the socket at a time.
const READ_SIZE: usize = 16 << 10;

/// The server's side of a WebSocket whose handshake is done.
pub(crate) struct WebSocket<S> {
    io: BufReader<S>,
    reader: FrameReader,
    writer: FrameWriter,
}

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocket<S> {
    pub(crate) fn new(io: S) -> Self {
        let io = BufReader::with_capacity(READ_SIZE, io);
        Self { io, reader: FrameReader::default(), writer: FrameWriter::default() }
    }

    pub(crate) fn get_ref(&self) -> &S {
        self.io.get_ref()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for WebSocket<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            // Answers to pings do not wait for the next response. If they cannot be sent now, they do.
            if let Poll::Ready(Err(error)) = this.writer.poll_control(Pin::new(this.io.get_mut()), cx) {
                return Poll::Ready(Err(error));
            }
            if this.reader.is_closed() {
                return Poll::Ready(Ok(()));
            }
            let received = ready!(Pin::new(&mut this.io).poll_fill_buf(cx))?;
            if received.is_empty() {
                return Poll::Ready(Ok(()));
            }
            let (taken, part) = this.reader.take(received, buf)?;
            Pin::new(&mut this.io).consume(taken);
            match part {
                Part::Data => return Poll::Ready(Ok(())),
                Part::Ping(payload) => this.writer.pong(payload),
                Part::Close => this.writer.close(),
                Part::Nothing => {}
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for WebSocket<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.writer.poll_data(Pin::new(this.io.get_mut()), cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.writer.poll_control(Pin::new(this.io.get_mut()), cx))?;
        Pin::new(this.io.get_mut()).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.writer.close();
        ready!(this.writer.poll_control(Pin::new(this.io.get_mut()), cx))?;
        Pin::new(this.io.get_mut()).poll_shutdown(cx)
    }
}
