//! What this service counts.

use prometheus::core::Collector;
use prometheus::{Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry};

/// The metrics of a worker.
#[derive(Clone)]
pub struct Metrics {
    /// Messages heard, by kind: clean, other, garbage.
    pub messages: IntCounterVec,
    /// Messages that a game ended, by what came of them: queued, known, unknown.
    pub enqueued: IntCounterVec,
    /// Jobs made without a message.
    pub reconciled: IntCounter,
    /// Jobs by result: committed, failed, dead, lost (to another worker).
    pub jobs: IntCounterVec,
    /// Rows committed, in each of the tables.
    pub rows: IntCounter,
    /// Files published, in each of the tables.
    pub parts: IntCounter,
    /// Attempts to write that the output refused.
    pub output_errors: IntCounter,
    /// From the job's making to its commit.
    pub latency: Histogram,
    /// Jobs that are not done.
    pub backlog: IntGauge,
    /// Dead letters.
    pub dead: IntGauge,
}

impl Metrics {
    /// Registers them.
    ///
    /// # Errors
    /// When a name is taken.
    pub fn new(registry: &Registry) -> prometheus::Result<Self> {
        fn kept<C: Collector + Clone + 'static>(
            registry: &Registry,
            metric: prometheus::Result<C>,
        ) -> prometheus::Result<C> {
            let metric = metric?;
            registry.register(Box::new(metric.clone()))?;
            Ok(metric)
        }
        let counter = |name: &str, help: &str| IntCounter::new(format!("etl_worker_{name}"), help);
        let gauge = |name: &str, help: &str| IntGauge::new(format!("etl_worker_{name}"), help);
        let counters = |name: &str, help: &str, label: &str| {
            IntCounterVec::new(Opts::new(format!("etl_worker_{name}"), help), &[label])
        };
        let buckets = vec![0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0];
        let latency = HistogramOpts::new(
            "etl_worker_commit_latency_seconds",
            "from the making of a job to the commit of its file",
        );
        Ok(Self {
            messages: kept(registry, counters("messages_total", "messages heard", "kind"))?,
            enqueued: kept(registry, counters("enqueued_total", "messages that a game ended", "result"))?,
            reconciled: kept(registry, counter("reconciled_total", "jobs made without a message"))?,
            jobs: kept(registry, counters("jobs_total", "jobs worked on", "result"))?,
            rows: kept(registry, counter("rows_total", "rows committed in each table"))?,
            parts: kept(registry, counter("parts_total", "files published in each table"))?,
            output_errors: kept(
                registry,
                counter("output_errors_total", "attempts to write that were refused"),
            )?,
            latency: kept(registry, Histogram::with_opts(latency.buckets(buckets)))?,
            backlog: kept(registry, gauge("backlog_jobs", "jobs that are not done"))?,
            dead: kept(registry, gauge("dead_letters", "games that failed for good"))?,
        })
    }
}
