//! How a stored scenario or recording is played: its position, its speed, and what of it is still due. Below, its items are
//! a scenario's steps, or a recording's messages.
//!
//! A position counts from the earliest item. A playback is a list of segments. A segment begins at a time and a
//! position, and runs at one speed. Every change of the playback begins a new segment. Position and due times follow from
//! the segments and the stored items. So a change of the playback only writes one small record, and replaces the upcoming
//! events on the timeline.

mod segment;
mod speed;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use self::segment::Segment;
pub use self::speed::Speed;
use crate::scenario::{Step, StepKind};
use crate::time::{EpochMicros, Timed};

/// The playback of one scenario or recording. The fields are stored under these names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Playback {
    length_us: i64,
    speed: Speed,
    paused: bool,
    looping: bool,
    /// Oldest first, and never empty. The last one may begin in the future: the next iteration of a loop.
    segments: Vec<Segment>,
}

/// What a playback is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlaybackState {
    /// Its first item is still due.
    Waiting,
    /// It is being played.
    Running,
    /// It stays at its position until it is resumed.
    Paused,
    /// Its last item was due.
    Ended,
}

/// An item that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// The number of the post or the change that put it on the timeline.
    pub post: u32,
    /// Which item it is.
    pub index: u32,
    /// When it is due.
    pub time: EpochMicros,
}

/// A change of a playback. `None` leaves a property as it is.
#[derive(Debug, Clone, Copy, Default)]
pub struct Change {
    /// Pause or resume.
    pub paused: Option<bool>,
    /// Play faster or slower.
    pub speed: Option<Speed>,
    /// Seek to this position (µs).
    pub position_us: Option<i64>,
    /// Begin again at the end, or stop doing so.
    pub looping: Option<bool>,
}

impl Playback {
    /// Plays `steps` at the times they have.
    pub fn as_recorded(steps: &[Step], post: u32) -> Self {
        Self::start(steps, first_time(steps), Speed::NORMAL, false, post)
    }

    /// Plays `items` from the beginning, starting at `now`.
    pub fn start<T: Timed>(items: &[T], now: EpochMicros, speed: Speed, looping: bool, post: u32) -> Self {
        let segment = Segment { from_us: now.as_micros(), position_us: 0, rate: speed.thousandths(), post };
        Self { length_us: length_us(items), speed, paused: false, looping, segments: vec![segment] }
    }

    /// The same playback after a change at `now`. `post` is the number for the events that this puts on the timeline.
    #[must_use]
    pub fn changed(&self, change: Change, now: EpochMicros, post: u32) -> Self {
        let mut new = self.clone();
        // An iteration that was scheduled ahead is dropped here, and scheduled again when its time comes.
        let first = new.segments[0];
        new.segments.retain(|segment| segment.has_begun(now));
        if new.segments.is_empty() {
            new.segments.push(first);
        }
        new.paused = change.paused.unwrap_or(self.paused);
        new.speed = change.speed.unwrap_or(self.speed);
        new.looping = change.looping.unwrap_or(self.looping);
        let begins_segment =
            change.position_us.is_some() || new.paused != self.paused || new.speed != self.speed;
        if begins_segment {
            // The new segment begins exactly at the first item that is due now or later. So none is published twice or left
            // out.
            let current_us = new.current_segment(now).first_pending_position(now).min(new.length_us + 1);
            let position_us = change.position_us.map_or(current_us, |target| target.clamp(0, new.length_us));
            new.begin_segment(now, position_us, post);
        }
        new
    }

    /// The playback with the next iteration of its loop scheduled, if the current one ends by `until`.
    #[must_use]
    pub fn next_iteration(&self, now: EpochMicros, until: EpochMicros, post: u32) -> Option<Self> {
        let end = self.iteration_end()?;
        (end <= until).then(|| {
            let mut new = self.clone();
            new.begin_segment(end.max(now), 0, post);
            new
        })
    }

