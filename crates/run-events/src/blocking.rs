//! The same two types for programs without async. Each has its own thread for its connections.
//!
//! Do not use them in async code: there a call panics, like every blocking call of tokio.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::SystemTime;

use tokio::runtime::{Builder, Runtime};

use crate::{ChannelName, Error, RedisConfig, RunId};

/// [`crate::RedisPrep`] with blocking calls.
///
/// ```no_run
/// # use run_events::{RedisConfig, RunId, blocking::RedisPrep};
/// # fn example(redis: &RedisConfig) -> anyhow::Result<()> {
/// let prep = RedisPrep::connect(redis, RunId::parse("decimal-pleasing")?, "/geodata/runs/decimal-pleasing")?;
/// prep.timestamp("build_soils")?;
/// # Ok(())
/// # }
/// ```
pub struct RedisPrep {
    prep: crate::RedisPrep,
    runtime: BlockingRuntime,
}

impl RedisPrep {
    /// Like [`crate::RedisPrep::connect`].
    ///
    /// # Errors
    /// The same, or [`Error::Thread`].
    pub fn connect(
        redis: &RedisConfig,
        run: RunId,
        working_directory: impl Into<PathBuf>,
    ) -> Result<Self, Error> {
        let runtime = BlockingRuntime::start()?;
        let prep = runtime.block_on(crate::RedisPrep::connect(redis, run, working_directory))?;
        Ok(Self { prep, runtime })
    }

    /// Like [`crate::RedisPrep::timestamp`].
    ///
    /// # Errors
    /// The same.
    pub fn timestamp(&self, task: &str) -> Result<(), Error> {
        self.runtime.block_on(self.prep.timestamp(task))
    }

    /// Like [`crate::RedisPrep::timestamp_at`].
    ///
    /// # Errors
    /// The same.
    pub fn timestamp_at(&self, task: &str, time: SystemTime) -> Result<(), Error> {
        self.runtime.block_on(self.prep.timestamp_at(task, time))
    }

    /// Like [`crate::RedisPrep::remove_timestamp`].
    ///
    /// # Errors
    /// The same.
    pub fn remove_timestamp(&self, task: &str) -> Result<(), Error> {
        self.runtime.block_on(self.prep.remove_timestamp(task))
    }

    /// Like [`crate::RedisPrep::set_attribute`].
    ///
    /// # Errors
    /// The same.
    pub fn set_attribute(&self, name: &str, value: bool) -> Result<(), Error> {
        self.runtime.block_on(self.prep.set_attribute(name, value))
    }

    /// Like [`crate::RedisPrep::set_locked`].
    ///
    /// # Errors
    /// The same.
    pub fn set_locked(&self, name: &str, locked: bool) -> Result<(), Error> {
        self.runtime.block_on(self.prep.set_locked(name, locked))
    }

    /// Like [`crate::RedisPrep::fields`].
    ///
    /// # Errors
    /// The same.
    pub fn fields(&self) -> Result<BTreeMap<String, String>, Error> {
        self.runtime.block_on(self.prep.fields())
    }
}

/// [`crate::StatusMessenger`] with blocking calls.
///
/// ```no_run
/// # use run_events::{ChannelName, RedisConfig, RunId, blocking::StatusMessenger};
/// # fn example(redis: RedisConfig) -> anyhow::Result<()> {
/// let messenger = StatusMessenger::new(redis)?;
/// messenger.publish(&RunId::parse("decimal-pleasing")?, &ChannelName::parse("wepp")?, "hillslope 1 done")?;
/// # Ok(())
/// # }
/// ```
pub struct StatusMessenger {
    messenger: crate::StatusMessenger,
    runtime: BlockingRuntime,
}

impl StatusMessenger {
    /// Like [`crate::StatusMessenger::new`].
    ///
    /// # Errors
    /// [`Error::Thread`].
    pub fn new(redis: RedisConfig) -> Result<Self, Error> {
        Ok(Self { messenger: crate::StatusMessenger::new(redis), runtime: BlockingRuntime::start()? })
    }

    /// Like [`crate::StatusMessenger::publish`].
    ///
    /// # Errors
    /// The same.
    pub fn publish(&self, run: &RunId, channel: &ChannelName, line: &str) -> Result<(), Error> {
        self.runtime.block_on(self.messenger.publish(run, channel, line))
    }
}

/// A runtime with one thread, which serves the connections between the calls.
struct BlockingRuntime(Option<Runtime>);

impl BlockingRuntime {
    fn start() -> Result<Self, Error> {
        let runtime =
            Builder::new_multi_thread().worker_threads(1).thread_name("run-events").enable_all().build();
        Ok(Self(Some(runtime.map_err(Error::Thread)?)))
    }

    fn block_on<T>(&self, call: impl Future<Output = T>) -> T {
        match &self.0 {
            Some(runtime) => runtime.block_on(call),
            None => unreachable!("only drop takes the runtime"),
        }
    }
}

impl Drop for BlockingRuntime {
    fn drop(&mut self) {
        // Dropping the runtime would wait for the connections' tasks, and would panic in async code.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
