//! What a client that watches several runs on one socket is told of each.

use bytes::Bytes;
use redis_core::id::RunId;

use crate::latest_checklist::encode;
use crate::run_refusal::RunRefusal;

/// The most characters of what a client has sent as a run that are sent back.
const MAX_ECHO: usize = 256;

#[derive(serde::Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum ServerMessage<'a> {
    Subscribed { run: &'a str },
    Unsubscribed { run: &'a str },
    Refused { run: &'a str, code: u16, reason: &'a str },
}

/// The run's checklists follow.
pub(crate) fn subscribed(run: &RunId) -> Bytes {
    ServerMessage::Subscribed { run: run.as_str() }.encode()
}

/// Nothing of the run follows any more.
pub(crate) fn unsubscribed(run: &str) -> Bytes {
    ServerMessage::Unsubscribed { run: echo(run) }.encode()
}

/// The run is not watched, or no longer.
pub(crate) fn refused(run: &str, refusal: RunRefusal) -> Bytes {
    refused_with(run, refusal.close_code(), &refusal.to_string())
}

/// As [`refused`], for another reason.
pub(crate) fn refused_with(run: &str, code: u16, reason: &str) -> Bytes {
    ServerMessage::Refused { run: echo(run), code, reason }.encode()
}

impl ServerMessage<'_> {
    fn encode(&self) -> Bytes {
        // It cannot fail: JSON can express texts and a number.
        encode(&serde_json::to_string(self).unwrap_or_default())
    }
}

fn echo(run: &str) -> &str {
    run.char_indices().nth(MAX_ECHO).map_or(run, |(end, _)| &run[..end])
}
