//! A way round librdkafka's issue 5301: it can forget all its brokers.
//!
//! A broker that is just starting may answer that the cluster has no brokers. librdkafka believes that, drops
//! the brokers it knows, and never connects again. So we watch its statistics and add the brokers of the
//! settings again.

use std::ffi::CString;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rdkafka::bindings as c;
use rdkafka::client::{Client, ClientContext};
use rdkafka::statistics::Statistics;
use tracing::warn;

/// The brokers of `bootstrap.servers`, and whether one client has forgotten them. Clones share the state.
#[derive(Clone)]
pub(crate) struct BootstrapBrokers {
    servers: Arc<str>,
    forgotten: Arc<AtomicBool>,
}

impl BootstrapBrokers {
    /// `servers` is the value of `bootstrap.servers`.
    pub(crate) fn new(servers: &str) -> Self {
        Self { servers: servers.into(), forgotten: Arc::default() }
    }

    /// Notes whether the client still knows a broker.
    pub(crate) fn check(&self, statistics: &Statistics) {
        // The others are librdkafka's own entries, such as the one for the group's coordinator.
        let is_real = |source: &str| source == "learned" || source == "configured";
        let knows_any = statistics.brokers.values().any(|broker| is_real(&broker.source));
        self.forgotten.store(!knows_any, Ordering::Relaxed);
    }

    /// Adds the brokers to the client again, if it has forgotten them.
    #[expect(unsafe_code, reason = "rdkafka has no binding for this")]
    pub(crate) fn add_brokers_if_forgotten<C: ClientContext>(&self, client: &Client<C>) {
        if !self.forgotten.swap(false, Ordering::Relaxed) {
            return;
        }
        warn!("librdkafka has forgotten its brokers; adding {} again", self.servers);
        if let Ok(servers) = CString::new(&*self.servers) {
            // SAFETY: the client lives, and librdkafka copies the text.
            unsafe { c::rd_kafka_brokers_add(client.native_ptr(), servers.as_ptr()) };
        }
    }
}
