//! Playbacks as arguments of scripts.

use fred::types::Value;

use crate::playback::Playback;

/// A playback, as it is stored.
pub(super) fn playback_json(playback: &Playback) -> String {
    // Serializing numbers and booleans cannot fail.
    serde_json::to_string(playback).unwrap_or_default()
}

/// When a loop's last scheduled iteration ends (ms), or nothing.
pub(super) fn iteration_end_arg(playback: Option<&Playback>) -> Value {
    let end = playback.and_then(Playback::iteration_end);
    end.map(|end| end.as_ms().to_string()).unwrap_or_default().into()
}
