//! The round trip that proves that the subscriptions work.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::metrics::Metrics;

/// How often a probe is sent.
pub(super) const PROBE_INTERVAL: Duration = Duration::from_secs(2);
/// How long a probe may take.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

/// A message to this instance itself. A connection can be dead without an error: then the probe does not arrive.
pub(super) struct Probe {
    channel: Arc<str>,
    metrics: Metrics,
    sent_at: Option<Instant>,
    /// The last probe could not be published, so it cannot arrive.
    has_failed: Arc<AtomicBool>,
}

/// What to do at the next tick.
pub(super) enum ProbeTick {
    Send,
    Wait,
    TimedOut,
}

impl Probe {
    pub(super) fn new(channel: Arc<str>, metrics: Metrics) -> Self {
        Self { channel, metrics, sent_at: None, has_failed: Arc::default() }
    }

    pub(super) fn channel(&self) -> &Arc<str> {
        &self.channel
    }

    /// A new connection: a probe that is under way does not count.
    pub(super) fn reset(&mut self) {
        self.sent_at = None;
    }

    /// To be set when the probe could not be published.
    pub(super) fn failure(&self) -> Arc<AtomicBool> {
        self.has_failed.clone()
    }

    pub(super) fn tick(&mut self) -> ProbeTick {
        if self.has_failed.swap(false, Ordering::Relaxed) {
            self.sent_at = None;
        }
        match self.sent_at {
            None => {
                self.sent_at = Some(Instant::now());
                ProbeTick::Send
            }
            Some(sent_at) if sent_at.elapsed() > PROBE_TIMEOUT => {
                self.metrics.probes_lost.inc();
                self.sent_at = None;
                ProbeTick::TimedOut
            }
            Some(_) => ProbeTick::Wait,
        }
    }

    pub(super) fn on_arrival(&mut self) {
        if let Some(sent_at) = self.sent_at.take() {
            self.metrics.probe_seconds.observe(sent_at.elapsed().as_secs_f64());
        }
    }
}
