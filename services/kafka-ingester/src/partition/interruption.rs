//! Why a task stops reading at its present position.

/// Why a task stops reading at its present position. Unless it was stopped, it claims the partition again
/// after a pause.
pub(super) enum Interruption {
    /// The partition was revoked, or the process is stopping.
    Stopped,
    /// Redis's offset or the log has changed, so the position is no longer valid: the reason.
    Rewind(String),
    /// Another instance has claimed the partition: its epoch. This one claims it again if the group leaves it
    /// assigned here.
    Fenced(String),
    /// Kafka or Redis did not answer.
    Failed(anyhow::Error),
}

impl Interruption {
    /// Redis has another offset than it had, or none.
    pub(super) fn offset_changed(expected: i64, stored: Option<i64>) -> Self {
        let stored = stored.map_or_else(|| "no offset".to_owned(), |stored| format!("offset {stored}"));
        Self::Rewind(format!("redis had offset {expected}, and has {stored} now"))
    }
}
