//! The server's metrics, under the service's own prefix.

use prometheus::{IntCounter, IntCounterVec, IntGaugeVec, Opts, Registry};

use crate::transport::Transport;

/// The server's metrics. Each name begins with `<prefix>_`.
#[derive(Clone)]
pub struct Metrics {
    connections: IntGaugeVec,
    opened: IntCounterVec,
    closed: IntCounterVec,
    refused: IntCounterVec,
    written_bytes: IntCounter,
    writes: IntCounter,
}

impl Metrics {
    /// Creates the metrics and registers them.
    ///
    /// # Errors
    /// The prefix is not valid in a metric name, or the metrics are registered already.
    pub fn register(registry: &Registry, prefix: &str) -> prometheus::Result<Self> {
        let name = |name: &str, help: &str| Opts::new(format!("{prefix}_{name}"), help);
        let metrics = Self {
            connections: IntGaugeVec::new(
                name("connections", "Clients that are connected now."),
                &["transport"],
            )?,
            opened: IntCounterVec::new(
                name("connections_opened_total", "Clients that connected."),
                &["transport"],
            )?,
            closed: IntCounterVec::new(
                name("connections_closed_total", "Clients that were closed, by cause."),
                &["cause"],
            )?,
            refused: IntCounterVec::new(
                name(
                    "requests_refused_total",
                    "Requests that the server refused without asking the service, by reason.",
                ),
                &["reason"],
            )?,
            written_bytes: IntCounter::with_opts(name("written_bytes_total", "Bytes written to clients."))?,
            writes: IntCounter::with_opts(name("writes_total", "Write calls on the sockets of clients."))?,
        };
        for transport in [Transport::WebSocket, Transport::EventStream] {
            metrics.connections.with_label_values(&[transport.label()]);
            metrics.opened.with_label_values(&[transport.label()]);
        }
        for cause in ["client", "silent", "slow", "protocol", "expired", "restart", "service"] {
            metrics.closed.with_label_values(&[cause]);
        }
        registry.register(Box::new(metrics.connections.clone()))?;
        registry.register(Box::new(metrics.opened.clone()))?;
        registry.register(Box::new(metrics.closed.clone()))?;
        registry.register(Box::new(metrics.refused.clone()))?;
        registry.register(Box::new(metrics.written_bytes.clone()))?;
        registry.register(Box::new(metrics.writes.clone()))?;
        Ok(metrics)
    }

    pub(crate) fn record_open(&self, transport: Transport) {
        self.connections.with_label_values(&[transport.label()]).inc();
        self.opened.with_label_values(&[transport.label()]).inc();
    }

    pub(crate) fn record_end(&self, transport: Transport) {
        self.connections.with_label_values(&[transport.label()]).dec();
    }

    pub(crate) fn record_close(&self, cause: &str) {
        self.closed.with_label_values(&[cause]).inc();
    }

    pub(crate) fn record_refusal(&self, reason: &str) {
        self.refused.with_label_values(&[reason]).inc();
    }

    pub(crate) fn record_write(&self, bytes: usize) {
        self.written_bytes.inc_by(bytes as u64);
        self.writes.inc();
    }
}
