//! Leases in Redis: which instances there are, and which one owns which partition.

use fred::types::Value;
use redis_core::{Channel, Key};

use super::client::Store;
use super::scripts::flag;
use crate::unavailable::Unavailable;

/// What an instance asks for when it takes or renews its lease.
pub(crate) struct JoinRequest<'a> {
    pub(crate) instance: &'a str,
    pub(crate) lease_ms: i64,
    /// Number of all partitions.
    pub(crate) partitions: usize,
    /// Where the timeline starts (ms). `None`: when this process started.
    pub(crate) start_ms: Option<i64>,
    /// How long this process has been running.
    pub(crate) uptime_ms: i64,
    pub(crate) status: MembershipStatus,
    /// Whether the timeline starts when a process starts, and not at a time of the settings.
    pub(crate) starts_with_process: bool,
    /// The partitions that it gives up.
    pub(crate) given_up: &'a [usize],
}

/// Whether the instance believes that it holds a lease.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum MembershipStatus {
    /// It has never joined.
    New,
    /// It left, or lost its lease.
    Returning,
    /// It holds a lease, as far as it knows.
    Member,
}

/// What the instance has now.
pub(crate) struct JoinReply {
    /// The lease had ended, so other instances may own its partitions. Nothing else in this reply is valid then.
    pub(crate) lease_lost: bool,
    /// Where the timeline starts (ms).
    pub(crate) start_ms: i64,
    /// How many partitions it may keep.
    pub(crate) fair_share: usize,
    /// The partitions that it owns.
    pub(crate) partitions: Vec<usize>,
}

impl Store {
    /// Takes or renews the lease, gives up partitions, and takes free ones up to the fair share.
    pub(crate) async fn join(&self, request: JoinRequest<'_>) -> Result<JoinReply, Unavailable> {
        let mut args: Vec<Value> = vec![
            Channel::TimelineChanged.to_string().into(),
            request.instance.into(),
            request.lease_ms.into(),
            i64::try_from(request.partitions).unwrap_or(i64::MAX).into(),
            request.start_ms.map_or_else(|| "now".to_owned(), |ms| ms.to_string()).into(),
            request.uptime_ms.into(),
            match request.status {
                MembershipStatus::New => "new",
                MembershipStatus::Returning => "returning",
                MembershipStatus::Member => "member",
            }
            .into(),
            flag(request.starts_with_process),
        ];
        args.extend(request.given_up.iter().map(|partition| Value::from(partition.to_string())));
        let keys = [Key::TimelineInstances, Key::TimelinePartitions, Key::TimelineMeta];
        let (lease_lost, start_ms, fair_share, partitions): (String, i64, usize, Vec<usize>) =
            self.run_script(&self.scripts.join, &keys, args).await?;
        Ok(JoinReply { lease_lost: lease_lost == "1", start_ms, fair_share, partitions })
    }

    /// Gives up the lease and all partitions.
    pub(crate) async fn leave(&self, instance: &str) -> Result<(), Unavailable> {
        let args = vec![Channel::TimelineChanged.to_string().into(), instance.into()];
        let keys = [Key::TimelineInstances, Key::TimelinePartitions];
        self.run_script(&self.scripts.leave, &keys, args).await
    }
}
