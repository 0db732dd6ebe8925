//! Dead letters in memory.

use std::ops::Bound;

use jiff::Timestamp;

use super::{MemoryTimeline, with_key};
use crate::dead_letter::{DeadLetter, DeadLetterId, MAX_DEAD_LETTERS};
use crate::event::Event;
use crate::hint::Hint;
use crate::settled::RefusedEvent;
use crate::time::EpochMicros;

impl MemoryTimeline {
    pub(crate) fn bury(&self, events: &[RefusedEvent]) -> bool {
        let mut state = self.state.lock();
        let ms = Timestamp::now().as_millisecond();
        for RefusedEvent { claimed, reason } in events {
            if state.events.remove(&(claimed.due_ms, claimed.event.sequence)).is_none() {
                continue;
            }
            // As in a stream of Redis: always after the last one, even if the clock was set back.
            let first = DeadLetterId { ms: u64::try_from(ms).unwrap_or_default(), number: 0, lane: 0 };
            let last = state.dead_letters.last_key_value();
            let next = last.map(|(last, _)| DeadLetterId { number: last.number + 1, ..*last });
            let id = next.filter(|next| *next > first).unwrap_or(first);
            let letter = DeadLetter {
                id,
                event: claimed.event.clone(),
                reason: reason.to_string(),
                refused_at: EpochMicros::from_ms(ms as f64).unwrap_or_default(),
            };
            state.dead_letters.insert(id, letter);
            if state.dead_letters.len() > MAX_DEAD_LETTERS {
                state.dead_letters.pop_first();
            }
        }
        true
    }

    pub(crate) fn dead_letters(&self, after: Option<DeadLetterId>, limit: usize) -> Vec<DeadLetter> {
        let state = self.state.lock();
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        state
            .dead_letters
            .range((from, Bound::Unbounded))
            .take(limit)
            .map(|(_, letter)| letter.clone())
            .collect()
    }

    pub(crate) fn count_dead_letters(&self) -> usize {
        self.state.lock().dead_letters.len()
    }

    pub(crate) fn dead_letter(&self, id: DeadLetterId) -> Option<DeadLetter> {
        self.state.lock().dead_letters.get(&id).cloned()
    }

    pub(crate) fn revive(&self, ids: &[DeadLetterId], events: &[Event]) -> bool {
        let mut state = self.state.lock();
        if ids.iter().any(|id| !state.dead_letters.contains_key(id)) {
            return false;
        }
        for id in ids {
            state.dead_letters.remove(id);
        }
        state.changes += 1;
        state.events.extend(events.iter().cloned().map(with_key));
        drop(state);
        self.send_hint(Hint::Posted);
        true
    }

    pub(crate) fn drop_dead_letters(&self, ids: &[DeadLetterId]) -> usize {
        let mut state = self.state.lock();
        ids.iter().filter(|id| state.dead_letters.remove(id).is_some()).count()
    }
}
