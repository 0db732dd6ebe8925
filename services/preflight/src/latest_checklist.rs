//! The checklist that a run's viewers were sent last, encoded once for each of the two kinds of viewers.

use bytes::{Bytes, BytesMut};
use redis_core::id::RunId;
use ws_server::Transport;

/// How each message begins, and where the name of the run belongs for those who watch several.
const START: &str = r#"{"type":"preflight","#;

/// A checklist message as it is sent.
pub(crate) struct LatestChecklist {
    /// The message is its end.
    frame: Bytes,
    message_bytes: usize,
    /// Made when the first viewer needs it.
    named_frame: Option<Bytes>,
}

impl LatestChecklist {
    pub(crate) fn new(message: &str) -> Self {
        Self { frame: encode(message), message_bytes: message.len(), named_frame: None }
    }

    /// Whether it is the message that is sent already.
    pub(crate) fn is(&self, message: &str) -> bool {
        self.message() == message.as_bytes()
    }

    /// The frame for viewers that have opened the socket for this run.
    pub(crate) fn frame(&self) -> &Bytes {
        &self.frame
    }

    /// The frame for viewers that have added the run to their socket: it names the run.
    pub(crate) fn named_frame(&mut self, run: &RunId) -> &Bytes {
        let message = &self.frame[self.frame.len() - self.message_bytes..];
        self.named_frame.get_or_insert_with(|| {
            let rest = String::from_utf8_lossy(message);
            // A run id needs no escapes in JSON.
            encode(&format!(r#"{START}"run":"{run}",{}"#, rest.strip_prefix(START).unwrap_or_default()))
        })
    }

    fn message(&self) -> &[u8] {
        &self.frame[self.frame.len() - self.message_bytes..]
    }
}

/// Encodes a text message for a WebSocket.
pub(crate) fn encode(message: &str) -> Bytes {
    let mut frame = BytesMut::with_capacity(message.len() + 4);
    Transport::WebSocket.encode(&mut frame, None, message);
    frame.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_named_frame_has_the_run_behind_the_type_and_is_otherwise_the_same() {
        let message = r#"{"type":"preflight","checklist":{},"lock_statuses":{"ä":true}}"#;
        let mut latest = LatestChecklist::new(message);
        assert!(latest.is(message) && !latest.is("") && !latest.is(&message[1..]));
        assert_eq!(*latest.frame(), encode(message));
        let named = r#"{"type":"preflight","run":"r;1","checklist":{},"lock_statuses":{"ä":true}}"#;
        assert_eq!(*latest.named_frame(&RunId::parse("r;1").unwrap()), encode(named));
    }
}
