use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use fred::interfaces::HashesInterface;
use redis_core::{Key, RedisConfig};
use tokio::sync::Mutex;
use tokio::task;

use crate::link::Link;
use crate::{Error, RunId, dump};

/// One run's hash in Redis: what preflight's checklist is computed from.
///
/// After each change the whole hash is written to `redisprep.dump` in the run's working directory, as JSON; the file is
/// replaced as a whole and never read back. Changes made through one `RedisPrep` reach the file in their order.
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
/// `examples/prepare.rs` is a whole program.
pub struct RedisPrep {
    redis: Link,
    key: String,
    dump: PathBuf,
    // Held from a change to its file, so that an older hash never replaces a newer one there.
    in_order: Mutex<()>,
}

impl RedisPrep {
    /// Connects to Redis. The configuration's database must be the one that preflight reads: 0, unless changed there.
    ///
    /// # Errors
    /// [`Error::Connect`] when Redis cannot be reached.
    pub async fn connect(
        redis: &RedisConfig,
        run: RunId,
        working_directory: impl Into<PathBuf>,
    ) -> Result<Self, Error> {
        Ok(Self {
            redis: Link::connect(redis).await?,
            key: Key::Run(&run).to_string(),
            dump: working_directory.into().join("redisprep.dump"),
            in_order: Mutex::new(()),
        })
    }

    /// A task is done as of now.
    ///
    /// # Errors
    /// [`Error::Redis`] or [`Error::Dump`], as of every change.
    pub async fn timestamp(&self, task: &str) -> Result<(), Error> {
        self.timestamp_at(task, SystemTime::now()).await
    }

    /// A task was done at a moment; whole seconds are kept, and what is before 1970 counts as 1970.
    ///
    /// # Errors
    /// As [`timestamp`](Self::timestamp).
    pub async fn timestamp_at(&self, task: &str, at: SystemTime) -> Result<(), Error> {
        let seconds = at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        self.set(format!("timestamps:{task}"), seconds.to_string()).await
    }

    /// A task is no longer done.
    ///
    /// # Errors
    /// As [`timestamp`](Self::timestamp).
    pub async fn remove_timestamp(&self, task: &str) -> Result<(), Error> {
        let removed = self.redis.hdel(&self.key, format!("timestamps:{task}"));
        self.change("remove a timestamp", removed).await
    }

    /// Sets the run's attribute of that name.
    ///
    /// # Errors
    /// As [`timestamp`](Self::timestamp).
    pub async fn set_attribute(&self, name: &str, value: bool) -> Result<(), Error> {
        self.set(format!("attrs:{name}"), value.to_string()).await
    }

    /// Says whether a part of the run is being worked on.
    ///
    /// # Errors
    /// As [`timestamp`](Self::timestamp).
    pub async fn set_locked(&self, name: &str, locked: bool) -> Result<(), Error> {
        self.set(format!("locked:{name}"), locked.to_string()).await
    }

    /// The whole hash, by field.
    ///
    /// # Errors
    /// [`Error::Redis`].
    pub async fn fields(&self) -> Result<BTreeMap<String, String>, Error> {
        self.redis.hgetall(&self.key).await.map_err(Error::redis("read the run"))
    }

    async fn set(&self, field: String, value: String) -> Result<(), Error> {
        self.change("set a field of the run", self.redis.hset(&self.key, (field, value))).await
    }

    /// Makes a change, then writes the hash as it is now to the dump file.
    async fn change(
        &self,
        what: &'static str,
        change: impl Future<Output = Result<(), fred::error::Error>>,
    ) -> Result<(), Error> {
        let _in_order = self.in_order.lock().await;
        change.await.map_err(Error::redis(what))?;
        let fields = self.fields().await?;
        let path = self.dump.clone();
        let written = task::spawn_blocking(move || dump::write(&path, &fields)).await;
        written
            .unwrap_or_else(|died| Err(died.into()))
            .map_err(|source| Error::Dump { path: self.dump.clone(), source })
    }
}
