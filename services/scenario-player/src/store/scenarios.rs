//! Scenarios in Redis: their steps, how they are played, and what of them comes on the timeline.

use std::collections::HashSet;
use std::sync::Arc;

use fred::interfaces::{
    HashesInterface, KeysInterface, ListInterface, SortedSetsInterface, TransactionInterface,
};
use fred::types::Value;
use redis_core::id::CustomerId;
use redis_core::{Channel, Key};

use super::{Store, unavailable};
use crate::event::{Event, parse_stored_step, stored_step};
use crate::playback::Playback;
use crate::scenario::Step;
use crate::time::Micros;
use crate::timeline::{Post, Stored, Summary, Swap, Unavailable};

impl Store {
    pub(crate) async fn next_post(&self) -> Result<u32, Unavailable> {
        let posts: u64 =
            self.pool.hincrby(Key::TimelineMeta.to_string(), "posts", 1).await.map_err(unavailable)?;
        // Places only have to differ among steps that are on the timeline together.
        Ok(u32::try_from(posts % u64::from(u32::MAX)).unwrap_or_default() + 1)
    }

    pub(crate) async fn post(&self, post: Post) -> Result<(), Unavailable> {
        let list = Key::Scenario(&post.customer).to_string();
        // One transaction: nobody reads half a list.
        let transaction = self.pool.next().multi();
        let queued = async {
            if post.replaces {
                transaction.del::<(), _>(&list).await?;
            }
            for steps in post.steps.chunks(STEPS_A_COMMAND) {
                transaction
                    .rpush::<(), _, _>(&list, steps.iter().map(stored_step).collect::<Vec<_>>())
                    .await?;
            }
            transaction
                .set::<(), _, _>(
                    Key::Playback(&post.customer).to_string(),
                    record(&post.playback),
                    None,
                    None,
                    false,
                )
                .await?;
            let posted_ms = jiff::Timestamp::now().as_millisecond() as f64;
            transaction
                .zadd::<(), _, _>(
                    Key::Scenarios.to_string(),
                    None,
                    None,
                    false,
                    false,
                    (posted_ms, post.customer.as_str()),
                )
                .await?;
            transaction.zrem::<(), _, _>(Key::TimelineLoops.to_string(), post.customer.as_str()).await?;
            transaction.exec::<()>(true).await
        };
        queued.await.map_err(unavailable)?;
        for events in added(&post.events).chunks(EVENTS_A_SCRIPT * 4) {
            let args =
                [Value::from(Channel::TimelineChanged.to_string())].into_iter().chain(events.iter().cloned());
            self.call::<()>(&self.scripts.post, &[Key::Timeline, Key::TimelineMeta], args.collect()).await?;
        }
        Ok(())
    }

    pub(crate) async fn load(&self, customer: &CustomerId) -> Result<Option<Stored>, Unavailable> {
        let pipeline = self.pool.next().pipeline();
        let queued = async {
            pipeline.lrange::<(), _>(Key::Scenario(customer).to_string(), 0, -1).await?;
            pipeline.get::<(), _>(Key::Playback(customer).to_string()).await?;
            pipeline.all::<(Vec<String>, Option<String>)>().await
        };
        let (list, playback) = queued.await.map_err(unavailable)?;
        let steps: Vec<Step> = list.iter().filter_map(|text| parse_stored_step(text)).collect();
        if steps.is_empty() {
            return Ok(None);
        }
        // A list that the original wrote has no playback: it is played as recorded.
        let playback = playback.and_then(|json| serde_json::from_str(&json).ok());
        let playback = playback.unwrap_or_else(|| Playback::as_recorded(&steps, 0));
        Ok(Some(Stored { steps, playback }))
    }

    pub(crate) async fn summary(&self, customer: &CustomerId) -> Result<Option<Summary>, Unavailable> {
        let pipeline = self.pool.next().pipeline();
        let queued = async {
            pipeline.llen::<(), _>(Key::Scenario(customer).to_string()).await?;
            pipeline.get::<(), _>(Key::Playback(customer).to_string()).await?;
            pipeline.all::<(usize, Option<String>)>().await
        };
        let (steps, playback) = queued.await.map_err(unavailable)?;
        match playback.and_then(|json| serde_json::from_str(&json).ok()) {
            Some(playback) if steps > 0 => Ok(Some(Summary { steps, playback })),
            _ => Ok(self
                .load(customer)
                .await?
                .map(|Stored { steps, playback }| Summary { steps: steps.len(), playback })),
        }
    }

    pub(crate) async fn customers(&self) -> Result<Vec<Arc<CustomerId>>, Unavailable> {
        let ids: Vec<String> = self
            .pool
            .zrange(Key::Scenarios.to_string(), 0, -1, None, false, None, false)
            .await
            .map_err(unavailable)?;
        Ok(customer_ids(ids))
    }

    pub(crate) async fn rounds_ending(&self, until: Micros) -> Result<Vec<Arc<CustomerId>>, Unavailable> {
        let until_ms = until.as_ms() as f64;
        let key = Key::TimelineLoops.to_string();
        let ids: Vec<String> = self
            .pool
            .zrangebyscore(key, f64::NEG_INFINITY, until_ms, false, Some((0, 1000)))
            .await
            .map_err(unavailable)?;
        Ok(customer_ids(ids))
    }

    pub(crate) async fn swap(&self, swap: Swap) -> Result<bool, Unavailable> {
        let Swap { customer, old, new, remove, add } = &swap;
        let round_end = new.as_ref().and_then(Playback::round_end).map(|end| end.as_ms().to_string());
        let mut args: Vec<Value> = vec![
            Channel::TimelineChanged.to_string().into(),
            customer.as_str().into(),
            record(old).into(),
            new.as_ref().map(record).unwrap_or_default().into(),
            round_end.unwrap_or_default().into(),
            i64::try_from(remove.len()).unwrap_or(i64::MAX).into(),
        ];
        args.extend(remove.iter().flat_map(|event| [event.member().into(), place(event)]));
        args.extend(added(add));
        let keys = [
            Key::Timeline,
            Key::Playback(customer),
            Key::TimelineLoops,
            Key::Scenario(customer),
            Key::Scenarios,
            Key::TimelineMeta,
        ];
        self.call::<i64>(&self.scripts.swap, &keys, args).await.map(|done| done == 1)
    }
}

/// The arguments that put events on the timeline: score, member, place, and whether an earlier event has the same score.
fn added(events: &[Event]) -> Vec<Value> {
    let mut args = Vec::with_capacity(events.len() * 4);
    let mut seen = HashSet::with_capacity(events.len());
    for event in events {
        let score = event.step.at.as_ms();
        let tied = !seen.insert(score);
        args.extend([
            score.into(),
            event.member().into(),
            place(event),
            Value::from(if tied { "1" } else { "" }),
        ]);
    }
    args
}

fn place(event: &Event) -> Value {
    format!("{}.{}", event.place.post, event.place.index).into()
}

fn record(playback: &Playback) -> String {
    // A playback is numbers and booleans, which JSON can always hold.
    serde_json::to_string(playback).unwrap_or_default()
}

fn customer_ids(ids: Vec<String>) -> Vec<Arc<CustomerId>> {
    ids.into_iter().filter_map(|id| CustomerId::parse(id).ok()).map(Arc::new).collect()
}

/// Keeps a single command short enough that others hardly wait for it.
const EVENTS_A_SCRIPT: usize = 2_000;
const STEPS_A_COMMAND: usize = 5_000;
