//! Reads of recorded history, shared: what several viewers want at the same time is read once, and kept for those who come to it
//! a little later.

use std::sync::Arc;

use quick_cache::Weighter;
use quick_cache::sync::Cache;
use redis_core::RedisError;

use crate::line::LineId;
use crate::resume::StoredLines;
use crate::store::{HistoryStore, PAGE_BYTES, StoredPage};

/// The most bytes of pages that are kept.
const MAX_BYTES: u64 = 8 * 1024 * 1024;
/// About how many that are.
const PAGES: usize = 64;

/// The pages of a channel after a line.
type PageKey = (Arc<str>, LineId);

/// See [the module](self).
pub(crate) struct HistoryPages {
    pub(crate) history: Arc<HistoryStore>,
    pages: Cache<PageKey, Arc<StoredPage>, PageSize>,
    /// The last lines of a channel. They are kept for nobody: the next moment they are others.
    last: Cache<(Arc<str>, usize), Option<StoredLines>>,
}

#[derive(Clone)]
struct PageSize;

impl Weighter<PageKey, Arc<StoredPage>> for PageSize {
    fn weight(&self, _: &PageKey, page: &Arc<StoredPage>) -> u64 {
        page.size() as u64
    }
}

impl HistoryPages {
    pub(crate) fn new(history: Arc<HistoryStore>) -> Self {
        Self { history, pages: Cache::with_weighter(PAGES, MAX_BYTES, PageSize), last: Cache::new(PAGES) }
    }

    /// The recorded lines of a channel after this one, as many as make a page.
    pub(crate) async fn page(&self, channel: &str, after: LineId) -> Result<Arc<StoredPage>, RedisError> {
        let key = (channel.into(), after);
        let read = async { self.history.page(channel, after, PAGE_BYTES).await.map(Arc::new) };
        let page = self.pages.get_or_insert_async(&key, read).await?;
        if page.is_end {
            // More may follow soon.
            self.pages.remove(&key);
        }
        Ok(page)
    }

    /// The last recorded lines of a channel.
    pub(crate) async fn find_last(
        &self,
        channel: &str,
        count: usize,
    ) -> Result<Option<StoredLines>, RedisError> {
        let key = (channel.into(), count);
        let found = self.last.get_or_insert_async(&key, self.history.find_last(channel, count)).await;
        self.last.remove(&key);
        found
    }
}
