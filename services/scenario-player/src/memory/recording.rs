//! A recording in memory.

use std::sync::Arc;

use crate::message::Message;
use crate::playback::Playback;
use crate::records::NewRecording;
use crate::time::EpochMicros;

/// A stored recording.
pub(super) struct Recording {
    pub(super) digest: String,
    pub(super) messages: Vec<Arc<Message>>,
    pub(super) times: Vec<EpochMicros>,
    /// `None` until it begins.
    pub(super) playback: Option<Playback>,
}

impl Recording {
    pub(super) fn of(new: &NewRecording) -> Self {
        Self {
            digest: new.digest.clone(),
            messages: new.messages.iter().map(|recorded| Arc::new(recorded.message.clone())).collect(),
            times: new.messages.iter().map(|recorded| recorded.time).collect(),
            playback: None,
        }
    }
}
