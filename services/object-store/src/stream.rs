//! A client's stream of bytes, whatever carries it, and the two ways to close it. After FIN a released client never reconnects.
//! After RST it does, if it has read everything that was sent.

use std::io::{self, IoSlice};
use std::os::fd::AsRawFd;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::server::TlsStream;

use crate::websocket::WebSocket;

/// The stream of a client.
pub(crate) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    WebSocket(Box<WebSocket<TcpStream>>),
    SecureWebSocket(Box<WebSocket<TlsStream<TcpStream>>>),
    Local(UnixStream),
}

/// What all of them can do.
trait Io: AsyncRead + AsyncWrite + Unpin {}
impl<T: AsyncRead + AsyncWrite + Unpin> Io for T {}

impl Stream {
    /// Released clients survive a goodbye, but not over TLS.
    pub(crate) fn takes_goodbye(&self) -> bool {
        !matches!(self, Self::Tls(_) | Self::SecureWebSocket(_))
    }

    fn io(self: Pin<&mut Self>) -> Pin<&mut dyn Io> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket),
            Self::Tls(stream) => Pin::new(stream),
            Self::WebSocket(stream) => Pin::new(stream),
            Self::SecureWebSocket(stream) => Pin::new(stream),
            Self::Local(socket) => Pin::new(socket),
        }
    }

    fn socket(&self) -> SockRef<'_> {
        match self {
            Self::Plain(socket) => SockRef::from(socket),
            Self::Tls(stream) => SockRef::from(stream.get_ref().0),
            Self::WebSocket(stream) => SockRef::from(stream.get_ref()),
            Self::SecureWebSocket(stream) => SockRef::from(stream.get_ref().get_ref().0),
            Self::Local(socket) => SockRef::from(socket),
        }
    }

    /// Closes the connection with FIN.
    pub(crate) async fn close(mut self) {
        // An error here means that the connection is closed already.
        let _ = self.socket().set_linger(None);
        let _ = tokio::time::timeout(Duration::from_secs(1), self.shutdown()).await;
    }

    /// Closes the connection with RST, once the peer has acknowledged everything or after `max_wait`.
    pub(crate) async fn reset(self, max_wait: Duration) {
        let deadline = tokio::time::Instant::now() + max_wait;
        while unacknowledged(&self.socket()).is_ok_and(|bytes| bytes > 0)
            && tokio::time::Instant::now() < deadline
        {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        drop(self);
    }
}

/// Bytes that were written and that the peer has not acknowledged. RST would discard them.
fn unacknowledged(socket: &SockRef<'_>) -> io::Result<i32> {
    let mut bytes: libc::c_int = 0;
    #[expect(unsafe_code, reason = "none of the crates in use has a safe wrapper of SIOCOUTQ (= TIOCOUTQ)")]
    // SAFETY: the descriptor is open while `socket` is borrowed, and the request writes one int.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), libc::TIOCOUTQ, &raw mut bytes) };
    if result == 0 { Ok(bytes) } else { Err(io::Error::last_os_error()) }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.io().poll_read(cx, buf)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.io().poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.io().poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io().poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io().poll_shutdown(cx)
    }
}
