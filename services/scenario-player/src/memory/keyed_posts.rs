//! Posts with a key, which are recognized when they come again.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use redis_core::id::CustomerId;

use crate::post_id::PostId;
use crate::records::BegunPost;

/// The posts with a key of the last ten minutes, by customer and name.
#[derive(Default)]
pub(super) struct KeyedPosts(HashMap<(CustomerId, String), KeyedPost>);

struct KeyedPost {
    request: String,
    begun: BegunPost,
    is_stored: bool,
    forget_at: Instant,
}

impl KeyedPosts {
    /// What was begun under this key. `Some(None)` if it was for another request.
    pub(super) fn find(&mut self, customer: &CustomerId, id: &PostId) -> Option<Option<BegunPost>> {
        let now = Instant::now();
        self.0.retain(|_, post| post.forget_at > now);
        let post = self.0.get(&key(customer, id))?;
        Some((post.request == id.request()).then_some(post.begun))
    }

    pub(super) fn insert(&mut self, customer: &CustomerId, id: &PostId, begun: BegunPost) {
        let (request, forget_at) = (id.request().to_owned(), Instant::now() + POST_TTL);
        let post = KeyedPost { request, begun, is_stored: false, forget_at };
        self.0.insert(key(customer, id), post);
    }

    /// Remembers that the post is stored. Whether it was already.
    pub(super) fn mark_stored(&mut self, customer: &CustomerId, id: &PostId) -> bool {
        self.0.get_mut(&key(customer, id)).is_some_and(|post| std::mem::replace(&mut post.is_stored, true))
    }
}

fn key(customer: &CustomerId, id: &PostId) -> (CustomerId, String) {
    (customer.clone(), id.name().to_owned())
}

/// How long a post with a key is recognized.
const POST_TTL: Duration = Duration::from_secs(600);
