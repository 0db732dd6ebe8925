//! Leases in Redis: which instances there are, and which one owns which partition.

use std::ops::Range;

use fred::types::Value;
use redis_core::Key;

use super::client::Store;
use super::scripts::flag;
use crate::lanes::Lane;
use crate::partitions::PARTITIONS;
use crate::unavailable::Unavailable;

/// What an instance asks for when it takes or renews its lease.
pub(crate) struct JoinRequest<'a> {
    pub(crate) instance: &'a str,
    pub(crate) lease_ms: i64,
    /// The partitions of the lane.
    pub(crate) partitions: Range<usize>,
    /// How many partitions of other lanes this instance has and keeps in preference to these.
    pub(crate) partitions_before: usize,
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
    /// How many partitions of the lane it may keep.
    pub(crate) fair_share: usize,
    /// The partitions of the lane that it owns.
    pub(crate) partitions: Vec<usize>,
    /// The time by the clock of the lane (ms).
    pub(crate) now_ms: f64,
    /// When the first event since the start of the timeline is or was due, of any partition of the lane (ms).
    pub(crate) first_due_ms: Option<i64>,
}

impl Store {
    /// Takes or renews the lease on a lane, gives up partitions, and takes free ones up to the fair share.
    pub(crate) async fn join(&self, lane: Lane, request: JoinRequest<'_>) -> Result<JoinReply, Unavailable> {
        let number = |number: usize| Value::from(i64::try_from(number).unwrap_or(i64::MAX));
        let mut args: Vec<Value> = vec![
            self.hint_channel(lane).into(),
            request.instance.into(),
            request.lease_ms.into(),
            request.start_ms.map_or_else(|| "now".to_owned(), |ms| ms.to_string()).into(),
            request.uptime_ms.into(),
            match request.status {
                MembershipStatus::New => "new",
                MembershipStatus::Returning => "returning",
                MembershipStatus::Member => "member",
            }
            .into(),
            flag(request.starts_with_process),
            number(request.partitions.start),
            number(request.partitions.end - 1),
            number(PARTITIONS),
            number(request.partitions_before),
        ];
        args.extend(request.given_up.iter().map(|partition| Value::from(partition.to_string())));
        let partition = lane.key_partition();
        let keys = [
            Key::TimelineInstances(partition),
            Key::TimelinePartitions(partition),
            Key::TimelineMeta(partition),
            Key::Timeline(partition),
        ];
        type Reply = (String, i64, usize, Vec<usize>, f64, String);
        let (lease_lost, start_ms, fair_share, partitions, now_ms, first_due): Reply =
            self.run_script(lane, &self.scripts.join, &keys, args).await?;
        let first_due_ms = first_due.parse::<f64>().ok().map(|due_ms| due_ms as i64);
        let lease_lost = lease_lost == "1";
        Ok(JoinReply { lease_lost, start_ms, fair_share, partitions, now_ms, first_due_ms })
    }

    /// Gives up the lease on a lane and all partitions there.
    pub(crate) async fn leave(&self, lane: Lane, instance: &str) -> Result<(), Unavailable> {
        let args = vec![self.hint_channel(lane).into(), instance.into()];
        let partition = lane.key_partition();
        let keys = [Key::TimelineInstances(partition), Key::TimelinePartitions(partition)];
        self.run_script(lane, &self.scripts.leave, &keys, args).await
    }
}
