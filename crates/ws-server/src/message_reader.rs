//! Reads the messages of a client. tungstenite parses and judges the frames, and answers pings.

mod frame_position;

use std::io::{self, Read, Write};

use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::protocol::{Message, Role, WebSocketConfig, WebSocketContext};

use frame_position::FramePosition;

/// The most bytes that tungstenite copies at a time. It fills as many with zeros before.
const COPY_SIZE: usize = 256;

/// What a client has sent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Event<'a> {
    /// A complete text message.
    Text(&'a str),
    /// A close frame, and the code to answer it with. Nothing that follows counts.
    Close(u16),
}

/// Why the client must be closed, and with which code.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) code: u16,
    pub(crate) reason: String,
}

/// Reads what one client sends, which may arrive in parts of any size.
pub(crate) struct MessageReader {
    max_message_size: usize,
    /// Exists only while a message is under way: tungstenite keeps the memory of the largest frame that it has seen.
    current: Option<Box<Current>>,
}

struct Current {
    context: WebSocketContext,
    position: FramePosition,
    /// Bytes since the last complete message, at least.
    bytes: usize,
}

impl MessageReader {
    /// Sizes are in bytes.
    pub(crate) fn new(max_message_size: usize) -> Self {
        Self { max_message_size, current: None }
    }

    /// How many bytes are kept of a message that is not complete, at most.
    pub(crate) fn unfinished_bytes(&self) -> usize {
        self.current.as_ref().map_or(0, |current| current.bytes.min(self.max_message_size))
    }

    /// Takes received bytes, reports each event that they complete, and appends the answers to pings to `replies`.
    pub(crate) fn feed(
        &mut self,
        received: &[u8],
        replies: &mut Vec<u8>,
        mut on_event: impl FnMut(Event<'_>),
    ) -> Result<(), Violation> {
        let max_message_size = self.max_message_size;
        let current = self.current.get_or_insert_with(|| Box::new(Current::new(max_message_size)));
        let mut stream = Exchange { received, replies };
        current.bytes += received.len();
        loop {
            let message = current.context.read(&mut stream);
            if let Ok(Message::Text(_) | Message::Binary(_)) = message {
                current.bytes = stream.received.len();
            }
            match message {
                Ok(Message::Text(text)) => on_event(Event::Text(&text)),
                Ok(Message::Close(frame)) => {
                    // A close without a code is answered as a normal one.
                    on_event(Event::Close(frame.map_or(1000, |frame| frame.code.into())));
                    return Ok(());
                }
                Ok(_) => {}
                Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            }
        }
        current.position.advance(received);
        if current.position.is_between_messages() {
            self.current = None;
        }
        Ok(())
    }
}

impl Current {
    fn new(max_message_size: usize) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(COPY_SIZE)
            .write_buffer_size(0)
            .max_message_size(Some(max_message_size))
            .max_frame_size(Some(max_message_size));
        Self {
            context: WebSocketContext::new(Role::Server, Some(config)),
            position: FramePosition::default(),
            bytes: 0,
        }
    }
}

impl From<Error> for Violation {
    fn from(error: Error) -> Self {
        let (code, reason) = match error {
            Error::Utf8(_) => (1007, "text is not UTF-8".to_owned()),
            Error::Capacity(_) => (1009, "message too big".to_owned()),
            Error::Protocol(error) => (1002, error.to_string()),
            error => (1002, error.to_string()),
        };
        Self { code, reason }
    }
}

/// What tungstenite reads from and writes to, in place of a socket.
struct Exchange<'a> {
    received: &'a [u8],
    replies: &'a mut Vec<u8>,
}

impl Read for Exchange<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.received.is_empty() {
            Err(io::ErrorKind::WouldBlock.into())
        } else {
            self.received.read(buffer)
        }
    }
}

impl Write for Exchange<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.replies.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
