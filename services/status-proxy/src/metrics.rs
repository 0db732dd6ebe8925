//! What status-proxy counts. ws-server counts its sockets.

chassis::metrics! {
    /// The service's metrics.
    pub(crate) struct Metrics("status_proxy_") {
        viewers: IntGauge = "viewers", "Clients that watch.";
        channels: IntGauge = "channels", "Channels with lines or clients in this instance.";
        lines: IntCounter = "lines_total", "Status lines received from Redis.";
        deliveries: IntCounter = "deliveries_total", "Status lines sent to clients.";
        gaps: IntCounter = "gaps_total", "Times that lines may have been missed.";
        resumes: IntCounterVec["recovered"] = "resumes_total", "Answers to clients that asked for history.";
        probe_seconds: Histogram{vec![0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.0]} =
            "probe_seconds", "Time from the publication of a probe to its arrival.";
        probes_lost: IntCounter = "probes_lost_total", "Probes that did not arrive: the connection is made anew.";
        recorded: IntCounter = "recorded_lines_total", "Status lines that this instance recorded in Redis.";
        is_recorder: IntGauge = "is_recorder", "Partitions whose history this instance records in Redis; on one Redis there is one.";
    }
}

impl Metrics {
    pub(crate) fn count_resume(&self, recovered: bool) {
        self.resumes.with_label_values(&[if recovered { "true" } else { "false" }]).inc();
    }
}
