//! Reading the sorted set of upcoming events.

use fred::clients::Client;
use fred::interfaces::{ClientLike, HashesInterface, SortedSetsInterface};
use fred::types::sorted_sets::{ZRange, ZRangeKind};
use fred::types::{CustomCommand, Key as RedisKey, Value};
use redis_core::{Key, RedisError};
use tracing::warn;

use super::client::Store;
use crate::event::Event;
use crate::lanes::Lane;
use crate::partitions::partition_of;
use crate::range::{ClaimedEvent, Page, RangeQuery};
use crate::unavailable::Unavailable;

impl Store {
    pub(crate) async fn upcoming(&self, lane: Lane, limit: usize) -> Result<Vec<Event>, Unavailable> {
        let partition = lane.key_partition();
        let (meta, timeline) =
            (&self.name(Key::TimelineMeta(partition)), &self.name(Key::Timeline(partition)));
        // Events that were due before the start are never published.
        let get_start = |client: Client| async move { client.hget(meta.as_str(), "start").await };
        let start: Option<f64> = self.run(lane, get_start).await?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let (from, to) = (start.unwrap_or_default(), f64::INFINITY);
        let get_members = |client: Client| async move {
            client.zrangebyscore(timeline.as_str(), from, to, false, Some((0, limit))).await
        };
        let members: Vec<String> = self.run(lane, get_members).await?;
        Ok(members.iter().filter_map(|member| Event::parse(member)).collect())
    }

    pub(crate) async fn read(&self, lane: Lane, query: RangeQuery) -> Result<Page, Unavailable> {
        let partition = lane.key_partition();
        let timeline = &RedisKey::from(self.name(Key::Timeline(partition)));
        let meta = &self.name(Key::TimelineMeta(partition));
        let (time, first, next, members, changes) =
            self.run(lane, |client| read_range(client, timeline, meta, query)).await?;
        let [seconds, micros] = time[..] else {
            return Err(Unavailable::Refused("TIME did not return two numbers".to_owned()));
        };
        let due_ms = |score: &Value| score.as_f64().map(|due_ms| due_ms as i64);
        Ok(Page {
            now_ms: seconds as f64 * 1000.0 + micros as f64 / 1000.0,
            changes: changes.unwrap_or_default(),
            is_full: members.len() / 2 >= query.limit,
            events: members.chunks_exact(2).filter_map(|pair| self.parse_event(pair)).collect(),
            first_due_ms: first.get(1).and_then(due_ms),
            next_due_ms: next.get(1).and_then(due_ms),
        })
    }

    /// The event of a member and its score. A member that is no event is logged once; it stays there, and costs no other.
    fn parse_event(&self, member_and_score: &[Value]) -> Option<ClaimedEvent> {
        let [member, score] = member_and_score else { return None };
        let (bytes, due_ms) = (member.as_bytes()?, score.as_f64()? as i64);
        let Some(event) = std::str::from_utf8(bytes).ok().and_then(Event::parse) else {
            let member = String::from_utf8_lossy(bytes);
            if self.warnings.is_first(&member) {
                warn!(%member, "a member of the timeline is not an event; it stays there");
            }
            return None;
        };
        Some(ClaimedEvent {
            due_ms,
            partition: partition_of(event.owner()),
            event,
            member: member.clone().into_bytes()?,
            message: None,
            trace: None,
        })
    }
}

/// The time; the first event since the start, the first one after the range, and those in it, with their scores; the count of
/// changes.
type RangeReply = (Vec<i64>, Vec<Value>, Vec<Value>, Vec<Value>, Option<u64>);

async fn read_range(
    client: Client,
    timeline: &RedisKey,
    meta: &str,
    query: RangeQuery,
) -> Result<RangeReply, RedisError> {
    let limit = i64::try_from(query.limit).unwrap_or(i64::MAX);
    let after_range = ZRange { kind: ZRangeKind::Exclusive, range: query.until_ms.into() };
    // Not a script: Lua would copy every member twice. Not a transaction: fred waits for its answer without a limit, so a
    // server that is gone without a word would stop this connection for ever.
    let pipeline = client.pipeline();
    pipeline.custom::<(), Value>(CustomCommand::new_static("TIME", None, false), vec![]).await?;
    let range = async |from: ZRange, to: ZRange, limit: i64| {
        pipeline.zrangebyscore::<(), _, _, _>(timeline, from, to, true, Some((0, limit))).await
    };
    range(query.start_ms.into(), "+inf".into(), 1).await?;
    range(after_range, "+inf".into(), 1).await?;
    range(query.from_ms.into(), query.until_ms.into(), limit).await?;
    // Last: a change that came while the rest was read is seen, and the caller reads again.
    pipeline.hget::<(), _, _>(meta, "changes").await?;
    pipeline.all().await
}
