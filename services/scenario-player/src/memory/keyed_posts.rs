//! Posts with a key, which are recognized when they come again.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use redis_core::id::CustomerId;

use crate::post_id::PostId;
use crate::records::BegunPost;

/// The posts with a key of the last ten minutes, by customer and name.
#[derive(Default)]
pub(super) struct KeyedPosts(HashMap<(Arc<CustomerId>, String), KeyedPost>);

struct KeyedPost {
    request: String,
    begun: BegunPost,
    is_stored: bool,
    forget_at: Instant,
}

impl KeyedPosts {
    /// What was begun under this key. `Some(None)` if it was for another request.
    pub(super) fn find(&mut self, customer: &CustomerId, id: &PostId) -> Option<Option<BegunPost>> {
        self.0.retain(|_, post| post.forget_at > Instant::now());
        let post = self.0.get(&(Arc::new(customer.clone()), id.name().to_owned()))?;
        Some((post.request == id.request()).then_some(post.begun))
    }

    pub(super) fn insert(&mut self, customer: &CustomerId, id: &PostId, begun: BegunPost) {
        let (request, forget_at) = (id.request().to_owned(), Instant::now() + POST_TTL);
        let post = KeyedPost { request, begun, is_stored: false, forget_at };
        self.0.insert((Arc::new(customer.clone()), id.name().to_owned()), post);
    }

    /// Remembers that the post is stored. Whether it was already.
    pub(super) fn mark_stored(&mut self, customer: &Arc<CustomerId>, id: &PostId) -> bool {
        let post = self.0.get_mut(&(Arc::clone(customer), id.name().to_owned()));
        post.is_some_and(|post| std::mem::replace(&mut post.is_stored, true))
    }
}

/// How long a post with a key is recognized.
const POST_TTL: Duration = Duration::from_secs(600);
