//! Brokers that librdkafka has forgotten.
//!
//! A broker that is just starting may answer that there are none. librdkafka believes it, drops those that it knows, and
//! connects to nobody ever after (its issue 5301).

use std::ffi::CString;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rdkafka::bindings as c;
use rdkafka::client::{Client, ClientContext};
use rdkafka::statistics::Statistics;
use tracing::warn;

/// The brokers of a client, which is told them again when it has forgotten them. Cloning shares them.
#[derive(Clone)]
pub(crate) struct Brokers {
    servers: Arc<str>,
    forgotten: Arc<AtomicBool>,
}

impl Brokers {
    /// Those of `bootstrap.servers`.
    pub(crate) fn new(servers: &str) -> Self {
        Self { servers: servers.into(), forgotten: Arc::default() }
    }

    /// Looks whether the client still knows any.
    pub(crate) fn look(&self, statistics: &Statistics) {
        // Besides, there are the client's own, such as the one that stands for the group's coordinator.
        let is_real = |source: &str| source == "learned" || source == "configured";
        let known = statistics.brokers.values().any(|broker| is_real(&broker.source));
        self.forgotten.store(!known, Ordering::Relaxed);
    }

    /// Tells the client, if it has forgotten them.
    #[expect(unsafe_code, reason = "rdkafka has no binding for this")]
    pub(crate) fn tell<C: ClientContext>(&self, client: &Client<C>) {
        if !self.forgotten.swap(false, Ordering::Relaxed) {
            return;
        }
        warn!("librdkafka knows no broker any more: it is told {} again", self.servers);
        if let Ok(servers) = CString::new(&*self.servers) {
            // SAFETY: the client lives, and copies the text.
            unsafe { c::rd_kafka_brokers_add(client.native_ptr(), servers.as_ptr()) };
        }
    }
}

impl ClientContext for Brokers {
    fn stats(&self, statistics: Statistics) {
        self.look(&statistics);
    }
}
