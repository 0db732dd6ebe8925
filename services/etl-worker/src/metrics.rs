//! The metrics of a worker.

const LATENCY_BUCKETS: [f64; 13] =
    [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0];

chassis::metrics! {
    /// The metrics of a worker.
    ///
    /// The labels: `messages_total{kind}` is `clean` (a game ended), `other` or `garbage`. `enqueued_total{result}` is
    /// `queued`, `known` (the game has a job, or was written, or is a dead letter), `unknown` (Redis has no record of it)
    /// or `unreadable` (its key holds something else). `jobs_total{result}` is `committed`,
    /// `failed`, `dead`, or `lost` (to another worker). `backlog_jobs{dataset}` and `dead_letters{dataset}` are of all workers.
    pub struct Metrics("etl_worker_") {
        messages: IntCounterVec["kind"] = "messages_total", "messages received on the channel";
        enqueued: IntCounterVec["result"] = "enqueued_total", "messages that say a game ended, by what was done";
        reconciled: IntCounter = "reconciled_total", "jobs created without a message";
        jobs: IntCounterVec["result"] = "jobs_total", "jobs processed";
        rows: IntCounter = "rows_total", "rows committed, of all tables";
        parts: IntCounter = "parts_total", "files published in each table";
        redis_errors: IntCounter = "redis_errors_total", "rounds that Redis refused or did not answer; they are tried again";
        invalid_jobs: IntCounter = "invalid_jobs_total", "entries of the stream of jobs that are no jobs; they are removed";
        output_errors: IntCounter = "output_errors_total", "writes that the output refused";
        latency: Histogram{LATENCY_BUCKETS.to_vec()} = "commit_latency_seconds", "time from creating a job to committing it";
        backlog: IntGaugeVec["dataset"] = "backlog_jobs", "jobs that are not committed yet";
        dead: IntGaugeVec["dataset"] = "dead_letters", "games that failed for good";
    }
}
