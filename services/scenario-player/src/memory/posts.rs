//! Posts in memory: all of one happens, or nothing.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use redis_core::id::CustomerId;

use super::{MemoryTimeline, with_key};
use crate::hint::Hint;
use crate::post_id::PostId;
use crate::records::{BegunPost, NewSteps, StoredScenario};
use crate::time::EpochMicros;

/// The posts with a key, by customer and name.
pub(super) type KeyedPosts = HashMap<(Arc<CustomerId>, String), KeyedPost>;

/// A post that is recognized after its end.
pub(super) struct KeyedPost {
    request: String,
    begun: BegunPost,
    is_stored: bool,
    forget_at: Instant,
}

impl MemoryTimeline {
    pub(crate) fn begin_post(
        &self,
        id: &PostId,
        customer: &CustomerId,
        now: EpochMicros,
        replaces: bool,
    ) -> Option<BegunPost> {
        let mut state = self.state.lock();
        state.keyed_posts.retain(|_, post| post.forget_at > Instant::now());
        let key = (Arc::new(customer.clone()), id.name().to_owned());
        if let Some(post) = state.keyed_posts.get(&key) {
            return (post.request == id.request()).then_some(post.begun);
        }
        let stored = state.scenarios.get(customer).filter(|_| !replaces);
        let first_index = stored.map_or(0, |stored| u32::try_from(stored.steps.len()).unwrap_or(u32::MAX));
        let begun = BegunPost { number: state.next_post(), time: now, first_index };
        if id.is_keyed() {
            let (request, forget_at) = (id.request().to_owned(), Instant::now() + POST_TTL);
            state.keyed_posts.insert(key, KeyedPost { request, begun, is_stored: false, forget_at });
        }
        Some(begun)
    }

    pub(crate) fn post(&self, new: NewSteps) {
        let mut state = self.state.lock();
        let NewSteps { id, post: _, customer, steps, replaces, playback, events } = new;
        if let Some(post) = state.keyed_posts.get_mut(&(Arc::clone(&customer), id.name().to_owned()))
            && std::mem::replace(&mut post.is_stored, true)
        {
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

/// How long a post with a key is recognized.
const POST_TTL: Duration = Duration::from_secs(600);
