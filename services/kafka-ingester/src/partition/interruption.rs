//! Why a task stops reading at its present position.

use crate::store::{Counts, StoreFailure};

/// Why a task stops reading at its present position. Unless it was stopped, it claims the partition again
/// after a pause.
pub(super) enum Interruption {
    /// The partition was revoked, or the process is stopping.
    Stopped,
    /// The schema of a message is known now, so the message is read again.
    SchemaLoaded,
    /// Redis's offset or the log has changed, so the position is no longer valid: the reason.
    Rewind(String),
    /// Another instance has claimed the partition: its epoch. This one claims it again if the group leaves it
    /// assigned here.
    Fenced(String),
    /// Kafka did not answer, or not as expected.
    Failed(anyhow::Error),
    /// Redis did not answer, or refuses it.
    Store(StoreFailure),
    /// All of the last messages were bad, and so is the next: the reason, and the partition's messages.
    AllBad(String, Counts),
}

impl From<StoreFailure> for Interruption {
    fn from(failure: StoreFailure) -> Self {
        Self::Store(failure)
    }
}

impl Interruption {
    /// Redis has another offset than it had, or none.
    pub(super) fn offset_changed(expected: i64, stored: Option<i64>) -> Self {
        let stored = stored.map_or_else(|| "no offset".to_owned(), |stored| format!("offset {stored}"));
        Self::Rewind(format!("redis had offset {expected}, and has {stored} now"))
    }
}
