//! What the reconciler needs: the list of all games, a lease, the lengths of the queues, and idle consumers.

use std::time::Duration;

use fred::interfaces::{ClientLike, KeysInterface, StreamsInterface};
use fred::types::{Expiration, SetOptions, Value};
use redis_core::id::GameToken;
use redis_core::{Key, RedisError};

use super::client::{GROUP, Store};

/// A page of the list of all games.
#[derive(Debug)]
pub struct GamePage {
    /// Where the next page begins; `0` after the last page.
    pub next_cursor: String,
    /// The games.
    pub games: Vec<GameToken>,
    /// How many games were left out because their token is invalid.
    pub invalid_tokens: usize,
}

/// What came of a look for completed games.
#[derive(Debug, Default)]
pub struct Settled {
    /// So many jobs were created.
    pub queued: u64,
    /// The games whose key of the state holds something else.
    pub unreadable: Vec<GameToken>,
}

impl Store {
    /// True if this worker may reconcile now. Then no other worker may for the time of `ttl`.
    pub async fn acquire_reconciler_lease(&self, ttl: Duration) -> Result<bool, RedisError> {
        let expiration = Some(Expiration::PX(i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX)));
        let key = self.key(Key::EtlReconciler);
        let consumer = self.consumer.as_ref();
        let set: Option<String> =
            self.pool.set(&key, consumer, expiration.clone(), Some(SetOptions::NX), false).await?;
        if set.is_some() {
            return Ok(true);
        }
        // What does not expire is no lease: nobody would look ever again.
        let does_not_expire = self.pool.pttl::<i64, _>(&key).await? == -1;
        if does_not_expire {
            self.pool.set::<(), _, _>(key, consumer, expiration, None, false).await?;
        }
        Ok(does_not_expire)
    }

    /// A page of the list of all games; the first page is at cursor `0`.
    pub async fn scan_games(&self, cursor: String) -> Result<GamePage, RedisError> {
        let Some(lost) = &self.dataset.lost else {
            return Ok(GamePage { next_cursor: "0".to_owned(), games: Vec::new(), invalid_tokens: 0 });
        };
        let command = fred::cmd!("ZSCAN");
        let args = vec![lost.index.clone(), cursor, "COUNT".to_owned(), SCAN_PAGE.to_string()];
        let (next_cursor, pairs): (String, Vec<Value>) = self.pool.custom(command, args).await?;
        let tokens =
            pairs.into_iter().step_by(2).map(|token| GameToken::parse(token.as_string().unwrap_or_default()));
        let (valid, invalid): (Vec<_>, Vec<_>) = tokens.partition(Result::is_ok);
        Ok(GamePage {
            next_cursor,
            games: valid.into_iter().flatten().collect(),
            invalid_tokens: invalid.len(),
        })
    }

    /// The number of jobs that are not committed, and of dead letters.
    pub async fn queue_lengths(&self) -> Result<(u64, u64), RedisError> {
        Ok((self.pool.xlen(self.jobs_key()).await?, self.pool.xlen(self.key(Key::EtlDead)).await?))
    }

    /// Removes the consumers of processes that ended an hour ago or earlier. Returns how many.
    pub async fn remove_idle_consumers(&self) -> Result<u64, RedisError> {
        let args = vec![GROUP.to_owned(), MAX_IDLE.as_millis().to_string()];
        self.run(&self.scripts.remove_consumers, vec![self.jobs_key()], args).await
    }
}

const SCAN_PAGE: usize = 200;
const MAX_IDLE: Duration = Duration::from_secs(3600);
