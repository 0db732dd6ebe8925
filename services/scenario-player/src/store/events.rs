//! Reading the sorted set of upcoming events.

use fred::interfaces::{ClientLike, HashesInterface, SortedSetsInterface};
use fred::types::sorted_sets::{ZRange, ZRangeKind};
use fred::types::{CustomCommand, Key as RedisKey, Value};
use redis_core::Key;
use tracing::warn;

use super::client::Store;
use crate::event::Event;
use crate::partitions::partition_of;
use crate::range::{ClaimedEvent, Page, RangeQuery};
use crate::unavailable::Unavailable;

impl Store {
    pub(crate) async fn upcoming(&self, limit: usize) -> Result<Vec<Event>, Unavailable> {
        let client = self.client();
        // Events that were due before the start are never published.
        let start: Option<f64> =
            client.hget(Key::TimelineMeta.to_string(), "start").await.map_err(|error| self.failed(error))?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let (from, to) = (start.unwrap_or_default(), f64::INFINITY);
        let key = Key::Timeline.to_string();
        let members: Vec<String> = client
            .zrangebyscore(key, from, to, false, Some((0, limit)))
            .await
            .map_err(|error| self.failed(error))?;
        Ok(members.iter().filter_map(|member| Event::parse(member)).collect())
    }

    pub(crate) async fn read(&self, query: RangeQuery) -> Result<Page, Unavailable> {
        let limit = i64::try_from(query.limit).unwrap_or(i64::MAX);
        let after_range = ZRange { kind: ZRangeKind::Exclusive, range: query.until_ms.into() };
        let timeline = RedisKey::from(Key::Timeline.to_string());
        // Not a script: Lua would copy every member twice. Not a transaction: fred waits for its answer without a limit, so a
        // server that is gone without a word would stop this connection for ever.
        let pipeline = self.client().pipeline();
        let queued = async {
            pipeline.custom::<(), Value>(CustomCommand::new_static("TIME", None, false), vec![]).await?;
            let range = async |from: ZRange, to: ZRange, limit: i64| {
                pipeline.zrangebyscore::<(), _, _, _>(&timeline, from, to, true, Some((0, limit))).await
            };
            range(query.start_ms.into(), "+inf".into(), 1).await?;
            range(after_range, "+inf".into(), 1).await?;
            range(query.from_ms.into(), query.until_ms.into(), limit).await?;
            // Last: a change that came while the rest was read is seen, and the caller reads again.
            pipeline.hget::<(), _, _>(Key::TimelineMeta.to_string(), "changes").await?;
            pipeline.all::<(Vec<i64>, Vec<Value>, Vec<Value>, Vec<Value>, Option<u64>)>().await
        };
        let (time, first, next, members, changes) = queued.await.map_err(|error| self.failed(error))?;
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
        })
    }
}
