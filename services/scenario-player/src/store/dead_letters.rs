//! Dead letters in Redis: a stream in each lane, whose ids are theirs.

use std::collections::HashMap;

use fred::clients::Client;
use fred::interfaces::StreamsInterface;
use fred::types::Value;
use redis_core::Key;

use super::add_args::add_args;
use super::client::Store;
use crate::dead_letter::{DeadLetter, DeadLetterId, MAX_DEAD_LETTERS};
use crate::event::Event;
use crate::lanes::Lane;
use crate::settled::RefusedEvent;
use crate::time::EpochMicros;
use crate::unavailable::Unavailable;

/// An entry of the stream: its id and its fields.
type Entry = (String, HashMap<String, String>);

impl Store {
    pub(crate) async fn bury(
        &self,
        lane: Lane,
        instance: &str,
        events: &[RefusedEvent],
    ) -> Result<bool, Unavailable> {
        let partition = lane.key_partition();
        let limit = i64::try_from(MAX_DEAD_LETTERS).unwrap_or(i64::MAX);
        let head = [Value::from(instance), limit.into()];
        let events = events.iter().flat_map(|RefusedEvent { claimed, reason }| {
            [Value::Bytes(claimed.member.clone()), Value::from(&**reason)]
        });
        let keys = [
            Key::TimelineInstances(partition),
            Key::Timeline(partition),
            Key::TimelineDeadLetters(partition),
        ];
        let args = head.into_iter().chain(events).collect();
        self.run_script::<i64>(lane, &self.scripts.bury, &keys, args).await.map(|done| done == 1)
    }

    /// Those of one lane that follow `after`, which may be of another.
    pub(crate) async fn dead_letters(
        &self,
        lane: Lane,
        after: Option<DeadLetterId>,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, Unavailable> {
        let from = after.map_or_else(|| "-".to_owned(), |after| first_after(lane, after));
        // Redis takes signed numbers only.
        let limit = u64::try_from(limit.min(i32::MAX as usize)).unwrap_or_default();
        self.entries(lane, &from, "+", Some(limit)).await
    }

    pub(crate) async fn count_dead_letters(&self, lane: Lane) -> Result<usize, Unavailable> {
        let key = &self.name(Key::TimelineDeadLetters(lane.key_partition()));
        self.run(lane, |client: Client| async move { client.xlen(key.as_str()).await }).await
    }

    pub(crate) async fn dead_letter(&self, id: DeadLetterId) -> Result<Option<DeadLetter>, Unavailable> {
        let Some(lane) = self.lanes.numbered(id.lane) else { return Ok(None) };
        let entry = entry_id(id);
        Ok(self.entries(lane, &entry, &entry, None).await?.into_iter().next())
    }

    /// The entries of a lane's stream. What the scripts have not written is left out.
    async fn entries(
        &self,
        lane: Lane,
        from: &str,
        to: &str,
        limit: Option<u64>,
    ) -> Result<Vec<DeadLetter>, Unavailable> {
        let key = &self.name(Key::TimelineDeadLetters(lane.key_partition()));
        let read = |client: Client| async move { client.xrange_values(key.as_str(), from, to, limit).await };
        let entries: Vec<Entry> = self.run(lane, read).await?;
        Ok(entries.into_iter().filter_map(|entry| dead_letter(lane, entry)).collect())
    }

    pub(crate) async fn revive(
        &self,
        lane: Lane,
        ids: &[DeadLetterId],
        events: &[Event],
    ) -> Result<bool, Unavailable> {
        let count = i64::try_from(ids.len()).unwrap_or(i64::MAX);
        let mut args: Vec<Value> = vec![self.hint_channel(lane).into(), count.into()];
        args.extend(ids.iter().map(|id| Value::from(entry_id(*id))));
        args.extend(add_args(events, None));
        let partition = lane.key_partition();
        let keys =
            [Key::Timeline(partition), Key::TimelineMeta(partition), Key::TimelineDeadLetters(partition)];
        Ok(self.run_change(lane, &self.scripts.revive, &keys, args).await? == 1)
    }

    pub(crate) async fn drop_dead_letters(
        &self,
        lane: Lane,
        ids: &[DeadLetterId],
    ) -> Result<usize, Unavailable> {
        if ids.is_empty() {
            return Ok(0);
        }
        let key = &self.name(Key::TimelineDeadLetters(lane.key_partition()));
        let ids: &Vec<String> = &ids.iter().map(|id| entry_id(*id)).collect();
        let drop = |client: Client| async move { client.xdel(key.as_str(), ids.clone()).await };
        self.run(lane, drop).await
    }
}

/// The id of an entry in the stream of its lane.
fn entry_id(id: DeadLetterId) -> String {
    format!("{}-{}", id.ms, id.number)
}

/// Where XRANGE must begin in this lane's stream for what follows a dead letter of any lane.
fn first_after(lane: Lane, after: DeadLetterId) -> String {
    let is_exclusive = lane.number() <= after.lane;
    if is_exclusive { format!("({}", entry_id(after)) } else { entry_id(after) }
}

fn dead_letter(lane: Lane, (id, mut fields): Entry) -> Option<DeadLetter> {
    let (ms, number) = id.split_once('-')?;
    let id = DeadLetterId { ms: ms.parse().ok()?, number: number.parse().ok()?, lane: lane.number() };
    let refused_at = EpochMicros::new(i64::try_from(id.ms).ok()?.checked_mul(1000)?).ok()?;
    let event = Event::parse(fields.get("member")?)?;
    Some(DeadLetter { id, event, reason: fields.remove("reason")?, refused_at })
}
