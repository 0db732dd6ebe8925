//! The time of whoever keeps the timeline, as seen from here.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::time::Micros;

/// The timeline's clock: this process's monotonic clock and an offset. A jump of the system's clock moves nothing, and no
/// two instances disagree by more than half a round trip.
pub(crate) struct Clock {
    origin: Instant,
    best: Mutex<Sample>,
}

#[derive(Clone, Copy)]
struct Sample {
    /// What the timeline's clock showed at `origin`, in milliseconds.
    offset_ms: f64,
    round_trip: Duration,
    taken: Instant,
}

impl Clock {
    /// Starts with this machine's clock, until the first sample.
    pub(crate) fn new() -> Self {
        let now = Instant::now();
        let offset_ms = jiff::Timestamp::now().as_microsecond() as f64 / 1000.0;
        Self { origin: now, best: Mutex::new(Sample { offset_ms, round_trip: Duration::MAX, taken: now }) }
    }

    /// Takes in what the timeline's clock showed somewhere between `asked` and now. The sample with the shortest round trip
    /// of the last seconds counts.
    pub(crate) fn sample(&self, shown_ms: f64, asked: Instant) {
        let now = Instant::now();
        let round_trip = now - asked;
        let middle = (asked - self.origin) + round_trip / 2;
        let offset_ms = shown_ms - middle.as_secs_f64() * 1000.0;
        let mut best = self.lock();
        if round_trip <= best.round_trip || now - best.taken > SAMPLE_LIFE {
            *best = Sample { offset_ms, round_trip, taken: now };
        }
    }

    /// Milliseconds since the epoch.
    pub(crate) fn now_ms(&self) -> f64 {
        self.lock().offset_ms + self.origin.elapsed().as_secs_f64() * 1000.0
    }

    /// The same as a time.
    pub(crate) fn now(&self) -> Micros {
        Micros::from_ms(self.now_ms()).unwrap_or_default()
    }

    /// When the clock will show `ms`.
    pub(crate) fn instant_of(&self, ms: f64) -> Instant {
        let ahead_s = (ms - self.now_ms()).max(0.0) / 1000.0;
        Instant::now() + Duration::try_from_secs_f64(ahead_s).unwrap_or(SAMPLE_LIFE)
    }

    fn lock(&self) -> MutexGuard<'_, Sample> {
        self.best.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

const SAMPLE_LIFE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_with_the_shortest_round_trip_counts() {
        let clock = Clock::new();
        clock.sample(5_000_000.0, Instant::now());
        assert!((clock.now_ms() - 5_000_000.0).abs() < 50.0);
        clock.sample(9_000_000.0, Instant::now() - Duration::from_millis(500));
        assert!((clock.now_ms() - 5_000_000.0).abs() < 50.0);
    }
}
