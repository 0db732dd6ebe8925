//! Posts in memory: all of one happens, or nothing.

use redis_core::id::CustomerId;

use super::{MemoryTimeline, with_key};
use crate::hint::Hint;
use crate::post_id::PostId;
use crate::records::{BegunPost, NewSteps, StoredScenario};
use crate::time::EpochMicros;

impl MemoryTimeline {
    pub(crate) fn begin_post(
        &self,
        id: &PostId,
        customer: &CustomerId,
        now: EpochMicros,
        replaces: bool,
    ) -> Option<BegunPost> {
        let mut state = self.state.lock();
        if let Some(found) = state.keyed_posts.find(customer, id) {
            return found;
        }
        let stored = state.scenarios.get(customer).filter(|_| !replaces);
        let first_index = stored.map_or(0, |stored| u32::try_from(stored.steps.len()).unwrap_or(u32::MAX));
        let begun = BegunPost { number: state.next_post(), time: now, first_index };
        if id.is_keyed() {
            state.keyed_posts.insert(customer, id, begun);
        }
        Some(begun)
    }

    pub(crate) fn post(&self, new: NewSteps) {
        let mut state = self.state.lock();
        let NewSteps { id, post: _, customer, steps, replaces, playback, events } = new;
        if state.keyed_posts.mark_stored(&customer, &id) {
            return;
        }
        match state.scenarios.get_mut(&customer) {
            Some(stored) if !replaces => {
                stored.steps.extend(steps);
                stored.playback = playback;
            }
            _ => {
                state.scenarios.insert(customer, StoredScenario { steps, playback });
            }
        }
        state.changes += 1;
        state.events.extend(events.into_iter().map(with_key));
        drop(state);
        self.send_hint(Hint::Posted);
    }
}
