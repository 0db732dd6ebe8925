//! The timeline in Redis: this file and those below it are all that speaks to it. Each script's head says what it does and
//! why.

mod hints;
mod lease;
mod scenarios;

use fred::clients::{Client, Pool, SubscriberClient};
use fred::error::Error;
use fred::interfaces::{ClientLike, HashesInterface, SortedSetsInterface, TransactionInterface};
use fred::types::scripts::Script;
use fred::types::sorted_sets::{ZRange, ZRangeKind};
use fred::types::{CustomCommand, Key as RedisKey, Value};
use redis_core::{Channel, Key};
use tokio::sync::broadcast;
use tracing::warn;

pub(crate) use self::lease::{Join, Joined, Standing};
use crate::event::Event;
use crate::lanes::lane_of;
use crate::timeline::{BROADCAST_CAPACITY, Claimed, Hint, Look, Page, Unavailable};

/// Scenarios and steps to come, shared by all instances.
pub(crate) struct Store {
    pool: Pool,
    subscriber: SubscriberClient,
    scripts: Scripts,
    hints: broadcast::Sender<Hint>,
    published: broadcast::Sender<Event>,
}

struct Scripts {
    post: Script,
    swap: Script,
    ack: Script,
    join: Script,
    leave: Script,
}

impl Store {
    /// A store on a pool for commands and a subscriber for hints.
    pub(crate) fn new(pool: Pool, subscriber: SubscriberClient) -> Self {
        Self {
            pool,
            subscriber,
            scripts: Scripts {
                post: Script::from_lua(concat!(
                    include_str!("store/add.lua"),
                    include_str!("store/post.lua")
                )),
                swap: Script::from_lua(concat!(
                    include_str!("store/add.lua"),
                    include_str!("store/swap.lua")
                )),
                ack: Script::from_lua(include_str!("store/ack.lua")),
                join: Script::from_lua(include_str!("store/join.lua")),
                leave: Script::from_lua(include_str!("store/leave.lua")),
            },
            hints: broadcast::channel(BROADCAST_CAPACITY).0,
            published: broadcast::channel(BROADCAST_CAPACITY).0,
        }
    }

    pub(crate) async fn upcoming(&self, limit: usize) -> Result<Vec<Event>, Unavailable> {
        // What fell due before the start is not to come any more.
        let start: Option<f64> =
            self.pool.hget(Key::TimelineMeta.to_string(), "start").await.map_err(unavailable)?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let (from, to) = (start.unwrap_or_default(), f64::INFINITY);
        let key = Key::Timeline.to_string();
        let members: Vec<String> =
            self.pool.zrangebyscore(key, from, to, false, Some((0, limit))).await.map_err(unavailable)?;
        Ok(members.iter().filter_map(|member| Event::parse(member)).collect())
    }

    pub(crate) async fn read(&self, look: Look) -> Result<Page, Unavailable> {
        let limit = i64::try_from(look.limit).unwrap_or(i64::MAX);
        let after = ZRange { kind: ZRangeKind::Exclusive, range: look.until_ms.into() };
        let timeline = RedisKey::from(Key::Timeline.to_string());
        // A transaction and not a script: Lua would copy every member twice.
        let transaction = self.pool.next().multi();
        let queued = async {
            transaction.custom::<(), Value>(CustomCommand::new_static("TIME", None, false), vec![]).await?;
            transaction.hget::<(), _, _>(Key::TimelineMeta.to_string(), "changes").await?;
            let range = async |from: ZRange, to: ZRange, limit: i64| {
                transaction.zrangebyscore::<(), _, _, _>(&timeline, from, to, true, Some((0, limit))).await
            };
            range(look.start_ms.into(), "+inf".into(), 1).await?;
            range(after, "+inf".into(), 1).await?;
            range(look.from_ms.into(), look.until_ms.into(), limit).await?;
            transaction.exec::<(Vec<i64>, Option<u64>, Vec<Value>, Vec<Value>, Vec<Value>)>(true).await
        };
        let (time, changes, first, next, members) = queued.await.map_err(unavailable)?;
        let [seconds, micros] = time[..] else { return Err(Unavailable("its TIME is no time".to_owned())) };
        let due_ms = |score: &Value| score.as_f64().map(|due_ms| due_ms as i64);
        let mut claimed = Vec::with_capacity(members.len() / 2);
        for pair in members.chunks_exact(2) {
            let (Some(member), Some(due_ms)) = (pair[0].as_bytes_str(), due_ms(&pair[1])) else { continue };
            match Event::parse(&member) {
                Some(event) => {
                    claimed.push(Claimed { due_ms, lane: lane_of(&event.customer), event, member });
                }
                None => warn!(%member, "a member of the timeline is no event, and stays there"),
            }
        }
        Ok(Page {
            now_ms: seconds as f64 * 1000.0 + micros as f64 / 1000.0,
            changes: changes.unwrap_or_default(),
            full: members.len() / 2 >= look.limit,
            claimed,
            first_due_ms: first.get(1).and_then(due_ms),
            next_due_ms: next.get(1).and_then(due_ms),
        })
    }

    pub(crate) async fn ack(&self, instance: &str, claimed: &[Claimed]) -> Result<bool, Unavailable> {
        let head = [Value::from(instance), Channel::TimelinePublished.to_string().into()];
        let args = head
            .into_iter()
            .chain(claimed.iter().map(|claimed| Value::String(claimed.member.clone())))
            .collect();
        let keys = [Key::TimelineInstances, Key::Timeline];
        self.call::<i64>(&self.scripts.ack, &keys, args).await.map(|done| done == 1)
    }

    async fn call<T: fred::types::FromValue>(
        &self,
        script: &Script,
        keys: &[Key<'_>],
        args: Vec<Value>,
    ) -> Result<T, Unavailable> {
        let keys: Vec<RedisKey> = keys.iter().map(|key| RedisKey::from(key.to_string())).collect();
        let client: &Client = self.pool.next();
        script.evalsha_with_reload(client, keys, args).await.map_err(unavailable)
    }
}

fn unavailable(error: Error) -> Unavailable {
    Unavailable(error.details().to_owned())
}
