use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use fred::bytes::Bytes;
use fred::interfaces::HashesInterface;
use redis_core::{Key, RedisConfig, RedisError};
use tokio::sync::Mutex;
use tokio::task;

use crate::owned_redis::OwnedRedis;
use crate::{Error, RunId, dump};

/// The hash of one run in Redis. preflight computes the run's checklist from it.
///
/// After each change, the hash without its locks is written as JSON to `redisprep.dump` in the run's working directory. The
/// file is replaced as a whole, and never read back. Changes through one `RedisPrep` reach the file in order.
///
/// Each change sets `attrs:loaded` too: it tells wepppy's `RedisPrep`, which may work on the same run, that the hash is
/// newer than the file.
///
/// ```
/// # use run_events::{RedisConfig, RedisPrep, RunId};
/// # async fn example(redis: &RedisConfig) -> anyhow::Result<()> {
/// let run = RunId::parse("decimal-pleasing")?;
/// let prep = RedisPrep::connect(redis, run, "/geodata/runs/decimal-pleasing").await?;
/// prep.set_attribute("has_sbs", true).await?;
/// prep.set_locked("soils", true).await?;
/// // … build the soils …
/// prep.timestamp("build_soils").await?;
/// prep.set_locked("soils", false).await?;
/// # Ok(())
/// # }
/// ```
///
/// See `examples/prepare.rs` for a complete program.
pub struct RedisPrep {
    redis: OwnedRedis,
    key: String,
    dump: PathBuf,
    // Held from a change until its file is written. Otherwise an older hash could replace a newer one in the file.
    write_order: Mutex<()>,
}

/// The field that says that Redis has the run's state. wepppy reads the dump file into a hash that has it not.
const LOADED: (&str, &str) = ("attrs:loaded", "true");

impl RedisPrep {
    /// Connects to Redis. The database must be the one that preflight reads: 0, unless preflight is configured otherwise.
    ///
    /// # Errors
    /// [`Error::Connect`] when Redis cannot be reached.
    pub async fn connect(
        redis: &RedisConfig,
        run: RunId,
        working_directory: impl Into<PathBuf>,
    ) -> Result<Self, Error> {
        Ok(Self {
            redis: OwnedRedis::connect(redis).await?,
            key: Key::Run(&run).to_string(),
            dump: working_directory.into().join("redisprep.dump"),
            write_order: Mutex::new(()),
        })
    }

    /// Marks a task as done now.
    ///
    /// # Errors
    /// [`Error::Redis`] or [`Error::Dump`], like every change.
    pub async fn timestamp(&self, task: &str) -> Result<(), Error> {
        self.timestamp_at(task, SystemTime::now()).await
    }

    /// Marks a task as done at a time. It is kept in whole seconds, and a time before 1970 counts as 1970.
    ///
    /// # Errors
    /// Like [`timestamp`](Self::timestamp).
    pub async fn timestamp_at(&self, task: &str, time: SystemTime) -> Result<(), Error> {
        let seconds = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        self.set(format!("timestamps:{task}"), seconds.to_string()).await
    }

    /// Marks a task as not done.
    ///
    /// # Errors
    /// Like [`timestamp`](Self::timestamp).
    pub async fn remove_timestamp(&self, task: &str) -> Result<(), Error> {
        let (key, field) = (self.key.as_str(), format!("timestamps:{task}"));
        let field = field.as_str();
        let removed = self.redis.run(key, |client| async move {
            client.hset::<(), _, _>(key, LOADED).await?;
            client.hdel(key, field).await
        });
        self.change("remove a timestamp", removed).await
    }

    /// Sets an attribute of the run.
    ///
    /// # Errors
    /// Like [`timestamp`](Self::timestamp).
    pub async fn set_attribute(&self, name: &str, value: bool) -> Result<(), Error> {
        self.set(format!("attrs:{name}"), value.to_string()).await
    }

    /// Locks or unlocks a part of the run: `true` while it is being worked on.
    ///
    /// # Errors
    /// Like [`timestamp`](Self::timestamp).
    pub async fn set_locked(&self, name: &str, locked: bool) -> Result<(), Error> {
        self.set(format!("locked:{name}"), locked.to_string()).await
    }

    /// Reads all fields of the hash. One that is not text in UTF-8 is left out.
    ///
    /// # Errors
    /// [`Error::Redis`].
    pub async fn fields(&self) -> Result<BTreeMap<String, String>, Error> {
        let key = self.key.as_str();
        let read = self.redis.run(key, |client| async move { client.hgetall(key).await });
        let fields: HashMap<Bytes, Bytes> = read.await.map_err(Error::redis("read the run"))?;
        let text = |bytes: Bytes| String::from_utf8(bytes.to_vec()).ok();
        Ok(fields.into_iter().filter_map(|(field, value)| Some((text(field)?, text(value)?))).collect())
    }

    async fn set(&self, field: String, value: String) -> Result<(), Error> {
        let fields = vec![(field, value), (LOADED.0.to_owned(), LOADED.1.to_owned())];
        let (key, fields) = (self.key.as_str(), &fields);
        let set = self.redis.run(key, |client| async move { client.hset(key, fields.clone()).await });
        self.change("set a field of the run", set).await
    }

    /// Makes a change, and then writes the hash to the dump file.
    async fn change(
        &self,
        operation: &'static str,
        change: impl Future<Output = Result<(), RedisError>>,
    ) -> Result<(), Error> {
        let _order = self.write_order.lock().await;
        change.await.map_err(Error::redis(operation))?;
        let mut fields = self.fields().await?;
        // A lock that is in the file would be there again when wepppy loads it.
        fields.retain(|field, _| !field.starts_with("locked:"));
        let path = self.dump.clone();
        let written = task::spawn_blocking(move || dump::replace(&path, &fields)).await;
        written
            .unwrap_or_else(|panic| Err(panic.into()))
            .map_err(|source| Error::Dump { path: self.dump.clone(), source })
    }
}
