//! The one place that speaks Redis. What must happen at once is a script, in `store/`.

mod dead_letters;
mod games;
mod jobs;

use std::sync::Arc;
use std::time::Duration;

use fred::clients::Pool;
use fred::error::Error;
use fred::interfaces::{KeysInterface, StreamsInterface};
use fred::types::scripts::Script;
use fred::types::{Expiration, SetOptions};
use redis_core::{ConnectError, Connection, Key, RedisConfig, State, connect};
use tokio::sync::watch;

pub use dead_letters::DeadLetter;
pub use games::{Cleaning, Records};
pub use jobs::{Enqueued, Job, MAX_TRIES};

/// Games and jobs in Redis, as one worker process sees them.
#[derive(Clone)]
pub struct Store {
    pool: Pool,
    consumer: Arc<str>,
    scripts: Arc<Scripts>,
}

struct Scripts {
    enqueue: Script,
    settle: Script,
    claim: Script,
    renew: Script,
    read: Script,
    plan: Script,
    commit: Script,
    fail: Script,
    retry: Script,
    sweep: Script,
}

const GROUP: &str = "workers";

impl Store {
    /// Connects in the background. `consumer` is this process's name among the workers, used by no other.
    ///
    /// # Errors
    /// When the configuration cannot be used.
    pub fn connect(
        config: &RedisConfig,
        consumer: &str,
    ) -> Result<(Self, watch::Receiver<State>), ConnectError> {
        let Connection { client: pool, state } = connect::pool(config)?;
        Ok((Self::new(pool, consumer), state))
    }

    /// Uses a pool that stands.
    pub fn new(pool: Pool, consumer: &str) -> Self {
        macro_rules! script {
            ($file:literal) => {
                Script::from_lua(concat!(
                    include_str!("store/lib.lua"),
                    include_str!(concat!("store/", $file))
                ))
            };
        }
        let scripts = Scripts {
            enqueue: script!("enqueue.lua"),
            settle: script!("settle.lua"),
            claim: script!("claim.lua"),
            renew: script!("renew.lua"),
            read: script!("read.lua"),
            plan: script!("plan.lua"),
            commit: script!("commit.lua"),
            fail: script!("fail.lua"),
            retry: script!("retry.lua"),
            sweep: script!("sweep.lua"),
        };
        Self { pool, consumer: consumer.into(), scripts: Arc::new(scripts) }
    }

    /// True if this worker may look for games without a message now; nobody else may for that time.
    pub async fn lead(&self, time: Duration) -> Result<bool, Error> {
        let expiration = Some(Expiration::PX(i64::try_from(time.as_millis()).unwrap_or(i64::MAX)));
        let key = Key::EtlReconciler.to_string();
        let set: Option<String> =
            self.pool.set(key, self.consumer.as_ref(), expiration, Some(SetOptions::NX), false).await?;
        Ok(set.is_some())
    }

    /// Forgets consumers of processes that ended an hour ago.
    pub async fn sweep(&self) -> Result<u64, Error> {
        self.run(&self.scripts.sweep, vec![jobs()], vec![GROUP.to_owned(), "3600000".to_owned()]).await
    }

    /// Jobs that are not done, and dead letters.
    pub async fn depths(&self) -> Result<(u64, u64), Error> {
        Ok((self.pool.xlen(jobs()).await?, self.pool.xlen(Key::EtlDead.to_string()).await?))
    }

    fn named(&self) -> impl Iterator<Item = String> + use<> {
        [GROUP.to_owned(), self.consumer.to_string()].into_iter()
    }

    async fn run<R: fred::types::FromValue>(
        &self,
        script: &Script,
        keys: Vec<String>,
        args: Vec<String>,
    ) -> Result<R, Error> {
        script.evalsha_with_reload(self.pool.next(), keys, args).await
    }
}

/// Entries of a stream: id, and fields and values in turn.
type Entries = Vec<(String, Vec<String>)>;

fn jobs() -> String {
    Key::EtlJobs.to_string()
}
