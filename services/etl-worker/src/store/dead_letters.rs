//! Games that failed for good: a stream of their own.

use fred::error::Error;
use fred::interfaces::StreamsInterface;
use redis_core::Key;
use redis_core::id::GameToken;

use super::{Entries, Store};

/// A game that failed for good.
#[derive(Debug, Clone, serde::Serialize)]
pub struct DeadLetter {
    /// Its entry in the stream.
    #[serde(skip)]
    pub entry: String,
    /// The game.
    pub game: String,
    /// The last failure.
    pub reason: String,
    /// When that was, in RFC 3339.
    pub when: String,
    /// How often it failed.
    pub tries: u64,
}

impl Store {
    /// A page of dead letters after the given one (empty: from the first on).
    pub async fn dead_letters(&self, after: &str) -> Result<Vec<DeadLetter>, Error> {
        let start = if after.is_empty() { "-".to_owned() } else { format!("({after}") };
        let page: Entries = self.pool.xrange(Key::EtlDead.to_string(), start, "+", Some(DEAD_PAGE)).await?;
        let letter = |(entry, fields): (String, Vec<String>)| {
            let field = |name: &str| {
                let pair = fields.chunks_exact(2).find(|pair| pair[0] == name);
                pair.map(|pair| pair[1].clone()).unwrap_or_default()
            };
            let (game, reason, when) = (field("game"), field("reason"), field("when"));
            DeadLetter { entry, game, reason, when, tries: field("tries").parse().unwrap_or_default() }
        };
        Ok(page.into_iter().map(letter).collect())
    }

    /// Makes a job of a dead letter again; false if somebody else did.
    pub async fn retry(&self, letter: &DeadLetter) -> Result<bool, Error> {
        let Ok(game) = GameToken::parse(letter.game.as_str()) else { return Ok(false) };
        let keys = [Key::EtlJobs, Key::EtlDead, Key::EtlGame(&game)].map(|key| key.to_string());
        let args = vec![letter.entry.clone(), game.to_string()];
        self.run::<u8>(&self.scripts.retry, keys.to_vec(), args).await.map(|retried| retried == 1)
    }
}

const DEAD_PAGE: u64 = 500;
