//! What preflight counts; sockets are counted by ws-server under the same prefix.

use prometheus::{Histogram, HistogramOpts, IntCounter, IntGauge, Registry};

/// The service's own metrics.
#[derive(Clone)]
pub(crate) struct Metrics {
    pub(crate) runs: IntGauge,
    pub(crate) notifications: IntGauge,
    pub(crate) events: IntCounter,
    pub(crate) answers: IntCounter,
    pub(crate) read_failures: IntCounter,
    pub(crate) read_seconds: Histogram,
}

impl Metrics {
    /// Makes the metrics and registers them.
    ///
    /// # Errors
    /// When they are registered already.
    pub(crate) fn register(registry: &Registry) -> prometheus::Result<Self> {
        let metrics = Self {
            runs: IntGauge::new("preflight_runs", "Runs that are watched, or were a moment ago.")?,
            notifications: IntGauge::new(
                "preflight_notifications_enabled",
                "1 if Redis tells of changes of runs, 0 if watched runs are polled.",
            )?,
            events: IntCounter::new("preflight_events_total", "Changes of runs that Redis has told.")?,
            answers: IntCounter::new(
                "preflight_answers_total",
                "Answers that differed from the one before, sent once to all viewers of their run.",
            )?,
            read_failures: IntCounter::new(
                "preflight_read_failures_total",
                "Reads of runs that have failed.",
            )?,
            read_seconds: Histogram::with_opts(
                HistogramOpts::new(
                    "preflight_read_seconds",
                    "Time of a read of a run, and its subscription if new.",
                )
                .buckets(vec![0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.05, 0.25, 1.0, 5.0]),
            )?,
        };
        registry.register(Box::new(metrics.runs.clone()))?;
        registry.register(Box::new(metrics.notifications.clone()))?;
        registry.register(Box::new(metrics.events.clone()))?;
        registry.register(Box::new(metrics.answers.clone()))?;
        registry.register(Box::new(metrics.read_failures.clone()))?;
        registry.register(Box::new(metrics.read_seconds.clone()))?;
        Ok(metrics)
    }
}
