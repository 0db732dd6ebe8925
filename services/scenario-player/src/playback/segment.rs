//! A stretch of a playback during which nothing about it changes.

use serde::{Deserialize, Serialize};

use crate::time::EpochMicros;

/// From a moment on, a playback runs from a position at a speed. The fields are stored under these names.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Segment {
    /// When it begins.
    pub(crate) from_us: i64,
    /// The position at which it begins.
    pub(crate) position_us: i64,
    /// The speed in thousandths; 0 while paused.
    pub(crate) rate: i64,
    /// The number of the post that put the segment's events on the timeline.
    pub(crate) post: u32,
}

impl Segment {
    pub(crate) fn has_begun(&self, now: EpochMicros) -> bool {
        self.from_us <= now.as_micros()
    }

    /// The position at `now`.
    pub(crate) fn position_at(&self, now: EpochMicros) -> i64 {
        self.position_after(self.elapsed_scaled(now) / 1000)
    }

    /// The smallest position that is due at `now` or later.
    pub(crate) fn first_pending_position(&self, now: EpochMicros) -> i64 {
        self.position_after((self.elapsed_scaled(now) + 999).div_euclid(1000))
    }

    /// When the position `offset_us` is due. `None` if this segment is paused or begins after that position.
    pub(crate) fn due_time(&self, offset_us: i64) -> Option<EpochMicros> {
        let ahead_us = offset_us - self.position_us;
        (self.rate > 0 && ahead_us >= 0).then(|| {
            let wait_us = ahead_us.saturating_mul(1000) / self.rate.max(1);
            EpochMicros::default().plus(self.from_us).plus(wait_us)
        })
    }

    /// Elapsed time times the rate, which counts thousandths.
    fn elapsed_scaled(&self, now: EpochMicros) -> i128 {
        i128::from(now.as_micros() - self.from_us) * i128::from(self.rate)
    }

    fn position_after(&self, moved_us: i128) -> i64 {
        self.position_us.saturating_add(i64::try_from(moved_us).unwrap_or(i64::MAX))
    }
}
