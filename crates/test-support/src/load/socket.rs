use std::io;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

/// The most that is read at once.
const CHUNK_SIZE: usize = 16 * 1024;

/// A viewer's WebSocket. It reads the server's messages and answers its pings. An idle one has no buffer, so
/// that thousands fit into one process.
pub struct Socket {
    stream: TcpStream,
    /// What has been read and not been used.
    bytes: BytesMut,
}

/// Why [`Socket::read`] has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocketEnd {
    /// The expected text has been received.
    Done,
    /// The server has closed the WebSocket with this code.
    Closed(u16),
    /// The connection has ended without a close frame.
    Lost,
}

impl Socket {
    /// Opens a WebSocket to `path` on a port of 127.0.0.1.
    ///
    /// # Errors
    /// When the connection fails, or the response is not 101.
    pub async fn open(port: u16, path: &str) -> io::Result<Self> {
        Self::upgrade(TcpStream::connect(("127.0.0.1", port)).await?, path).await
    }

    /// Like [`open`](Self::open), with a receive buffer of that many bytes in the kernel.
    ///
    /// # Errors
    /// The same.
    pub async fn open_with_receive_buffer(port: u16, path: &str, bytes: u32) -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.set_recv_buffer_size(bytes)?;
        Self::upgrade(socket.connect(([127, 0, 0, 1], port).into()).await?, path).await
    }

    /// From a connection that needs no handshake any more.
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

    /// Answers pings and passes each other text to `is_last`, until that returns true or the connection ends.
    pub async fn read(&mut self, mut is_last: impl FnMut(&[u8]) -> bool) -> SocketEnd {
        const PONG: &[u8] = b"\x81\x8f\0\0\0\0{\"type\":\"pong\"}";
        loop {
            let mut pong_is_due = false;
            while let Some((opcode, header, length)) = parse_frame(&self.bytes) {
                let payload = &self.bytes[header..header + length];
                match opcode {
                    0x8 => {
                        return SocketEnd::Closed(
                            payload.first_chunk().map_or(1005, |code| u16::from_be_bytes(*code)),
                        );
                    }
                    0x1 if payload == br#"{"type":"ping"}"# => pong_is_due = true,
                    0x1 if is_last(payload) => {
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
            if pong_is_due && self.stream.write_all(PONG).await.is_err() {
                return SocketEnd::Lost;
            }
            if self.stream.readable().await.is_err() {
                return SocketEnd::Lost;
            }
            // On the stack, and not across an await: a socket that waits has no buffer.
            let mut chunk = [0; CHUNK_SIZE];
            match self.stream.try_read(&mut chunk) {
                Ok(0) => return SocketEnd::Lost,
                Ok(count) => self.bytes.extend_from_slice(&chunk[..count]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return SocketEnd::Lost,
            }
        }
    }
}

/// Parses the first frame, which has no mask: its opcode, the length of its header, and the length of its
/// payload. `None` if it is incomplete.
fn parse_frame(bytes: &[u8]) -> Option<(u8, usize, usize)> {
    let opcode = bytes.first()? & 0x0F;
    let (header, length) = match *bytes.get(1)? {
        126 => (4, usize::from(u16::from_be_bytes(*bytes.get(2..)?.first_chunk()?))),
        127 => (10, u64::from_be_bytes(*bytes.get(2..)?.first_chunk()?) as usize),
        short => (2, usize::from(short)),
    };
    (bytes.len() >= header + length).then_some((opcode, header, length))
}
