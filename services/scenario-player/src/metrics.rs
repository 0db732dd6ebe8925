//! What this service counts.

use prometheus::IntGauge;

/// In seconds. Lateness is usually below a millisecond, so most buckets are around there.
const LATENESS_BUCKETS: [f64; 15] = [
    0.000_25, 0.000_5, 0.000_75, 0.001, 0.001_25, 0.001_5, 0.002, 0.003, 0.004, 0.005, 0.007_5, 0.01, 0.025,
    0.1, 1.0,
];

chassis::metrics! {
    /// The service's metrics. Clones share them.
    pub(crate) struct Metrics("scenario_player_") {
        published: IntCounter = "events_published_total", "events handed to the broker, including repeated ones";
        given_up: IntCounter = "events_given_up_total", "published events whose lease was lost before they were acknowledged";
        dead_letters: IntCounter = "dead_letters_total", "steps that the broker refused for good";
        waiting_dead_letters: IntGauge = "dead_letters", "dead letters that wait now, of all instances";
        lateness: Histogram{LATENESS_BUCKETS.to_vec()} = "lateness_seconds", "time from when an event was due to when it was published";
        posted_steps: IntCounter = "steps_posted_total", "steps put on the timeline by requests";
        subscribers: IntGauge = "event_listeners", "open streams of /events";
    }
}

impl Metrics {
    pub(crate) fn count_published(&self, late_ms: f64) {
        self.published.inc();
        self.lateness.observe(late_ms.max(0.0) / 1000.0);
    }

    pub(crate) fn count_given_up(&self, events: usize) {
        self.given_up.inc_by(u64::try_from(events).unwrap_or(u64::MAX));
    }

    pub(crate) fn count_dead_letters(&self, steps: usize) {
        self.dead_letters.inc_by(u64::try_from(steps).unwrap_or(u64::MAX));
    }

    pub(crate) fn set_dead_letters(&self, waiting: usize) {
        self.waiting_dead_letters.set(i64::try_from(waiting).unwrap_or(i64::MAX));
    }

    pub(crate) fn count_posted_steps(&self, steps: usize) {
        self.posted_steps.inc_by(u64::try_from(steps).unwrap_or(u64::MAX));
    }

    /// Counts a subscriber of `/events` for as long as the guard lives.
    pub(crate) fn count_subscriber(&self) -> SubscriberGuard {
        self.subscribers.inc();
        SubscriberGuard(self.subscribers.clone())
    }
}

/// Takes the subscriber off the count when it is dropped.
pub(crate) struct SubscriberGuard(IntGauge);

impl Drop for SubscriberGuard {
    fn drop(&mut self) {
        self.0.dec();
    }
}
