//! Leases in Redis: which instances there are, and whose lane is whose.

use fred::types::Value;
use redis_core::{Channel, Key};

use super::Store;
use crate::timeline::Unavailable;

/// What an instance asks for when it renews its lease.
pub(crate) struct Join<'a> {
    pub(crate) instance: &'a str,
    pub(crate) lease_ms: i64,
    pub(crate) lanes: usize,
    /// Where the timeline starts (ms); `None` is the moment this process started.
    pub(crate) start_ms: Option<i64>,
    pub(crate) age_ms: i64,
    pub(crate) standing: Standing,
    pub(crate) give_up: &'a [usize],
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Standing {
    /// It has never joined.
    New,
    /// It left, or lost its lease, and comes back.
    Back,
    /// It believes that its lease runs.
    Known,
}

pub(crate) struct Joined {
    /// The lease had run out: others may hold its lanes.
    pub(crate) lost: bool,
    pub(crate) start_ms: i64,
    pub(crate) share: usize,
    pub(crate) lanes: Vec<usize>,
}

impl Store {
    pub(crate) async fn join(&self, join: Join<'_>) -> Result<Joined, Unavailable> {
        let mut args: Vec<Value> = vec![
            Channel::TimelineChanged.to_string().into(),
            join.instance.into(),
            join.lease_ms.into(),
            i64::try_from(join.lanes).unwrap_or(i64::MAX).into(),
            join.start_ms.map_or_else(|| "now".to_owned(), |ms| ms.to_string()).into(),
            join.age_ms.into(),
            match join.standing {
                Standing::New => "new",
                Standing::Back => "back",
                Standing::Known => "known",
            }
            .into(),
        ];
        args.extend(join.give_up.iter().map(|lane| Value::from(lane.to_string())));
        let keys = [Key::TimelineInstances, Key::TimelineLanes, Key::TimelineMeta];
        let (_now_ms, lost, start_ms, share, lanes): (f64, String, i64, usize, Vec<usize>) =
            self.call(&self.scripts.join, &keys, args).await?;
        Ok(Joined { lost: lost == "1", start_ms, share, lanes })
    }

    pub(crate) async fn leave(&self, instance: &str) -> Result<(), Unavailable> {
        let args = vec![Channel::TimelineChanged.to_string().into(), instance.into()];
        self.call(&self.scripts.leave, &[Key::TimelineInstances, Key::TimelineLanes], args).await
    }
}
