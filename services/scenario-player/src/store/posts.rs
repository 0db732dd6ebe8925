//! Posts: a scenario is stored and put on the timeline in parts, each of them once, however often the post is repeated.

use std::time::Duration;

use fred::clients::Client;
use fred::interfaces::HashesInterface;
use fred::types::Value;
use redis_core::id::CustomerId;
use redis_core::{Key, RedisError};
use tokio::time::Instant;

use super::add_args::add_args;
use super::client::{Store, call};
use super::playback_args::playback_json;
use super::scripts::flag;
use crate::event::stored_step;
use crate::lanes::Lane;
use crate::post_id::PostId;
use crate::records::{BegunPost, NewSteps};
use crate::time::EpochMicros;
use crate::unavailable::Unavailable;

impl Store {
    pub(crate) async fn next_post(&self, lane: Lane) -> Result<u32, Unavailable> {
        let meta = &self.name(Key::TimelineMeta(lane.key_partition()));
        let count = |client: Client| async move { client.hincrby(meta.as_str(), "posts", 1).await };
        let posts: u64 = self.run(lane, count).await?;
        // It may wrap around: the numbers only have to differ among events that are on the timeline at the same time.
        Ok(u32::try_from(posts % u64::from(u32::MAX)).unwrap_or_default() + 1)
    }

    pub(crate) async fn begin_post(
        &self,
        id: &PostId,
        customer: &CustomerId,
        now: EpochMicros,
        replaces: bool,
    ) -> Result<Option<BegunPost>, Unavailable> {
        let lane = self.lanes.of(customer.as_str());
        let meta = Key::TimelineMeta(lane.key_partition());
        let keys = [meta, Key::TimelinePosts(customer), Key::Scenario(customer)];
        let args = || vec![id.name().into(), id.request().into(), now.as_micros().into(), flag(replaces)];
        let give_up_at = Instant::now() + MAX_WAIT;
        loop {
            let begun: Vec<i64> = self.run_script(lane, &self.scripts.begin_post, &keys, args()).await?;
            if let [number, time_us, first_index] = begun[..] {
                return Ok(Some(BegunPost {
                    number: u32::try_from(number).unwrap_or_default(),
                    time: EpochMicros::new(time_us).unwrap_or(now),
                    first_index: u32::try_from(first_index).unwrap_or(u32::MAX),
                }));
            }
            if begun == [OTHER_REQUEST] {
                return Ok(None);
            }
            if Instant::now() > give_up_at {
                return Err(Unavailable::Refused("the same request is still under way".to_owned()));
            }
            tokio::time::sleep(WAIT_INTERVAL).await;
        }
    }

    pub(crate) async fn post(&self, new: NewSteps) -> Result<(), Unavailable> {
        let lane = self.lanes.of(new.customer.as_str());
        let (wait, new) = (self.wait_replicas, &new);
        // One client for all of it: WAIT is about the writes of its own connection.
        let store =
            |client: Client| async move { wait.confirm(&client, self.store_parts(&client, lane, new)).await };
        if !self.run(lane, store).await? {
            return Err(Unavailable::Refused("its record of this post is gone".to_owned()));
        }
        // Only now: if this fails too, the answer is an error, and the client repeats what must still be recognized.
        let args = vec![new.id.name().into(), new.post.into(), flag(new.id.is_keyed())];
        self.run_script(lane, &self.scripts.end_post, &[Key::TimelinePosts(&new.customer)], args).await
    }

    /// Stores all parts that are not stored yet. False if Redis does not know the post any more.
    async fn store_parts(&self, client: &Client, lane: Lane, new: &NewSteps) -> Result<bool, RedisError> {
        let partition = lane.key_partition();
        let keys = self.names(&[
            Key::TimelinePosts(&new.customer),
            Key::Timeline(partition),
            Key::TimelineMeta(partition),
            Key::Scenario(&new.customer),
            Key::Playback(&new.customer),
            Key::Scenarios(partition),
            Key::TimelineLoops(partition),
        ]);
        for (number, events) in (0..).zip(new.events.chunks(EVENTS_PER_PART)) {
            let mut args: Vec<Value> = vec![
                new.id.name().into(),
                new.post.into(),
                self.hint_channel(lane).into(),
                i64::try_from(number).unwrap_or(i64::MAX).into(),
            ];
            if number == 0 {
                args.extend(scenario_args(new));
            }
            let before = (number * EVENTS_PER_PART).checked_sub(1).and_then(|before| new.events.get(before));
            args.extend(add_args(events, before));
            if call::<i64>(client, &self.scripts.post, keys.clone(), args).await? == 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// What the first part has in addition: the scenario.
fn scenario_args(new: &NewSteps) -> impl Iterator<Item = Value> {
    let head = [
        new.customer.as_str().into(),
        playback_json(&new.playback).into(),
        jiff::Timestamp::now().as_millisecond().into(),
        flag(new.replaces),
        i64::try_from(new.steps.len()).unwrap_or(i64::MAX).into(),
    ];
    head.into_iter().chain(new.steps.iter().map(|step| stored_step(step).into()))
}

/// What begin_post.lua returns for the id of another request.
const OTHER_REQUEST: i64 = -1;
/// This keeps a single call so short that other clients hardly have to wait for it.
const EVENTS_PER_PART: usize = 2_000;
/// How often it is looked whether another attempt has ended.
const WAIT_INTERVAL: Duration = Duration::from_millis(50);
/// Longer than an attempt that died keeps others away.
const MAX_WAIT: Duration = Duration::from_secs(15);
