use redis_core::id::RunId;

use crate::notification_support::NotificationSupport;
use crate::shard_name::ShardName;

/// What the subscribing connections report.
#[derive(Debug)]
pub(crate) enum Event {
    /// The run's key was written, deleted or renamed, or has expired.
    Changed { shard: ShardName, run: RunId },
    /// Notifications were lost because the buffer was full. Any run of the shard may have changed.
    Lagged(ShardName),
    /// There is a new connection to the shard. It has no subscriptions yet.
    Connected(ShardName),
    /// A probe on the current connection has found out which changes the shard reports.
    Probed { shard: ShardName, support: NotificationSupport },
    /// There are these shards now, and any run may be on another than before.
    Shards(Vec<ShardName>),
}
