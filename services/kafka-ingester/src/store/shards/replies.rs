//! What apply_shard.lua replies.

use std::collections::HashMap;

use fred::error::ErrorKind;
use fred::types::Value;
use redis_core::key::hash_slot;
use redis_core::{ErrorClass, RedisError};

use crate::store::failure::StoreFailure;
use crate::store::ids::ids_of;
use crate::store::owner::Call;

/// The last call that a shard knows, and the first offset of its batch: all before it is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct KnownCall {
    pub(super) call: Call,
    pub(super) first_offset: i64,
}

/// What several shards replied.
#[derive(Debug, Default)]
pub(super) struct Replies {
    /// The epoch of another owner.
    pub(super) fenced: Option<String>,
    /// The slots of the witnesses that have lost calls.
    pub(super) lost: Vec<(u16, Option<KnownCall>)>,
    pub(super) applied: Applied,
}

/// What became of a shard's part of a batch.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ShardReply {
    /// The partition has an owner of this greater epoch.
    Fenced(String),
    /// The shard has lost calls that it had acknowledged, and knows this one.
    Lost(Option<KnownCall>),
    /// All is applied that could be.
    Done(Applied),
}

/// What was applied, put together from several replies.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Applied {
    /// The ids that must, or must not, be in their set.
    pub(super) ids: HashMap<String, bool>,
    /// The messages that Redis refused, each with the reason. Others of their hash slots may wait behind them.
    pub(super) refused: Vec<(i64, String)>,
    /// Hash slots that the shard does not have, or not whole.
    pub(super) moved: Vec<u16>,
}

impl ShardReply {
    /// Nothing is applied, because the shard does not have this slot, or not whole.
    pub(super) fn moved(slot: u16) -> Self {
        Self::Done(Applied { moved: vec![slot], ..Applied::default() })
    }

    /// Reads the reply. `key` is the key that an unexpected reply is about.
    ///
    /// # Errors
    /// If Redis refused what no message is to blame for.
    pub(super) fn parse(reply: Value, key: &str) -> Result<Self, StoreFailure> {
        let unexpected = || StoreFailure::unexpected_reply(key);
        let reply = reply.into_array();
        let text = |place: usize| reply.get(place).and_then(Value::as_string);
        match text(0).ok_or_else(unexpected)?.as_str() {
            "fenced" => text(1).map(Self::Fenced).ok_or_else(unexpected),
            "lost" => Ok(Self::Lost(text(1).and_then(|witness| KnownCall::parse(&witness)))),
            "failed" => {
                let (error, key) = text(1).zip(text(2)).ok_or_else(unexpected)?;
                let mut applied = Applied::default();
                applied.stopped(0, &key, error, &key)?;
                Ok(Self::Done(applied))
            }
            "done" => {
                let [_, ids, Value::Array(stopped)] = &*reply else { return Err(unexpected()) };
                let mut applied = Applied { ids: ids_of(ids), ..Applied::default() };
                for stopped in stopped.chunks(4) {
                    let texts: Option<Vec<String>> = stopped.iter().map(Value::as_string).collect();
                    let texts = texts.ok_or_else(unexpected)?;
                    let [offset, slot_key, error, error_key] = texts.try_into().map_err(|_| unexpected())?;
                    let offset = offset.parse().map_err(|_| unexpected())?;
                    applied.stopped(offset, &slot_key, error, &error_key)?;
                }
                Ok(Self::Done(applied))
            }
            _ => Err(unexpected()),
        }
    }
}

impl KnownCall {
    /// What is in a witness: `EPOCH:NUMBER:FIRST_OFFSET`.
    pub(super) fn parse(witness: &str) -> Option<Self> {
        let (call, first_offset) = witness.rsplit_once(':')?;
        Some(Self { call: Call::parse(call)?, first_offset: first_offset.parse().ok()? })
    }
}

impl Replies {
    /// Adds the reply of the shard that has its witness in this slot.
    pub(super) fn add(&mut self, slot: u16, reply: ShardReply) {
        match reply {
            ShardReply::Fenced(epoch) => self.fenced = Some(epoch),
            ShardReply::Lost(known) => self.lost.push((slot, known)),
            ShardReply::Done(applied) => {
                self.applied.ids.extend(applied.ids);
                self.applied.refused.extend(applied.refused);
                self.applied.moved.extend(applied.moved);
            }
        }
    }
}

impl Applied {
    /// The messages that Redis refused, each once, in order.
    pub(super) fn refused_by_offset(self) -> Vec<(i64, String)> {
        let mut refused = self.refused;
        refused.sort_by_key(|(offset, _)| *offset);
        refused.dedup_by_key(|(offset, _)| *offset);
        refused
    }

    /// The slot of `slot_key` stopped at the message of an offset.
    fn stopped(
        &mut self,
        offset: i64,
        slot_key: &str,
        error: String,
        error_key: &str,
    ) -> Result<(), StoreFailure> {
        match ErrorClass::of(&RedisError::new(ErrorKind::Unknown, error.clone())) {
            ErrorClass::Cluster | ErrorClass::Busy => self.moved.push(hash_slot(slot_key)),
            _ => self.refused.push((offset, StoreFailure::of_message(error, error_key)?)),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(texts: &[&str]) -> Value {
        Value::Array(texts.iter().map(|text| (*text).into()).collect())
    }

    #[test]
    fn a_slot_that_stopped_is_moved_or_has_a_message_that_redis_refused() {
        let (moved, wrong_type) = ("ERR Script attempted to access a non local key", "WRONGTYPE Operation");
        let stopped = texts(&["7", "k:{foo}", moved, "k:{foo}", "9", "k:{bar}", wrong_type, ""]);
        let ids = Value::Array(vec!["a".into(), 1.into(), "b".into(), 0.into()]);
        let reply = Value::Array(vec!["done".into(), ids, stopped]);
        let expected = Applied {
            ids: [("a".to_owned(), true), ("b".to_owned(), false)].into(),
            refused: vec![(9, wrong_type.to_owned())],
            moved: vec![12_182],
        };
        assert_eq!(ShardReply::parse(reply, "k"), Ok(ShardReply::Done(expected)));
    }

    #[test]
    fn what_no_message_is_to_blame_for_is_a_failure() {
        let oom = "OOM command not allowed when used memory > 'maxmemory'.";
        let reply = Value::Array(vec!["done".into(), texts(&[]), texts(&["7", "k", oom, ""])]);
        assert!(matches!(ShardReply::parse(reply, "k"), Err(StoreFailure::Refused(_))));
        let reply = texts(&["failed", "WRONGTYPE Operation", "info:batteries:ids"]);
        assert!(matches!(ShardReply::parse(reply, "k"), Err(StoreFailure::Refused(_))));
    }

    #[test]
    fn a_shard_that_lost_writes_says_what_it_knows() {
        let lost = |parts: &[&str]| ShardReply::parse(texts(parts), "k");
        let known = KnownCall { call: Call { epoch: 3, number: 9 }, first_offset: 100 };
        assert_eq!(lost(&["lost", "3:9:100"]), Ok(ShardReply::Lost(Some(known))));
        assert_eq!(lost(&["lost", ""]), Ok(ShardReply::Lost(None)));
    }
}
