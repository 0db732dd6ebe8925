//! What `/metrics` says of this service.

use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

use crate::header::Ask;
use crate::request::Totals;

/// Every metric of the service.
#[derive(Clone)]
pub(crate) struct Metrics {
    requests: [IntCounter; 6],
    pub(crate) refused: IntCounter,
    pub(crate) connections: IntGauge,
    pub(crate) connections_refused: IntCounter,
    totals: IntGaugeVec,
}

impl Metrics {
    /// Creates the metrics and shows them in `registry`.
    ///
    /// # Errors
    /// When one of the names is taken.
    pub(crate) fn new(registry: &Registry) -> prometheus::Result<Self> {
        let requests = IntCounterVec::new(
            Opts::new("object_store_requests_total", "Requests of clients, by type"),
            &["type"],
        )?;
        let refused = IntCounter::new("object_store_refused_total", "Requests that were refused")?;
        let connections = IntGauge::new("object_store_connections", "Clients that are connected")?;
        let connections_refused =
            IntCounter::new("object_store_connections_refused_total", "Connections beyond the limit")?;
        let totals = IntGaugeVec::new(
            Opts::new("object_store_held", "What the store holds: ids, contents, bytes; and what waits here"),
            &["what"],
        )?;
        registry.register(Box::new(requests.clone()))?;
        registry.register(Box::new(refused.clone()))?;
        registry.register(Box::new(connections.clone()))?;
        registry.register(Box::new(connections_refused.clone()))?;
        registry.register(Box::new(totals.clone()))?;
        let names = ["set", "get", "delete", "duplicate", "totals", "unknown"];
        let requests = names.map(|name| requests.with_label_values(&[name]));
        Ok(Self { requests, refused, connections, connections_refused, totals })
    }

    pub(crate) fn asked(&self, ask: Ask) {
        let place = match ask {
            Ask::Set => 0,
            Ask::Get => 1,
            Ask::Delete => 2,
            Ask::Duplicate => 3,
            Ask::Totals => 4,
            Ask::Unknown(_) => 5,
        };
        self.requests[place].inc();
    }

    /// Notes the store's totals.
    pub(crate) fn show(&self, totals: &Totals) {
        let numbers = [
            ("ids", totals.ids),
            ("contents", totals.contents),
            ("bytes", totals.bytes),
            ("waiting_requests", totals.waiting.requests),
            ("waited_for", totals.waiting.objects),
        ];
        for (what, number) in numbers {
            self.totals.with_label_values(&[what]).set(i64::try_from(number).unwrap_or(i64::MAX));
        }
    }
}
