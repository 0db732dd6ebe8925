use std::io;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

/// The longest read at once.
const CHUNK: usize = 16 * 1024;

/// A viewer's WebSocket. It reads frames of a server, and answers its pings; an idle one costs no memory but its task's.
pub struct Socket {
    stream: TcpStream,
    bytes: BytesMut,
}

/// Why a [`Socket`] is read no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocketEnd {
    /// It has heard what it wanted.
    Done,
    /// The server has closed it with this code.
    Closed(u16),
    /// The connection has ended without a word.
    Lost,
}

impl Socket {
    /// Opens `path` of a service of this machine.
    ///
    /// # Errors
    /// When it cannot be connected to, or answers with anything but 101.
    pub async fn open(port: u16, path: &str) -> io::Result<Self> {
        Self::upgrade(TcpStream::connect(("127.0.0.1", port)).await?, path).await
    }

    /// As [`open`](Self::open), with no more room in the kernel than this for what is not read.
    ///
    /// # Errors
    /// Likewise.
    pub async fn open_with_receive_buffer(port: u16, path: &str, bytes: u32) -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.set_recv_buffer_size(bytes)?;
        Self::upgrade(socket.connect(([127, 0, 0, 1], port).into()).await?, path).await
    }

    /// A socket that is a WebSocket's already.
    pub fn from_upgraded(stream: TcpStream) -> Self {
        Self { stream, bytes: BytesMut::new() }
    }

    async fn upgrade(mut stream: TcpStream, path: &str) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await?;
        let mut bytes = BytesMut::new();
        let end = loop {
            if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            if stream.read_buf(&mut bytes).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        };
        let head = bytes.split_to(end);
        if !head.starts_with(b"HTTP/1.1 101") {
            return Err(io::Error::other(String::from_utf8_lossy(&head).into_owned()));
        }
        Ok(Self { stream, bytes })
    }

    /// Gives each text but pings to `enough`, until that says so or the connection ends.
    pub async fn read(&mut self, mut enough: impl FnMut(&[u8]) -> bool) -> SocketEnd {
        const PONG: &[u8] = b"\x81\x8f\0\0\0\0{\"type\":\"pong\"}";
        loop {
            let mut is_pinged = false;
            while let Some((opcode, header, length)) = frame(&self.bytes) {
                let payload = &self.bytes[header..header + length];
                match opcode {
                    0x8 => {
                        return SocketEnd::Closed(
                            payload.first_chunk().map_or(1005, |code| u16::from_be_bytes(*code)),
                        );
                    }
                    0x1 if payload == br#"{"type":"ping"}"# => is_pinged = true,
                    0x1 if enough(payload) => {
                        self.bytes.advance(header + length);
                        return SocketEnd::Done;
                    }
                    _ => {}
                }
                self.bytes.advance(header + length);
            }
            if self.bytes.is_empty() {
                self.bytes = BytesMut::new();
            }
            if is_pinged && self.stream.write_all(PONG).await.is_err() {
                return SocketEnd::Lost;
            }
            if self.stream.readable().await.is_err() {
                return SocketEnd::Lost;
            }
            // On the stack for the moment, so that a socket that waits has no buffer.
            let mut chunk = [0; CHUNK];
            match self.stream.try_read(&mut chunk) {
                Ok(0) => return SocketEnd::Lost,
                Ok(count) => self.bytes.extend_from_slice(&chunk[..count]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return SocketEnd::Lost,
            }
        }
    }
}

/// The opcode of the first frame of a server and the lengths of its header and payload, if it is there as a whole.
fn frame(bytes: &[u8]) -> Option<(u8, usize, usize)> {
    let opcode = bytes.first()? & 0x0F;
    let (header, length) = match *bytes.get(1)? {
        126 => (4, usize::from(u16::from_be_bytes(*bytes.get(2..)?.first_chunk()?))),
        127 => (10, u64::from_be_bytes(*bytes.get(2..)?.first_chunk()?) as usize),
        short => (2, usize::from(short)),
    };
    (bytes.len() >= header + length).then_some((opcode, header, length))
}
