//! A client's socket, plain or with TLS, and the two ways to close it. After FIN a released client never reconnects. After
//! RST it does, if it has read everything that was sent.

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

/// The socket of a client.
pub(crate) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// Sets the options of a socket that was just accepted: no delay for small responses, keepalive to detect a peer that
    /// vanished, and RST when this process ends for any reason.
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

    /// Closes the connection with FIN.
    pub(crate) async fn close(mut self) {
        // An error here means that the connection is closed already.
        let _ = SockRef::from(self.socket()).set_linger(None);
        let _ = tokio::time::timeout(Duration::from_secs(1), self.shutdown()).await;
    }

    /// Closes the connection with RST, once the peer has acknowledged everything or after `max_wait`.
    pub(crate) async fn reset(self, max_wait: Duration) {
        let deadline = tokio::time::Instant::now() + max_wait;
        while unacknowledged(self.socket()).is_ok_and(|bytes| bytes > 0)
            && tokio::time::Instant::now() < deadline
        {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        drop(self);
    }
}

/// Bytes that were written and that the peer has not acknowledged. RST would discard them.
fn unacknowledged(socket: &TcpStream) -> io::Result<i32> {
    use std::os::fd::AsRawFd;
    let mut bytes: libc::c_int = 0;
    #[expect(unsafe_code, reason = "none of the crates in use has a safe wrapper of SIOCOUTQ (= TIOCOUTQ)")]
    // SAFETY: the descriptor is open while `socket` is borrowed, and the request writes one int.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), libc::TIOCOUTQ, &raw mut bytes) };
    if result == 0 { Ok(bytes) } else { Err(io::Error::last_os_error()) }
}

/// Makes a TLS acceptor from PEM files with the certificate chain and the private key.
///
/// # Errors
/// When a file cannot be read, or the key does not belong to the certificate.
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

/// Makes a stream of an accepted socket, after the TLS handshake if there is an acceptor.
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
