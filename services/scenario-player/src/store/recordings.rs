//! Recordings in Redis: a hash with the messages by their index.

use std::collections::BTreeMap;
use std::sync::Arc;

use fred::clients::Client;
use fred::interfaces::HashesInterface;
use fred::types::Value;
use redis_core::Key;
use redis_core::id::RecordingName;

use super::add_args::add_args;
use super::client::Store;
use super::playback_args::{iteration_end_arg, playback_json};
use crate::event::Item;
use crate::lanes::Lane;
use crate::message::Message;
use crate::range::ClaimedEvent;
use crate::recording::RecordedMessage;
use crate::records::{NewRecording, RecordingStart, RecordingStored};
use crate::time::EpochMicros;
use crate::unavailable::Unavailable;

impl Store {
    pub(crate) async fn recordings(&self, lane: Lane) -> Result<Vec<Arc<RecordingName>>, Unavailable> {
        Ok(recording_names(self.members(lane, Key::Recordings(lane.key_partition())).await?))
    }

    pub(crate) async fn store_recording(&self, new: &NewRecording) -> Result<RecordingStored, Unavailable> {
        let lane = self.lanes.of(new.name.as_str());
        let mut first = 0;
        for part in parts(&new.messages) {
            let mut args: Vec<Value> = vec![
                new.digest.as_str().into(),
                KEPT_MS.into(),
                i64::try_from(first).unwrap_or(i64::MAX).into(),
            ];
            args.extend(part.iter().map(|message| message.to_line().into()));
            let keys = [Key::Recording(&new.name), Key::RecordingPlayback(&new.name)];
            match self.run_change(lane, &self.scripts.store_messages, &keys, args).await? {
                HAS_BEGUN => return Ok(RecordingStored::HasBegun),
                NAME_IS_TAKEN => return Ok(RecordingStored::NameIsTaken),
                _ => first += part.len(),
            }
        }
        Ok(RecordingStored::Ready)
    }

    pub(crate) async fn begin_recording(
        &self,
        new: &NewRecording,
        start: RecordingStart,
    ) -> Result<bool, Unavailable> {
        let lane = self.lanes.of(new.name.as_str());
        let partition = lane.key_partition();
        let times: Vec<i64> = new.messages.iter().map(|recorded| recorded.time.as_micros()).collect();
        let mut args: Vec<Value> = vec![
            self.hint_channel(lane).into(),
            new.name.as_str().into(),
            new.digest.as_str().into(),
            i64::try_from(times.len()).unwrap_or(i64::MAX).into(),
            serde_json::to_string(&times).unwrap_or_default().into(),
            jiff::Timestamp::now().as_millisecond().into(),
            playback_json(&start.playback).into(),
            iteration_end_arg(Some(&start.playback)),
        ];
        args.extend(add_args(&start.add, None));
        let keys = [
            Key::Recording(&new.name),
            Key::RecordingPlayback(&new.name),
            Key::Recordings(partition),
            Key::RecordingLoops(partition),
            Key::Timeline(partition),
            Key::TimelineMeta(partition),
        ];
        Ok(self.run_change(lane, &self.scripts.begin_recording, &keys, args).await? == 1)
    }

    pub(crate) async fn fill_in_messages(&self, events: &mut [ClaimedEvent]) -> Result<(), Unavailable> {
        let mut wanted: BTreeMap<Arc<RecordingName>, Vec<(usize, u32)>> = BTreeMap::new();
        for (position, claimed) in events.iter().enumerate() {
            if let Item::Message(message) = &claimed.event.item {
                wanted.entry(Arc::clone(&message.recording)).or_default().push((position, message.index));
            }
        }
        for (name, wanted) in wanted {
            let fields: &Vec<String> = &wanted.iter().map(|(_, index)| index.to_string()).collect();
            let key = &self.name(Key::Recording(&name));
            let read = |client: Client| async move { client.hmget(key.as_str(), fields.clone()).await };
            let lines: Vec<Option<Vec<u8>>> = self.run(self.lanes.of(name.as_str()), read).await?;
            for ((position, _), line) in wanted.into_iter().zip(lines) {
                events[position].message = line.as_deref().and_then(message_of_line);
            }
        }
        Ok(())
    }
}

/// The times of a recording's messages, as they are stored.
pub(super) fn parse_times(json: &str) -> Option<Vec<EpochMicros>> {
    let times: Vec<i64> = serde_json::from_str(json).ok()?;
    Some(times.into_iter().map(|us| EpochMicros::default().plus(us)).collect())
}

pub(super) fn recording_names(names: Vec<String>) -> Vec<Arc<RecordingName>> {
    names.into_iter().filter_map(|name| RecordingName::parse(name).ok()).map(Arc::new).collect()
}

fn message_of_line(line: &[u8]) -> Option<Arc<Message>> {
    RecordedMessage::parse(line).ok().map(|recorded| Arc::new(recorded.message))
}

/// Parts that are so small that a single call hardly keeps other clients waiting.
fn parts(messages: &[RecordedMessage]) -> impl Iterator<Item = &[RecordedMessage]> {
    let mut rest = messages;
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fits = |recorded: &&RecordedMessage| {
            bytes += recorded.message.payload.len();
            bytes <= BYTES_PER_PART
        };
        let count = rest.iter().take(MESSAGES_PER_PART).take_while(fits).count().max(1);
        let (part, after) = rest.split_at_checked(count)?;
        rest = after;
        Some(part)
    })
}

const MESSAGES_PER_PART: usize = 2_000;
const BYTES_PER_PART: usize = 1 << 20;
/// How long messages are kept if their recording does not begin (ms).
const KEPT_MS: i64 = 600_000;
/// What store_messages.lua returns if it stores nothing.
const HAS_BEGUN: i64 = 0;
const NAME_IS_TAKEN: i64 = -1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_has_few_messages_and_few_bytes() {
        let message = |bytes: usize| RecordedMessage {
            time: EpochMicros::default(),
            message: Message { topic: "t".to_owned(), payload: vec![b'x'; bytes], qos: 0, retain: false },
        };
        let sizes = |messages: &[RecordedMessage]| parts(messages).map(<[_]>::len).collect::<Vec<_>>();
        assert_eq!(sizes(&[]), [0_usize; 0]);
        assert_eq!(sizes(&vec![message(1); 4_100]), [2_000, 2_000, 100]);
        assert_eq!(sizes(&vec![message(400 << 10); 5]), [2, 2, 1]);
        assert_eq!(sizes(&vec![message(3 << 20); 2]), [1, 1]);
    }
}
