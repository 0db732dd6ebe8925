//! The timeline's clock, as this instance knows it. With Redis that is Redis's clock.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::time::EpochMicros;

/// This process's monotonic clock plus an offset. A jump of the system clock does not affect it, and two instances differ
/// by no more than half a round trip.
pub(crate) struct Clock {
    origin: Instant,
    best: Mutex<Sample>,
}

#[derive(Clone, Copy)]
struct Sample {
    /// The timeline's time at `origin`, in milliseconds.
    offset_ms: f64,
    round_trip: Duration,
    taken_at: Instant,
}

impl Clock {
    /// Starts with this machine's clock, until the first sample.
    pub(crate) fn new() -> Self {
        let now = Instant::now();
        let offset_ms = jiff::Timestamp::now().as_microsecond() as f64 / 1000.0;
        Self { origin: now, best: Mutex::new(Sample { offset_ms, round_trip: Duration::MAX, taken_at: now }) }
    }

    /// Takes a sample: the timeline's clock showed `timeline_ms` at some moment between `requested_at` and now. Of the
    /// samples of the last seconds, the one with the shortest round trip is used.
    pub(crate) fn sample(&self, timeline_ms: f64, requested_at: Instant) {
        let now = Instant::now();
        let round_trip = now - requested_at;
        let middle = (requested_at - self.origin) + round_trip / 2;
        let offset_ms = timeline_ms - middle.as_secs_f64() * 1000.0;
        let mut best = self.best.lock();
        if round_trip <= best.round_trip || now - best.taken_at > SAMPLE_TTL {
            *best = Sample { offset_ms, round_trip, taken_at: now };
        }
    }

    /// Milliseconds since the epoch.
    pub(crate) fn now_ms(&self) -> f64 {
        self.best.lock().offset_ms + self.origin.elapsed().as_secs_f64() * 1000.0
    }

    /// The same as an [`EpochMicros`].
    pub(crate) fn now(&self) -> EpochMicros {
        EpochMicros::from_ms(self.now_ms()).unwrap_or_default()
    }

    /// The moment at which this clock will show `ms`.
    pub(crate) fn instant_at(&self, ms: f64) -> Instant {
        let ahead_s = (ms - self.now_ms()).max(0.0) / 1000.0;
        Instant::now() + Duration::try_from_secs_f64(ahead_s).unwrap_or(SAMPLE_TTL)
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

const SAMPLE_TTL: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_with_the_shortest_round_trip_is_used() {
        let clock = Clock::new();
        clock.sample(5_000_000.0, Instant::now());
        assert!((clock.now_ms() - 5_000_000.0).abs() < 50.0);
        clock.sample(9_000_000.0, Instant::now() - Duration::from_millis(500));
        assert!((clock.now_ms() - 5_000_000.0).abs() < 50.0);
    }
}
