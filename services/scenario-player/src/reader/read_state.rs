//! How far the timeline has been read.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::lanes::Lanes;
use crate::range::{ClaimedEvent, Page};

/// Events to read at once, and to hand to the player at once.
const PAGE_SIZE: usize = 2_000;
/// The same where there are many lanes, all of which read.
const LANE_PAGE_SIZE: usize = 200;
/// While there is a backlog, so many pages are read at once.
const BACKLOG_PAGES: usize = 4;
/// Reading again from the start at this interval limits what a lost hint can cost.
pub(crate) const FULL_READ_INTERVAL: Duration = Duration::from_millis(900);
/// The same while there is a backlog, when nothing is on time, and all that is under way would be read again.
const BACKLOG_READ_INTERVAL: Duration = Duration::from_secs(5);

/// The reader's cursor, and the events that the player does not have yet.
pub(crate) struct ReadState {
    /// Every event that is due before this time has been read (ms).
    pub(crate) cursor_ms: i64,
    /// Events to hand to the player at once, and to read at once if there is no backlog.
    pub(crate) page_size: usize,
    /// Events to read at once.
    pub(crate) limit: usize,
    /// Whether more was due than one page holds.
    pub(crate) is_backlog: bool,
    /// The count of changes for which the cursor holds.
    pub(crate) changes: u64,
    /// Events that were read ahead.
    pub(crate) prefetched: VecDeque<ClaimedEvent>,
    /// When the cursor was last set to the start of the timeline.
    pub(crate) rewound_at: Instant,
}

impl ReadState {
    /// At the start of one of these lanes.
    pub(crate) fn new(lanes: Lanes) -> Self {
        let page_size = if lanes == Lanes::ONE { PAGE_SIZE } else { LANE_PAGE_SIZE };
        Self {
            cursor_ms: i64::MIN,
            page_size,
            limit: page_size,
            is_backlog: false,
            changes: 0,
            prefetched: VecDeque::new(),
            rewound_at: Instant::now(),
        }
    }

    /// Sets the cursor to the start of the timeline.
    pub(crate) fn rewind(&mut self) {
        self.cursor_ms = i64::MIN;
        self.rewound_at = Instant::now();
    }

    pub(crate) fn needs_full_read(&self) -> bool {
        let interval = if self.is_backlog { BACKLOG_READ_INTERVAL } else { FULL_READ_INTERVAL };
        self.rewound_at.elapsed() >= interval
    }

    /// Moves the cursor behind a page that was read up to `until_ms`, and returns the page's events in the order of
    /// publishing. `None`: nothing can be used, and a larger page must be read.
    pub(crate) fn advance(&mut self, page: Page, until_ms: i64) -> Option<Vec<ClaimedEvent>> {
        let (mut events, mut read_ms) = (page.events, until_ms);
        self.is_backlog = page.is_full;
        if page.is_full {
            // The next page may hold more events of the last millisecond. They are read together with those.
            read_ms = events.last().map_or(read_ms, |last| last.due_ms);
            events.retain(|claimed| claimed.due_ms < read_ms);
            if events.is_empty() {
                // The whole page is due in one millisecond.
                self.limit *= 2;
                return None;
            }
            // What is read twice is less of a larger page.
            self.limit = self.limit.max(BACKLOG_PAGES * self.page_size);
        } else {
            self.limit = self.page_size;
        }
        // Events of the same millisecond are published in the order they were posted.
        events.sort_by_key(|claimed| (claimed.due_ms, claimed.event.sequence));
        self.cursor_ms = read_ms;
        Some(events)
    }
}
