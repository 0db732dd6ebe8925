//! The service's own metrics. ws-server counts the sockets, under the same prefix.

chassis::metrics! {
    /// What preflight counts.
    pub(crate) struct Metrics("preflight_") {
        runs: IntGauge = "runs", "runs that have viewers, or had some a moment ago";
        notifications_enabled: IntGauge = "notifications_enabled",
            "1 if a probe has shown that Redis reports changes of runs, 0 if not";
        events: IntCounter = "events_total", "changes of runs that Redis has reported";
        answers: IntCounter = "answers_total",
            "checklists that differed from the one before; each is sent to all viewers of its run";
        read_failures: IntCounter = "read_failures_total", "reads of runs that have failed";
        read_seconds: Histogram{vec![0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.05, 0.25, 1.0, 5.0]} =
            "read_seconds", "time to read a run, and to subscribe to it if it is new";
    }
}
