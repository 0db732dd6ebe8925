//! What status-proxy counts, beside its sockets.

use prometheus::{Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry};

/// The service's metrics.
#[derive(Clone)]
pub(crate) struct Metrics {
    pub(crate) viewers: IntGauge,
    channels: IntGauge,
    pub(crate) lines: IntCounter,
    pub(crate) deliveries: IntCounter,
    pub(crate) gaps: IntCounter,
    resumes: IntCounterVec,
    pub(crate) probe_seconds: Histogram,
    pub(crate) probes_lost: IntCounter,
    pub(crate) recorded: IntCounter,
    pub(crate) is_recorder: IntGauge,
}

impl Metrics {
    pub(crate) fn register(registry: &Registry) -> prometheus::Result<Self> {
        let counter = |name: &str, help: &str| {
            let counter = IntCounter::new(format!("status_proxy_{name}"), help)?;
            registry.register(Box::new(counter.clone()))?;
            Ok::<_, prometheus::Error>(counter)
        };
        let gauge = |name: &str, help: &str| {
            let gauge = IntGauge::new(format!("status_proxy_{name}"), help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok::<_, prometheus::Error>(gauge)
        };
        let resumes = IntCounterVec::new(
            Opts::new("status_proxy_resumes_total", "Answers to clients that asked for the past."),
            &["recovered"],
        )?;
        registry.register(Box::new(resumes.clone()))?;
        let probe_seconds = Histogram::with_opts(
            HistogramOpts::new("status_proxy_probe_seconds", "From a probe's publish to its arrival here.")
                .buckets(vec![0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.0]),
        )?;
        registry.register(Box::new(probe_seconds.clone()))?;
        Ok(Self {
            viewers: gauge("viewers", "Clients that watch.")?,
            channels: gauge("channels", "Channels with lines or clients here.")?,
            lines: counter("lines_total", "Status lines heard from Redis.")?,
            deliveries: counter("deliveries_total", "Status lines given to clients.")?,
            gaps: counter("gaps_total", "Times that lines may have been missed.")?,
            resumes,
            probe_seconds,
            probes_lost: counter(
                "probes_lost_total",
                "Probes that did not arrive: the subscription is made anew.",
            )?,
            recorded: counter("recorded_lines_total", "Status lines recorded in Redis by this instance.")?,
            is_recorder: gauge("is_recorder", "1 if this instance records history in Redis.")?,
        })
    }

    pub(crate) fn resumed(&self, recovered: bool) {
        self.resumes.with_label_values(&[if recovered { "true" } else { "false" }]).inc();
    }

    pub(crate) fn add_channels(&self, change: i64) {
        self.channels.add(change);
    }
}
