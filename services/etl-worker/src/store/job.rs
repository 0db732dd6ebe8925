use jiff::Timestamp;
use redis_core::id::GameToken;

/// A game that ended and is to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// The id of the job's entry in the stream. It begins with the time at which the job was created.
    pub entry_id: String,
    /// The game.
    pub game: GameToken,
}

impl Job {
    pub(super) fn new(entry_id: String, game: String) -> Option<Self> {
        Some(Self { entry_id, game: GameToken::parse(game).ok()? })
    }

    /// When the job was created, by Redis's clock.
    pub fn created_at(&self) -> Timestamp {
        let ms = self.entry_id.split('-').next().and_then(|ms| ms.parse().ok()).unwrap_or_default();
        Timestamp::from_millisecond(ms).unwrap_or_default()
    }
}

/// What was done about a message that says a game ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enqueued {
    /// A job was created.
    Queued,
    /// Nothing: the game has a job, or was written, or is a dead letter.
    Known,
    /// Nothing: Redis has no record of the game.
    Unknown,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_knows_when_it_was_created() {
        let created =
            |entry: &str| Job::new(entry.to_owned(), "g1".to_owned()).unwrap().created_at().to_string();
        assert_eq!(created("1664625600123-0"), "2022-10-01T12:00:00.123Z");
        assert_eq!(created("garbage"), "1970-01-01T00:00:00Z");
    }
}
