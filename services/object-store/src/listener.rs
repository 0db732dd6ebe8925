//! Where the node listens for clients: a TCP port, or a Unix socket.

use std::io;
use std::os::unix::net::UnixStream as BlockingUnixStream;
use std::path::PathBuf;
use std::time::Duration;

use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use crate::config::Place;

/// A bound listener.
pub(crate) enum Listener {
    Tcp(TcpListener),
    Local(UnixListener, PathBuf),
}

/// A socket that was accepted.
pub(crate) enum Socket {
    Tcp(TcpStream),
    Local(UnixStream),
}

impl Listener {
    /// Binds the place. A Unix socket that a node left behind when it was killed is replaced.
    ///
    /// # Errors
    /// When the place is taken, or cannot be used.
    pub(crate) async fn bind(place: &Place) -> io::Result<Self> {
        let path = match place {
            Place::Tcp(host) => return Ok(Self::Tcp(TcpListener::bind(host).await?)),
            Place::Local(path) => path,
        };
        let nobody_listens = || {
            let refused = |error: io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
            BlockingUnixStream::connect(path).is_err_and(refused)
        };
        let listener = match UnixListener::bind(path) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && nobody_listens() => {
                std::fs::remove_file(path)?;
                UnixListener::bind(path)?
            }
            bound => bound?,
        };
        Ok(Self::Local(listener, path.clone()))
    }

    /// The next client, and its address for the log.
    ///
    /// # Errors
    /// When the process has no file descriptor left, or the like.
    pub(crate) async fn accept(&self) -> io::Result<(Socket, String)> {
        match self {
            Self::Tcp(listener) => {
                let (socket, peer) = listener.accept().await?;
                Ok((Socket::Tcp(socket), peer.to_string()))
            }
            Self::Local(listener, path) => {
                let (socket, _) = listener.accept().await?;
                Ok((Socket::Local(socket), path.display().to_string()))
            }
        }
    }

    /// The address, for the log.
    pub(crate) fn address(&self) -> String {
        match self {
            Self::Tcp(listener) => {
                listener.local_addr().map_or_else(|_| "?".to_owned(), |addr| addr.to_string())
            }
            Self::Local(_, path) => path.display().to_string(),
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Self::Local(_, path) = self {
            // If it stays, the next node replaces it.
            let _ = std::fs::remove_file(path);
        }
    }
}

impl Socket {
    /// Sets the options of a socket that was just accepted: no delay for small responses, keepalive to detect a peer that
    /// vanished, and RST when this process ends for any reason.
    pub(crate) fn prepare(&self) -> io::Result<()> {
        let Self::Tcp(socket) = self else { return Ok(()) };
        let keepalive = socket2::TcpKeepalive::new()
            .with_time(Duration::from_secs(30))
            .with_interval(Duration::from_secs(10));
        socket.set_nodelay(true)?;
        SockRef::from(socket).set_tcp_keepalive(&keepalive)?;
        socket.set_zero_linger()
    }
}
