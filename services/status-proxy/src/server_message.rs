//! What a client that watches several runs on one socket is told of each.

use bytes::{Bytes, BytesMut};
use ws_server::frame::encode_text;

/// The most characters of what a client has sent as a run that are sent back.
const MAX_ECHO: usize = 256;

#[derive(serde::Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum ServerMessage<'a> {
    Subscribed {
        run: &'a str,
        channels: &'a [&'a str],
    },
    Unsubscribed {
        run: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        channels: Option<&'a [&'a str]>,
    },
    Refused {
        run: &'a str,
        #[serde(skip_serializing_if = "<[_]>::is_empty")]
        channels: &'a [&'a str],
        code: u16,
        reason: &'a str,
    },
}

/// The lines of these channels follow.
pub(crate) fn subscribed(run: &str, channels: &[&str]) -> Bytes {
    ServerMessage::Subscribed { run, channels }.encode()
}

/// No line of these channels, or of the run, follows any more.
pub(crate) fn unsubscribed(run: &str, channels: Option<&[&str]>) -> Bytes {
    ServerMessage::Unsubscribed { run: echo(run), channels }.encode()
}

/// These channels are not watched, or no longer.
pub(crate) fn refused(run: &str, channels: &[&str], code: u16, reason: &str) -> Bytes {
    ServerMessage::Refused { run: echo(run), channels, code, reason }.encode()
}

impl ServerMessage<'_> {
    fn encode(&self) -> Bytes {
        let mut out = BytesMut::new();
        // It cannot fail: JSON can express texts and a number.
        encode_text(&mut out, &serde_json::to_string(self).unwrap_or_default());
        out.freeze()
    }
}

fn echo(run: &str) -> &str {
    run.char_indices().nth(MAX_ECHO).map_or(run, |(end, _)| &run[..end])
}
