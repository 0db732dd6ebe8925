use fred::error::ErrorKind;
use fred::interfaces::PubsubInterface;
use redis_core::{Channel, RedisConfig, RedisError};
use tokio::sync::OnceCell;

use crate::owned_redis::OwnedRedis;
use crate::{ChannelName, Error, RunId};

/// Publishes the status lines of runs. status-proxy carries them to browsers.
///
/// It connects when the first line is published. If that fails, the next line tries again. Lines that are published one
/// after another arrive in that order. Pub/Sub keeps no messages: while Redis is away, `publish` returns an error.
///
/// ```
/// # use run_events::{ChannelName, RedisConfig, RunId, StatusMessenger};
/// # async fn example(redis: RedisConfig) -> anyhow::Result<()> {
/// let run = RunId::parse("decimal-pleasing")?;
/// let wepp = ChannelName::parse("wepp")?;
/// let messenger = StatusMessenger::new(redis);
/// messenger.publish(&run, &wepp, "hillslope 1 of 271 done").await?;
/// # Ok(())
/// # }
/// ```
///
/// See `examples/report.rs` for a complete program.
pub struct StatusMessenger {
    config: RedisConfig,
    redis: OnceCell<OwnedRedis>,
}

impl StatusMessenger {
    /// A messenger that is not connected yet.
    pub fn new(redis: RedisConfig) -> Self {
        Self { config: redis, redis: OnceCell::new() }
    }

    /// Publishes one line on a channel of a run. It may be any text.
    ///
    /// # Errors
    /// [`Error::Connect`] if it cannot connect, [`Error::Redis`] if Redis does not accept the line within 5 s.
    pub async fn publish(&self, run: &RunId, channel: &ChannelName, line: &str) -> Result<(), Error> {
        let redis = self.redis.get_or_try_init(|| OwnedRedis::connect(&self.config)).await?;
        let channel = Channel::Status(run, channel).to_string();
        let publish = async {
            let unknown = || RedisError::new(ErrorKind::IO, "no node of the Redis Cluster is known");
            redis.publisher(&channel).ok_or_else(unknown)?.publish(channel.as_str(), line).await
        };
        publish.await.map_err(Error::redis("publish a status line"))
    }
}