    /// When the last scheduled iteration of a loop has ended, and the next one can begin.
    pub fn iteration_end(&self) -> Option<EpochMicros> {
        let last = self.segments.last().filter(|_| self.looping && !self.paused)?;
        let end = last.due_time(self.length_us.max(last.position_us))?;
        Some(end.plus(ITERATION_GAP_US))
    }

    /// The items that are due at `since` or later.
    pub fn due_since<T: Timed>(&self, items: &[T], since: EpochMicros) -> Vec<Due> {
        let origin_us = first_time(items).as_micros();
        let ends = self.segments.iter().skip(1).map(|next| next.from_us).chain([i64::MAX]);
        let segments = self.segments.iter().zip(ends).filter(|(_, end_us)| *end_us > since.as_micros());
        let mut all = Vec::new();
        for (segment, end_us) in segments {
            for (index, item) in (0u32..).zip(items) {
                let due = segment.due_time(item.time().as_micros() - origin_us);
                if let Some(time) = due.filter(|due| *due >= since && due.as_micros() < end_us) {
                    all.push(Due { post: segment.post, index, time });
                }
            }
        }
        all
    }

    /// The last step that was due by `time`, with its due time. `None` before the first step and after an EXIT.
    pub fn step_at(&self, steps: &[Step], time: EpochMicros) -> Option<Step> {
        let begun = |segment: &&Segment| segment.has_begun(time);
        let current = self.segments.iter().rev().find(begun)?;
        let (origin_us, position_us) = (first_time(steps).as_micros(), current.position_at(time));
        let offset_us = |step: &Step| step.time.as_micros() - origin_us;
        let last = steps.iter().filter(|step| offset_us(step) <= position_us).max_by_key(|step| step.time)?;
        let due =
            self.segments.iter().filter(begun).rev().find_map(|segment| segment.due_time(offset_us(last)));
        (last.kind != StepKind::Exit).then(|| Step { time: due.unwrap_or(last.time).min(time), ..*last })
    }

    /// What it is doing at `now`.
    pub fn state(&self, now: EpochMicros) -> PlaybackState {
        match self.current_segment(now).position_at(now) {
            position if position > self.length_us && !self.looping => PlaybackState::Ended,
            _ if self.paused => PlaybackState::Paused,
            position if position < 0 => PlaybackState::Waiting,
            _ => PlaybackState::Running,
        }
    }

    /// Its position at `now`, between 0 and its length (µs).
    pub fn position_us(&self, now: EpochMicros) -> i64 {
        self.current_segment(now).position_at(now).clamp(0, self.length_us)
    }

    /// From the earliest item to the latest (µs).
    pub fn length_us(&self) -> i64 {
        self.length_us
    }

    /// How fast it is played while it is not paused.
    pub fn speed(&self) -> Speed {
        self.speed
    }

    /// Whether it begins again at its end.
    pub fn is_looping(&self) -> bool {
        self.looping
    }

    fn current_segment(&self, now: EpochMicros) -> &Segment {
        let current = self.segments.iter().rev().find(|segment| segment.has_begun(now));
        current.unwrap_or(&self.segments[0])
    }

    fn begin_segment(&mut self, from: EpochMicros, position_us: i64, post: u32) {
        let rate = if self.paused { 0 } else { self.speed.thousandths() };
        self.segments.push(Segment { from_us: from.as_micros(), position_us, rate, post });
        let surplus = self.segments.len().saturating_sub(MAX_SEGMENTS);
        self.segments.drain(..surplus);
    }
}

/// The earliest time of any item. They may be given in any order.
fn first_time<T: Timed>(items: &[T]) -> EpochMicros {
    items.iter().map(Timed::time).min().unwrap_or_default()
}

fn length_us<T: Timed>(items: &[T]) -> i64 {
    let last_us = items.iter().map(|item| item.time().as_micros()).max().unwrap_or_default();
    last_us - first_time(items).as_micros()
}

/// From the last item of one iteration of a loop to the first item of the next.
const ITERATION_GAP_US: i64 = 1_000_000;
/// Segments that a playback keeps, so that `GET /state` can answer for times in the past.
const MAX_SEGMENTS: usize = 64;
