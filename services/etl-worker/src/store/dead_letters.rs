//! Dead letters: the games that failed for good, in a stream of their own. A game whose dead letter is dropped keeps the
//! state `dead`, so neither a message nor the reconciler takes it up again.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fred::interfaces::StreamsInterface;
use fred::types::Value;
use fred::types::streams::{XCapKind, XCapTrim};
use redis_core::id::GameToken;
use redis_core::{Key, RedisError};

use super::client::{Store, StreamEntries, lossy_text};

/// A game that failed for good.
#[derive(Debug, Clone, serde::Serialize)]
pub struct DeadLetter {
    /// The id of its entry in the stream.
    #[serde(skip)]
    pub entry_id: String,
    /// The game.
    pub game: String,
    /// The reason of the last failure.
    pub reason: String,
    /// The time of the last failure, in RFC 3339.
    pub when: String,
    /// How often it failed.
    pub tries: u64,
}

impl Store {
    /// The page of dead letters after the entry `after`, or the first page if `after` is empty.
    pub async fn dead_letters(&self, after: &str) -> Result<Vec<DeadLetter>, RedisError> {
        let start = if after.is_empty() { "-".to_owned() } else { format!("({after}") };
        let (key, start) = (&self.key(Key::EtlDead), start.as_str());
        let read = self.on_own(|client| async move { client.xrange(key, start, "+", Some(PAGE)).await });
        let page: StreamEntries = read.await?;
        let parse = |(entry_id, fields): (String, Vec<Value>)| {
            let field = |name: &str| {
                let pair = fields.chunks_exact(2).find(|pair| lossy_text(&pair[0]) == name);
                pair.map(|pair| lossy_text(&pair[1])).unwrap_or_default()
            };
            let (game, reason, when) = (field("game"), field("reason"), field("when"));
            DeadLetter { entry_id, game, reason, when, tries: field("tries").parse().unwrap_or_default() }
        };
        Ok(page.into_iter().map(parse).collect())
    }

    /// Queues the game of a dead letter again. False if someone else did.
    pub async fn retry(&self, letter: &DeadLetter) -> Result<bool, RedisError> {
        let Ok(game) = GameToken::parse(letter.game.as_str()) else { return Ok(false) };
        let keys = [Key::EtlJobs, Key::EtlDead, Key::EtlGame(&game)].map(|key| self.key(key));
        let args = vec![letter.entry_id.clone(), game.to_string()];
        self.run::<u8>(&self.scripts.retry, keys.to_vec(), args).await.map(|retried| retried == 1)
    }

    /// Drops a dead letter. Returns 0 if someone else did.
    pub async fn drop_dead_letter(&self, letter: &DeadLetter) -> Result<u64, RedisError> {
        let (key, entry_id) = (&self.key(Key::EtlDead), letter.entry_id.as_str());
        self.on_own(|client| async move { client.xdel(key, entry_id).await }).await
    }

    /// Drops the dead letters of failures that are longer ago than `age`. Returns how many.
    pub async fn drop_older_dead_letters(&self, age: Duration) -> Result<u64, RedisError> {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let oldest_ms = since_epoch.saturating_sub(age).as_millis();
        self.trim_dead_letters(XCapKind::MinID, oldest_ms.to_string()).await
    }

    /// Drops the oldest dead letters if there are more than `max`. Returns how many.
    pub async fn drop_dead_letters_above(&self, max: u64) -> Result<u64, RedisError> {
        self.trim_dead_letters(XCapKind::MaxLen, max.to_string()).await
    }

    async fn trim_dead_letters(&self, kind: XCapKind, threshold: String) -> Result<u64, RedisError> {
        let (key, kind, threshold) = (&self.key(Key::EtlDead), &kind, threshold.as_str());
        let trim = self.on_own(|client| async move {
            client.xtrim(key, (kind.clone(), XCapTrim::Exact, threshold, None)).await
        });
        trim.await
    }
}

const PAGE: u64 = 500;
