//! The timeline's clock, as this instance knows it. With Redis that is Redis's clock.

use std::time::{Duration, Instant};

use crate::time::EpochMicros;
use parking_lot::Mutex;

/// This process's monotonic clock plus an offset, so two instances differ by no more than half a round trip. When the
/// timeline's clock is set forward or back, the next sample shows it.
pub(crate) struct Clock {
    origin: Instant,
    best: Mutex<Sample>,
    /// This machine's clock minus the monotonic one, when that was last looked at (ms).
    wall_offset_ms: Mutex<f64>,
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
        let offset_ms = wall_ms();
        Self {
            origin: now,
            best: Mutex::new(Sample { offset_ms, round_trip: Duration::MAX, taken_at: now }),
            wall_offset_ms: Mutex::new(offset_ms),
        }
    }

    /// Takes a sample: the timeline's clock showed `timeline_ms` at some moment between `requested_at` and now. Of the
    /// samples of the last seconds, the one with the shortest round trip is used, unless a later one contradicts it. Then
    /// the clock was set, and the result is true: what waits for a time has to look again.
    pub(crate) fn sample(&self, timeline_ms: f64, requested_at: Instant) -> bool {
        let now = Instant::now();
        let round_trip = now - requested_at;
        let middle = (requested_at - self.origin) + round_trip / 2;
        let offset_ms = timeline_ms - middle.as_secs_f64() * 1000.0;
        let mut best = self.best.lock();
        let possible_ms = (best.round_trip.saturating_add(round_trip).as_secs_f64() / 2.0) * 1000.0;
        let is_step = (offset_ms - best.offset_ms).abs() > possible_ms + MAX_DRIFT_MS;
        if is_step || round_trip <= best.round_trip || now - best.taken_at > SAMPLE_TTL {
            *best = Sample { offset_ms, round_trip, taken_at: now };
        }
        is_step
    }

    /// Whether this machine's clock was set since the last call. The timeline's clock may be the same one.
    pub(crate) fn machine_clock_was_set(&self) -> bool {
        let offset_ms = wall_ms() - self.origin.elapsed().as_secs_f64() * 1000.0;
        let old_ms = std::mem::replace(&mut *self.wall_offset_ms.lock(), offset_ms);
        (offset_ms - old_ms).abs() > MAX_DRIFT_MS
    }

    /// Milliseconds since the epoch.
    pub(crate) fn now_ms(&self) -> f64 {
        self.best.lock().offset_ms + self.origin.elapsed().as_secs_f64() * 1000.0
    }

    /// The same as an [`EpochMicros`].
    pub(crate) fn now(&self) -> EpochMicros {
        EpochMicros::from_ms(self.now_ms()).unwrap_or_default()
    }

    /// Waits until this clock shows `time`. A better sample meanwhile can correct it a little, and then this waits on; one that was
    /// set back is not waited for.
    pub(crate) async fn sleep_until(&self, time: EpochMicros) {
        let ms = time.as_micros() as f64 / 1000.0;
        let latest = self.instant_at(ms) + MAX_CORRECTION;
        while self.now_ms() < ms && Instant::now() < latest {
            tokio::time::sleep_until(self.instant_at(ms).min(latest).into()).await;
        }
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

fn wall_ms() -> f64 {
    jiff::Timestamp::now().as_microsecond() as f64 / 1000.0
}

/// What a sample with a shorter round trip may correct.
const MAX_CORRECTION: Duration = Duration::from_secs(1);
const SAMPLE_TTL: Duration = Duration::from_secs(10);
/// Two clocks drift apart by less than this between two samples.
const MAX_DRIFT_MS: f64 = 20.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_waits_for_a_time_waits_for_what_a_better_sample_corrects_and_not_for_a_clock_that_was_set_back()
     {
        let clock = Clock::new();
        let ago = |ms| Instant::now() - Duration::from_millis(ms);
        clock.sample(5_000_000.0, ago(400));
        // Half of that was the way there, it was taken for granted; now it is known that it was all of it.
        let corrected = async {
            tokio::time::sleep(Duration::from_millis(30)).await;
            let now_ms = clock.now_ms();
            assert!(!clock.sample(now_ms - 150.0, Instant::now()), "it is no step");
        };
        let time = EpochMicros::from_ms(clock.now_ms() + 60.0).unwrap();
        tokio::join!(clock.sleep_until(time), corrected);
        assert!(clock.now() >= time);
        let set_back = async { assert!(clock.sample(1_000_000.0, Instant::now())) };
        let time = EpochMicros::from_ms(clock.now_ms() + 60.0).unwrap();
        let waited = Instant::now();
        tokio::join!(clock.sleep_until(time), set_back);
        assert!(waited.elapsed() < Duration::from_secs(20) && clock.now() < time);
    }

    #[test]
    fn the_sample_with_the_shortest_round_trip_is_used() {
        let clock = Clock::new();
        clock.sample(5_000_000.0, Instant::now());
        assert!((clock.now_ms() - 5_000_000.0).abs() < 50.0);
        assert!(!clock.sample(5_000_240.0, Instant::now() - Duration::from_millis(500)));
        assert!((clock.now_ms() - 5_000_000.0).abs() < 50.0);
    }

    #[test]
    fn a_clock_that_was_set_is_followed_at_the_next_sample() {
        let clock = Clock::new();
        assert!(!clock.sample(5_000_000.0, Instant::now()), "the first sample is no step");
        for set_to in [1_000_000.0, 9_000_000.0] {
            assert!(clock.sample(set_to, Instant::now() - Duration::from_millis(500)));
            assert!((clock.now_ms() - set_to).abs() < 400.0);
        }
        assert!(!clock.machine_clock_was_set());
    }
}
