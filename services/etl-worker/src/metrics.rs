//! The metrics of a worker.

const LATENCY_BUCKETS: [f64; 13] =
    [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0];

chassis::metrics! {
    /// The metrics of a worker.
    ///
    /// The labels: `messages_total{kind}` is `clean` (a game ended), `other` or `garbage`. `enqueued_total{result}` is
    /// `queued`, `known` (the game has a job, or was written, or is a dead letter) or `unknown` (Redis has no record of
    /// it). `jobs_total{result}` is `committed`, `failed`, `dead`, or `lost` (to another worker).
    pub struct Metrics("etl_worker_") {
        messages: IntCounterVec["kind"] = "messages_total", "messages received on the channel";
        enqueued: IntCounterVec["result"] = "enqueued_total", "messages that say a game ended, by what was done";
        reconciled: IntCounter = "reconciled_total", "jobs created without a message";
        jobs: IntCounterVec["result"] = "jobs_total", "jobs processed";
        rows: IntCounter = "rows_total", "rows committed in each table";
        parts: IntCounter = "parts_total", "files published in each table";
        output_errors: IntCounter = "output_errors_total", "writes that the output refused";
        latency: Histogram{LATENCY_BUCKETS.to_vec()} = "commit_latency_seconds", "time from creating a job to committing it";
        backlog: IntGauge = "backlog_jobs", "jobs that are not committed yet";
        dead: IntGauge = "dead_letters", "games that failed for good";
    }
}
