//! From an accepted socket to a client's stream: the handshakes of TLS and WebSocket, if the address has them.

use std::io;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::tungstenite;

use crate::listener::Socket;
use crate::stream::Stream;
use crate::websocket::WebSocket;

/// What a client begins with.
pub(crate) struct Handshake {
    pub(crate) tls: Option<watch::Receiver<TlsAcceptor>>,
    pub(crate) websocket: bool,
}

/// Why a client was refused before its first request.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HandshakeError {
    #[error("the TLS handshake failed: {0}")]
    Tls(io::Error),
    #[error("the WebSocket handshake failed: {0}")]
    WebSocket(#[from] tungstenite::Error),
    #[error("the handshake took too long")]
    TimedOut(#[from] tokio::time::error::Elapsed),
}

impl Handshake {
    /// Makes a stream of a socket.
    ///
    /// # Errors
    /// When the client does not keep to the protocol, or has no certificate that is trusted.
    pub(crate) async fn accept(&self, socket: Socket) -> Result<Stream, HandshakeError> {
        let socket = match socket {
            Socket::Tcp(socket) => socket,
            Socket::Local(socket) => return Ok(Stream::Local(socket)),
        };
        let acceptor = self.tls.as_ref().map(|tls| tls.borrow().clone());
        let Some(acceptor) = acceptor else {
            return Ok(match self.websocket {
                false => Stream::Plain(socket),
                true => Stream::WebSocket(Box::new(upgrade(socket).await?)),
            });
        };
        let stream = acceptor.accept(socket).await.map_err(HandshakeError::Tls)?;
        Ok(match self.websocket {
            false => Stream::Tls(Box::new(stream)),
            true => Stream::SecureWebSocket(Box::new(upgrade(stream).await?)),
        })
    }
}

async fn upgrade<S: AsyncRead + AsyncWrite + Unpin>(stream: S) -> Result<WebSocket<S>, tungstenite::Error> {
    // The handshake has read nothing that follows it: tungstenite refuses a client that does not wait for the response.
    Ok(WebSocket::new(tokio_tungstenite::accept_async(stream).await?.into_inner()))
}
