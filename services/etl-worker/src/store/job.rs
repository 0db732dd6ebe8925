use fred::types::Value;
use jiff::Timestamp;
use redis_core::id::GameToken;

use crate::text::printable;

/// A game that ended and is to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// The id of the job's entry in the stream. It begins with the time at which the job was created.
    pub entry_id: String,
    /// The game.
    pub game: GameToken,
}

/// An entry of the stream that is not a job: somebody else wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidJob {
    /// The id of the entry.
    pub entry_id: String,
    /// What it has in the place of the game, shortened, without control characters.
    pub text: String,
}

/// Entries of the stream of jobs that a worker took.
#[derive(Debug, Default)]
pub struct Jobs {
    /// The jobs.
    pub valid: Vec<Job>,
    /// What is not a job.
    pub invalid: Vec<InvalidJob>,
}

impl Jobs {
    /// Parses entries: their ids, and the value of their first field.
    pub(super) fn parse(entries: impl IntoIterator<Item = (String, Option<Value>)>) -> Self {
        let mut jobs = Self::default();
        for (entry_id, value) in entries {
            let bytes = value.and_then(Value::into_bytes).unwrap_or_default();
            let text = String::from_utf8_lossy(&bytes);
            match GameToken::parse(text.as_ref()) {
                Ok(game) => jobs.valid.push(Job { entry_id, game }),
                Err(_) => jobs.invalid.push(InvalidJob { entry_id, text: printable(&text, MAX_TEXT) }),
            }
        }
        jobs
    }
}

impl Job {
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
    /// Nothing: the key of the game's state holds something else.
    Unreadable,
    /// Nothing yet: a shard with records of the game does not answer.
    Away,
}

const MAX_TEXT: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_knows_when_it_was_created() {
        let created = |entry_id: &str| {
            let job = Job { entry_id: entry_id.to_owned(), game: GameToken::parse("g1").unwrap() };
            job.created_at().to_string()
        };
        assert_eq!(created("1664625600123-0"), "2022-10-01T12:00:00.123Z");
        assert_eq!(created("garbage"), "1970-01-01T00:00:00Z");
    }

    #[test]
    fn what_is_no_job_is_told_from_the_jobs() {
        let entry = |id: &str, value: &'static [u8]| (id.to_owned(), Some(Value::Bytes(value.into())));
        let jobs = Jobs::parse([entry("1-1", b"g1"), entry("2-1", b"\xff\n"), ("3-1".to_owned(), None)]);
        assert_eq!(jobs.valid.len(), 1);
        let invalid: Vec<_> = jobs.invalid.iter().map(|job| (&*job.entry_id, &*job.text)).collect();
        assert_eq!(invalid, [("2-1", "\u{fffd}\\n"), ("3-1", "")]);
    }
}
