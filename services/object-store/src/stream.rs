//! A client's socket, plain or with TLS, and the two ways to end it: FIN, after which a released client never comes back,
//! and RST, after which it does, if it has read everything.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// A connected client.
pub(crate) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// Prepares a socket that was just accepted: small answers leave at once, a peer that vanished is noticed, and
    /// whatever ends this process ends the connection with RST.
    pub(crate) fn prepare(socket: &TcpStream) -> io::Result<()> {
        let keepalive = socket2::TcpKeepalive::new()
            .with_time(Duration::from_secs(30))
            .with_interval(Duration::from_secs(10));
        socket.set_nodelay(true)?;
        SockRef::from(socket).set_tcp_keepalive(&keepalive)?;
        socket.set_zero_linger()
    }

    fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(stream) => stream.get_ref().0,
        }
    }

    /// Ends the connection with FIN.
    pub(crate) async fn finish(mut self) {
        // An error here means that there is no connection to be ended any more.
        let _ = SockRef::from(self.socket()).set_linger(None);
        let _ = tokio::time::timeout(Duration::from_secs(1), self.shutdown()).await;
    }

    /// Ends the connection with RST, once the peer has all that was written or `patience` is over.
    pub(crate) async fn reset(self, patience: Duration) {
        let deadline = tokio::time::Instant::now() + patience;
        while unacknowledged(self.socket()).is_ok_and(|bytes| bytes > 0)
            && tokio::time::Instant::now() < deadline
        {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        drop(self);
    }
}

/// Bytes that were written and that the peer has not acknowledged yet: RST would throw them away.
fn unacknowledged(socket: &TcpStream) -> io::Result<i32> {
    use std::os::fd::AsRawFd;
    let mut bytes: libc::c_int = 0;
    #[expect(unsafe_code, reason = "no safe wrapper of SIOCOUTQ (= TIOCOUTQ) is known to the crates in use")]
    // SAFETY: the descriptor is open as long as `socket` is borrowed, and the request writes one int.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), libc::TIOCOUTQ, &raw mut bytes) };
    if result == 0 { Ok(bytes) } else { Err(io::Error::last_os_error()) }
}

/// Reads certificate chain and key, both PEM files.
///
/// # Errors
/// When a file cannot be read, or the two do not go together.
pub(crate) fn tls_acceptor(cert: &str, key: &str) -> Result<TlsAcceptor, String> {
    let fail = |file: &str, error: &dyn std::fmt::Display| format!("cannot use {file}: {error}");
    let chain = CertificateDer::pem_file_iter(cert)
        .and_then(Iterator::collect)
        .map_err(|error| fail(cert, &error))?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| fail(key, &error))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| fail(cert, &error))?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(|error| fail(cert, &error))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Speaks TLS first if the address asks for it.
pub(crate) async fn accept(socket: TcpStream, tls: Option<&TlsAcceptor>) -> io::Result<Stream> {
    match tls {
        None => Ok(Stream::Plain(socket)),
        Some(acceptor) => Ok(Stream::Tls(Box::new(acceptor.accept(socket).await?))),
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_write_vectored(cx, bufs),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
