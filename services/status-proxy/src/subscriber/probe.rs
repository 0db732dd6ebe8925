//! The round trip that proves that the subscriptions work.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::metrics::Metrics;
use crate::store::Store;

/// How often probes are sent.
pub(super) const PROBE_INTERVAL: Duration = Duration::from_secs(2);
/// How long a probe may take.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

/// Messages to this instance itself, on a Cluster one by each primary. A connection, also one between two nodes of a Cluster, can
/// be dead without an error: then the probe does not arrive.
pub(super) struct Probe {
    channel: Arc<str>,
    metrics: Metrics,
    /// When those that have not arrived were sent, by their publishers' names.
    sent: Arc<Mutex<HashMap<String, Instant>>>,
}

impl Probe {
    pub(super) fn new(channel: Arc<str>, metrics: Metrics) -> Self {
        Self { channel, metrics, sent: Arc::default() }
    }

    pub(super) fn channel(&self) -> &Arc<str> {
        &self.channel
    }

    /// A new connection: probes that are under way do not count.
    pub(super) fn reset(&mut self) {
        self.sent.lock().clear();
    }

    /// Sends the next probes, if the last ones have arrived. `false`: one of them has not arrived in time.
    pub(super) fn tick(&mut self, store: &Arc<Store>) -> bool {
        let mut sent = self.sent.lock();
        if sent.values().any(|sent_at| sent_at.elapsed() > PROBE_TIMEOUT) {
            self.metrics.probes_lost.inc();
            sent.clear();
            return false;
        }
        if !sent.is_empty() {
            return true;
        }
        for publisher in store.publishers() {
            let name = publisher.to_string();
            sent.insert(name.clone(), Instant::now());
            let (store, sent) = (store.clone(), self.sent.clone());
            tokio::spawn(async move {
                if store.publish_probe(&publisher).await.is_err() {
                    // It cannot arrive.
                    sent.lock().remove(&name);
                }
            });
        }
        true
    }

    pub(super) fn on_arrival(&mut self, publisher: &str) {
        if let Some(sent_at) = self.sent.lock().remove(publisher) {
            self.metrics.probe_seconds.observe(sent_at.elapsed().as_secs_f64());
        }
    }
}
