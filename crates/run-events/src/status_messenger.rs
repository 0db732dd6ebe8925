use fred::interfaces::PubsubInterface;
use redis_core::{Channel, RedisConfig};
use tokio::sync::OnceCell;

use crate::link::Link;
use crate::{ChannelName, Error, RunId};

/// Publishes the status lines of runs: what status-proxy carries to browsers.
///
/// It connects when the first line is published; where that fails, the next line tries again. Lines published one after
/// another arrive in that order. A line is at most as durable as Pub/Sub: with Redis away, `publish` says so.
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
/// `examples/report.rs` is a whole program.
pub struct StatusMessenger {
    redis: RedisConfig,
    link: OnceCell<Link>,
}

impl StatusMessenger {
    /// Does not connect yet.
    pub fn new(redis: RedisConfig) -> Self {
        Self { redis, link: OnceCell::new() }
    }

    /// Publishes one line, any text, on a channel of a run.
    ///
    /// # Errors
    /// [`Error::Connect`] when the first connect fails, [`Error::Redis`] when a later line is not accepted within 5 s.
    pub async fn publish(&self, run: &RunId, channel: &ChannelName, line: &str) -> Result<(), Error> {
        let link = self.link.get_or_try_init(|| Link::connect(&self.redis)).await?;
        let channel = Channel::Status(run, channel).to_string();
        // One connection only: lines on two could overtake each other.
        let connection = &link.clients()[0];
        connection.publish(channel, line).await.map_err(Error::redis("publish a status line"))
    }
}
