//! The same two types for programs without async. Each has a thread of its own that serves its connections.
//!
//! Not for use inside async code: a call there panics, as blocking calls of tokio do.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::SystemTime;

use tokio::runtime::{Builder, Runtime};

use crate::{ChannelName, Error, RedisConfig, RunId};

/// [`crate::RedisPrep`], blocking.
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
    runtime: Serving,
}

impl RedisPrep {
    /// As [`crate::RedisPrep::connect`].
    ///
    /// # Errors
    /// As there, or [`Error::Thread`].
    pub fn connect(
        redis: &RedisConfig,
        run: RunId,
        working_directory: impl Into<PathBuf>,
    ) -> Result<Self, Error> {
        let runtime = Serving::start()?;
        let prep = runtime.wait(crate::RedisPrep::connect(redis, run, working_directory))?;
        Ok(Self { prep, runtime })
    }

    /// As [`crate::RedisPrep::timestamp`].
    ///
    /// # Errors
    /// As there.
    pub fn timestamp(&self, task: &str) -> Result<(), Error> {
        self.runtime.wait(self.prep.timestamp(task))
    }

    /// As [`crate::RedisPrep::timestamp_at`].
    ///
    /// # Errors
    /// As there.
    pub fn timestamp_at(&self, task: &str, at: SystemTime) -> Result<(), Error> {
        self.runtime.wait(self.prep.timestamp_at(task, at))
    }

    /// As [`crate::RedisPrep::remove_timestamp`].
    ///
    /// # Errors
    /// As there.
    pub fn remove_timestamp(&self, task: &str) -> Result<(), Error> {
        self.runtime.wait(self.prep.remove_timestamp(task))
    }

    /// As [`crate::RedisPrep::set_attribute`].
    ///
    /// # Errors
    /// As there.
    pub fn set_attribute(&self, name: &str, value: bool) -> Result<(), Error> {
        self.runtime.wait(self.prep.set_attribute(name, value))
    }

    /// As [`crate::RedisPrep::set_locked`].
    ///
    /// # Errors
    /// As there.
    pub fn set_locked(&self, name: &str, locked: bool) -> Result<(), Error> {
        self.runtime.wait(self.prep.set_locked(name, locked))
    }

    /// As [`crate::RedisPrep::fields`].
    ///
    /// # Errors
    /// As there.
    pub fn fields(&self) -> Result<BTreeMap<String, String>, Error> {
        self.runtime.wait(self.prep.fields())
    }
}

/// [`crate::StatusMessenger`], blocking.
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
    runtime: Serving,
}

impl StatusMessenger {
    /// As [`crate::StatusMessenger::new`].
    ///
    /// # Errors
    /// [`Error::Thread`].
    pub fn new(redis: RedisConfig) -> Result<Self, Error> {
        Ok(Self { messenger: crate::StatusMessenger::new(redis), runtime: Serving::start()? })
    }

    /// As [`crate::StatusMessenger::publish`].
    ///
    /// # Errors
    /// As there.
    pub fn publish(&self, run: &RunId, channel: &ChannelName, line: &str) -> Result<(), Error> {
        self.runtime.wait(self.messenger.publish(run, channel, line))
    }
}

/// The thread on which the connections live between the calls.
struct Serving(Option<Runtime>);

impl Serving {
    fn start() -> Result<Self, Error> {
        let runtime =
            Builder::new_multi_thread().worker_threads(1).thread_name("run-events").enable_all().build();
        Ok(Self(Some(runtime.map_err(Error::Thread)?)))
    }

    fn wait<T>(&self, call: impl Future<Output = T>) -> T {
        match &self.0 {
            Some(runtime) => runtime.block_on(call),
            None => unreachable!("the runtime is taken in drop only"),
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // An ordinary drop would wait for the connections' tasks, and panics in async code.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
