//! The metrics of this service.

use prometheus::IntCounter;

use crate::header::RequestKind;
use crate::request::Totals;

chassis::metrics! {
    /// Every metric of the service.
    pub(crate) struct Metrics("object_store_") {
        requests: IntCounterVec["type"] = "requests_total", "requests from clients, by type";
        refused: IntCounter = "refused_total", "requests that were refused";
        connections: IntGauge = "connections", "clients that are connected";
        connections_refused: IntCounter = "connections_refused_total", "connections refused because there were too many";
        objects: IntGauge = "objects", "objects (ids) in the store";
        contents: IntGauge = "contents", "distinct contents in the store";
        content_bytes: IntGauge = "content_bytes", "bytes of the distinct contents in the store";
        memory_bytes: IntGauge = "memory_bytes", "bytes of contents in memory (memory backend)";
        spilled_contents: IntGauge = "spilled_contents", "contents in files of OBJECT_STORE_SPILL_DIR";
        spilled_bytes: IntGauge = "spilled_bytes", "their bytes";
        spill_reads: IntCounter = "spill_reads_total", "contents that were read from a file";
        waiting_requests: IntGauge = "waiting_requests", "requests that wait on this node for an object to be created";
        awaited_objects: IntGauge = "awaited_objects", "objects that requests on this node wait for";
    }
}

impl Metrics {
    /// Shows the totals of the store.
    pub(crate) fn set_totals(&self, totals: &Totals) {
        for (gauge, value) in [
            (&self.objects, totals.ids),
            (&self.contents, totals.contents),
            (&self.content_bytes, totals.bytes),
            (&self.memory_bytes, totals.places.memory_bytes),
            (&self.spilled_contents, totals.places.spilled_contents),
            (&self.spilled_bytes, totals.places.spilled_bytes),
            (&self.waiting_requests, totals.waiting.requests),
            (&self.awaited_objects, totals.waiting.objects),
        ] {
            gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        }
        self.spill_reads.inc_by(totals.places.spill_reads.saturating_sub(self.spill_reads.get()));
    }
}

/// The counters of `object_store_requests_total`. Looking up a label takes a lock and a hash, so each is looked up once.
pub(crate) struct RequestCounters([IntCounter; 6]);

impl RequestCounters {
    pub(crate) fn new(metrics: &Metrics) -> Self {
        let types = ["set", "get", "delete", "duplicate", "totals", "unknown"];
        Self(types.map(|kind| metrics.requests.with_label_values(&[kind])))
    }

    pub(crate) fn count(&self, kind: RequestKind) {
        let index = match kind {
            RequestKind::Set => 0,
            RequestKind::Get => 1,
            RequestKind::Delete => 2,
            RequestKind::Duplicate => 3,
            RequestKind::Totals => 4,
            RequestKind::Unknown(_) => 5,
        };
        self.0[index].inc();
    }
}
