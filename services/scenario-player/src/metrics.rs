//! What this service counts.

use prometheus::{Histogram, HistogramOpts, IntCounter, IntGauge, Opts, Registry};

/// The service's metrics. Cloning shares them.
#[derive(Clone)]
pub(crate) struct Metrics {
    published: IntCounter,
    repeated: IntCounter,
    lateness: Histogram,
    posted_steps: IntCounter,
    listeners: IntGauge,
}

impl Metrics {
    /// Registers them.
    ///
    /// # Errors
    /// When the registry has them already.
    pub(crate) fn new(registry: &Registry) -> prometheus::Result<Self> {
        let counter = |name: &str, help: &str| -> prometheus::Result<IntCounter> {
            let counter = IntCounter::with_opts(Opts::new(name, help))?;
            registry.register(Box::new(counter.clone()))?;
            Ok(counter)
        };
        let lateness = HistogramOpts::new("scenario_player_lateness_seconds", "publish minus due").buckets(
            [0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 3.0, 4.0, 5.0, 7.5, 10.0, 25.0, 100.0, 1000.0]
                .map(|ms| ms / 1000.0)
                .to_vec(),
        );
        let lateness = Histogram::with_opts(lateness)?;
        registry.register(Box::new(lateness.clone()))?;
        let listeners = IntGauge::new("scenario_player_event_listeners", "open streams of /events")?;
        registry.register(Box::new(listeners.clone()))?;
        Ok(Self {
            published: counter(
                "scenario_player_events_published_total",
                "events handed to the broker, repeats included",
            )?,
            repeated: counter(
                "scenario_player_events_given_up_total",
                "published events whose lease was lost before they were acknowledged",
            )?,
            lateness,
            posted_steps: counter(
                "scenario_player_steps_posted_total",
                "steps put on the timeline by requests",
            )?,
            listeners,
        })
    }

    pub(crate) fn published(&self, late_ms: f64) {
        self.published.inc();
        self.lateness.observe(late_ms.max(0.0) / 1000.0);
    }

    pub(crate) fn repeated(&self, events: usize) {
        self.repeated.inc_by(u64::try_from(events).unwrap_or(u64::MAX));
    }

    pub(crate) fn posted(&self, steps: usize) {
        self.posted_steps.inc_by(u64::try_from(steps).unwrap_or(u64::MAX));
    }

    /// Counts a listener for as long as the guard lives.
    pub(crate) fn listener(&self) -> ListenerGuard {
        self.listeners.inc();
        ListenerGuard(self.listeners.clone())
    }
}

pub(crate) struct ListenerGuard(IntGauge);

impl Drop for ListenerGuard {
    fn drop(&mut self) {
        self.0.dec();
    }
}
