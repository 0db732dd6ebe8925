//! Dead letters in Redis: a stream, whose ids are theirs.

use std::collections::HashMap;

use fred::interfaces::StreamsInterface;
use fred::types::Value;
use redis_core::{Channel, Key};

use super::add_args::add_args;
use super::client::Store;
use crate::dead_letter::{DeadLetter, DeadLetterId, MAX_DEAD_LETTERS};
use crate::event::Event;
use crate::settled::RefusedEvent;
use crate::time::EpochMicros;
use crate::unavailable::Unavailable;

/// An entry of the stream: its id and its fields.
type Entry = (String, HashMap<String, String>);

impl Store {
    pub(crate) async fn bury(&self, instance: &str, events: &[RefusedEvent]) -> Result<bool, Unavailable> {
        let limit = i64::try_from(MAX_DEAD_LETTERS).unwrap_or(i64::MAX);
        let head = [Value::from(instance), limit.into()];
        let events = events.iter().flat_map(|RefusedEvent { claimed, reason }| {
            [Value::Bytes(claimed.member.clone()), Value::from(&**reason)]
        });
        let keys = [Key::TimelineInstances, Key::Timeline, Key::TimelineDeadLetters];
        let args = head.into_iter().chain(events).collect();
        self.run_script::<i64>(&self.scripts.bury, &keys, args).await.map(|done| done == 1)
    }

    pub(crate) async fn dead_letters(
        &self,
        after: Option<DeadLetterId>,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, Unavailable> {
        let from = after.map_or_else(|| "-".to_owned(), |id| format!("({id}"));
        // Redis takes signed numbers only.
        let limit = u64::try_from(limit.min(i32::MAX as usize)).unwrap_or_default();
        let key = Key::TimelineDeadLetters.to_string();
        let entries: Vec<Entry> = self
            .client()
            .xrange_values(key, from, "+", Some(limit))
            .await
            .map_err(|error| self.failed(error))?;
        Ok(entries.into_iter().filter_map(dead_letter).collect())
    }

    pub(crate) async fn dead_letter(&self, id: DeadLetterId) -> Result<Option<DeadLetter>, Unavailable> {
        let (key, id) = (Key::TimelineDeadLetters.to_string(), id.to_string());
        let entries: Vec<Entry> =
            self.client().xrange_values(key, &*id, &*id, None).await.map_err(|error| self.failed(error))?;
        Ok(entries.into_iter().find_map(dead_letter))
    }

    pub(crate) async fn revive(&self, ids: &[DeadLetterId], events: &[Event]) -> Result<bool, Unavailable> {
        let count = i64::try_from(ids.len()).unwrap_or(i64::MAX);
        let mut args: Vec<Value> = vec![Channel::TimelineChanged.to_string().into(), count.into()];
        args.extend(ids.iter().map(|id| Value::from(id.to_string())));
        args.extend(add_args(events, None));
        let keys = [Key::Timeline, Key::TimelineMeta, Key::TimelineDeadLetters];
        Ok(self.run_change(&self.scripts.revive, &keys, args).await? == 1)
    }

    pub(crate) async fn drop_dead_letters(&self, ids: &[DeadLetterId]) -> Result<usize, Unavailable> {
        if ids.is_empty() {
            return Ok(0);
        }
        let (key, ids) = (Key::TimelineDeadLetters.to_string(), ids.iter().map(DeadLetterId::to_string));
        self.client().xdel(key, ids.collect::<Vec<_>>()).await.map_err(|error| self.failed(error))
    }
}

/// What the scripts have written. Anything else is left out.
fn dead_letter((id, mut fields): Entry) -> Option<DeadLetter> {
    let id = DeadLetterId::parse(&id)?;
    let refused_at = EpochMicros::new(i64::try_from(id.ms).ok()?.checked_mul(1000)?).ok()?;
    let event = Event::parse(fields.get("member")?)?;
    Some(DeadLetter { id, event, reason: fields.remove("reason")?, refused_at })
}
