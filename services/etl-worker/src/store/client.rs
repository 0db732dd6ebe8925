use std::sync::Arc;

use fred::clients::Client;
use fred::types::scripts::Script;
use fred::types::{FromValue, MultipleKeys, MultipleValues, Value};
use redis_core::{ConnectError, Key, Layout, Redis, RedisConfig, RedisError, State, WaitReplicas};
use tokio::sync::watch;

use super::needs::needs;
use super::scripts::Scripts;
use crate::dataset::Dataset;

/// The sessions of a dataset and their jobs in Redis, as one worker process sees them.
#[derive(Clone)]
pub struct Store {
    pub(super) redis: Redis,
    pub(super) consumer: Arc<str>,
    pub(super) scripts: Arc<Scripts>,
    pub(super) wait_replicas: WaitReplicas,
    pub(super) dataset: Arc<Dataset>,
}

impl Store {
    /// Connects in the background. `consumer` names this process in the consumer group; no other process may use it. The
    /// state also says whether Redis would do what a worker that listens on `channels` needs.
    ///
    /// # Errors
    /// When the configuration is invalid.
    pub fn connect(
        config: &RedisConfig,
        consumer: &str,
        dataset: &Arc<Dataset>,
        channels: &[String],
    ) -> Result<(Self, watch::Receiver<State>), ConnectError> {
        let redis = Redis::connect(config, needs(dataset, channels, config.layout()))?;
        let state = redis.state();
        Ok((Self::new(config, redis, consumer, dataset), state))
    }

    /// Connects before it returns, for commands.
    ///
    /// # Errors
    /// When the first attempt to connect fails.
    pub async fn connect_now(
        config: &RedisConfig,
        consumer: &str,
        dataset: &Arc<Dataset>,
    ) -> Result<Self, ConnectError> {
        Ok(Self::new(config, Redis::connected(config).await?, consumer, dataset))
    }

    fn new(config: &RedisConfig, redis: Redis, consumer: &str, dataset: &Arc<Dataset>) -> Self {
        Self {
            redis,
            consumer: consumer.into(),
            scripts: Arc::new(Scripts::load()),
            wait_replicas: config.wait_replicas(),
            dataset: Arc::clone(dataset),
        }
    }

    /// The dataset.
    pub fn dataset(&self) -> &Arc<Dataset> {
        &self.dataset
    }

    /// Whether the records of a session are on several shards, where no script can have them all.
    pub fn is_on_cluster(&self) -> bool {
        self.redis.layout() == Layout::Cluster
    }

    /// A key of ours.
    pub(super) fn key(&self, key: Key) -> String {
        self.dataset.key(key, self.redis.layout())
    }

    pub(super) fn jobs_key(&self) -> String {
        self.key(Key::EtlJobs)
    }

    pub(super) fn group_and_consumer(&self) -> impl Iterator<Item = String> + use<> {
        [GROUP.to_owned(), self.consumer.to_string()].into_iter()
    }

    /// Runs `op` on keys of ours, which are all in one slot: see [`Redis::run`].
    pub(super) async fn on_own<T, F: Future<Output = Result<T, RedisError>>>(
        &self,
        op: impl Fn(Client) -> F,
    ) -> Result<T, RedisError> {
        self.redis.run(self.jobs_key(), op).await
    }

    pub(super) async fn run<R: FromValue>(
        &self,
        script: &Script,
        keys: Vec<String>,
        args: Vec<String>,
    ) -> Result<R, RedisError> {
        self.run_then(WaitReplicas::default(), script, keys, args).await
    }

    /// As [`run`](Self::run), and waits until as many replicas as `REDIS_WAIT_REPLICAS` says have everything that was
    /// written before, by whomever: a failover forgets nothing of it.
    pub(super) async fn run_confirmed<R: FromValue>(
        &self,
        script: &Script,
        keys: Vec<String>,
        args: Vec<String>,
    ) -> Result<R, RedisError> {
        self.run_then(self.wait_replicas, script, keys, args).await
    }

    async fn run_then<R: FromValue>(
        &self,
        wait_replicas: WaitReplicas,
        script: &Script,
        keys: Vec<String>,
        args: Vec<String>,
    ) -> Result<R, RedisError> {
        // To clone these copies no text.
        let (keys, args) = (MultipleKeys::from(keys), MultipleValues::try_from(args)?);
        let (keys, args) = (&keys, &args);
        self.on_own(|client| async move {
            let run = script.evalsha_with_reload(&client, keys.clone(), args.clone());
            wait_replicas.confirm(&client, run).await
        })
        .await
    }
}

/// The consumer group of all workers.
pub(super) const GROUP: &str = "workers";

/// A page of a stream: the id of each entry, and its fields and values in turn, which may be any bytes.
pub(super) type StreamEntries = Vec<(String, Vec<Value>)>;

/// What Redis has as text, whatever its bytes are.
pub(super) fn lossy_text(value: &Value) -> String {
    value.as_bytes().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).unwrap_or_default()
}
