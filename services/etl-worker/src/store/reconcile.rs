//! What the reconciler needs: the list of all games, a lease, the lengths of the queues, and idle consumers.

use std::time::Duration;

use fred::clients::Client;
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

impl Settled {
    pub(super) fn new(queued: u64, unreadable: Vec<String>) -> Self {
        let unreadable = unreadable.into_iter().filter_map(|game| GameToken::parse(game).ok()).collect();
        Self { queued, unreadable }
    }
}

impl Store {
    /// True if this worker may reconcile now. Then no other worker may for the time of `ttl`.
    pub async fn acquire_reconciler_lease(&self, ttl: Duration) -> Result<bool, RedisError> {
        let (key, consumer) = (&self.key(Key::EtlReconciler), self.consumer.as_ref());
        let set = |options: Option<SetOptions>| {
            let (options, ttl_ms) = (options.clone(), i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX));
            self.on_own(move |client| {
                let options = options.clone();
                async move { client.set(key, consumer, Some(Expiration::PX(ttl_ms)), options, false).await }
            })
        };
        let is_set: Option<String> = set(Some(SetOptions::NX)).await?;
        if is_set.is_some() {
            return Ok(true);
        }
        // What does not expire is no lease: nobody would look ever again.
        let pttl: i64 = self.on_own(|client| async move { client.pttl(key).await }).await?;
        if pttl == -1 {
            let _: Option<String> = set(None).await?;
        }
        Ok(pttl == -1)
    }

    /// A page of the list of all games; the first page is at cursor `0`.
    pub async fn scan_games(&self, cursor: String) -> Result<GamePage, RedisError> {
        let Some(lost) = &self.dataset.lost else {
            return Ok(GamePage { next_cursor: "0".to_owned(), games: Vec::new(), invalid_tokens: 0 });
        };
        let args = &vec![lost.index.clone(), cursor, "COUNT".to_owned(), SCAN_PAGE.to_string()];
        let scan = |client: Client| async move { client.custom(fred::cmd!("ZSCAN"), args.clone()).await };
        let (next_cursor, pairs): (String, Vec<Value>) = self.redis.run(&lost.index, scan).await?;
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
        let length = |key: Key<'static>| {
            let key = self.key(key);
            self.on_own(move |client| {
                let key = key.clone();
                async move { client.xlen(key).await }
            })
        };
        Ok((length(Key::EtlJobs).await?, length(Key::EtlDead).await?))
    }

    /// Removes the consumers of processes that ended an hour ago or earlier. Returns how many.
    pub async fn remove_idle_consumers(&self) -> Result<u64, RedisError> {
        let args = vec![GROUP.to_owned(), MAX_IDLE.as_millis().to_string()];
        self.run(&self.scripts.remove_consumers, vec![self.jobs_key()], args).await
    }
}

const SCAN_PAGE: usize = 200;
const MAX_IDLE: Duration = Duration::from_secs(3600);
