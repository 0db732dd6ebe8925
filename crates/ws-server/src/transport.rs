//! The two ways in which messages reach a client.

use bytes::{Bytes, BytesMut};

use crate::frame;

/// How messages reach a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// WebSocket frames, in both directions.
    WebSocket,
    /// Server-sent events, from the server to the client only.
    EventStream,
}

impl Transport {
    /// Appends a text message to `out`, in the encoding of this transport. Only an event stream carries the id.
    pub fn encode(self, out: &mut BytesMut, id: Option<&str>, text: &str) {
        match self {
            Self::WebSocket => frame::encode_text(out, text),
            Self::EventStream => frame::encode_event(out, id, text),
        }
    }

    /// One message without an id.
    pub(crate) fn encode_one(self, text: &str) -> Bytes {
        let mut out = BytesMut::new();
        self.encode(&mut out, None, text);
        out.freeze()
    }

    /// The value of the metrics' `transport` label.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::WebSocket => "websocket",
            Self::EventStream => "event-stream",
        }
    }
}
